"""gRPC itself, abused by a client: lies in message prefixes, empty messages, odd heads, cancellations."""

from __future__ import annotations

import gzip
import struct
import time

import grpc
import pytest

from tests.support import frames as f
from tests.support.frames import Code
from tests.support.siege import MIB, Siege

UNARY = b"/fastgw.test.Echo/Unary"
COLLECT = b"/fastgw.test.Echo/Collect"


def prefix(length: int, flag: int = 0) -> bytes:
    return struct.pack("!BI", flag, length)


PREFIXES = {  # what a call carries; the origin's gRPC library judges it, the gateway passes it on unharmed
    "4-gib": prefix(0xFFFFFFFF) + b"x",
    "negative-as-signed": prefix(0x80000000) + b"x",
    "prefix-cut": b"\0\0\0",
    "message-cut": prefix(100) + b"x" * 50,
    "trailing-octet": f.message(b"hello") + b"\0",
    "two-messages": f.message(b"a") + f.message(b"b"),
    "nothing": b"",
    "flag-2": prefix(1, 2) + b"x",
    "flag-255": prefix(1, 255) + b"x",
    "compressed-without-encoding": prefix(1, 1) + b"x",
    "not-a-message": b"hello, is this gRPC?",
}


@pytest.mark.parametrize("name", PREFIXES)
def test_a_message_prefix_that_lies(siege: Siege, name: str) -> None:
    """The call ends one way or the other and its connection serves the next; nobody reserves 4 GiB."""

    def attack() -> None:
        with siege.begun() as raw:
            for number in range(1, 60, 4):
                raw.head(number, f.request(UNARY))
                raw.send(f.data(number, PREFIXES[name], end=True))
                answer = raw.answer(number)
                assert answer.reset is not None or answer.grpc_status >= 0
                raw.head(number + 2, f.request(UNARY))
                raw.send(f.data(number + 2, f.message(b"hello"), end=True))
                assert raw.answer(number + 2).body == f.message(b"hello")

    siege.under(attack, calls=20)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_prefixes_split_across_frames(siege: Siege, size: int) -> None:
    octets = b"".join(f.message(b"m" * length) for length in range(12))
    with siege.begun() as raw:
        raw.head(1, f.request(COLLECT))
        for at in range(0, len(octets), size):
            raw.send(f.data(1, octets[at : at + size]))
        raw.send(f.data(1, end=True))
        assert raw.answer(1).body == f.message(b"m" * 66)


def test_empty_messages_without_end(siege: Siege) -> None:
    """Five octets each, 300000 of them: what the origin does not take waits within its windows."""

    def attack() -> None:
        with siege.begun(timeout=10.0) as raw:
            raw.head(1, f.request(b"/fastgw.test.Echo/Slurp"))
            raw.body(1, f.message(b"") * 200000, end=False)
            raw.expect_alive()

    siege.origin.release.clear()
    try:
        siege.under(attack, grows=16 * MIB)
    finally:
        siege.origin.release.set()
    siege.origin_is_idle()


TIMEOUTS = [
    b"",
    b"S",
    b"1",
    b"-1S",
    b"1.5S",
    b"1s",
    b"123456789S",
    b"99999999H",
    b"0n",
    b"1 S",
    b"\x31S\xff",
    b"1S1S",
]


@pytest.mark.parametrize("value", TIMEOUTS, ids=repr)
def test_grpc_timeouts_of_any_shape(siege: Siege, value: bytes) -> None:
    """The call is answered or broken; the connection goes on."""
    with siege.begun() as raw:
        raw.send(f.headers(1, f.literal(f.request(UNARY, b"gw.test", (b"grpc-timeout", value)))))
        raw.send(f.data(1, f.message(b"x"), end=True))
        answer = raw.answer(1)
        assert answer.reset is not None or answer.heads
        raw.expect_alive()
    siege.is_well()


TYPES = [
    b"text/plain",
    b"application/grpcx",
    b"application/json",
    b"",
    b"application/grpc-web",
    b"application/GRPC",
]


@pytest.mark.parametrize("value", TYPES, ids=repr)
def test_content_types(siege: Siege, value: bytes) -> None:
    """What is not gRPC is not forwarded to a zone whose http is off; what is, is answered."""
    fields = [(name, value if name == b"content-type" else old) for name, old in f.request(UNARY)]
    with siege.begun() as raw:
        raw.send(f.headers(1, f.literal(fields)), f.data(1, f.message(b"x"), end=True))
        answer = raw.answer(1)
        assert answer.heads
        if answer.head.get(b":status") == b"200":
            assert answer.grpc_status >= 0
        else:
            assert b"fastgw-error" in answer.head or answer.head[b":status"] == b"415"
        raw.expect_alive()


