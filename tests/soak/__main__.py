"""`python -m tests.soak --seconds 600 --seed N`: exit code 0 if nothing was found."""

from __future__ import annotations

import argparse
import sys

from tests.soak.storm import MIB, Storm

parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
parser.add_argument("--seconds", type=float, default=600.0)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--last", type=int, default=64, metavar="MIB", help="size of the last transfer")
asked = parser.parse_args()


def say(line: str) -> None:
    print(line, flush=True)


found = Storm(asked.seconds, asked.seed, last=asked.last * MIB, say=say).run()
for sentence in found[:200]:
    say(f"FOUND {sentence}")
say(f"seed {asked.seed}: {len(found)} findings")
sys.stdout.flush()
sys.exit(1 if found else 0)
