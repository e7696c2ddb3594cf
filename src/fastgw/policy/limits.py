"""The catalogue of limits: number, unit, range, what each bounds, what it answers and how it is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["client", "origin"]
Unit = Literal["octets", "fields", "frames", "frames/s", "entries", "streams", "calls", "connections", "ms"]
LimitValues = tuple[tuple[str, int], ...]

BOTH: tuple[Side, ...] = ("client", "origin")
CLIENT: tuple[Side, ...] = ("client",)
ORIGIN: tuple[Side, ...] = ("origin",)

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB
_MINUTE = 60_000
_DAY = 24 * 60 * _MINUTE
_WINDOW_DEFAULT = 65_535  # RFC 9113 section 6.9.2: a smaller one would be overrun before the peer knows of it
_COUNT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """One row. Where `unlimited`, 0 is allowed besides `least` to `most` and means that nothing is bounded.

    A metric is a key of `gateway.stats()["total"]`, with a dot for a key of a table in it.
    """

    id: str
    unit: Unit
    default: int
    least: int
    most: int
    bounds: str
    answers: str
    metrics: tuple[str, ...]
    sides: tuple[Side, ...] = BOTH
    per_worker: bool = False
    unlimited: bool = False
    per_process: bool = False

    @property
    def is_duration(self) -> bool:
        """Is it written with a unit, as in "10s"?"""
        return self.unit == "ms"

    @property
    def core_key(self) -> str:
        """What the core calls it: the same word, with its unit where people write durations."""
        return f"{self.id}_ms" if self.is_duration else self.id

    def allows(self, value: int) -> bool:
        """Is `value` within the range?"""
        return self.least <= value <= self.most or (self.unlimited and value == 0)

    def text(self, value: int) -> str:
        """`value` as people write it, without the unit where the file has none."""
        return duration_text(value) if self.is_duration else str(value)

    @property
    def range_text(self) -> str:
        """`65535 to 16777216 octets`, `10ms to 10m`."""
        unit = "" if self.is_duration else f" {self.unit}"
        zero = ", or 0 for none" if self.unlimited else ""
        return f"{self.text(self.least)} to {self.text(self.most)}{unit}{zero}"


def duration_text(milliseconds: int) -> str:
    """`10s`, `500ms`: the shortest whole number with a unit the file knows."""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def _budget(
    name: str, what: str, numbers: tuple[int, int, int], answers: str, reason: str, more: str = ""
) -> tuple[Limit, Limit, Limit]:
    """A limit that refills: how much at once, how much each second, how much for what is useful."""
    burst, per_second, per_useful = numbers
    metrics = (f"refused.{reason}",)
    return (
        Limit(
            f"{name}_burst",
            "frames",
            burst,
            1,
            _COUNT,
            f"{what}: what one connection may send at once",
            answers,
            metrics,
        ),
        Limit(
            f"{name}_per_second",
            "frames/s",
            per_second,
            0,
            _COUNT,
            f"{what}: what comes back into the budget each second",
            answers,
            metrics,
        ),
        Limit(
            f"{name}_per_useful",
            "frames",
            per_useful,
            0,
            _COUNT,
            f"{what}: what comes back for each frame that carried a head or content{more}",
            answers,
            metrics,
        ),
    )


def _timeout(
    name: str,
    default: int,
    bounds: str,
    answers: str,
    metric: str,
    sides: tuple[Side, ...] = BOTH,
    most: int = 10 * _MINUTE,
) -> Limit:
    return Limit(name, "ms", default, 10, most, bounds, answers, (metric,), sides)


_HEAD_METRICS = ("replies.head_too_large", "replies.origin_bad_response", "refused.field_block_too_large")

_SIZES = (
    Limit(
        "head_octets",
        "octets",
        32 * _KIB,
        _KIB,
        64 * _KIB,
        "a field section, decoded, each field with 32 octets of overhead; four times as much ends "
        "the connection",
        "CVE-2016-6581 (HPACK bomb); RFC 9113 section 6.5.2",
        _HEAD_METRICS,
    ),
    Limit(
        "head_fields",
        "fields",
        256,
        16,
        256,
        "fields of a field section, each cookie crumb counted",
        "CVE-2026-49975, CVE-2026-47774 (HTTP/2 bomb)",
        _HEAD_METRICS,
    ),
    Limit(
        "continuation_frames",
        "frames",
        8,
        1,
        64,
        "CONTINUATION frames of one field block",
        "CVE-2024-27316, CVE-2024-28182, CVE-2023-45288 (CONTINUATION flood)",
        ("refused.continuation_flood",),
    ),
    Limit(
        "settings_entries",
        "entries",
        32,
        6,
        2730,
        "entries of one SETTINGS frame",
        "CVE-2020-11080",
        ("refused.settings_too_many",),
    ),
    Limit(
        "control_waiting",
        "frames",
        1000,
        10,
        1_000_000,
        "answers to PING, SETTINGS and refused frames that wait for the peer to read them",
        "CVE-2019-9512, CVE-2019-9514, CVE-2019-9515",
        ("refused.control_frame_flood",),
    ),
    Limit(
        "concurrent_streams",
        "streams",
        256,
        1,
        1_000_000,
        "calls that one client connection may have open at a time",
        "RFC 9113 section 5.1.2",
        ("refused.stream_limit_exceeded",),
        CLIENT,
    ),
    Limit(
        "stream_window",
        "octets",
        _MIB,
        _WINDOW_DEFAULT,
        16 * _MIB,
        "content of one stream that may be on its way before it has been passed on",
        "RFC 9113 section 6.9.1; CVE-2019-9517",
        ("refused.window_overrun",),
    ),
    Limit(
        "connection_window",
        "octets",
        16 * _MIB,
        _WINDOW_DEFAULT,
        _GIB,
        "content of all streams of one connection that may be on its way",
        "RFC 9113 section 6.9.1; CVE-2019-9517",
        ("refused.connection_window_overrun",),
    ),
    Limit(
        "waiting_octets",
        "octets",
        64 * _MIB,
        64 * _KIB,
        1 << 40,
        "content that waits for peers who do not read; beyond it connections get no credit ahead and "
        "new calls are shed",
        "CVE-2019-9517",
        ("replies.overloaded",),
        per_worker=True,
    ),
    Limit(
        "hook_calls",
        "calls",
        1000,
        1,
        1_000_000,
        "calls that wait for a Python hook at the same time; beyond it new ones that would wait are shed",
        "hooks that are slower than calls come",
        ("replies.overloaded",),
        CLIENT,
        per_worker=True,
    ),
    Limit(
        "worker_memory",
        "octets",
        _GIB,
        _MIB,
        1 << 40,
        "memory of connections, streams and what waits in them; beyond it new calls are shed",
        "exhaustion by many connections, each within its own limits",
        ("replies.overloaded",),
        per_worker=True,
        unlimited=True,
    ),
    Limit(
        "connections",
        "connections",
        65_536,
        1,
        10_000_000,
        "client connections that may be open at a time",
        "exhaustion of descriptors and memory by connections that do nothing",
        ("connections_refused",),
        CLIENT,
        per_worker=True,
    ),
    Limit(
        "counters_memory",
        "octets",
        64 * _MIB,
        _MIB,
        16 * _GIB,
        "counters of rate limits, 32 octets each, from the first rate limit on; where all are worth keeping, "
        "a call of a new key may pass uncounted",
        "floods with a new key in each call",
        ("counters_uncounted", "counters_displaced"),
        CLIENT,
        per_process=True,
    ),
)

_BUDGETS = (
    *_budget(
        "resets",
        "streams broken by the peer or for its fault",
        (1000, 200, 0),
        "CVE-2023-44487 (Rapid Reset), CVE-2025-8671 (MadeYouReset)",
        "reset_flood",
        "; a call that ends well always brings one back",
    ),
    *_budget("pings", "PING frames", (1000, 100, 1), "CVE-2019-9512 (PING flood)", "ping_flood"),
    *_budget("settings", "SETTINGS frames", (100, 10, 0), "CVE-2019-9515 (SETTINGS flood)", "settings_flood"),
    *_budget(
        "window_updates",
        "WINDOW_UPDATE frames",
        (10_000, 1000, 4),
        "CVE-2019-9511; RFC 9113 section 10.5",
        "window_update_flood",
    ),
    *_budget(
        "priorities",
        "PRIORITY and PRIORITY_UPDATE frames",
        (1000, 100, 1),
        "CVE-2019-9513 (resource loop)",
        "priority_flood",
    ),
    *_budget(
        "empty_data",
        "DATA frames that neither carry content nor end a stream",
        (1000, 100, 1),
        "CVE-2019-9518 (empty frames)",
        "empty_data_flood",
    ),
    *_budget(
        "continuations",
        "CONTINUATION frames",
        (1000, 100, 1),
        "CVE-2024-27316; RFC 9113 section 10.5.1",
        "continuation_flood",
    ),
    *_budget(
        "unknown_frames",
        "frames of unknown types, resets of closed streams, GOAWAY, answers to PING and SETTINGS",
        (1000, 100, 1),
        "RFC 9113 section 10.5",
        "unknown_frame_flood",
    ),
)

_TIMEOUTS = (
    _timeout(
        "handshake_timeout",
        10_000,
        "the TLS handshake of a client, from accept to its end",
        "slow handshakes",
        "handshakes_failed",
        CLIENT,
    ),
    _timeout(
        "begin_timeout",
        10_000,
        "the connection preface and the first SETTINGS",
        "connections that never begin; RFC 9113 section 3.4",
        "begins_failed",
    ),
    _timeout(
        "settings_timeout",
        10_000,
        "the acknowledgement of our SETTINGS",
        "RFC 9113 section 6.5.3",
        "refused.settings_ack_timeout",
    ),
    _timeout(
        "head_timeout",
        5000,
        "a field block or any other frame, from its first octet to its last, however steadily it drips",
        "slow heads; CVE-2024-27316",
        "refused.head_timeout",
    ),
    _timeout(
        "client_idle_timeout",
        400_000,
        "a client connection without a call",
        "connections kept for nothing",
        "idle_closed",
        CLIENT,
        _DAY,
    ),
    _timeout(
        "origin_idle_timeout",
        900_000,
        "an origin connection without a call",
        "connections kept for nothing",
        "idle_closed",
        ORIGIN,
        _DAY,
    ),
    Limit(
        "client_connection_age",
        "ms",
        0,
        10,
        _DAY,
        "a client connection's life, a tenth more or less; then it is told to go by GOAWAY in two steps, and "
        "its calls finish",
        "connections that never move to another gateway; RFC 9113 section 6.8",
        ("connections_aged",),
        CLIENT,
        unlimited=True,
    ),
    Limit(
        "drain_spread",
        "ms",
        0,
        0,
        _DAY,
        "the time over which a drain tells client connections to go; at most half of drain_timeout",
        "all clients coming back at the same moment",
        ("connections_drained",),
        CLIENT,
    ),
    _timeout(
        "stall_timeout",
        60_000,
        "a peer that takes nothing of what waits for it",
        "CVE-2019-9517; zero windows",
        "refused.stalled",
        BOTH,
        _DAY,
    ),
)

CATALOGUE: dict[str, Limit] = {row.id: row for row in (*_SIZES, *_BUDGETS, *_TIMEOUTS)}

PER_PROCESS = frozenset(row.core_key for row in CATALOGUE.values() if row.per_process)
"""What is no limit of a worker, but of all of them together."""

DEFAULTS: LimitValues = tuple((row.core_key, row.default) for row in CATALOGUE.values())
