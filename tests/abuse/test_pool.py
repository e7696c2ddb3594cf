"""Origins that allow few streams, or no further connection: the gateway waits without spinning."""

from __future__ import annotations

import os
import resource
import time

from tests.abuse.peers import HEAD, TRAILERS, client, live, stats, until
from tests.support import frames
from tests.support.frames import Setting, Type


def _opened(house) -> int:
    return stats(house)["origin_connections_opened"]


def _full(house, raw_origin):
    """A client, and an origin whose only stream it holds."""
    raw = client(house)
    raw.head(1, frames.request())
    origin = raw_origin.accept()
    origin.begin((Setting.MAX_CONCURRENT_STREAMS, 1))
    return raw, origin, origin.request()


def _answer(origin, stream_id: int) -> None:
    origin.head(stream_id, HEAD)
    origin.head(stream_id, TRAILERS, end=True)


def test_a_full_origin_that_refuses_connections_is_not_called_without_pause(house, raw_origin):
    raw, origin, held = _full(house, raw_origin)
    raw_origin.listener.close()
    raw.head(3, frames.request(), end=True)
    time.sleep(0.5)
    assert 2 <= _opened(house) <= 4
    raw.send(frames.data(1, end=True))
    _answer(origin, held)
    assert raw.answer(1).grpc_status == 0
    _answer(origin, origin.request())
    assert raw.answer(3).grpc_status == 0
    assert until(lambda: not live(house))


def test_a_full_origin_while_descriptors_have_run_out(house, raw_origin):
    raw, origin, held = _full(house, raw_origin)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(number) for number in os.listdir("/proc/self/fd"))
    spare = [os.dup(0) for _ in range(used + 8) if len(os.listdir("/proc/self/fd")) < used + 2]
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, limits[1]))
    try:
        raw.head(3, frames.request(), end=True)
        time.sleep(0.3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for number in spare:
            os.close(number)
    assert _opened(house) <= 4
    raw.send(frames.data(1, end=True))
    _answer(origin, held)
    assert raw.answer(1).grpc_status == 0


def test_an_origin_that_allows_no_stream_is_not_called_without_pause(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request(), end=True)
    ends = time.monotonic() + 0.7
    while time.monotonic() < ends:
        try:
            raw_origin.accept(0.1).begin((Setting.MAX_CONCURRENT_STREAMS, 0))
        except TimeoutError:
            continue
    assert _opened(house) <= 3
    raw.send(frames.rst_stream(1))
    assert until(lambda: not live(house))


def test_calls_that_wait_get_the_next_connection(house, raw_origin):
    raw, _, _ = _full(house, raw_origin)
    raw.head(3, frames.request(), end=True)
    second = raw_origin.accept()
    second.begin()
    _answer(second, second.request())
    assert raw.answer(3).grpc_status == 0


def test_late_frames_for_many_cancelled_streams_do_no_harm(house, raw_origin):
    """More streams than a connection remembers one by one, each with a burst of small messages on its way."""
    raw = client(house)
    numbers = range(1, 161, 2)
    for number in numbers:
        raw.head(number, frames.request(), end=True)
    origin = raw_origin.accept()
    origin.begin()
    streams = [origin.request() for _ in numbers]
    raw.sock.close()
    for _ in streams:
        origin.expect(Type.RST_STREAM)
    origin.send(
        *(frames.headers(one, origin.encoder.encode(HEAD)) for one in streams),
        *(frames.data(one, b"late") for _ in range(30) for one in streams),
    )
    origin.send(frames.ping(b"stillher"))
    frame = origin.expect(Type.PING, Type.GOAWAY, Type.RST_STREAM)
    assert (frame.type, frame.payload) == (Type.PING, b"stillher")
    assert until(lambda: not live(house))


# ---- before it is full


def _calls(raw, origin, *numbers: int) -> list[int]:
    """Open these streams; the origin's numbers of them."""
    for number in numbers:
        raw.head(number, frames.request())
    return [origin.request() for _ in numbers]


def test_the_next_connection_is_there_before_a_call_needs_it(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request())
    first = raw_origin.accept()
    first.begin((Setting.MAX_CONCURRENT_STREAMS, 10))
    first.request()
    _calls(raw, first, *range(3, 19, 2))
    time.sleep(0.1)
    assert _opened(house) == 1, "nine of ten"
    _calls(raw, first, 19)
    second = raw_origin.accept()
    second.begin((Setting.MAX_CONCURRENT_STREAMS, 10))
    assert until(lambda: stats(house)["origin_connections_open"] == 2)
    second.send(frames.ping(b"settings"))
    second.expect(Type.PING)
    _calls(raw, second, 21)
    time.sleep(0.1)
    assert _opened(house) == 2
    raw.sock.close()
    assert until(lambda: not live(house))


def test_calls_that_waited_together_fill_it_just_the_same(house, raw_origin):
    raw = client(house)
    for number in range(1, 21, 2):
        raw.head(number, frames.request())
    raw_origin.accept().begin((Setting.MAX_CONCURRENT_STREAMS, 10))
    second = raw_origin.accept()
    second.begin((Setting.MAX_CONCURRENT_STREAMS, 10))
    assert _opened(house) == 2
    raw.sock.close()
    assert until(lambda: not live(house))


def test_a_tenth_is_kept_free(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request())
    first = raw_origin.accept()
    first.begin((Setting.MAX_CONCURRENT_STREAMS, 40))
    first.request()
    _calls(raw, first, *range(3, 73, 2))
    time.sleep(0.1)
    assert _opened(house) == 1, "four of forty are free"
    _calls(raw, first, 73)
    raw_origin.accept().begin()
    assert _opened(house) == 2
    raw.sock.close()
    assert until(lambda: not live(house))


def test_where_a_connection_carries_one_call_none_is_opened_in_vain(house, raw_origin):
    raw, origin, held = _full(house, raw_origin)
    time.sleep(0.2)
    assert _opened(house) == 1
    raw.send(frames.data(1, end=True))
    _answer(origin, held)
    assert raw.answer(1).grpc_status == 0


def test_a_next_connection_that_fails_is_not_tried_without_pause(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request())
    first = raw_origin.accept()
    first.begin((Setting.MAX_CONCURRENT_STREAMS, 2))
    first.request()
    raw_origin.listener.close()
    for number in range(3, 43, 2):
        stream_id = _calls(raw, first, number)[0]
        raw.send(frames.data(number, end=True))
        _answer(first, stream_id)
        assert raw.answer(number).grpc_status == 0
    assert 2 <= _opened(house) <= 3
    raw.sock.close()
    assert until(lambda: not live(house))
