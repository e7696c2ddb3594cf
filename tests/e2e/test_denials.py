"""What the gateway denies by itself, in gRPC and in HTTP, with name, side and phase; the next call works."""

from __future__ import annotations

import json

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml
from tests.support.frames import message
from tests.support.grpc_echo import Echo
from tests.support.raw_origin import RawOrigin

UNARY = b"/fastgw.test.Echo/Unary"


def other_zone(grpc_switch: str, port: int) -> str:
    """A second zone with a certificate of its own, {cert2} and {key2}."""
    return (
        '[[zone]]\nname = "other.test"\ncert = { file = "{cert2}", key = "{key2}" }\n'
        f'settings = {{ grpc = "{grpc_switch}", ssl = "strict" }}\ntrust_store = "{{ca}}"\n'
        f"dns = [{record('@', port)}]\n"
    )


@pytest.fixture(scope="session")
def other_leaf(ca):
    return ca.leaf("other.test", "off.gw.test", file="other")


@pytest.fixture
def house(gateway, origin, other_leaf):
    """Zone gw.test takes calls; other.test has grpc off; bare.gw.test is DNS-only."""
    bare = f'{{ name = "bare", content = "127.0.0.1", origin_port = {origin.port} }}'
    text = toml(record("@", origin.port), record("api", origin.port), bare) + other_zone("off", origin.port)
    for word, path in (("cert2", other_leaf.certificate), ("key2", other_leaf.key)):
        text = text.replace(f"{{{word}}}", str(path))
    return gateway(toml=text)


# name asked for by SNI, by :authority, then what is said
GRPC = {
    "zone unknown": (
        "gw.test",
        b"nobody.example",
        12,
        b"zone_unknown",
        b"no zone serves the hostname nobody",
    ),
    "no such record": ("gw.test", b"new.gw.test", 12, b"zone_unknown", b"no zone serves the hostname new.gw"),
    "DNS-only": ("gw.test", b"bare.gw.test", 12, b"zone_unknown", b"the record of bare.gw.test is DNS-only"),
    "grpc off": ("other.test", b"other.test", 7, b"grpc_disabled", b"gRPC is switched off for zone other"),
    "misdirected": ("gw.test", b"other.test", 12, b"misdirected", b"this connection's certificate does not"),
}


@pytest.mark.parametrize("case", GRPC)
def test_in_grpc(house, case):
    name, authority, status, error, words = GRPC[case]
    with house.raw(name=name, timeout=1) as client:
        client.begin()
        client.head(1, frames.request(UNARY, authority))
        client.send(frames.data(1, message(b"hello")))
        answer = client.answer(1)
        assert answer.trailers_only
        assert answer.head[b":status"] == b"200"
        assert answer.head[b"content-type"] == b"application/grpc"
        assert answer.grpc_status == status
        assert answer.head[b"fastgw-error"] == error + b"; side=gateway; phase=policy"
        assert len(answer.head[b"fastgw-ray"]) == 16
        assert answer.head[b"grpc-message"].startswith(words)
        if name == "gw.test":
            client.head(3, frames.request(UNARY), end=False)
            client.send(frames.data(3, message(b"next"), end=True))
            assert client.answer(3).body == message(b"next")


def test_by_grpcio(house, open_channel):
    for name, code, error in (
        ("nobody.gw.test", grpc.StatusCode.UNIMPLEMENTED, "zone_unknown"),
        ("bare.gw.test", grpc.StatusCode.UNIMPLEMENTED, "zone_unknown"),
        ("other.test", grpc.StatusCode.PERMISSION_DENIED, "grpc_disabled"),
    ):
        echo = Echo(open_channel(house.address, name=name))
        for call in (
            lambda echo=echo: echo.unary(b"x", timeout=5),
            lambda echo=echo: echo.collect(iter([b"x"] * 100), timeout=5),
            lambda echo=echo: list(echo.chat(iter([b"x"] * 100), timeout=5)),
        ):
            refused = Refused(call)
            assert (refused.code, refused.fastgw_error) == (code, f"{error}; side=gateway; phase=policy")
            assert refused.seconds < 1
    assert Echo(open_channel(house.address)).unary(b"next", timeout=5) == b"next"


def test_an_unknown_name_is_shown_the_default_certificate_and_denied(house, open_channel):
    """SNI of a stranger: TLS still works, so that the answer can say what is wrong."""
    with house.raw(name="gw.test") as client:
        client.begin()
        client.head(1, frames.request(UNARY, b"a" * 300), end=True)
        answer = client.answer(1)
        assert answer.head[b"fastgw-error"] == b"zone_unknown; side=gateway; phase=policy"
        assert len(answer.head[b"grpc-message"]) < 200, "strangers' names are cut"


def test_what_one_certificate_covers_may_share_a_connection(house):
    with house.raw() as client:
        client.begin()
        names = (b"gw.test", b"api.gw.test", b"GW.test:8443", b"api.gw.test.")
        for stream_id, authority in zip((1, 3, 5, 7), names, strict=True):
            client.head(stream_id, frames.request(UNARY, authority))
            client.send(frames.data(stream_id, message(b"x"), end=True))
            assert client.answer(stream_id).grpc_status == 0, authority


