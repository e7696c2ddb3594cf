"""Peers that ask and do not read (CVE-2019-9512, -9517), or break what they open (CVE-2023-44487)."""

from __future__ import annotations

import threading
import time

import pytest

from tests.abuse.peers import HEAD, client, live, stats, until
from tests.support import frames
from tests.support.frames import Code, Setting, Type
from tests.support.raw import ClosedError


def _refused(house, reason: str = "control_frame_flood") -> int:
    return stats(house)["refused"].get(reason, 0)


def _pour(raw, octets: bytes, times: int) -> None:
    """Send until all is gone or the gateway has had enough."""
    raw.sock.settimeout(3)
    try:
        for _ in range(times):
            raw.sock.sendall(octets)
    except OSError:
        pass


def test_answers_to_denied_calls_that_nobody_reads(house):
    """CVE-2019-9517: each small request makes a larger answer."""
    raw = client(house)
    block = frames.literal(frames.request(authority=b"nobody." + b"n" * 70 + b".test"))
    number = 1
    ends = time.monotonic() + 6
    while not _refused(house) and time.monotonic() < ends:
        _pour(raw, b"".join(frames.headers(number + 2 * at, block, end=True) for at in range(500)), 1)
        number += 1000
        assert stats(house)["octets_lent"] < 40 << 20
    assert _refused(house) == 1
    assert until(lambda: not live(house))
    # It cannot be told why, for it does not read; going on to send does not keep it alive.
    ends = time.monotonic() + 4
    while stats(house)["connections_open"] and time.monotonic() < ends:
        _pour(raw, b"x", 1)
        time.sleep(0.02)
    assert stats(house)["connections_open"] == 0
    assert stats(house)["octets_lent"] < 1 << 20


def test_pings_that_nobody_reads(house):
    raw = client(house)
    _pour(raw, frames.ping() * 1000, 1000)
    assert until(lambda: _refused(house, "ping_flood") == 1)


def test_a_busy_client_that_pings_all_the_time_is_honest(house, raw_origin):
    """The outbox never runs empty for seconds, yet every answer is read."""
    big = (1 << 31) - 1
    raw = client(house, (Setting.INITIAL_WINDOW_SIZE, big))
    raw.send(frames.window_update(0, big - 65535))
    for number in range(1, 13, 2):
        raw.head(number, frames.request(), end=True)
    origin = raw_origin.accept()
    origin.begin()
    streams = [origin.request() for _ in range(6)]
    for stream in streams:
        origin.head(stream, HEAD)
    stop = threading.Event()

    def pour() -> None:
        windows = {0: 65535, **dict.fromkeys(streams, 1 << 20)}
        try:
            while not stop.is_set():
                for stream in streams:
                    while min(windows[0], windows[stream]) >= 16384:
                        origin.send(frames.data(stream, b"x" * 16384))
                        windows[0] -= 16384
                        windows[stream] -= 16384
                frame = origin.expect(Type.WINDOW_UPDATE)
                windows[frame.stream_id] += int.from_bytes(frame.payload, "big")
        except (ClosedError, AssertionError, OSError):
            pass

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        assert until(lambda: stats(house)["octets_waiting"] > 3 << 20)
        for _ in range(2500):
            raw.send(frames.ping())
            raw.expect(Type.DATA)
        assert stats(house)["refused"] == {}
    finally:
        stop.set()
        raw.sock.close()
        origin.sock.close()
        thread.join()


@pytest.mark.parametrize("how", ["reset", "made to reset"])
def test_streams_opened_and_broken_without_end(house, raw_origin, how):
    """CVE-2023-44487 by RST_STREAM, CVE-2025-8671 by frames that make us send one."""
    raw = client(house)
    for number in range(1, 2401, 2):
        raw.head(number, frames.request())
        raw.send(frames.rst_stream(number) if how == "reset" else frames.window_update(number, 0))
    raw.expect_goaway(Code.ENHANCE_YOUR_CALM, b"reset_flood")
    assert until(lambda: not live(house))


def test_a_client_that_cancels_much_and_completes_as_much_is_honest(house):
    raw = client(house)
    for number in range(1, 6001, 4):
        raw.head(number, frames.request())
        raw.send(frames.rst_stream(number))
        raw.head(number + 2, frames.request(authority=b"nobody.test"), end=True)
        raw.answer(number + 2)
    raw.expect_alive()
