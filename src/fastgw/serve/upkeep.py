"""What a running gateway looks after by itself: renewed files, old ticket keys, certificates that run out.

Files are compared by time, size and number each second, which costs no descriptor and works on every file
system; of very many only a part each second.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fastgw.errors import FastgwError
from fastgw.policy.tls import EXPIRY_DAYS, expiry_stage
from fastgw.tls.trust import signatures

TURN = 1.0  # seconds between two looks at the files
FILES_PER_TURN = 5000
EXPIRY_EVERY = 3600.0  # seconds between two looks at the calendar

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate file and its last moment."""

    file: Path
    names: tuple[str, ...]
    not_after: datetime.datetime

    @property
    def days_left(self) -> float:
        """Days until it runs out; negative afterwards."""
        return (self.not_after - datetime.datetime.now(datetime.UTC)).total_seconds() / 86400

    @property
    def row(self) -> dict[str, object]:
        """For `stats`: file, names, last moment (ISO 8601) and days left."""
        return {
            "file": str(self.file),
            "names": list(self.names),
            "not_after": self.not_after.isoformat(),
            "days_left": round(self.days_left, 2),
        }


class Upkeep:
    """A thread with three small cares. `renew(rotate)` puts the configuration in force once more."""

    def __init__(
        self,
        renew: Callable[[bool], None],
        expiring: Callable[[], Iterable[Expiring]],
        rotation_ms: int,
        turn: float = TURN,
    ) -> None:
        self._renew = renew
        self._expiring = expiring
        self.rotation = rotation_ms / 1000  # seconds; 0: never
        self._turn = turn
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._order: list[Path] = []
        self._at = 0
        self._said: dict[tuple[Path, datetime.datetime], int] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; `watch` may be called before and after."""
        self._thread = threading.Thread(target=self._run, name="fastgw-upkeep", daemon=True)
        self._thread.start()

    def watch(self, files: Iterable[Path]) -> None:
        """These files are in force from now on; of those known already a change since then still counts."""
        wanted = set(files)
        with self._lock:
            fresh = signatures(wanted - self._seen.keys())
            self._seen = {path: self._seen.get(path) or fresh[path] for path in wanted}
            self._order = sorted(wanted)

    def close(self) -> None:
        """End. May be called from any thread but its own."""
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def changed(self) -> list[Path]:
        """The files that are not what they were when this was last asked, a part of them at a time."""
        with self._lock:
            part = self._order[self._at : self._at + FILES_PER_TURN]
            self._at = self._at + FILES_PER_TURN if len(part) == FILES_PER_TURN else 0
        now = signatures(part)
        with self._lock:
            found = [path for path, signature in now.items() if self._seen.get(path, signature) != signature]
            self._seen.update((path, now[path]) for path in found)
        return found

    def remind(self) -> None:
        """Say of each certificate once that its end is so many days away, and once that it is over."""
        for one in self._expiring():
            stage = expiry_stage(one.days_left)
            key = (one.file, one.not_after)
            if stage is None or self._said.get(key, EXPIRY_DAYS[-1] + 1) <= stage:
                continue
            self._said[key] = stage
            names = ", ".join(one.names[:3]) or "no name"
            if stage == 0:
                logger.error("%s (%s) expired on %s", one.file, names, f"{one.not_after:%Y-%m-%d}")
            else:
                logger.warning("%s (%s) expires on %s", one.file, names, f"{one.not_after:%Y-%m-%d}")

    def _run(self) -> None:
        rotated = time.monotonic()
        reminded = -EXPIRY_EVERY
        while not self._end.wait(self._turn):
            now = time.monotonic()
            try:
                if now - reminded >= EXPIRY_EVERY:
                    reminded = now
                    self.remind()
                files = self.changed()
                old = 0 < self.rotation <= now - rotated
                if old:
                    rotated = now
                if files:
                    logger.info("%s changed and is read again", ", ".join(str(path) for path in files[:3]))
                if files or old:
                    self._renew(old)
            except FastgwError as error:
                logger.warning("what is in force stays so: %s", error)
            except Exception:
                logger.exception("the gateway could not look after its files")
