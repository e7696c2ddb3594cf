"""RFC 9113 section 10.3: what was not validated and encoded anew passes in neither direction.

Any field section a peer may send is either legal by tests/support/legal.py, which reads the RFCs once more, and
then arrives field for field as `forwarded` says; or nothing of it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hpack import HeaderTuple, NeverIndexedHeaderTuple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.abuse.peers import HEAD, TRAILERS, RawOrigin, Served, client, stats, toml, until
from tests.support import frames, legal
from tests.support.frames import ACK, Setting, Type
from tests.support.house import House
from tests.support.raw import RawClient, RawPeer

pytestmark = pytest.mark.rfc("9113 10.3")

HOSTS = (b"gw.test", b"gw.test:443", b"gw.test.")
LAST = b"/the/last"  # the path of the request that ends each example
EXAMPLES = 120

Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Sent:
    """A field and how it is encoded: "table", "plain" or "never"."""

    name: bytes
    value: bytes
    how: str = "plain"

    @property
    def pair(self) -> Pair:
        return self.name, self.value


def pairs(fields: list[Sent]) -> list[Pair]:
    return [field.pair for field in fields]


def forwarded(fields: list[Sent]) -> list[Sent]:
    """The model: what the gateway drops, adds and changes in a request head, and nothing else."""
    names = [field.name for field in fields]
    out = []
    if b":authority" not in names:
        host = next(field for field in fields if field.name == b"host")
        out.append(Sent(b":authority", host.value, host.how))
    for field in fields:
        if field.name == b":scheme":
            out.append(Sent(b":scheme", b"http"))
        elif field.name not in (b"host", b"fastgw-error", b"fastgw-ray"):
            out.append(field)
    if b"te" not in names:
        out.append(Sent(b"te", b"trailers"))
    return out


def same(got: list[HeaderTuple], wanted: list[Sent]) -> bool:
    """Octet for octet, in order, and never indexed if and only if it came so (RFC 7541 section 6.2.3)."""
    return [(*one, isinstance(one, NeverIndexedHeaderTuple)) for one in got] == [
        (*field.pair, field.how == "never") for field in wanted
    ]


# ---- what peers send

OCTETS = bytes(octet for octet in range(256) if octet in (9, *range(32, 127), *range(128, 256)))
LEGAL_VALUE = st.one_of(
    st.sampled_from(
        [b"", b"0", b"a=1; b=2", b"trailers", b"chunked", b"gw.test", b'"quoted, \xff"', b"100-continue"]
    ),
    st.lists(st.sampled_from(OCTETS), max_size=20).map(lambda octets: bytes(octets).strip(b" \t")),
    st.integers(0, 9).map(lambda number: b"v" * (number * number * 60)),
)
ANY_NAME = st.one_of(
    st.sampled_from(
        [b"cookie", b"x-a", b"x-b", b"authorization", b"accept", b"expect", b"grpc-timeout", b"grpc-message", b"x-\x60|~",
         b"fastgw-error", b"fastgw-ray", b"traceparent", b"content-encoding", b"trailer", b"x_under", b"content-type",
         b"proxy-authorization", b"grpc-status", b"x-forwarded-for", b"set-cookie", b"user-agent", b"http2-settings"]
    ),
    st.integers(0, 40).map(lambda number: b"x-many-%d" % number),
)  # fmt: skip
HOW = st.sampled_from(["table", "table", "table", "plain", "never"])
FIELD = st.one_of(
    st.builds(Sent, ANY_NAME, LEGAL_VALUE, HOW), st.builds(Sent, st.just(b"content-length"), st.just(b"5"))
)

# Most of these are illegal wherever they stand, or in most places.
SUSPECT = st.builds(
    lambda pair, how: Sent(*pair, how),
    st.sampled_from(
        [
            *[(b"content-length", value) for value in (b"0", b"5", b"005", b"+5", b"5, 5", b"", b"0x5", b"-1", b"5 5",
                                                      b"9223372036854775808", b"18446744073709551621")],
            *[(b"host", value) for value in (b"gw.test", b"GW.test", b"evil.test", b"", b"gw.test, evil.test", b"x@gw.test")],
            *[(b"te", value) for value in (b"trailers", b"gzip", b"trailers, gzip", b"", b"Trailers")],
            *[(name, b"x") for name in sorted(legal.CONNECTION_SPECIFIC)], (b"transfer-encoding", b"chunked"),
            *[(name, b"1") for name in (b"", b"X-Upper", b"x y", b"x:y", b"x\r\ny", b"x\0", b"x\x7f", b"\xc3\xa9", b":x",
                                        b":protocol", b":status", b":method", b":path", b"transfer-encoding\0", b" te")],
            *[(b"x-a", value) for value in (b"a\r\nevil: 1", b"a\nb", b"a\rb", b"a\0b", b" a", b"a\t", b"\x01", b"\x7f", b"a b")],
            *[(b":method", value) for value in (b"CONNECT", b"GE T", b"", b"GET / HTTP/1.1\r\nx:", b"TRACE")],
            *[(b":scheme", value) for value in (b"https", b"ftp", b"", b"http\r\n", b"HTTP")],
            *[(b":path", value) for value in (b"", b"a", b"*", b"/a b", b"/a#b", b"/a\r\n", b"http://evil.test/", b"/\xff", b"//e")],
            *[(b":authority", value) for value in (b"", b"evil.test", b"x@gw.test", b"gw.test/x", b"gw.test:443", b"gw.test\0")],
            *[(b":status", value) for value in (b"200", b"101", b"20", b"0200", b"+20", b"600", b"099", b"")],
            (b"x-huge", b"h" * 12000),
        ]
    ),
    HOW,
)  # fmt: skip


@st.composite
def section(draw: st.DrawFn, *first: st.SearchStrategy[Sent]) -> list[Sent]:
    """`first` in any order, fields behind them; now and then a suspect one anywhere, one lost, one twice."""
    fields = [*draw(st.permutations([draw(one) for one in first])), *draw(st.lists(FIELD, max_size=6))]
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(fields)))
        change = draw(st.sampled_from(["add", "add", "swap", "lose", "double"]))
        instead = {"lose": [], "double": fields[at : at + 1] * 2}.get(change)
        fields[at : at + (change != "add")] = [draw(SUSPECT)] if instead is None else instead
    return fields


def pseudo(name: bytes, *values: bytes) -> st.SearchStrategy[Sent]:
    return st.builds(Sent, st.just(name), st.sampled_from(values), HOW)


REQUEST = section(
    pseudo(b":method", b"POST", b"POST", b"GET", b"OPTIONS", b"PURGE"),
    pseudo(b":scheme", b"https", b"http"),
    pseudo(b":path", b"/a.B/C", b"/", b"/x?y=%00&z=//..", b"/a.B/D"),
    pseudo(b":authority", b"gw.test", b"GW.test", b"gw.test:443", b"gw.test."),
)
RESPONSE = section(pseudo(b":status", b"200", b"200", b"404", b"599"))
INTERIM = section(pseudo(b":status", b"103", b"100"))


@dataclass
class Asked:
    """One exchange: what either side says if it comes to that."""

    head: list[Sent]
    content: bytes
    request_trailers: list[Sent] | None
    interim: list[list[Sent]]
    answer: list[Sent]
    trailers: list[Sent] | None
    cuts: int
    huffman: bool
    table: int | None

    @property
    def ends_with_head(self) -> bool:
        return not self.content and self.request_trailers is None

    @property
    def is_whole(self) -> bool:
        """Is the content as long as the request says?"""
        return legal.content_length(pairs(self.head)) in (-1, len(self.content))

    @property
    def is_legal(self) -> bool:
        head = pairs(self.head)
        return legal.request(head, hosts=HOSTS, ended=self.ends_with_head) and legal.fits(head)


ASKED = st.builds(
    Asked,
    head=REQUEST,
    content=st.sampled_from([b"", b"5 oct"]),
    request_trailers=st.one_of(st.none(), st.none(), section()),
    interim=st.one_of(st.just([]), st.lists(INTERIM, max_size=1)),
    answer=RESPONSE,
    trailers=st.one_of(st.none(), section(st.just(Sent(b"grpc-status", b"0")))),
    cuts=st.sampled_from([1, 1, 1, 2, 5]),
    huffman=st.booleans(),
    table=st.sampled_from([None, None, 0, 40, 100, 4096]),
)
EXCHANGES = st.lists(ASKED, min_size=1, max_size=4)
TABLE = st.sampled_from([0, 64, 150, 4096, 1 << 20])


# ---- saying and reading it


def say(peer: RawPeer, stream: int, fields: list[Sent], asked: Asked, *, end: bool) -> None:
    """One section in the representations asked for, in as many frames."""
    if asked.table is not None and asked.table != peer.encoder.header_table_size:
        peer.encoder.header_table_size = asked.table
    block = peer.encoder.encode([])  # what the table's size has become stands first
    for field in fields:
        if field.how == "table":
            block += peer.encoder.encode([HeaderTuple(*field.pair)], huffman=asked.huffman)
        else:
            first = b"\x10" if field.how == "never" else b"\0"
            block += first + frames.literal([field.pair])[1:]
    step = min(max(1, -(-len(block) // asked.cuts)), 16384)
    parts = [block[at : at + step] for at in range(0, len(block), step)] or [b""]
    peer.send(
        frames.headers(stream, parts[0], end=end, end_headers=len(parts) == 1),
        *(frames.continuation(stream, part, end_headers=False) for part in parts[1:-1]),
        *(frames.continuation(stream, part) for part in parts[1:][-1:]),
    )


def read_section(peer: RawPeer, frame: frames.Frame) -> list[HeaderTuple]:
    return list(peer.reader._decoder.decode(peer._block(frame), raw=True))


def resize(peer: RawPeer, table: int) -> None:
    """The peer's decoder allows this much from now on, and fails if a block does not keep to it."""
    peer.reader._decoder.max_allowed_table_size = table


