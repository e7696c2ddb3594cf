"""Nanoseconds and instructions per call of a rate limit that holds: its key, and its counter in a table.

Run: PYTHONPATH=src python bench/micro/limits.py [rounds]. Each time is the best of nine.
With `--instructions` the same runs under `valgrind --tool=callgrind` are counted, twice each, and the
difference is divided by that of the rounds.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fastgw._core.inspect.counters import Counters
from fastgw._core.inspect.limits import Limiter, Values
from fastgw.policy.inspection import RateLimit

LIMIT = RateLimit(characteristics=(), period=3600, requests_per_period=200_000_000)
TIGHT = RateLimit(characteristics=(), period=3600, requests_per_period=1)
ADDRESS = ip_address("192.0.2.17")

# What is asked: the limit, the characteristics, how many values the first of them takes in turn.
LOADS: dict[str, tuple[RateLimit, list[Any], int]] = {
    "address, one key": (LIMIT, [ADDRESS], 0),
    "address, API key and path, one key": (LIMIT, [ADDRESS, b"k" * 32, b"/helloworld.Greeter/SayHello"], 0),
    "one key that is over its limit": (TIGHT, [ADDRESS], 0),
    "number, 10,000 keys": (LIMIT, [0], 10_000),
    "number, 1,000,000 keys in 64 MiB": (LIMIT, [0], 1_000_000),
    "number, 4,000,000 keys in 64 MiB": (LIMIT, [0], 4_000_000),
}


def run(label: str, rounds: int) -> float:
    """Nanoseconds of each of `rounds` calls, once the counters are there."""
    limit, values, varied = LOADS[label]
    limiter, known = Limiter(Counters(64 << 20), 1, len(values), limit), Values(values)
    limiter.take_many(known, max(varied, 100), varied)
    begun = time.perf_counter_ns()
    limiter.take_many(known, rounds, varied)
    return (time.perf_counter_ns() - begun) / rounds


def instructions(label: str) -> float:
    """Per call, by callgrind: what more rounds cost more."""
    counted = []
    for rounds in (1000, 3000):
        with tempfile.TemporaryDirectory() as folder:
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
            command += [sys.executable, __file__, "--one", label, str(rounds)]
            subprocess.run(command, check=True, capture_output=True)
            found = re.search(r"(?:summary|totals): (\d+)", Path(folder, "out").read_text())
            assert found is not None
            counted.append(int(found[1]))
    return (counted[1] - counted[0]) / 2000


def main() -> None:
    if "--one" in sys.argv:
        run(sys.argv[-2], int(sys.argv[-1]))
        return
    counted = "--instructions" in sys.argv
    rounds = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 1_000_000
    for label in LOADS:
        line = f"{label:36} {min(run(label, rounds) for _ in range(9)):8.1f} ns"
        print(line + (f" {instructions(label):9.0f} instructions" if counted else ""), flush=True)


if __name__ == "__main__":
    main()
