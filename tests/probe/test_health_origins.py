"""Health checks against origins that misbehave: each is bad in time, in a sentence, and bounded."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2 as pb2
from hypothesis import given
from hypothesis import strategies as st

from fastgw.probe.health_message import _number, _varint, health_request, serving_status
from fastgw.probe.message import pack
from fastgw.tls.context import client_context
from tests.probe.test_health import Reports, check, reports, target  # noqa: F401  fixtures
from tests.support import frames
from tests.support.frames import Code, message
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, RawServer

SERVING = b"\x08\x01"


def answer(peer: RawServer, stream_id: int, body: bytes = message(SERVING), trailers: Any = OK) -> None:
    peer.head(stream_id, GRPC_HEAD)
    peer.send(frames.data(stream_id, body))
    peer.head(stream_id, trailers, end=True)


def hang(peer: RawServer) -> None:
    peer.sock.settimeout(30)
    while peer.sock.recv(65536):
        pass


def hang_after_settings(peer: RawServer) -> None:
    peer.begin()
    hang(peer)


def garbage(peer: RawServer) -> None:
    peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n" * 20)
    hang(peer)


def reset(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    peer.send(frames.rst_stream(stream_id, Code.INTERNAL_ERROR))
    hang(peer)


def goaway(peer: RawServer) -> None:
    peer.begin()
    peer.request()
    peer.send(frames.goaway(0, Code.ENHANCE_YOUR_CALM))
    hang(peer)


def close_at_once(peer: RawServer) -> None:
    peer.sock.close()


def half_a_message(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    answer(peer, stream_id, message(SERVING)[:-1])
    hang(peer)


def nonsense_message(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    answer(peer, stream_id, message(b"\x0f\xff"))
    hang(peer)


def huge_message(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    peer.head(stream_id, GRPC_HEAD)
    peer.send(frames.data(stream_id, b"\0\x7f\xff\xff\xff" + bytes(1000)))
    hang(peer)


def web_page(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    peer.head(stream_id, [(b":status", b"404"), (b"content-type", b"text/html")], end=True)
    hang(peer)


def no_status(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    answer(peer, stream_id, b"", [(b"x", b"y")])
    hang(peer)


def busy(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    answer(peer, stream_id, b"", [(b"grpc-status", b"8"), (b"grpc-message", b"too%20busy")])
    hang(peer)


def drip(peer: RawServer) -> None:
    peer.begin()
    for octet in frames.settings() * 100:
        peer.send(bytes([octet]))
        time.sleep(0.02)


def endless_continuation(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    peer.send(frames.headers(stream_id, b"", end_headers=False))
    while True:
        peer.send(frames.continuation(stream_id, b"\x40\x01a\x7f\x81\x7f" + bytes(8000), end_headers=False))


def endless_data(peer: RawServer) -> None:
    peer.begin()
    stream_id, _ = peer.request()
    peer.head(stream_id, GRPC_HEAD)
    while True:
        peer.send(frames.data(stream_id, message(b"\x12\x03abc") * 500))


def endless_pings(peer: RawServer) -> None:
    peer.begin()
    while True:
        peer.send(frames.ping() * 500)


PLAYS = [
    (hang, "did not answer within 0.3 s"),
    (hang_after_settings, "did not answer within 0.3 s"),
    (garbage, "does not speak HTTP/2"),
    (reset, "reset the request with error code"),
    (goaway, "GOAWAY"),
    (close_at_once, ""),
    (half_a_message, ""),
    (nonsense_message, "no HealthCheckResponse"),
    (huge_message, "over the limit of 4096"),
    (web_page, "HTTP status 404"),
    (no_status, "without a grpc-status"),
    (busy, "RESOURCE_EXHAUSTED: too busy"),
    (drip, "did not answer within 0.3 s"),
    (endless_continuation, ""),
    (endless_data, ""),
    (endless_pings, "says more than a probe listens to"),
]


@pytest.mark.parametrize("kind", ["grpc", "watch"])
@pytest.mark.parametrize(("play", "words"), PLAYS, ids=lambda value: getattr(value, "__name__", ""))
def test_an_origin_that_misbehaves(check, reports, kind, play, words):  # noqa: F811
    with RawOrigin(play, None) as origin:
        begun = time.monotonic()
        patience = 5.0 if play.__name__.startswith("endless") else 0.3
        check(target(("127.0.0.1", origin.port), kind=kind, timeout=patience, interval=0.1))
        _, healthy, why = reports.next()
        assert not healthy
        assert why.count(f"127.0.0.1:{origin.port}") == 1
        assert words in why
        assert time.monotonic() - begun < 3 + patience


@pytest.mark.parametrize("play", [endless_continuation, endless_data, endless_pings, huge_message])
def test_memory_is_bounded(check, reports, play):  # noqa: F811
    with RawOrigin(play, None) as origin, traced() as peak:
        check(target(("127.0.0.1", origin.port), timeout=0.3, interval=0.1))
        assert reports.next()[1] is False
        time.sleep(0.3)
        assert peak() < 8 << 20


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """The most octets Python has held at a time."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_wrong_alpn(check, reports, origin_leaf):  # noqa: F811
    with (
        RawOrigin(hang, origin_leaf, alpn=("http/1.1",)) as one,
        RawOrigin(hang, origin_leaf, alpn=()) as two,
    ):
        context = client_context(verify=False, roots=None)
        check(*(target(("127.0.0.1", o.port), key=o.port, context=context) for o in (one, two)))
        for _ in range(2):
            assert "ALPN" in reports.next()[2] or "no application protocol" in reports.next()[2]


