"""What became of every call, and which endings nothing explains."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

import grpc

from tests.soak.processes import Origin

LATE = 3.0  # seconds a call may end after its deadline on a busy machine

OK, CANCELLED = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED
UNAVAILABLE, DEADLINE_EXCEEDED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED


@dataclass
class Call:
    """A call under way: what was asked, of whom, and which other ends than OK the client itself provokes."""

    kind: str
    name: str
    begun: float
    timeout: float
    may: frozenset[grpc.StatusCode] = frozenset()


class Book:
    """Counts endings; `findings` are sentences about those that should not be."""

    def __init__(self, shaky: list[Origin]) -> None:
        self._shaky = shaky
        self._lock = threading.Lock()
        self.endings: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.findings: list[str] = []
        self.longest_overrun = -1000.0
        self.slowest = 0.0

    def close(self, call: Call, code: grpc.StatusCode, ended: float, words: str = "") -> None:
        """A call has ended; CANCELLED and UNAVAILABLE need an origin that was away or a client that asked."""
        overrun = ended - call.begun - call.timeout
        explained = code is OK or code in call.may
        if code in (UNAVAILABLE, CANCELLED) and call.name != "steady":
            explained |= any(origin.was_away(call.begun, ended) for origin in self._shaky)
        with self._lock:
            self.endings[code.name] += 1
            self.kinds[call.kind] += 1
            self.longest_overrun = max(self.longest_overrun, overrun)
        took = f"after {ended - call.begun:.1f} s of {call.timeout:.1f}"
        if not explained:
            self.find(f"{call.kind} on {call.name}: {code.name} {took}: {words}")
        elif overrun > LATE:
            self.find(f"{call.kind} on {call.name}: {code.name} only {took}")

    def find(self, sentence: str) -> None:
        with self._lock:
            self.findings.append(sentence)

    def count(self, what: str) -> None:
        with self._lock:
            self.kinds[what] += 1
