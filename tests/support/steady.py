"""A clock that stands still while the machine does, so that limits on time are about the gateway."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

BEAT = 0.005  # seconds between two beats
STALL = 0.03  # seconds by which a beat is late at most, or nothing ran meanwhile


class SteadyClock:
    """Seconds like time.monotonic(), less the time in which a sleeping thread of this process was not woken.

    Whatever holds up this process (another one on the same cores, the machine's host) counts as time that did
    not pass. A gateway that is slow holds up only its peers, and so is seen. For upper
    limits only: time may be missing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost = 0.0
        self._beaten = time.monotonic()
        self._shown = 0.0
        threading.Thread(target=self._beat, name="steady", daemon=True).start()

    def now(self) -> float:
        with self._lock:
            now = time.monotonic()
            self._shown = max(self._shown, now - self._lost - self._late(now))
            return self._shown

    def _late(self, now: float) -> float:
        """What of the time since the last beat was lost."""
        late = now - self._beaten - BEAT
        return late if late > STALL else 0.0

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            with self._lock:
                now = time.monotonic()
                self._lost += self._late(now)
                self._beaten = now


clock = SteadyClock()


def starved() -> float:
    """Seconds that threads of this process which still run were ready and had no core, one with the other.

    Where many want the cores, each waits a little at a time, which is no stall of the clock.
    """
    waited = 0
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            waited += int((thread / "schedstat").read_text().split()[1])
    return waited / 1e9
