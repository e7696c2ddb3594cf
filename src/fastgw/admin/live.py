"""What the gateway does just now, second by second: figures, methods, latencies, denials and failures.

One thread looks, and only while somebody wants to know. Rates come from counters of the gateway and miss
nothing; what is told of single calls comes from a share of them when there are many.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fastgw.errors import FastgwError
from fastgw.gateway import Gateway

PERIOD = 1.0  # seconds between two rows
KEPT = 300  # rows for who begins to look
FAILURES_KEPT = 500
READ_MOST = 400  # calls of one batch that are read; more are thinned out evenly
LATENCIES = 5  # seconds that percentiles are of
METHODS_MOST = 10
METHODS_KNOWN = 1000  # more are forgotten, the rarest first
_FADE = 0.8  # what is left of a method's rate after a second without calls
AFTERWARDS = 5.0  # seconds it goes on when nobody looks any more: a page is loaded again

STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""The statuses of gRPC by their numbers."""

_NOW = {
    "streams_open": "streams",
    "exchanges_open": "running",
    "connections_open": "connections",
    "origin_connections_open": "origin_connections",
}
_FINE = '"error":""'


def status_name(call: Mapping[str, Any]) -> str:
    """How a call ended, in the words of gRPC or HTTP."""
    number = call.get("grpc_status")
    if call.get("grpc") and isinstance(number, int):
        return STATUSES[number] if 0 <= number < len(STATUSES) else f"status {number}"
    return f"HTTP {call.get('status', 0)}"


