"""Instructions per call, held against what each room may take: python bench/budgets.py [--write].

One run of bench/scenario.py under callgrind counts W1, W3, W5 and W8 with metrics, limits and a zone of
twenty rules on. What is compared is our own rooms alone: OpenSSL, libc and Python choose their code by the
processor and by their version. Ours do so in three places, and valgrind shows the same to all of them: AVX2
and AES-NI, which x86-64 processors have had for ten years, and no AVX-512. A room may take 3 % more than
bench/budgets.json says, and the whole 3 % more than its sum. Another compiler counts differently: then it may
be 15 %.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.instructions import Cost, by_room, read_callgrind

HERE = Path(__file__).resolve().parent
BUDGETS = HERE / "budgets.json"
SCENARIO = HERE / "scenario.py"
TEMPLATE = HERE / "load" / "rivals" / "fastgw" / "fastgw.toml"
WORKLOADS = ("W1", "W3", "W5", "W8")
OVER, OVER_ELSEWHERE = 0.03, 0.15  # more than the budget: with the same compiler, with another
SLACK = 0.5  # instructions per call that are nobody's fault, for rooms of a few dozen
LEAST = 0.5  # rooms below it are not listed

Rooms = dict[str, float]


class CountError(Exception):
    """It cannot be counted here; the sentence says why."""


def compiler() -> str:
    """Which compiler made the modules that are counted: "GCC 12", or "" if they do not say."""
    found = find_spec("fastgw._core.buf")
    if found is None or found.origin is None:
        raise CountError("fastgw is not built.")
    said = re.search(rb"(GCC): \([^)]*\) (\d+)|(clang) version (\d+)", Path(found.origin).read_bytes())
    if said is None:
        return ""
    return " ".join(part.decode() for part in said.groups() if part)


def make_certificate(folder: Path) -> None:
    """A key and its own certificate, as bench/load has them."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    into = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *names, *into], check=True, capture_output=True)


def count(workloads: Iterable[str] = WORKLOADS, timeout: float = 600) -> dict[str, Rooms]:
    """Instructions for each call (W5: message), by workload and room. Raise CountError."""
    for program in ("valgrind", "openssl"):
        if not shutil.which(program):
            raise CountError(f"{program} is missing: apt install {program}.")
    names = list(workloads)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        make_certificate(folder)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command += ["--dump-before=getppid", "--quiet", sys.executable]
        command += [str(SCENARIO), str(TEMPLATE), text, ",".join(names)]
        fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            command, env={**os.environ, **fixed}, capture_output=True, text=True, timeout=timeout, check=False
        )
        if ran.returncode:
            raise CountError(f"the calls did not succeed under valgrind:\n{ran.stderr[-3000:]}")
        return {name: _read(folder / f"out.{2 * at + 2}", name) for at, name in enumerate(names)}


def _read(dump: Path, name: str) -> Rooms:
    from bench.scenario import LOADS

    if not dump.exists():
        raise CountError("callgrind did not see getppid: is the libc one with symbols?")
    cost: Cost = read_callgrind(dump.read_text().splitlines())
    units = LOADS[name].units
    rooms = {room: total / units for room, total in by_room(dict(cost)).items() if ours(room)}
    return {room: round(each, 1) for room, each in sorted(rooms.items()) if each >= LEAST}


def ours(room: str) -> bool:
    """Is it counted? Not the meter: it works by the clock, and those who tell it are."""
    return (
        room != "proxy.meter"
        and re.fullmatch(r"(h2|inspect|io|proxy|rules|wire)\.\w+|buf|clock|reasons", room) is not None
    )


def exceeded(counted: dict[str, Rooms], budgets: dict[str, Any], made_by: str) -> list[str]:
    """A sentence for each room, and for each whole, that takes more than it may."""
    over = OVER if made_by == budgets["compiler"] else OVER_ELSEWHERE
    found = []
    for name, rooms in counted.items():
        budget: Rooms = budgets["workloads"][name]
        both = [(room, each, budget.get(room, 0.0)) for room, each in rooms.items()]
        for room, each, may in [*both, ("the whole", sum(rooms.values()), sum(budget.values()))]:
            if each > may * (1 + over) + (SLACK if room != "the whole" else 0):
                found.append(f"{name}: {room} takes {each:.1f} instructions, its budget is {may:.1f}")
    return found


def _row(head: str, figures: Iterable[float]) -> str:
    return f"{head:24}" + "".join(f"{figure:10.1f}" for figure in figures)


def table(counted: dict[str, Rooms]) -> str:
    """Rooms and workloads, the dearest of the first workload first."""
    rooms = {room for each in counted.values() for room in each}
    order = sorted(rooms, key=lambda room: [-each.get(room, 0.0) for each in counted.values()])
    lines = [f"{'room':24}" + "".join(f"{name:>10}" for name in counted)]
    lines += [_row(room, [each.get(room, 0.0) for each in counted.values()]) for room in order]
    lines.append(_row("all our rooms", [sum(each.values()) for each in counted.values()]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="what is counted becomes the budget")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="with commas; default: all")
    words = parser.parse_args()
    if words.write and words.workloads != ",".join(WORKLOADS):
        parser.error("budgets are written for all workloads at once")
    try:
        counted = count(words.workloads.split(","))
        made_by = compiler()
    except CountError as why:
        sys.exit(f"budgets: {why}")
    print(table(counted))
    if words.write:
        BUDGETS.write_text(json.dumps({"compiler": made_by, "workloads": counted}, indent=1) + "\n")
        print(f"\nwritten to {BUDGETS}")
        return
    found = exceeded(counted, json.loads(BUDGETS.read_text()), made_by)
    if found:
        sys.exit("\n" + "\n".join(found))


if __name__ == "__main__":
    main()