def test_a_goaway_that_leaves_our_stream_out_is_tried_again(check, reports):  # noqa: F811
    """Each connection serves one check, says goodbye, and is replaced: no result is lost (RFC 9113 6.8)."""

    def play(peer: RawServer) -> None:
        peer.begin()
        stream_id, _ = peer.request()
        answer(peer, stream_id)
        peer.request()
        peer.send(frames.goaway(stream_id))
        hang(peer)

    with RawOrigin(play, None) as origin:
        check(target(("127.0.0.1", origin.port), interval=0.02, fall=1))
        assert reports.next()[1] is True
        assert reports.silent(0.5)
        assert origin.peers > 3


def test_a_watch_that_falls_silent_is_asked_whether_it_lives(check, reports):  # noqa: F811
    def play(peer: RawServer) -> None:
        peer.begin()
        stream_id, _ = peer.request()
        peer.head(stream_id, GRPC_HEAD)
        peer.send(frames.data(stream_id, message(SERVING)))
        hang(peer)

    with RawOrigin(play, None) as origin:
        check(target(("127.0.0.1", origin.port), kind="watch", interval=0.1, timeout=0.2, fall=1))
        assert reports.next()[1] is True
        _, healthy, why = reports.next(3)
        assert not healthy
        assert "did not answer within 0.2 s" in why


@pytest.mark.parametrize("how", ["UNIMPLEMENTED", "reset"])
def test_any_answer_to_the_check_beside_a_silent_watch_is_life(check, reports, how):  # noqa: F811
    asked: list[bytes] = []

    def play(peer: RawServer) -> None:
        peer.begin()
        for stream_id, fields in peer.requests():
            asked.append(dict(fields)[b":path"])
            if asked[-1].endswith(b"/Watch"):
                peer.head(stream_id, GRPC_HEAD)
                peer.send(frames.data(stream_id, message(SERVING)))
            elif how == "reset":
                peer.send(frames.rst_stream(stream_id, Code.INTERNAL_ERROR))
            else:
                peer.head(stream_id, [*GRPC_HEAD, (b"grpc-status", b"12")], end=True)

    with RawOrigin(play, None) as origin:
        check(target(("127.0.0.1", origin.port), kind="watch", fall=1))
        assert reports.next()[1] is True
        assert reports.silent(0.4)
        assert origin.peers == 1
    assert asked.count(b"/grpc.health.v1.Health/Watch") == 1
    assert len(asked) > 3