class Live:
    """Rows of figures, as long as somebody looks, and the calls that did not end well meanwhile."""

    def __init__(self, gateway: Gateway, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway = gateway
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._until = 0.0
        self._lookers = 0
        self._calls: _Calls = _Calls()
        self.rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.failures: deque[dict[str, Any]] = deque(maxlen=FAILURES_KEPT)
        self.number = 0  # of the newest row
        self.since = 0.0  # when it began to look, without a gap; seconds since 1970

    def keep(self, seconds: float) -> None:
        """Look for so long at least."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)
            if self._thread is None and self._gateway.running:
                self.since = time.time()
                self._thread = threading.Thread(target=self._run, name="fastgw-live", daemon=True)
                self._thread.start()

    @contextlib.contextmanager
    def look(self) -> Iterator[None]:
        """Look until this ends."""
        with self._lock:
            self._lookers += 1
        try:
            self.keep(AFTERWARDS)
            yield
        finally:
            with self._lock:
                self._lookers -= 1
            self.keep(AFTERWARDS)

    def after(self, number: int) -> list[dict[str, Any]]:
        """The rows behind the one with that number, the oldest first."""
        missing = self.number - number
        return list(self.rows)[-missing:] if missing > 0 else []

    @property
    def looks(self) -> bool:
        """Is it at work?"""
        return self._thread is not None

    def _run(self) -> None:
        untap = self._gateway.tap(self._told)
        try:
            before, at = self._gateway.stats(), self._clock()
            while self._wanted():
                time.sleep(max(0.01, at + PERIOD - self._clock()))
                now, then = self._gateway.stats(), self._clock()
                self._add(row(before, now, max(0.001, then - at), self._calls.taken()))
                before, at = now, then
        except FastgwError:  # the gateway has ended
            pass
        finally:
            untap()
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _wanted(self) -> bool:
        with self._lock:
            if self._gateway.running and (self._lookers or self._clock() < self._until):
                return True
            self._thread = None
            self.rows.clear()
            return False

    def _add(self, one: dict[str, Any]) -> None:
        self.number += 1
        self.rows.append({"number": self.number, **one})

    def _told(self, lines: list[str]) -> None:
        """Lines of finished calls; on the thread of the access log."""
        step = -(-len(lines) // READ_MOST)
        bad = [line for line in lines if _FINE not in line][-READ_MOST:]
        for line in bad:
            self.failures.append(json.loads(line))
        self._calls.add([json.loads(line) for line in lines[::step]], step)


class _Calls:
    """What is known of single calls: how they ended, how long they took, which methods they were of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: Counter[str] = Counter()
        self._times: deque[list[int]] = deque([[]], maxlen=LATENCIES)
        self._fresh: Counter[tuple[str, str]] = Counter()
        self._rates: dict[tuple[str, str], float] = {}

    def add(self, calls: Sequence[Mapping[str, Any]], weight: int) -> None:
        """Some calls, each of which stands for `weight`."""
        with self._lock:
            for call in calls:
                self._statuses[status_name(call)] += weight
                self._fresh[str(call.get("zone", "")), str(call.get("path", ""))] += weight
                duration = call.get("duration_ns")
                if isinstance(duration, int):
                    self._times[-1].append(duration)

    def taken(self) -> dict[str, Any]:
        """What was added since the last time, and methods and percentiles of the last seconds."""
        with self._lock:
            statuses, fresh, self._statuses, self._fresh = self._statuses, self._fresh, Counter(), Counter()
            times = sorted(one for part in self._times for one in part)
            self._times.append([])
            rates = {key: rate * _FADE for key, rate in self._rates.items() if rate > 0.05}
            for key, number in fresh.items():
                rates[key] = rates.get(key, 0.0) + number * (1 - _FADE)
            top = sorted(rates.items(), key=lambda one: -one[1])
            self._rates = dict(top[:METHODS_KNOWN])
        return {
            "statuses": dict(statuses),
            "latency": {
                name: _share(times, share) for name, share in (("p50", 50), ("p90", 90), ("p99", 99))
            },
            "methods": [
                {"zone": zone, "path": path, "calls": round(rate, 1)}
                for (zone, path), rate in top[:METHODS_MOST]
            ],
        }


def _share(times: Sequence[int], share: int) -> float | None:
    """Milliseconds within which that share of the calls has ended, in percent."""
    return round(times[min(len(times) - 1, len(times) * share // 100)] / 1e6, 3) if times else None


def row(
    before: Mapping[str, Any], now: Mapping[str, Any], seconds: float, calls: Mapping[str, Any]
) -> dict[str, Any]:
    """What has happened between two looks, per second, and what is there now."""
    old, new = before["total"], now["total"]

    def rate(key: str) -> float:
        change: int = new.get(key, 0) - old.get(key, 0)
        return round(max(0, change) / seconds, 1)

    zones = {
        name: {
            key: max(0, value - before["zones"].get(name, {}).get(key, 0)) / seconds
            for key, value in one.items()
        }
        for name, one in now["zones"].items()
    }
    causes = {
        name: round((number - old[table].get(name, 0)) / seconds, 1)
        for table in ("replies", "refused")
        for name, number in new[table].items()
        if number > old[table].get(name, 0)
    }
    workers = [
        {
            "calls": round(max(0, one["exchanges_started"] - then["exchanges_started"]) / seconds, 1),
            "turns": round(max(0, one["turns"] - then["turns"]) / seconds, 1),
            "running": one["exchanges_open"],
            "connections": one["connections_open"],
        }
        for one, then in zip(now["workers"], before["workers"], strict=False)
    ]
    found: dict[str, Any] = {
        "at": round(time.time(), 3),
        "calls": rate("exchanges_started"),
        "finished": rate("exchanges_finished"),
        "accepted": rate("connections_accepted"),
        "started_ever": new["exchanges_started"],
        "causes": causes,
        "workers": workers,
        **{name: new[key] for key, name in _NOW.items()},
        **calls,
        "statuses": {name: round(number / seconds, 1) for name, number in calls["statuses"].items()},
    }
    for key in ("denied", "failed", "request_octets", "response_octets"):
        found[key] = round(sum(one.get(key, 0) for one in zones.values()), 1)
    return found
