"""Field validity and smuggling (RFC 9113 sections 8.1 to 8.3): judged by what the origin received."""

from __future__ import annotations

import queue
from dataclasses import dataclass

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Type
from tests.support.raw import RawClient
from tests.support.raw_origin import GRPC_HEAD, OK, RawServer
from tests.support.siege import Siege

RECEIVED: queue.Queue[object] = queue.Queue()
PATH, AUTHORITY = b"/fastgw.test.Echo/Unary", b"echo.gw.test"


def echo(peer: RawServer) -> None:
    """Notes every head, every octet of content and every reset, and answers when a request has ended."""
    peer.begin()
    peer.timeout = 60.0
    while True:
        frame = peer.expect(Type.HEADERS, Type.DATA, Type.RST_STREAM)
        if frame.type == Type.HEADERS:
            RECEIVED.put(peer.fields(frame))
        elif frame.type == Type.DATA:
            RECEIVED.put(frame.payload)
        if frame.ends_stream:
            peer.head(frame.stream_id, GRPC_HEAD)
            peer.head(frame.stream_id, OK, end=True)


HOSTILE = {"echo": echo}


def request(*more: tuple[bytes, bytes], **instead: bytes | None) -> list[tuple[bytes, bytes]]:
    """A request head for the noting origin; `instead` changes pseudo-fields, None leaves one out."""
    head = f.request(PATH, AUTHORITY, *more)
    changed = {b":" + name.encode(): value for name, value in instead.items()}
    fields = [(name, changed.get(name, value)) for name, value in head]
    return [(name, value) for name, value in fields if value is not None]


@dataclass(frozen=True)
class Bad:
    """A request of which the origin must not receive an octet."""

    name: str
    fields: list[tuple[bytes, bytes]]
    code: Code = Code.PROTOCOL_ERROR
    body: bytes | None = None