BINARY = [b"", b"=", b"====", b"!!!!", b"AAA", b"A", b"AA==AA==", b",", b"AAAA,AAAA", b"\xff"]


@pytest.mark.parametrize("value", BINARY, ids=repr)
def test_cve_2023_32732_base64_of_any_shape(siege: Siege, value: bytes) -> None:
    """One client's bad -bin metadata must not end the connection to the origin that others share."""

    def attack() -> None:
        with siege.begun() as raw:
            for number in range(1, 8, 2):
                raw.send(f.headers(number, f.literal(f.request(UNARY, b"gw.test", (b"x-a-bin", value)))))
                raw.send(f.data(number, f.message(b"x"), end=True))
                answer = raw.answer(number)
                assert answer.reset is not None or answer.heads

    siege.under(attack, calls=20)


def test_cve_2023_1428_te_scheme_and_8_kib(siege: Siege) -> None:
    """What made C-core abort: te and :scheme beside metadata of 8 KiB."""

    def attack() -> None:
        with siege.begun() as raw:
            for number, (te, scheme) in enumerate(
                [(b"trailers", b"http"), (b"gzip", b"https"), (b"", b"x")] * 5
            ):
                fields = [
                    (name, {b"te": te, b":scheme": scheme}.get(name, value))
                    for name, value in f.request(UNARY, b"gw.test", (b"x", b"v" * 8192))
                ]
                raw.send(f.headers(2 * number + 1, f.literal(fields), end=True))
                answer = raw.answer(2 * number + 1)
                assert (answer.reset == Code.PROTOCOL_ERROR) == (te != b"trailers")

    siege.under(attack)


@pytest.mark.parametrize("size", [8000, 16000, 30000])
def test_metadata_near_the_limit(siege: Siege, size: int) -> None:
    """Large metadata passes both ways, and costs the connection nothing."""
    with siege.begun() as raw:
        for number in range(1, 20, 2):
            fields = f.request(
                UNARY, b"gw.test", (b"y-%d" % number, b"v" * (size // 2)), (b"y", b"w" * (size // 2))
            )
            pieces = raw.encoder.encode(fields)
            raw.send(f.headers(number, pieces[:16000], end_headers=len(pieces) <= 16000))
            if len(pieces) > 16000:
                raw.send(f.continuation(number, pieces[16000:]))
            raw.send(f.data(number, f.message(b"x"), end=True))
            answer = raw.answer(number)
            assert answer.grpc_status == 0, answer.heads
            assert answer.trailers[b"y"] == b"w" * (size // 2)


def test_cancellation_storms_by_ordinary_clients(siege: Siege) -> None:
    """600 calls begun and cancelled by grpcio, on one connection: inside every budget, and none leaks."""

    def attack() -> None:
        for _ in range(6):
            calls = [siege.honest.sleep.future(b"30") for _ in range(100)]
            time.sleep(0.02)
            for call in calls:
                call.cancel()

    siege.under(attack, grows=16 * MIB)
    siege.origin_is_idle()


def test_trailers_of_a_request(siege: Siege) -> None:
    """gRPC requests have none; what a client sends there does not disturb the origin."""
    with siege.begun() as raw:
        raw.head(1, f.request(UNARY))
        raw.send(f.data(1, f.message(b"x")))
        raw.send(f.headers(1, f.literal([(b"grpc-status", b"0"), (b"x-late", b"1")]), end=True))
        answer = raw.answer(1)
        assert answer.reset is not None or answer.grpc_status == 0
        raw.expect_alive()
    siege.is_well()


def test_a_bomb_in_a_message_is_not_inflated(siege: Siege) -> None:
    """64 MiB of zeroes in 64 KiB: octets like any others, which nobody here looks into."""
    bomb = f.message(gzip.compress(bytes(64 * MIB)), compressed=1)
    fields = f.request(b"/no.body/There", b"gw.test", (b"grpc-encoding", b"gzip"))

    def attack() -> None:
        with siege.begun() as raw:
            for stream_id in range(1, 20, 2):
                raw.head(stream_id, fields)
                raw.body(stream_id, bomb)
                assert raw.answer(stream_id).grpc_status == grpc.StatusCode.UNIMPLEMENTED.value[0]

    siege.under(attack, grows=16 * MIB)
