"""`python -m tests.chaos --seconds 120 --seed N`: exit code 0 if no call was lost that could have been saved.

Without --policy it runs twice: without and with `[zone.retry] on = ["unavailable"]`, so many seconds each.
"""

from __future__ import annotations

import argparse
import sys

from tests.chaos.chaos import Chaos


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second")
    parser.add_argument("--policy", choices=("none", "unavailable"), help="only one of the two passes")
    asked = parser.parse_args()
    passes = [asked.policy] if asked.policy else ["none", "unavailable"]
    found: list[str] = []
    for policy in passes:
        say(f"policy {policy}, {asked.seconds:.0f} s, seed {asked.seed}")
        chaos = Chaos(asked.seconds, asked.seed, policy=policy != "none", rate=asked.rate, say=say)
        found += chaos.run()
    for line in found[:200]:
        say(f"FOUND {line}")
    say(f"seed {asked.seed}: {len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
