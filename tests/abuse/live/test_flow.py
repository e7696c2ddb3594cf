"""Attacks on flow control (RFC 9113 sections 5.2, 6.9): windows ignored, overflowed, leaked, or held shut."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Setting, Type
from tests.support.raw_origin import RawServer
from tests.support.siege import MIB, Siege, goaway_of, pour

ASK = f.literal(f.request())
COLLECT = f.literal(f.request(b"/fastgw.test.Echo/Collect"))
ENDLESS = f.literal(f.request(b"/fastgw.test.Echo/Endless"))
SLURP = f.literal(f.request(b"/fastgw.test.Echo/Slurp"))
LARGEST = (1 << 31) - 1
FULL = f.data(1, bytes(16384))


def mute(peer: RawServer) -> None:
    """Takes what its first windows allow, and gives no credit."""
    peer.begin()
    for _ in peer.requests():
        pass


HOSTILE = {"mute": mute}
LIMITS = "resets_burst = 100000"  # what breaks here is to cost credit, not to be stopped before
MUTE = f.literal(f.request(authority=b"mute.gw.test"))


@pytest.fixture
def unread(siege: Siege):
    """The origin's Slurp reads nothing while this test runs."""
    siege.origin.release.clear()
    yield
    siege.origin.release.set()
    siege.origin_is_idle()


def test_a_stream_window_that_is_ignored(siege: Siege) -> None:
    """RFC 9113 section 6.9.1: whoever sends more than was allowed is stopped, and what waits stays bounded."""

    def attack() -> None:
        with siege.begun() as raw:
            raw.send(f.headers(1, MUTE))
            pour(raw, FULL * 16, 16)
            raw.expect_reset(1, Code.FLOW_CONTROL_ERROR)
            raw.expect_alive()

    siege.under(attack, grows=16 * MIB)


def test_a_connection_window_that_is_ignored(siege: Siege) -> None:
    """Fifty streams overrun their windows one after the other; what was kept for them goes with them."""

    def attack() -> None:
        with siege.begun() as raw:
            for number in range(1, 100, 2):
                raw.send(f.headers(number, MUTE))
                if not pour(raw, f.data(number, bytes(16384)) * 80):
                    break
            raw.expect(Type.GOAWAY, Type.RST_STREAM)

    siege.under(attack, grows=96 * MIB)


OVERFLOWS = {
    "connection": (f.window_update(0, LARGEST), b"connection_window_overflow"),
    "connection-by-steps": (f.window_update(0, LARGEST // 2) * 3, b"connection_window_overflow"),
    "connection-zero": (f.window_update(0, 0), b"connection_window_increment_zero"),
    "settings": (f.settings((Setting.INITIAL_WINDOW_SIZE, 1 << 31)), b"settings_window_too_large"),
    "settings-and-stream": (
        f.headers(1, COLLECT)
        + f.window_update(1, LARGEST - 65535)
        + f.settings((Setting.INITIAL_WINDOW_SIZE, LARGEST)),
        b"settings_window_too_large",
    ),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_windows_above_2_to_31(siege: Siege, name: str) -> None:
    octets, reason = OVERFLOWS[name]

    def attack() -> None:
        for _ in range(10):
            with siege.begun() as raw:
                raw.send(octets)
                assert goaway_of(raw)[1] == reason

    siege.under(attack, calls=20)


def test_a_window_below_zero(siege: Siege) -> None:
    """RFC 9113 section 6.9.2: nothing is sent until it is above zero again, and then exactly what it allows."""
    with siege.begun((Setting.INITIAL_WINDOW_SIZE, 1000)) as raw:
        raw.send(f.headers(1, ENDLESS), f.data(1, f.message(b"x" * 500), end=True))
        got = 0
        while got < 1000:
            got += len(raw.expect(Type.DATA).payload)
        assert got == 1000
        raw.send(f.settings((Setting.INITIAL_WINDOW_SIZE, 0)))  # the window is -1000 now
        raw.send(f.window_update(1, 1000))
        raw.expect_alive()
        raw.send(f.window_update(1, 7))
        assert len(raw.expect(Type.DATA).payload) == 7


def test_one_stream_held_shut_does_not_hold_its_neighbours(siege: Siege) -> None:
    """Isolation on one connection: 20 answers wait for their windows, others pass."""
    with siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)) as raw:
        for number in range(1, 40, 2):
            raw.send(f.headers(number, ASK), f.data(number, f.message(b"x" * 1000), end=True))
        for number in range(41, 241, 2):
            raw.send(f.headers(number, ASK), f.data(number, f.message(b"hello"), end=True))
            raw.send(f.window_update(number, 1000))
            assert raw.answer(number).body == f.message(b"hello")


def test_one_client_held_shut_does_not_hold_another(siege: Siege) -> None:
    """Isolation on the origin's connection: its connection window is credited although these answers wait."""
    with contextlib.ExitStack() as stack:

        def attack() -> None:
            for _ in range(3):
                raw = stack.enter_context(siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)))
                for number in range(1, 8, 2):
                    raw.send(f.headers(number, ENDLESS), f.data(number, f.message(bytes(1 << 16)), end=True))
            time.sleep(1.0)

        siege.under(attack, grows=48 * MIB, calls=100)
    siege.origin_is_idle()


