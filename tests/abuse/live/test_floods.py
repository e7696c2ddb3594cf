"""Floods of frames that are legal one by one: ended by their budget, and nobody else notices."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Setting, Type
from tests.support.raw import RawClient
from tests.support.siege import MIB, Siege, goaway_of, pour

ASK = f.literal(f.request())
SLEEP = f.literal(f.request(b"/fastgw.test.Echo/Sleep"))
ENDLESS = f.literal(f.request(b"/fastgw.test.Echo/Endless"))
SLURP = f.literal(f.request(b"/fastgw.test.Echo/Slurp"))
HELLO = f.message(b"hello")
WIDE = (Setting.INITIAL_WINDOW_SIZE, (1 << 31) - 1)


def streams(count: int, what: Callable[[int], bytes]) -> bytes:
    """`what` for each of the first streams of a client."""
    return b"".join(what(stream_id) for stream_id in range(1, 2 * count, 2))


def asked(stream_id: int, *, end: bool = False) -> bytes:
    return f.headers(stream_id, ASK, end=end)


def asleep(stream_id: int = 1) -> bytes:
    """A call that the origin holds open."""
    return f.headers(stream_id, SLEEP)


def made_to_reset(*what: bytes, ends: bool = False) -> bytes:
    """3000 streams, each broken in a way that makes us reset it; in `what`, stream 1 stands for each."""
    rows = []
    for stream_id in range(1, 6000, 2):
        rows.append(f.headers(stream_id, ASK, end=ends))
        rows += [row[:5] + stream_id.to_bytes(4, "big") + row[9:] for row in what]
    return b"".join(rows)


def depends_on_itself() -> bytes:
    return b"".join(asked(number) + f.priority(number, number) for number in range(1, 6000, 2))


def malformed(*more: tuple[bytes, bytes]) -> bytes:
    block = f.literal([*f.request(), *more])
    return streams(3000, lambda number: f.headers(number, block, end=True))


def wobble() -> bytes:
    """The window of 200 streams moves up and down (related to CVE-2019-9517)."""
    moves = f.settings((Setting.INITIAL_WINDOW_SIZE, 0)) + f.settings((Setting.INITIAL_WINDOW_SIZE, 65535))
    return streams(200, asleep) + moves * 500


@dataclass(frozen=True)
class Flood:
    """`octets`, which no peer may say, end the connection for `reason`."""

    name: str
    octets: bytes
    reason: bytes
    grows: int = 8 * MIB


# A turn may read more PINGs than may wait for an answer: then that is met before the budget.
UNREAD = ([(Code.ENHANCE_YOUR_CALM, b"control_frame_flood")], b"ping_flood")
OPEN_BLOCK = f.headers(1, ASK, end_headers=False)
KIB16 = b"\0" * 16384
FLOODS = [
    # resets, by the client
    Flood("cve-2023-44487-rapid-reset", streams(5000, lambda n: asked(n) + f.rst_stream(n)), b"reset_flood"),
    Flood(
        "cve-2023-44487-with-body",
        streams(5000, lambda n: asked(n) + f.data(n, HELLO, end=True) + f.rst_stream(n)),
        b"reset_flood",
        grows=16 * MIB,
    ),
    Flood(
        "cve-2023-44487-in-batches",
        b"".join(
            b"".join(asked(n) for n in range(at, at + 200, 2))
            + b"".join(f.rst_stream(n) for n in range(at, at + 200, 2))
            for at in range(1, 8000, 200)
        ),
        b"reset_flood",
    ),
    # resets, by us: the six ways of MadeYouReset
    Flood("cve-2025-8671-window-zero", made_to_reset(f.window_update(1, 0)), b"reset_flood"),
    Flood("cve-2025-8671-window-overflow", made_to_reset(f.window_update(1, 0x7FFFFFFF)), b"reset_flood"),
    Flood("cve-2025-8671-data-after-end", made_to_reset(f.data(1, b"x"), ends=True), b"reset_flood"),
    Flood("cve-2025-8671-headers-after-end", made_to_reset(f.headers(1, ASK), ends=True), b"reset_flood"),
    Flood("cve-2025-8671-depends-on-itself", depends_on_itself(), b"reset_flood"),
    Flood("cve-2025-8671-content-length", malformed((b"content-length", b"5")), b"reset_flood"),
    Flood("cve-2025-8671-trailers-go-on", made_to_reset(f.headers(1, b"")), b"reset_flood"),
    Flood("cve-2019-9514-malformed", malformed((b"bad name", b"1")), b"reset_flood"),
    Flood("cve-2019-9516-empty-names", malformed(*[(b"", b"")] * 20), b"reset_flood"),
    Flood("stream-limit", streams(2000, asleep), b"reset_flood"),
    # field blocks without end
    Flood(
        "cve-2024-27316-empty",
        OPEN_BLOCK + f.continuation(1, b"", end_headers=False) * 99,
        b"continuation_flood",
    ),
    Flood(
        "cve-2023-45288-one-octet",
        OPEN_BLOCK + f.continuation(1, b"\0", end_headers=False) * 5000,
        b"continuation_flood",
    ),
    Flood(
        "cve-2024-28182-full",
        f.headers(1, KIB16, end_headers=False) + f.continuation(1, KIB16, end_headers=False) * 50,
        b"field_block_too_large",
    ),
    Flood(
        "cve-2024-30255-many-blocks",
        streams(
            400,
            lambda n: (
                f.headers(n, ASK, end_headers=False)
                + f.continuation(n, b"", end_headers=False) * 7
                + f.continuation(n, b"")
                + f.rst_stream(n)
            ),
        ),
        b"continuation_flood",
    ),
    # frames that ask for an answer
    Flood("cve-2019-9512-ping", f.ping() * 20000, b"ping_flood"),
    Flood("cve-2019-9515-settings", f.settings() * 5000, b"settings_flood"),
    Flood("cve-2019-9515-same-window", f.settings((4, 65535)) * 5000, b"settings_flood"),
    Flood(
        "cve-2020-11080-large-settings", f.settings(*[(0x99, n) for n in range(2730)]), b"settings_too_many"
    ),
    Flood("window-wobble", wobble(), b"settings_flood"),
    # frames that ask for nothing
    Flood("cve-2019-9513-priority", f.priority(1, 3) * 30000, b"priority_flood"),
    Flood("cve-2019-9513-tree", streams(20000, lambda n: f.priority(n, n + 2)), b"priority_flood"),
    Flood("cve-2019-9518-empty-data", asleep() + f.data(1) * 20000, b"empty_data_flood"),
    Flood("cve-2019-9518-padding-only", asleep() + f.data(1, padding=255) * 20000, b"empty_data_flood"),
    Flood("window-update-connection", f.window_update(0, 1) * 40000, b"window_update_flood"),
    Flood(
        "cve-2019-9511-window-update-stream", asleep() + f.window_update(1, 1) * 40000, b"window_update_flood"
    ),
    Flood("late-resets", asked(1) + f.rst_stream(1) * 20000, b"unknown_frame_flood"),
    Flood("unknown-type", f.frame(0x77, 0, b"x") * 20000, b"unknown_frame_flood"),
    Flood("priority-update", f.frame(0x10, 0, b"\0\0\0\1u=1") * 20000, b"priority_flood"),
    Flood("altsvc", f.frame(0xA, 0, b"\0\0h2=:1") * 20000, b"unknown_frame_flood"),
    Flood("goaway", f.goaway() * 20000, b"unknown_frame_flood"),
    Flood("ping-answers", f.ping(ack=True) * 20000, b"unknown_frame_flood"),
    Flood("settings-answers", f.settings(ack=True) * 20000, b"unknown_frame_flood"),
]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
def test_a_flood_ends_its_connection(siege: Siege, flood: Flood) -> None:
    seen: list[object] = []

    def attack() -> None:
        with siege.begun() as raw:
            pour(raw, flood.octets)
            seen.append(goaway_of(raw))

    siege.under(attack, grows=flood.grows)
    assert seen == [(Code.ENHANCE_YOUR_CALM, flood.reason)] or (seen, flood.reason) == UNREAD
    siege.origin_is_idle()


@pytest.mark.parametrize("kind", ["ping", "settings", "reset"])
def test_cve_2019_9512_9514_9515_answers_are_not_read(siege: Siege, kind: str) -> None:
    """The attacker never reads, and comes again each time it is shown the door."""
    octets = {
        "ping": f.ping() * 3000,
        "settings": f.settings() * 3000,
        "reset": malformed((b"bad name", b"1")),
    }[kind]
    first = f.PREFACE + f.settings()

    def attack() -> None:
        for _ in range(20):
            with siege.raw(receive_buffer=2048) as raw:
                pour(raw, first)
                pour(raw, octets)

    siege.under(attack)
    siege.origin_is_idle()


def again_and_again(siege: Siege) -> None:
    """Whoever is ended opens the next connection: the budget is the connection's, the origin is everybody's."""
    octets = f.PREFACE + f.settings() + streams(3000, lambda n: asked(n) + f.rst_stream(n))

    def attack() -> None:
        for _ in range(5):
            with siege.raw() as raw:
                pour(raw, octets)
                assert goaway_of(raw)[1] == b"reset_flood"

    siege.under(attack, grows=24 * MIB)
    siege.origin_is_idle()


@pytest.mark.parametrize("name", [b"cookie", b"x"])
def test_cve_2026_49975_http2_bomb(siege: Siege, name: bytes) -> None:
    """One octet on the wire for each field, streams held by a window of zero (CVE-2026-47774)."""
    insert = b"\x40" + bytes((len(name),)) + name + b"\x01a"
    block = ASK + insert + b"\xbe" * 16000  # 16000 fields, index 62
    octets = f.headers(1, block[:16384], end=True) + b"".join(
        f.headers(number, ASK + b"\xbe" * 16000, end=True) for number in range(3, 2 * 250, 2)
    )

    def attack() -> None:
        with siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)) as raw:
            pour(raw, octets)
            code, reason = goaway_of(raw)
            assert (code, reason) == (Code.ENHANCE_YOUR_CALM, b"field_block_too_large")

    siege.under(attack)


def test_cve_2026_49975_small_bombs(siege: Siege) -> None:
    """Each block below the hard limit: answered 431-like, none reaches the origin, nothing is kept."""
    block = ASK + b"\x40\x06cookie\x01a" + b"\xbe" * 900
    octets = streams(250, lambda number: f.headers(number, block, end=True))
    before = siege.origin.calls

    def attack() -> None:
        with siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)) as raw:
            pour(raw, octets)
            raw.expect_alive()

    cost = siege.under(attack)
    assert siege.origin.calls == before + len(cost.latencies) + 2  # is_well's calls


def hold_without_reading(raw: RawClient, count: int, seconds: float) -> None:
    """Ask for endless answers, open every window, read nothing."""
    raw.send(f.window_update(0, 0x7FFFFFFF - 65535))
    for stream_id in range(1, 2 * count, 2):
        raw.send(f.headers(stream_id, ENDLESS), f.data(stream_id, f.message(b"x" * 8192), end=True))
    time.sleep(seconds)


def test_cve_2019_9517_internal_data_buffering(siege: Siege) -> None:
    """Windows wide open, TCP shut: what may wait in the gateway is bounded by its windows toward the origin."""
    with contextlib.ExitStack() as stack:

        def attack() -> None:
            for _ in range(3):
                raw = stack.enter_context(siege.raw(receive_buffer=4096))
                raw.begin(WIDE)
                hold_without_reading(raw, 4, 0.2)

        siege.under(attack, grows=48 * MIB)
    siege.origin_is_idle()


def test_cve_2019_9511_data_dribble(siege: Siege) -> None:
    """A large answer asked for octet by octet: the WINDOW_UPDATEs run out before the answer does."""

    def attack() -> None:
        with siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)) as raw:
            message = f.data(1, f.message(b"x" * 8192), end=True)
            raw.send(f.headers(1, ENDLESS), message)
            raw.expect(Type.HEADERS)
            pour(raw, f.window_update(1, 1) * 100, 600)
            raw.timeout = 10.0
            assert goaway_of(raw) == (Code.ENHANCE_YOUR_CALM, b"window_update_flood")

    siege.under(attack)
    siege.origin_is_idle()


def test_rustsec_2026_0258_one_octet_of_data(siege: Siege) -> None:
    """Tiny DATA for an origin that does not read: allowed, and what waits is bounded."""
    siege.origin.release.clear()

    def attack() -> None:
        with siege.begun() as raw:
            raw.send(f.headers(1, SLURP), f.data(1, f.message(b"x" * 60000)[:5]))
            pour(raw, f.data(1, b"x") * 1000, 60)
            raw.expect_alive()

    try:
        siege.under(attack)
    finally:
        siege.origin.release.set()
    siege.origin_is_idle()


def test_padded_data_costs_no_more_than_its_window(siege: Siege) -> None:
    """255 octets of padding around one of content: windows count them, memory does not keep them."""

    def attack() -> None:
        with siege.begun() as raw:
            raw.send(f.headers(1, f.literal(f.request(b"/fastgw.test.Echo/Collect"))))
            raw.send(f.data(1, f.message(b"x" * 2000)[:5]))
            pour(raw, f.data(1, b"x", padding=255) * 100, 20)
            raw.send(f.data(1, end=True))
            assert raw.answer(1).grpc_status == 0

    siege.under(attack)


def test_many_connections_that_each_flood(siege: Siege) -> None:
    """Forty at a time, each ended by its own budget."""
    octets = f.PREFACE + f.settings() + f.ping() * 1500

    def attack() -> None:
        with contextlib.ExitStack() as stack:
            raws = [stack.enter_context(siege.raw()) for _ in range(40)]
            for raw in raws:
                pour(raw, octets)
            said = {goaway_of(raw)[1] for raw in raws}
            # Who still writes when it is ended may lose the GOAWAY to the reset that answers what it wrote.
            assert said <= {b"ping_flood", b"control_frame_flood", b""}
            assert said != {b""}

    siege.under(attack, grows=16 * MIB)


def test_an_honest_crowd_is_no_flood(siege: Siege) -> None:
    """Cancels, pings and credits as busy clients send them, well above what one attack may: nobody is cut off."""
    with siege.begun() as raw:
        for number in range(1, 1200, 2):
            raw.send(asked(number), f.data(number, HELLO, end=True), f.ping(), f.window_update(0, 10))
            if number % 8 == 7:
                raw.send(f.rst_stream(number))
            else:
                assert raw.answer(number).grpc_status == 0
        raw.expect_alive()
