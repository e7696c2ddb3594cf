"""How long something takes, and how that is said."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def timed(do: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this thread's processor time: the machine may be busy."""
    begun, worked = time.perf_counter(), time.thread_time()
    do()
    return time.perf_counter() - begun, time.thread_time() - worked


def say(what: str, values: Sequence[float]) -> None:
    """One line about these seconds."""
    print(
        f"{what}: median {statistics.median(values) * 1e3:.2f} ms,"
        f" p99 {quantile(values, 0.99) * 1e3:.2f} ms, most {max(values) * 1e3:.2f} ms"
    )


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which this part of `values` lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
