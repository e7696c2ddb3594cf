"""Nanoseconds per call of the managed rules, all together, on the recorded heads.

Run: PYTHONPATH=src:. python bench/micro/managed.py [rounds]. Each time is the best of sixty. With `--each`,
what every rule costs by itself, on the head of about 500 octets.
"""

from __future__ import annotations

import sys
import time

from fastgw._core.rules.door import Asker
from fastgw._core.rules.program import Rules
from fastgw.managed.rules import RULES, SET, SPARE_QUIET
from tests.managed.cases import Fields, head, is_quiet, program, recorded


def measure(rules: Rules, given: Fields, rounds: int) -> float:
    asker, known = Asker(), head(given)
    asker.decide_many(rules, known, 100)
    best = float("inf")
    for _ in range(60):
        begun = time.perf_counter_ns()
        asker.decide_many(rules, known, rounds)
        best = min(best, (time.perf_counter_ns() - begun) / rounds)
    return best


def size(given: Fields) -> int:
    return sum(len(name) + len(value) for name, value in given)


def main() -> None:
    rounds = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 200
    heads = dict(recorded())
    every = program([(rule.expression, rule is SPARE_QUIET) for rule in SET])
    print(f"{len(RULES)} rules, {every.step_count} steps, {every.node_count} values", flush=True)
    if "--each" not in sys.argv:
        for name, given in heads.items():
            print(
                f"{name:24} {size(given):5} octets {measure(every, given, rounds):8.0f} ns"
                f"  {'quiet' if is_quiet(given) else ''}",
                flush=True,
            )
        return
    given = min(heads.values(), key=lambda each: abs(size(each) - 500))
    for rule in SET:
        alone = measure(program([(rule.expression, False)]), given, rounds)
        print(f"{rule.id:32} {alone:8.0f} ns", flush=True)


if __name__ == "__main__":
    main()
