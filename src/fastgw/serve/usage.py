"""Usage goes from the workers' counters into the book: every few seconds, at midnight, and at the end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from fastgw.store.usage import PRODUCTS, TRAFFIC, UsageBook, today

PERIOD = 5.0  # seconds between two looks: what kill -9 may cost
DAY = 86400.0

logger = logging.getLogger("fastgw")

Take = Callable[[int], list[tuple[int, int, list[int]]]]

# A product's bit, as the core writes it; 0: all calls.
_NAMES = {0: TRAFFIC} | {1 << bit: name for bit, name in enumerate(PRODUCTS[1:])}


class Usage:
    """A thread that adds up what workers have counted. `names`: of zones, by the number of their counters."""

    def __init__(
        self,
        book: UsageBook,
        takes: Iterable[Take],
        names: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.book = book
        self._takes = tuple(takes)
        self._names = names
        self._clock = clock
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fastgw-usage", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Count what is left and end; the book can still be read."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self.collect()

    def collect(self) -> None:
        """Count what calls have used that ended until now, to the day that is now."""
        with self._lock:
            day = today(self._clock())
            count = len(self._names)
            rows = [
                (self._names[number], _NAMES[product], numbers)
                for take in self._takes
                for number, product, numbers in take(count)
            ]
            self.book.add(day, rows)

    def _run(self) -> None:
        while True:
            left = DAY - self._clock() % DAY
            # Just before midnight, so that a day has the calls that ended in it, and no later than others.
            if self._end.wait(min(PERIOD, max(0.01, left - 0.01))):
                return
            try:
                self.collect()
            except Exception:
                logger.exception("usage could not be counted")
