"""Metadata passes byte for byte, in order, both ways; grpc-message too; limits are limits."""

from __future__ import annotations

import base64

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, record, toml
from tests.support.frames import Type, message
from tests.support.raw_origin import GRPC_HEAD, RawOrigin

ALL_OCTETS = bytes(range(256))
METADATA = [
    ("x-first", "1"),
    ("x-twice", "one"),
    ("key.with.dots", "a.b"),
    ("key_with_underscores", "a_b"),
    ("x-twice", "two"),
    ("x-spaces", "a  b ~!@#$%^&*()"),
    ("x-all-bin", ALL_OCTETS),
    ("x-empty-bin", b""),
    ("x-twice", "three"),
    ("x-all-bin", ALL_OCTETS[::-1]),
]

# As octets on the wire: what an origin or a client may send and another library would not.
FIELDS = [
    (b"x-first", b"1"),
    (b"x-twice", b"one"),
    (b"key.with.dots", b"a.b"),
    (b"key_with_underscores", b"a_b"),
    (b"x-twice", b"two"),
    (b"x-padded-bin", base64.b64encode(ALL_OCTETS)),
    (b"x-bare-bin", base64.b64encode(ALL_OCTETS).rstrip(b"=")),
    (b"x-joined-bin", b"AAEC,AwQF"),
    (b"x-empty", b""),
    (b"x-high", b"caf\xc3\xa9 \xff\x80"),
    (b"x-twice", b"three"),
    (b"authorization", b"Bearer secret"),
    (b"cookie", b"a=1; b=2"),
    (b"cookie", b"c=3"),
    (b"grpc-timeout", b"9000m"),
    (b"grpc-encoding", b"identity"),
    (b"user-agent", b"test/1"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (b"x-empty", b""),
]


def test_grpcio_to_grpcio(origin, echo):
    _, call = echo.unary.with_call(b"", metadata=METADATA, timeout=10)
    seen = [tuple(pair) for pair in origin.metadata]
    for name in dict(METADATA):
        assert [v for k, v in seen if k == name] == [v for k, v in METADATA if k == name]
    trailing = [tuple(pair) for pair in call.trailing_metadata()]
    initial = [tuple(pair) for pair in call.initial_metadata()]
    for name in dict(METADATA):
        wanted = [v for k, v in METADATA if k == name]
        assert [v for k, v in trailing if k == name] == wanted
        if name.startswith("x-"):
            assert [v for k, v in initial if k == f"head-{name}"] == wanted


def test_octet_for_octet_in_order_both_ways(gateway, origin_leaf):
    seen = []

    def play(peer):
        peer.begin()
        for stream_id, fields in peer.requests():
            seen.append(fields)
            peer.head(stream_id, [*GRPC_HEAD, *FIELDS])
            peer.send(frames.data(stream_id, message(b"")))
            peer.head(stream_id, [*FIELDS, (b"grpc-status", b"0")], end=True)

    with RawOrigin(play, origin_leaf) as origin, gateway(toml=toml(record("@", origin.port))).raw() as client:
        client.begin()
        client.head(1, frames.request(b"/s/M", b"gw.test"), end=True)
        assert client.answer(1).grpc_status == 0
        # From here on no call waits for a connection, so that its grpc-timeout stays as it is.
        for stream_id in (3, 5, 7):  # again, with warm tables on all sides
            client.head(stream_id, frames.request(b"/s/M", b"gw.test", *FIELDS), end=True)
            answer = client.answer(stream_id)
            assert answer.heads == [[*GRPC_HEAD, *FIELDS], [*FIELDS, (b"grpc-status", b"0")]]
            assert seen[-1] == frames.request(b"/s/M", b"gw.test", *FIELDS)


def test_te_trailers_is_never_missing(gateway, origin_leaf):
    seen = []

    def play(peer):
        peer.begin()
        for stream_id, fields in peer.requests():
            seen.append(fields)
            peer.head(stream_id, [*GRPC_HEAD, (b"grpc-status", b"0")], end=True)

    with RawOrigin(play, origin_leaf) as origin, gateway(toml=toml(record("@", origin.port))).raw() as client:
        client.begin()
        client.head(1, [field for field in frames.request() if field[0] != b"te"], end=True)
        assert client.answer(1).grpc_status == 0
    assert (b"te", b"trailers") in seen[0]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "100% \x01 \n tab\t",
        "Grüße, 世界 🚀",
        "ends in spaces  ",
        "  begins so",
        "%41 is not A",
        "x" * 3000,
    ],
    ids=["plain", "percent", "unicode", "trailing space", "leading space", "looks encoded", "long"],
)
def test_grpc_message_between_grpcio_and_grpcio(echo, text):
    refused = Refused(lambda: echo.fail(text.encode(), timeout=10))
    assert (refused.code, refused.message) == (grpc.StatusCode.FAILED_PRECONDITION, text)