NAMES = {
    "upper": b"X-a", "space": b"x a", "leading-space": b" xa", "colon": b"x:a", "cr": b"x\ra", "lf": b"x\na",
    "nul": b"x\0a", "delete": b"x\x7fa", "high": b"x\xe9a", "empty": b"", "comma": b"x,a", "brace": b"x{a",
    "colon-first": b":x", "tab": b"x\ta", "crlf": b"x: 1\r\ny", "request-line": b"get / http/1.1\r\nx",
}  # fmt: skip
VALUES = {
    "cr": b"a\rb", "lf": b"a\nb", "nul": b"a\0b", "crlf": b"a\r\nx-evil: 1", "space-first": b" a", "space-last": b"a ",
    "tab-first": b"\ta", "tab-last": b"a\t", "smuggled": b"a\r\n\r\nGET /admin HTTP/1.1\r\nHost: gw.test\r\n\r\n",
    "cr-last": b"a\r", "lf-first": b"\na",
}  # fmt: skip
PATHS = {
    "empty": b"", "cve-2026-33186-no-slash": PATH[1:], "star": b"*", "absolute": b"https://echo.gw.test" + PATH,
    "space": b"/a b", "crlf": b"/a\r\nx: 1", "nul": b"/a\0b", "fragment": b"/a#b", "tab": b"/a\tb",
    "http-1": b"/ HTTP/1.1\r\nHost: x", "delete": b"/a\x7f", "high": b"/\xe9",
}  # fmt: skip
AUTHORITIES = {
    "userinfo": b"me@echo.gw.test", "password": b"a:b@echo.gw.test", "space": b"echo.gw.test x", "crlf": b"echo.gw.test\r\n",
    "empty": b"", "slash": b"echo.gw.test/x", "nul": b"echo.gw.test\0",
}  # fmt: skip
LENGTHS = {
    "negative": [b"-1"], "plus": [b"+5"], "hex": [b"0x5"], "text": [b"five"], "empty": [b""], "list": [b"5, 5"],
    "fraction": [b"5.0"], "two": [b"5", b"6"], "twice": [b"5", b"5"], "above-2-to-63": [b"9223372036854775808"], "2-to-64": [b"18446744073709551621"],
    "many-digits": [b"5" * 400], "space": [b"5 5"],
}  # fmt: skip
FRAMING = [
    (b"connection", b"close"), (b"connection", b"x-hop"), (b"keep-alive", b"timeout=5"), (b"upgrade", b"h2c"),
    (b"proxy-connection", b"keep-alive"), (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity"),
    (b"te", b"gzip"), (b"te", b"trailers, deflate"), (b"te", b"chunked"),
]  # fmt: skip

BAD = [
    *(Bad(f"name-{word}", request((name, b"1"))) for word, name in NAMES.items()),
    *(Bad(f"value-{word}", request((b"x-a", value))) for word, value in VALUES.items()),
    *(Bad(f"path-{word}", request(path=value)) for word, value in PATHS.items()),
    *(Bad(f"authority-{word}", request(authority=value)) for word, value in AUTHORITIES.items()),
    *(Bad(f"{name.decode()}-{value.decode()}", request((name, value))) for name, value in FRAMING),
    *(
        Bad(
            f"content-length-{word}",
            request(*[(b"content-length", value) for value in values]),
            body=b"hello",
        )
        for word, values in LENGTHS.items()
    ),
    *(Bad(f"no-{name}", request(**{name: None})) for name in ("method", "scheme", "path", "authority")),
    *(
        Bad(f"two-{name.decode()[1:]}", [(name, value), *request()])
        for name, value in request()
        if name.startswith(b":")
    ),
    Bad("pseudo-unknown", [(b":x", b"1"), *request()]),
    Bad("pseudo-of-responses", [(b":status", b"200"), *request()]),
    Bad("pseudo-late", [*request(path=None), (b":path", b"/evil")]),
    Bad("pseudo-again-late", [*request(), (b":path", b"/evil")]),
    Bad("pseudo-upper", [(b":Path", b"/evil"), *request()]),
    Bad("host-disagrees", request((b"host", b"gw.test"))),
    Bad("host-twice", request((b"host", AUTHORITY), (b"host", AUTHORITY))),
    Bad("host-empty", request((b"host", b""))),
    Bad("host-with-user", request((b"host", b"me@echo.gw.test"), authority=None)),
    Bad("method-empty", request(method=b"")),
    Bad("method-space", request(method=b"GET /evil HTTP/1.1\r\n")),
    Bad("scheme-foreign", request(scheme=b"ftp")),
    Bad("scheme-smuggles", request(scheme=b"https://evil/?")),
    Bad("connect", request(method=b"CONNECT")),
    Bad("connect-plain", [(b":method", b"CONNECT"), (b":authority", AUTHORITY)]),
    Bad("extended-connect", [(b":protocol", b"websocket"), *request(method=b"CONNECT")]),
    Bad("length-without-content", request((b"content-length", b"5")), body=None),
]


def drain() -> list[object]:
    out = []
    while not RECEIVED.empty():
        out.append(RECEIVED.get())
    return out


def received(raw: RawClient, stream_id: int) -> list[object]:
    """What the origin has got by the time an honest call on the same connection is over, that call left out."""
    mark = [(b"x-mark", b"%d" % stream_id)]
    raw.send(f.headers(stream_id, f.literal(request(*mark)), end=True))
    assert raw.answer(stream_id).grpc_status == 0
    return [item for item in drain() if not (isinstance(item, list) and mark[0] in item)]


def echoes(siege: Siege) -> RawClient:
    raw = siege.raw(name=AUTHORITY.decode())
    raw.begin()
    drain()
    return raw


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_the_origin_never_sees_it(siege: Siege, bad: Bad) -> None:
    with echoes(siege) as raw:
        raw.send(f.headers(1, f.literal(bad.fields), end=bad.body is None))
        if bad.body is not None:
            raw.send(f.data(1, bad.body, end=True))
        raw.expect_reset(1, bad.code)
        assert received(raw, 3) == []


LIES = {  # content-length, and the DATA that comes
    "short": (b"10", [b"hello"]),
    "long": (b"3", [b"hello"]),
    "zero": (b"0", [b"x"]),
    "long-later": (b"6", [b"hello", b"you"]),
    "padded-short": (b"8", [b"hello"]),
}


@pytest.mark.parametrize("name", LIES)
def test_content_length_lies_never_look_complete(siege: Siege, name: str) -> None:
    """h2.CL: the origin may get what came before the lie showed, but never more than was promised, nor an end."""
    length, pieces = LIES[name]
    with echoes(siege) as raw:
        raw.send(f.headers(1, f.literal(request((b"content-length", length)))))
        for piece in pieces:
            raw.send(f.data(1, piece, padding=3 if "padded" in name else None, end=piece is pieces[-1]))
        raw.expect_reset(1, Code.PROTOCOL_ERROR)
        got = received(raw, 3)
        assert sum(len(item) for item in got if isinstance(item, bytes)) <= int(length)
        assert not any(frame for frame in got if frame == OK)


TRAILERS = {
    "pseudo": (b":path", b"/evil"), "content-length": (b"content-length", b"5"), "host": (b"host", b"gw.test"),
    "te": (b"te", b"trailers"), "transfer-encoding": (b"transfer-encoding", b"chunked"),
    "connection": (b"connection", b"close"), "upper": (b"X-A", b"1"), "crlf": (b"x", b"1\r\n2"),
    "name-crlf": (b"x\r\ny", b"1"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAILERS)
def test_trailers_that_frame_or_route(siege: Siege, name: str) -> None:
    with echoes(siege) as raw:
        raw.send(f.headers(1, f.literal(request())), f.data(1, b"hello"))
        raw.send(f.headers(1, f.literal([TRAILERS[name]]), end=True))
        raw.expect_reset(1, Code.PROTOCOL_ERROR)
        assert [TRAILERS[name]] not in received(raw, 3)


ODD = {  # legal, if strange: (fields, what must have become of them)
    "scheme-http": (request(scheme=b"http"), {b":scheme": b"https"}),
    "host-instead": (
        request((b"host", AUTHORITY), authority=None),
        {b":authority": AUTHORITY, b"host": None},
    ),
    "host-agrees": (request((b"host", AUTHORITY.upper())), {b":authority": AUTHORITY, b"host": None}),
    "no-te": ([field for field in request() if field[0] != b"te"], {b"te": b"trailers"}),
    "reserved": (
        request((b"fastgw-error", b"x"), (b"fastgw-ray", b"1")),
        {b"fastgw-error": None, b"fastgw-ray": None},
    ),
    "value-high": (request((b"x-a", b"\xe9\xff")), {b"x-a": b"\xe9\xff"}),
    "value-empty": (request((b"x-a", b"")), {b"x-a": b""}),
    "value-tab": (request((b"x-a", b"a\tb")), {b"x-a": b"a\tb"}),
    "http-1-in-metadata": (request((b"x-a", b"GET / HTTP/1.1")), {b"x-a": b"GET / HTTP/1.1"}),
    "port": (request(authority=AUTHORITY + b":443"), {b":authority": AUTHORITY + b":443"}),
    "dots": (request(path=b"/a/../b/%2e%2e/c//d"), {b":path": b"/a/../b/%2e%2e/c//d"}),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_arrives_in_order(siege: Siege, name: str) -> None:
    fields, wanted = ODD[name]
    with echoes(siege) as raw:
        raw.send(f.headers(1, f.literal(fields), end=True))
        assert raw.answer(1).grpc_status == 0
        (head,) = received(raw, 3)
        assert isinstance(head, list)
        assert {key: dict(head).get(key) for key in wanted} == wanted
        pseudo = [key for key, _ in head if key.startswith(b":")]
        assert sorted(pseudo) == [b":authority", b":method", b":path", b":scheme"]
        assert [key for key, _ in head][:4] == pseudo


DENIED = {
    "unknown-host": request(authority=b"nobody.test"),
    "neighbour-of-the-zone": request(authority=b"evilgw.test"),
    "dot-in-front": request(authority=b".gw.test"),
    "address": request(authority=b"127.0.0.1"),
    "long-label": request(authority=b"a" * 200 + b".gw.test"),
    "comma": request(authority=b"echo.gw.test,gw.test"),
    "percent": request(authority=b"echo%2egw.test"),
    "trace": request(method=b"TRACE"),
    "get": request(method=b"GET"),
    "head": request(method=b"HEAD"),
    "options-star": request(method=b"OPTIONS", path=b"*"),
}


@pytest.mark.parametrize("name", DENIED)
def test_policy_denies_it_before_the_origin(siege: Siege, name: str) -> None:
    with echoes(siege) as raw:
        raw.send(f.headers(1, f.literal(DENIED[name]), end=True))
        answer = raw.answer(1)
        assert answer.reset is not None or b"fastgw-error" in answer.head, answer.heads
        assert received(raw, 3) == []


def test_http_1_in_a_body_stays_content(siege: Siege) -> None:
    """What looks like another request is octets of this one."""
    smuggled = b"0\r\n\r\nPOST /evil HTTP/1.1\r\nHost: gw.test\r\n\r\n"
    with echoes(siege) as raw:
        raw.send(f.headers(1, f.literal(request())), f.data(1, smuggled, end=True))
        assert raw.answer(1).grpc_status == 0
        head, content = received(raw, 3)
        assert isinstance(head, list)
        assert (dict(head)[b":path"], content) == (PATH, smuggled)


def test_a_storm_of_bad_heads_beside_an_honest_client(siege: Siege) -> None:
    """All of the above again, on connections that live as long as their budget."""

    def attack() -> None:
        for _ in range(3):
            with echoes(siege) as raw:
                for number, bad in enumerate(BAD):
                    raw.send(f.headers(2 * number + 1, f.literal(bad.fields), end=True))
                raw.expect_alive()
                assert received(raw, 2 * len(BAD) + 1) == []

    siege.under(attack)