@pytest.mark.usefixtures("unread")
def test_an_upload_nobody_reads_does_not_hold_other_uploads(siege: Siege) -> None:
    """Isolation toward the origin: it does not read these calls, and reads all others."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(siege.begun())

        def attack() -> None:
            for number in range(1, 8, 2):
                raw.send(f.headers(number, SLURP), f.data(number, f.message(bytes(1 << 20))[:5]))
                pour(raw, f.data(number, bytes(16384)) * 60)
            for number in range(9, 40, 2):
                raw.send(f.headers(number, COLLECT), f.data(number, f.message(bytes(10000)), end=True))
                assert len(raw.answer(number).body) == 10005

        siege.under(attack, grows=32 * MIB)


KIB16 = bytes(16000)
LEAKS = {  # each takes at least 16000 octets of the connection's window, and must give them back
    "padding": lambda number: (
        f.headers(number, COLLECT),
        *[f.data(number, b"x", padding=255)] * 62,
        f.rst_stream(number),
    ),
    "cancelled": lambda number: (f.headers(number, SLURP), f.data(number, KIB16), f.rst_stream(number)),
    "data-after-reset": lambda number: (
        f.headers(number, ASK),
        f.window_update(number, 0),
        f.data(number, KIB16),
    ),
    "content-length": lambda number: (
        f.headers(number, ASK + f.literal([(b"content-length", b"5")])),
        f.data(number, KIB16, end=True),
    ),
    "denied": lambda number: (
        f.headers(number, f.literal(f.request(authority=b"nobody.test"))),
        f.data(number, KIB16, end=True),
    ),
    "malformed": lambda number: (
        f.headers(number, ASK + f.literal([(b"X", b"1")])),
        f.data(number, KIB16, end=True),
    ),
    "too-large": lambda number: (
        f.headers(number, ASK + f.literal([(b"x", b"1")] * 300)),
        f.data(number, KIB16, end=True),
    ),
    "after-end": lambda number: (f.headers(number, ASK, end=True), f.data(number, KIB16)),
}


@pytest.mark.parametrize("name", LEAKS)
def test_credit_of_broken_streams_comes_back(siege: Siege, name: str) -> None:
    """Twice the connection window through streams that break: none of it may be lost (hyperium 0.4.14-0.4.16)."""
    times = 2 * 16 * MIB // 16000 // 4
    with siege.begun() as raw:
        for at in range(0, times, 64):
            for number in range(2 * at + 1, 2 * at + 129, 2):
                raw.send(*LEAKS[name](number))
            raw.expect_alive()
        raw.head(2 * times + 201, f.request(b"/fastgw.test.Echo/Collect"))
        raw.body(2 * times + 201, f.message(bytes(200000)))
        assert len(raw.answer(2 * times + 201).body) == 200005