@pytest.mark.parametrize("octets", [b"50%25 off ", b"ends in a space ", b"%E4%B8%96 %zz %", b"a  b"])
@pytest.mark.parametrize("late", [False, True], ids=["trailers-only", "trailers"])
def test_grpc_message_is_not_touched(gateway, origin_leaf, octets, late):
    end = [(b"grpc-status", b"9"), (b"grpc-message", octets)]

    def play(peer):
        peer.begin()
        for stream_id, _ in peer.requests():
            if late:
                peer.head(stream_id, GRPC_HEAD)
            peer.head(stream_id, end if late else [*GRPC_HEAD, *end], end=True)

    with RawOrigin(play, origin_leaf) as origin, gateway(toml=toml(record("@", origin.port))).raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        answer = client.answer(1)
        assert answer.heads[-1] == (end if late else [*GRPC_HEAD, *end])
        assert answer.trailers_only is not late


def test_trailers_only_stays_one_frame(gateway, origin):
    with gateway(origin).raw() as client:
        client.begin()
        client.head(1, frames.request(b"/fastgw.test.Echo/Fail"))
        client.send(frames.data(1, message(b"why"), end=True))
        first = client.expect(Type.HEADERS, Type.DATA, Type.RST_STREAM)
        assert (first.type, first.ends_stream) == (Type.HEADERS, True)
        fields = dict(client.fields(first))
        assert fields[b":status"] == b"200"
        assert (fields[b"grpc-status"], fields[b"grpc-message"]) == (b"9", b"why")
        client.expect_alive()


def test_eight_kibibytes_pass_and_sixty_four_do_not(echo):
    fits = [("x-fits", "f" * 8100), ("x-more-bin", ALL_OCTETS * 8)]
    _, call = echo.unary.with_call(b"", metadata=fits, timeout=10)
    assert dict(call.trailing_metadata())["x-fits"] == "f" * 8100
    refused = Refused(lambda: echo.unary(b"", metadata=[("x-large", "l" * 65536)], timeout=10))
    assert refused.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert echo.unary(b"next", timeout=10) == b"next"


@pytest.mark.parametrize("pieces", [1, 16, 300], ids=["one field", "16 fields", "300 fields"])
def test_sixty_four_kibibytes_are_denied_in_so_many_words(gateway, origin, pieces):
    """A client that does not read our SETTINGS."""
    large = [(b"x-large-%d" % number, b"v" * (65536 // pieces)) for number in range(pieces)]
    with gateway(origin).raw() as client:
        client.begin()
        head = frames.literal(frames.request(b"/fastgw.test.Echo/Unary", b"gw.test", *large))
        parts = [head[at : at + 16384] for at in range(0, len(head), 16384)]
        client.send(frames.headers(1, parts[0], end_headers=False, end=True))
        for part in parts[1:]:
            client.send(frames.continuation(1, part, end_headers=part is parts[-1]))
        answer = client.answer(1)
        assert answer.trailers_only
        assert answer.grpc_status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert answer.head[b"fastgw-error"] == b"head_too_large; side=client; phase=policy"
        assert b"limit 32768 octets and 256 fields; the largest is x-large-" in answer.head[b"grpc-message"]
        assert b"vvvv" not in answer.head[b"grpc-message"], "its value is not repeated"
        client.head(3, frames.request())
        client.send(frames.data(3, message(b"next"), end=True))
        assert client.answer(3).body == message(b"next")