@pytest.mark.parametrize("more", [b"", frames.ping()], ids=["", "and-ping"])
def test_a_watch_moves_when_its_connection_goes_away(check, reports, more):  # noqa: F811
    """GOAWAY without an error is how servers renew connections; often a PING follows (RFC 9113 6.8)."""

    def play(peer: RawServer) -> None:
        peer.begin()
        stream_id, _ = peer.request()
        peer.head(stream_id, GRPC_HEAD)
        peer.send(frames.data(stream_id, message(SERVING)))
        time.sleep(0.05)
        peer.send(frames.goaway(stream_id) + more)
        hang(peer)

    with RawOrigin(play, None) as origin:
        check(target(("127.0.0.1", origin.port), kind="watch", fall=1))
        assert reports.next()[1] is True
        assert reports.silent(0.8)
        assert origin.peers > 2


def test_a_watch_comes_back_with_growing_pauses(check, reports):  # noqa: F811
    with RawOrigin(close_at_once, None) as origin:
        check(target(("127.0.0.1", origin.port), kind="watch", interval=60.0))
        assert reports.next()[1] is False
        time.sleep(1.2)
        assert 3 <= origin.peers <= 5, "at 0, 0.2, 0.6 and 1.4 s"


@pytest.mark.parametrize(
    ("status", "healthy"), [(b"200", True), (b"204", True), (b"302", True), (b"404", False), (b"503", False)]
)
def test_http(check, reports, status, healthy):  # noqa: F811
    asked: list[dict[bytes, bytes]] = []

    def play(peer: RawServer) -> None:
        peer.begin()
        for stream_id, fields in peer.requests():
            asked.append(dict(fields))
            peer.head(stream_id, [(b":status", status)])
            peer.send(frames.data(stream_id, b"x" * 100))

    with RawOrigin(play, None) as origin:
        check(target(("127.0.0.1", origin.port), kind="http", path="/ready?x=1", server_name="origin.test"))
        _, found, why = reports.next()
        assert found is healthy
        assert healthy or why.endswith(f"answered GET /ready?x=1 with {status.decode()}")
        assert reports.silent(0.3)
        assert origin.peers == 1, "the connection is kept"
    assert asked[0][b":method"] == b"GET"
    assert asked[0][b":path"] == b"/ready?x=1"
    assert asked[0][b":authority"] == b"origin.test"
    assert len(asked) > 2


def test_nothing_is_left_while_checks_hang(check):  # noqa: F811
    """Closing waits for nobody."""
    with RawOrigin(hang, None) as origin:
        checks = check(
            *(target(("127.0.0.1", origin.port), key=number, timeout=60.0) for number in range(20))
        )
        time.sleep(0.2)
        begun = time.monotonic()
        checks.close()
        assert time.monotonic() - begun < 2


# the two messages


@given(st.text(max_size=300))
def test_the_request_is_what_protobuf_makes(service):
    made = pb2.HealthCheckRequest(service=service).SerializeToString()
    assert health_request(service) == pack(made)


@given(st.sampled_from([0, 1, 2, 3]), st.binary(max_size=40), st.integers(2, 1000))
def test_the_answer_is_read_as_protobuf_reads_it(status, more, number):
    made = pb2.HealthCheckResponse(status=status).SerializeToString()
    assert serving_status(made) == status
    unknown = _varint(number << 3 | 2) + _varint(len(more)) + more
    assert serving_status(unknown + made) == serving_status(made + unknown) == status


@given(st.binary(max_size=30))
def test_any_octets_are_read_or_refused(octets):
    try:
        assert serving_status(octets) >= 0
    except ValueError:
        return


@given(st.integers(0, 2**64 - 1))
def test_varints(number):
    made = _varint(number)
    assert _number(made, 0) == (number, len(made))
