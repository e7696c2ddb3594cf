"""How the endpoints of a zone's origins are used: balancing, ejection, pools, health checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fastgw.policy.limits import duration_text

Balance = Literal["round_robin", "random", "least_calls", "peak_ewma", "hash"]
Check = Literal["none", "grpc", "watch", "tcp", "http"]
Unit = Literal["ms", "percent", "failures", "connections", "calls", "checks"]

ENDPOINTS_MAX = 64  # of one name; which of them a call has tried is a bit each
WEIGHT_MAX = 1000
PRIORITY_MAX = 65_535

_MINUTE = 60_000
_DAY = 24 * 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class Knob:
    """One number of [zone.origin] or [zone.origin.health]; where 0 is in range, `zero` says what it means."""

    id: str
    unit: Unit
    default: int
    least: int
    most: int
    effect: str
    zero: str = ""

    @property
    def is_duration(self) -> bool:
        """Is it written with a unit, as in "10s"?"""
        return self.unit == "ms"

    def allows(self, value: int) -> bool:
        """Is `value` within the range?"""
        return self.least <= value <= self.most or (value == 0 and bool(self.zero))

    def text(self, value: int) -> str:
        """`value` as people write it, without the unit where the file has none."""
        return (duration_text(value) if value else "0s") if self.is_duration else str(value)

    @property
    def range_text(self) -> str:
        """`1 to 1000 failures, or 0: never`, `1s to 24h, or 0s: any age`."""
        unit = "" if self.is_duration else f" {self.unit}"
        zero = f", or {self.text(0)}: {self.zero}" if self.zero else ""
        return f"{self.text(self.least)} to {self.text(self.most)}{unit}{zero}"


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """How endpoints are asked whether they are well; "none": only calls tell."""

    check: Check = "none"
    service: str = ""
    path: str = "/"
    interval_ms: int = 5000
    timeout_ms: int = 1000
    rise: int = 1
    fall: int = 2


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """The wishes of one zone, for each of its origins."""

    balance: Balance = "round_robin"
    hash_key: str = ""
    panic_threshold: int = 50
    slow_start_ms: int = 0
    eject_after: int = 5
    eject_for_ms: int = 30_000
    connections: int = 256
    waiting: int = 10_000
    calls: int = 0
    min_ready: int = 0
    connection_age_ms: int = 0
    keepalive_ms: int = 0
    health: HealthPolicy = field(default_factory=HealthPolicy)


ORIGIN: dict[str, Knob] = {
    row.id: row
    for row in (
        Knob(
            "panic_threshold",
            "percent",
            50,
            1,
            100,
            "when fewer endpoints of a priority are available, all of them are tried",
            "unavailable ones are never tried",
        ),
        Knob(
            "slow_start",
            "ms",
            0,
            100,
            60 * _MINUTE,
            "an endpoint that comes back has its full share of calls after this",
            "at once",
        ),
        Knob("eject_after", "failures", 5, 1, 1000, "so many in a row take an endpoint out", "never"),
        Knob("eject_for", "ms", 30_000, 100, _DAY, "for so long, the first time; then longer each time"),
        Knob("connections", "connections", 256, 1, 100_000, "of one worker to one endpoint, at most"),
        Knob(
            "waiting",
            "calls",
            10_000,
            1,
            1_000_000,
            "of one worker that may wait for one endpoint; more are shed",
        ),
        Knob(
            "calls",
            "calls",
            0,
            1,
            10_000_000,
            "running at one endpoint, all workers together; more go to others or are shed",
            "any number",
        ),
        Knob(
            "min_ready",
            "connections",
            0,
            1,
            1000,
            "of each worker that are kept open to each endpoint",
            "none",
        ),
        Knob(
            "connection_age",
            "ms",
            0,
            1000,
            _DAY,
            "a connection takes no new calls after this, give or take a tenth",
            "any age",
        ),
        Knob("keepalive", "ms", 0, 1000, _DAY, "a PING after so long without octets", "none"),
    )
}

HEALTH: dict[str, Knob] = {
    row.id: row
    for row in (
        Knob("interval", "ms", 5000, 100, 60 * _MINUTE, "from one check to the next, give or take a tenth"),
        Knob("timeout", "ms", 1000, 10, 5 * _MINUTE, "an answer that takes longer is a failure"),
        Knob("rise", "checks", 1, 1, 100, "good ones in a row that make an endpoint healthy"),
        Knob("fall", "checks", 2, 1, 100, "bad ones in a row that make it unhealthy"),
    )
}
