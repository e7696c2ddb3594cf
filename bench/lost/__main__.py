"""Lost calls per event, gateways side by side: python -m bench.lost [--gateways fastgw,nginx] [--write].

With --table FILE nothing is run: the table of that results file is printed, or written into bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from bench.load.run import machine
from bench.load.table import README
from bench.load.workshop import RESULTS, RUN, MissingError
from bench.lost.gateways import GATEWAYS
from bench.lost.scenario import Scenario
from bench.lost.table import into_readme, table
from tests.chaos.fleet import free_port


def version(name: str, program: str) -> str:
    words = {"fastgw": ("-m", "fastgw", "version"), "envoy": ("--version",)}.get(name, ("-v",))
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[.\d]*\d", re.sub(r"\b[0-9a-f]{40}\b", "", done.stdout + done.stderr))
    return found[0] if found else ""


def measure(names: list[str], rate: float, note: str, more: Path | None) -> Path:
    """Run what `more`, the results of a run that was broken off, lacks, or all; returns the results file."""
    programs = {name: GATEWAYS[name].program() for name in names}
    results = {
        "when": time.strftime("%Y-%m-%d"),
        "note": note,
        "machine": machine(),
        "versions": {name: version(name, program) for name, program in programs.items()},
        "rate": rate,
        "rows": [],
    }
    if more is not None:
        results["rows"] = json.loads(more.read_text())["rows"]
    RUN.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    file = more or RESULTS / time.strftime("%Y-%m-%d-%H%M%S-lost.json")
    done = {(row["gateway"], row["policy"]) for row in results["rows"]}
    rows = [(name, policy) for policy in (False, True) for name in names]
    for name, policy in (row for row in rows if row not in done):
        events = Scenario(GATEWAYS[name], policy, free_port(), RUN, rate).run()
        results["rows"].append({"gateway": name, "policy": policy, "events": events})
        print(name, "with policy" if policy else "", flush=True)
        for event, row in events.items():
            print(f"  {event}: {row}", flush=True)
        file.write_text(json.dumps(results, indent=1) + "\n")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.lost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gateways", default=",".join(GATEWAYS))
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second")
    parser.add_argument("--note", default="", help="what was particular about this run")
    parser.add_argument("--more", type=Path, metavar="FILE", help="go on with these results")
    parser.add_argument("--table", type=Path, metavar="FILE", help="only the table of these results")
    parser.add_argument("--write", action="store_true", help="put the table into bench/README.md")
    asked = parser.parse_args()
    try:
        file = asked.table or measure(asked.gateways.split(","), asked.rate, asked.note, asked.more)
    except MissingError as why:
        sys.exit(str(why))
    results = json.loads(file.read_text())
    if asked.write:
        README.write_text(into_readme(README.read_text(), results, f"results/{file.name}"))
    else:
        print(table(results))


if __name__ == "__main__":
    main()