@dataclass
class Seen:
    """One stream as a peer has seen it."""

    sections: list[list[HeaderTuple]]
    content: bytes = b""
    ended: bool = False
    reset: bool = False


def follow(peer: RawPeer, streams: dict[int, Seen], frame: frames.Frame) -> Seen | None:
    """Take one frame in; the stream it was on, None if it was on none."""
    seen = streams.setdefault(frame.stream_id, Seen([])) if frame.stream_id else None
    if seen is None:
        return None
    assert not (seen.ended and frame.type in (Type.HEADERS, Type.DATA)), frame
    if frame.type == Type.HEADERS:
        seen.sections.append(read_section(peer, frame))
    elif frame.type == Type.DATA:
        seen.content += frame.payload
    seen.reset |= frame.type == Type.RST_STREAM
    seen.ended |= frame.ends_stream or seen.reset
    return seen


class Between:
    """A gateway, the origin's one connection, which outlives examples or does not, and a client for each."""

    def __init__(self, house: House, raw_origin: RawOrigin) -> None:
        self.house, self.raw_origin = house, raw_origin
        self.origin: Served | None = None
        self.known = 0  # streams of the origin's connection up to here are of earlier examples
        self.announced: list[int] = []  # table sizes that the gateway has not acknowledged
        self.passed = self.kept = 0  # heads and trailers

    def ask(self, peer: RawClient, asked: list[Asked]) -> None:
        for number, one in enumerate(asked):
            stream = 2 * number + 1
            say(peer, stream, one.head, one, end=one.ends_with_head)
            if not one.ends_with_head and one.is_whole:
                if one.content:
                    peer.send(frames.data(stream, one.content, end=one.request_trailers is None))
                if one.request_trailers is not None:
                    say(peer, stream, one.request_trailers, one, end=True)
        peer.send(frames.headers(2 * len(asked) + 1, frames.literal(frames.request(LAST)), end=True))

    def arrived(self, table: int) -> list[tuple[int, Seen]]:
        """What the origin gets, in the order in which it comes, until the last request."""
        if self.origin is None:
            self.origin = self.raw_origin.accept()
            self.known, self.announced, self.origin.timeout = 0, [], 2.0
            resize(self.origin, table)
            self.origin.begin((Setting.HEADER_TABLE_SIZE, table))
        else:
            self.origin.send(frames.settings((Setting.HEADER_TABLE_SIZE, table)))
        self.announced.append(table)
        streams: dict[int, Seen] = {}
        while True:
            frame = self.origin.read()
            if frame.type == Type.SETTINGS and frame.flags & ACK:
                resize(self.origin, self.announced.pop(0))
            if frame.stream_id <= self.known:
                continue  # the end of an exchange that was
            seen = follow(self.origin, streams, frame)
            if seen is not None and seen.sections and (b":path", LAST) in seen.sections[0]:
                self.known = max(streams)
                return list(streams.items())

    def check_requests(self, asked: list[Asked], fresh: bool, got: list[tuple[int, Seen]]) -> dict[int, int]:
        """Each legal head came as it must and no other came; returns the origin's stream by the client's.

        While there is no connection to the origin the gateway drops trailers, and a request that breaks a
        rule by its trailers is gone before it was sent.
        """
        ways, at = {}, 0
        for number, one in enumerate(asked):
            if not one.is_legal:
                self.kept += 1
                continue
            stream, seen = got[at]
            wanted, more = forwarded(one.head), one.request_trailers if one.is_whole else None
            whole = more is None or (legal.trailers(pairs(more)) and legal.fits(pairs(more)))
            if not whole and fresh and not (seen.sections and same(seen.sections[0], wanted)):
                self.kept += 1
                continue
            at += 1
            assert same(seen.sections[0], wanted), (seen.sections, wanted)
            self.passed += 1
            if whole:
                assert not seen.reset, wanted
                ways[2 * number + 1] = stream
                if more is not None and not (fresh and len(seen.sections) == 1):
                    assert len(seen.sections) == 2, seen
                    assert same(seen.sections[1], more), (seen.sections, more)
            else:
                self.kept += 1
                assert len(seen.sections) == 1, seen.sections
                assert seen.reset, seen
        assert len(got) == at + 1, (got[at:], "was to be refused")
        ways[2 * len(asked) + 1] = got[at][0]
        return ways

    def answer(self, stream: int, one: Asked) -> tuple[list[list[Sent]], bool]:
        """Say an answer up to its first illegal section; what the client must see, and is that all?"""
        assert self.origin is not None
        seen: list[list[Sent]] = []
        for interim in one.interim:
            if legal.response(pairs(interim)):
                continue
            say(self.origin, stream, interim, one, end=False)
            if not (legal.response(pairs(interim), interim=True) and legal.fits(pairs(interim))):
                return seen, False
            seen.append(interim)
        is_legal = legal.response(pairs(one.answer)) and legal.fits(pairs(one.answer))
        whole = is_legal and legal.content_length(pairs(one.answer)) in (-1, len(one.content))
        end = whole and not one.content and one.trailers is None
        say(self.origin, stream, one.answer, one, end=end)
        if not is_legal:
            return seen, False
        seen.append(one.answer)
        if not whole:
            self.origin.send(frames.rst_stream(stream))
            return seen, False
        if one.content:
            self.origin.send(frames.data(stream, one.content, end=one.trailers is None))
        if one.trailers is not None:
            say(self.origin, stream, one.trailers, one, end=True)
            if not (legal.trailers(pairs(one.trailers)) and legal.fits(pairs(one.trailers))):
                return seen, False
            seen.append(one.trailers)
        return seen, True

    def check_answers(
        self, peer: RawClient, last: int, wanted: dict[int, tuple[list[list[Sent]], bool]]
    ) -> None:
        streams: dict[int, Seen] = {}
        while sum(seen.ended for seen in streams.values()) < (last + 1) // 2:
            follow(peer, streams, peer.read())
        for stream, seen in streams.items():
            sections, whole = wanted.get(stream, ([], False))
            heads, rest = seen.sections[: len(sections)], seen.sections[len(sections) :]
            assert all(map(same, heads, sections)), (seen.sections, sections)
            self.passed += len(sections)
            if whole:
                assert len(heads) == len(sections), (heads, sections)
                assert rest == []
                continue
            self.kept += 1
            assert len(rest) <= 1, rest
            assert rest or seen.reset, seen
            for mine in rest:  # the gateway's own words
                assert {name for name, _ in mine} <= OWN, mine
                assert dict(mine)[b"fastgw-error"].split(b";")[0] in WORDS, mine

    def example(self, asked: list[Asked], fresh: bool, tables: tuple[int, int]) -> None:
        if fresh:
            self.leave()
        fresh = self.origin is None
        with client(self.house, (Setting.HEADER_TABLE_SIZE, tables[0]), timeout=2.0) as peer:
            resize(peer, tables[0])
            self.ask(peer, asked)
            ways = self.check_requests(asked, fresh, self.arrived(tables[1]))
            wanted = {mine: self.answer(ways[mine], one) for mine, one in self._asked(asked, ways)}
            last = 2 * len(asked) + 1
            assert self.origin is not None
            self.origin.head(ways[last], HEAD + TRAILERS, end=True)
            wanted[last] = [[Sent(*pair) for pair in HEAD + TRAILERS]], True
            self.check_answers(peer, last, wanted)

    @staticmethod
    def _asked(asked: list[Asked], ways: dict[int, int]) -> Iterator[tuple[int, Asked]]:
        return ((2 * number + 1, one) for number, one in enumerate(asked) if 2 * number + 1 in ways)

    def leave(self) -> None:
        """The origin's connection ends, and the gateway has seen that."""
        if self.origin is not None:
            self.origin.sock.close()
            self.origin = None
        assert until(lambda: stats(self.house)["links_open"] == 0)


OWN = {
    b":status",
    b"content-type",
    b"grpc-status",
    b"grpc-message",
    b"fastgw-error",
    b"fastgw-ray",
    b"content-length",
}
WORDS = {b"origin_bad_response", b"origin_reset", b"head_too_large", b"zone_unknown"}


@pytest.fixture
def raw_origin() -> Iterator[RawOrigin]:
    origin = RawOrigin()
    yield origin
    origin.close()


def test_what_arrives_is_what_was_sent_or_nothing(gateway, raw_origin: RawOrigin) -> None:
    text = toml(raw_origin.port).replace('grpc = "on"', 'grpc = "on", http = "on"')
    between = Between(gateway(toml=text), raw_origin)

    @given(
        st.lists(ASKED, min_size=1, max_size=4),
        st.sampled_from([False] * 7 + [True]),
        st.tuples(TABLE, TABLE),
    )
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def run(asked: list[Asked], fresh: bool, tables: tuple[int, int]) -> None:
        try:
            between.example(asked, fresh, tables)
        except BaseException:
            between.leave()
            raise

    run()
    print(f"{between.passed} sections passed as they were, of {between.kept} nothing")
    assert min(between.passed, between.kept) > EXAMPLES