HTTP = {
    "zone unknown": ("gw.test", b"nobody.example", b"404", "zone_unknown"),
    "DNS-only": ("gw.test", b"bare.gw.test", b"404", "zone_unknown"),
    "misdirected": ("gw.test", b"other.test", b"421", "misdirected"),
    "not gRPC": ("gw.test", b"gw.test", b"403", "http_disabled"),
    "not gRPC, grpc off": ("other.test", b"other.test", b"403", "http_disabled"),
}


def ordinary(method, authority, *more):
    return [(b":method", method), (b":scheme", b"https"), (b":path", b"/"), (b":authority", authority), *more]


@pytest.mark.parametrize("case", HTTP)
def test_in_http(house, case):
    name, authority, status, error = HTTP[case]
    with house.raw(name=name, timeout=1) as client:
        client.begin()
        client.head(1, ordinary(b"GET", authority, (b"accept", b"application/json")), end=True)
        answer = client.answer(1)
        assert answer.head[b":status"] == status
        assert answer.head[b"content-type"] == b"application/json"
        assert answer.head[b"content-length"] == b"%d" % len(answer.body)
        assert answer.head[b"fastgw-error"].decode() == f"{error}; side=gateway; phase=policy"
        body = json.loads(answer.body)
        assert (body["error"], body["ray"]) == (error, answer.head[b"fastgw-ray"].decode())
        assert " " in body["message"]

        client.head(3, ordinary(b"GET", authority, (b"accept", b"text/html,*/*;q=0.8")), end=True)
        answer = client.answer(3)
        assert answer.head[b":status"] == status
        assert answer.head[b"content-type"] == b"text/html; charset=utf-8"
        assert answer.body.startswith(b"<!doctype html>")
        assert error.encode() in answer.body
        assert answer.head[b"content-length"] == b"%d" % len(answer.body)

        client.head(5, ordinary(b"HEAD", authority), end=True)
        answer = client.answer(5)
        assert (answer.head[b":status"], answer.body) == (status, b"")
        client.expect_alive()


@pytest.mark.parametrize(
    ("content_type", "is_grpc"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"Application/GRPC+json; charset=utf-8", True),
        (b"application/grpc;foo", True),
        (b"application/grpcx", False),
        (b"application/grpc-web", False),
        (b"application/json", False),
        (None, False),
    ],
)
def test_a_wrong_content_type_is_403(gateway, origin_leaf, content_type, is_grpc):
    def play(peer):
        peer.begin()
        for stream_id, _ in peer.requests():
            peer.head(stream_id, [(b":status", b"200"), (b"grpc-status", b"0")], end=True)

    fields = [field for field in frames.request(UNARY) if field[0] != b"content-type"]
    if content_type is not None:
        fields.append((b"content-type", content_type))
    with RawOrigin(play, origin_leaf) as origin, gateway(toml=toml(record("@", origin.port))).raw() as client:
        client.begin()
        client.head(1, fields, end=True)
        answer = client.answer(1)
        if is_grpc:
            assert answer.heads == [[(b":status", b"200"), (b"grpc-status", b"0")]]
        else:
            assert answer.head[b":status"] == b"403"
            assert b"http_disabled" in answer.head[b"fastgw-error"]
            assert b"not gRPC" in answer.body


def test_a_denied_upload_is_told_to_stop_and_its_octets_are_paid_for(house):
    """More than a connection window of DATA behind denied heads: the connection goes on."""
    with house.raw() as client:
        client.begin()
        for stream_id in range(1, 41, 2):
            client.head(stream_id, frames.request(UNARY, b"nobody.example"))
            client.send(*[frames.data(stream_id, b"x" * 16000)] * 4)
            assert client.answer(stream_id).grpc_status == 12
            client.expect_reset(stream_id, frames.Code.NO_ERROR)
        client.head(41, frames.request(UNARY))
        client.send(frames.data(41, message(b"next"), end=True))
        assert client.answer(41).body == message(b"next")


def test_ordinary_http_is_carried_where_the_zone_says_so(gateway, origin_leaf):
    def play(peer):
        peer.begin()
        for stream_id, fields in peer.requests():
            peer.head(stream_id, [(b":status", b"200"), (b"x-method", dict(fields)[b":method"])])
            peer.send(frames.data(stream_id, b"hello", end=True))

    with RawOrigin(play, origin_leaf) as origin:
        house = gateway(toml=toml(record("@", origin.port), settings='http = "on"'))
        with house.raw() as client:
            client.begin()
            client.head(1, ordinary(b"GET", b"gw.test"), end=True)
            answer = client.answer(1)
            assert (answer.head[b"x-method"], answer.body) == (b"GET", b"hello")


def test_denials_are_counted(house):
    with house.raw() as client:
        client.begin()
        client.head(1, frames.request(UNARY, b"nobody.example"), end=True)
        client.answer(1)
        client.head(3, frames.request(UNARY, b"bare.gw.test"), end=True)
        client.answer(3)
    stats = eventually(lambda: (s := house.gateway.stats())["total"]["exchanges_finished"] == 2 and s)
    assert stats["total"]["replies"] == {"zone_unknown": 2}
