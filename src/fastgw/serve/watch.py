"""Sees changes that nobody announces: of the configuration file, and of the store by other processes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from fastgw.store.zones import Zones

FILE_PERIOD = 1.0  # seconds between two looks at the file
STORE_PERIOD = 0.01  # seconds between two looks at the store: some microseconds each
TROUBLE_PERIOD = 1.0  # the same while the store cannot be read

_Seen = tuple[int, int, int] | None


class FileWatch:
    """Has a file changed, and is it finished? An editor writes in steps, so a change counts a look later."""

    def __init__(self, path: Path, period: float = FILE_PERIOD) -> None:
        self._path = path
        self._period = period
        self._known = self._last = _look(path)
        self._next = time.monotonic() + period

    def changed(self) -> bool:
        """Ask as often as you like; it looks once a period."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._period
        before, self._last = self._last, _look(self._path)
        if self._last is None or self._last == self._known or self._last != before:
            return False
        self._known = self._last
        return True


def _look(path: Path) -> _Seen:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class StoreWatch:
    """A thread that puts in force what other processes write into the store."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fastgw-store", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(TROUBLE_PERIOD if self._zones.trouble else STORE_PERIOD):
            self._zones.poll()
