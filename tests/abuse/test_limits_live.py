"""A running gateway with other numbers: what it announces, and how long it waits for a peer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fastgw._core.proxy.worker import Worker
from tests.abuse.peers import HEAD, TRAILERS, client, live, stats, toml, until
from tests.support import frames
from tests.support.frames import Code, Setting, Type
from tests.support.house import House
from tests.support.raw import ClosedError, RawClient

Limited = Callable[..., House]


@pytest.fixture
def limited(monkeypatch, raw_origin, gateway) -> Limited:
    """`limited(name=number, …)` starts a gateway whose workers have these limits."""

    def start(**limits: int) -> House:
        def worker(**more: Any) -> Worker:
            return Worker(**{**more, "limits": {**(more.get("limits") or {}), **limits}})

        monkeypatch.setattr("fastgw.gateway.Worker", worker)
        return gateway(toml=toml(raw_origin.port))

    return start


def refused(house: House, reason: str) -> int:
    return stats(house)["refused"].get(reason, 0)


def ends_between(raw: RawClient, least: float, most: float, since: float) -> None:
    """The gateway ends the connection without a word, so many seconds after `since`."""
    seen = raw.expect_closed()
    assert all(frame.type != Type.GOAWAY for frame in seen)
    assert least <= time.monotonic() - since < most


def says_nothing_for(raw: RawClient, seconds: float) -> bool:
    """False if the gateway ends the connection before that; its SETTINGS do not count."""
    try:
        while True:
            if raw.read(seconds).type != Type.SETTINGS:
                return False
    except TimeoutError:
        return True
    except ClosedError:
        return False


# what is announced, and holds


def test_concurrent_streams(limited, raw_origin):
    house = limited(concurrent_streams=3)
    raw = house.raw(tls=False, listener=1)
    assert raw.begin().settings[Setting.MAX_CONCURRENT_STREAMS] == 3
    for number in (1, 3, 5, 7):
        raw.head(number, frames.request())
    raw.expect_reset(7, Code.REFUSED_STREAM)
    raw.send(frames.rst_stream(5))
    raw.head(9, frames.request(authority=b"nobody.test"), end=True)
    assert raw.answer(9).grpc_status > 0


def test_stream_window(limited, raw_origin):
    house = limited(stream_window=20000)
    raw = house.raw(tls=False, listener=1)
    assert raw.begin().settings[Setting.INITIAL_WINDOW_SIZE] == 20000
    raw.head(1, frames.request())
    origin = raw_origin.accept()
    assert origin.begin((Setting.INITIAL_WINDOW_SIZE, 0)).settings[Setting.INITIAL_WINDOW_SIZE] == 20000
    raw.body(1, bytes(20000), end=False)
    raw.expect_alive()
    raw.send(frames.data(1, b"x"))
    raw.expect_reset(1, Code.FLOW_CONTROL_ERROR)
    assert stats(house)["refused"] == {"window_overrun": 1}


@pytest.mark.parametrize(
    ("limits", "more"),
    [
        ({"head_octets": 2048}, [(b"x-large", b"v" * 1900)]),
        ({"head_fields": 16}, [(b"x-%d" % number, b"") for number in range(11)]),
    ],
    ids=["octets", "fields"],
)
def test_heads_beyond_a_limit_are_denied(limited, raw_origin, limits, more):
    house = limited(**limits)
    raw = house.raw(tls=False, listener=1)
    assert raw.begin().settings[Setting.MAX_HEADER_LIST_SIZE] == limits.get("head_octets", 32768)
    raw.head(1, frames.request(b"/a.B/C", b"gw.test", *more), end=True)
    assert raw.answer(1).grpc_status > 0
    assert stats(house)["replies"] == {"head_too_large": 1}
    raw.head(3, frames.request(b"/a.B/C", b"gw.test", *more[:-1]), end=True)
    origin = raw_origin.accept()
    origin.begin()
    origin.head(origin.request(), [*HEAD, *TRAILERS], end=True)
    assert raw.answer(3).grpc_status == 0


# how long a peer may take


def test_a_client_that_does_not_begin(limited):
    house = limited(begin_timeout_ms=150)
    for said in (b"", frames.PREFACE[:10], frames.PREFACE, frames.PREFACE + frames.settings()[:8]):
        since = time.monotonic()
        raw = house.raw(tls=False, listener=1)
        raw.send(said)
        ends_between(raw, 0.12, 3, since)
    honest = client(house)
    time.sleep(0.3)
    honest.expect_alive()


def test_a_client_that_begins_octet_by_octet(limited):
    house = limited(begin_timeout_ms=150)
    since = time.monotonic()
    raw = house.raw(tls=True)
    for octet in frames.PREFACE[:-1]:
        if not says_nothing_for(raw, 0.02):
            break
        raw.send(bytes((octet,)))
    else:
        raise AssertionError("it was let go on")
    assert 0.12 <= time.monotonic() - since < 3


def test_a_client_that_never_acknowledges_our_settings(limited):
    house = limited(settings_timeout_ms=150)
    since = time.monotonic()
    raw = house.raw(tls=False, listener=1)
    raw.send(frames.PREFACE, frames.settings())
    raw.expect_goaway(Code.SETTINGS_TIMEOUT, b"settings_ack_timeout")
    assert 0.12 <= time.monotonic() - since < 3
    assert refused(house, "settings_ack_timeout") == 1
    honest = client(house)
    time.sleep(0.3)
    honest.expect_alive()


def test_an_origin_that_never_acknowledges_our_settings(limited, raw_origin):
    house = limited(settings_timeout_ms=150)
    raw = client(house)
    raw.head(1, frames.request(), end=True)
    origin = raw_origin.accept()
    assert origin.sock.recv(len(frames.PREFACE)) == frames.PREFACE
    origin.send(frames.settings())
    origin.expect_goaway(Code.SETTINGS_TIMEOUT, b"settings_ack_timeout")
    assert raw.answer(1).grpc_status > 0
    raw.expect_alive()
    assert until(lambda: not live(house))


def test_a_head_that_does_not_end(limited):
    house = limited(head_timeout_ms=200, continuation_frames=1000)
    raw = client(house)
    since = time.monotonic()
    block = frames.literal(frames.request())
    raw.send(frames.headers(1, block, end_headers=False))
    for _ in range(5):
        assert says_nothing_for(raw, 0.02)
        raw.send(frames.continuation(1, b"", end_headers=False))  # going on does not help
    raw.expect_goaway(Code.ENHANCE_YOUR_CALM, b"head_timeout")
    assert 0.17 <= time.monotonic() - since < 3
    assert refused(house, "head_timeout") == 1


def test_a_head_that_ends_in_time(limited, raw_origin):
    """Its time begins with it, however long the gateway has slept before."""
    house = limited(head_timeout_ms=500, begin_timeout_ms=600)
    raw = client(house)
    time.sleep(0.45)
    block = frames.literal(frames.request(authority=b"nobody.test"))
    raw.send(frames.headers(1, block[:20], end=True, end_headers=False))
    time.sleep(0.25)
    raw.send(frames.continuation(1, block[20:]))
    assert raw.answer(1).grpc_status > 0
    raw.expect_alive()


def asks_and_does_not_read(house: House, receive_buffer: int | None = None) -> RawClient:
    """A client with some MiB of answers waiting for it."""
    raw = RawClient(house.addresses[1], receive_buffer=receive_buffer)
    raw.begin()
    for _ in range(400):
        raw.send(frames.ping() * 1000)
    return raw


STALL = {"pings_burst": 10**9, "control_waiting": 10**9}


def test_a_client_whose_socket_takes_nothing(limited):
    house = limited(stall_timeout_ms=200, **STALL)
    raw = asks_and_does_not_read(house, receive_buffer=4096)
    assert until(lambda: refused(house, "stalled") == 1, 3)
    assert until(lambda: stats(house)["connections_open"] == 0, 1)
    assert until(lambda: stats(house)["octets_lent"] == 0, 1)
    raw.sock.close()


def test_a_client_that_reads_slowly_is_not_stalled(limited):
    house = limited(stall_timeout_ms=400, **STALL)
    raw = asks_and_does_not_read(house)
    raw.sock.settimeout(5)
    got = 0
    while got < 400_000 * 17:
        octets = raw.sock.recv(1 << 16)
        assert octets, "cut off"
        got += len(octets)
        time.sleep(0.005)
    assert refused(house, "stalled") == 0
    raw.expect_alive()


def test_a_client_that_is_idle(limited):
    house = limited(client_idle_timeout_ms=200)
    raw = client(house)
    since = time.monotonic()
    for _ in range(5):
        time.sleep(0.08)
        raw.expect_alive()
    assert time.monotonic() - since >= 0.4
    since = time.monotonic()
    frame = raw.expect(Type.GOAWAY)
    assert frame.code == Code.NO_ERROR
    raw.expect_closed()
    assert 0.17 <= time.monotonic() - since < 3


def test_a_client_with_a_call_is_not_idle(limited, raw_origin):
    house = limited(client_idle_timeout_ms=150)
    raw = client(house)
    raw.head(1, frames.request(), end=True)
    origin = raw_origin.accept()
    origin.begin()
    stream = origin.request()
    time.sleep(0.4)
    origin.head(stream, [*HEAD, *TRAILERS], end=True)
    assert raw.answer(1).grpc_status == 0
