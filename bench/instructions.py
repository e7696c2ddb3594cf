"""Instructions the gateway executes for one call, by room: python bench/instructions.py [--calls 2000 6000].

CPU time on a shared machine moves by tens of percent; the number of instructions does not. The gateway runs
under callgrind twice, with two numbers of calls, and the difference of the costs is divided by that of the
calls: start-up, handshakes and warm-up cancel out. The kernel is not seen, and OpenSSL takes the code paths
of the processor that valgrind shows it (no AVX-512): this compares a change with what was before it, no more.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.load.peers import PEERS, Peer, fill, start_words
from bench.load.process import ORIGIN, ORIGIN_H2C, Blast, Server, start_origin
from bench.load.workshop import GATEWAY_CORE, RUN, MissingError, alone, prepare

WARM = 200  # calls before either number
_START = 180.0  # seconds; Python alone takes most of a minute under valgrind

Cost = Counter[tuple[str, str]]
"""(object file, function) -> instructions of its own, without what it calls."""


def read_callgrind(lines: Iterable[str]) -> Cost:
    """The exclusive cost of each function in a callgrind.out file, where a name may be a number later on."""
    names: dict[tuple[str, str], str] = {}
    cost: Cost = Counter()
    at = {"ob": "", "fn": ""}
    skip = False
    for line in lines:
        name = re.match(r"(ob|fn)=(?:(\(\d+\)) ?)?(.*)", line)
        called = re.match(r"c(ob|fn)=(\(\d+\)) (.+)", line)
        if called:
            names[called[1], called[2]] = called[3]
        elif name:
            kind, number, text = name[1], name[2] or "", name[3].strip()
            if number and text:
                names[kind, number] = text
            at[kind] = text or names[kind, number]
        elif line.startswith("calls="):
            skip = True  # the next line is what the callee cost
        elif re.match(r"[\d+*-]", line):
            if not skip:
                cost[at["ob"], at["fn"]] += int(line.split()[1])
            skip = False
    return cost


def room(object_file: str) -> str:
    """What a reader calls the file that the code is in: one of our rooms, or whose it is."""
    ours = re.search(r"/fastgw/_core/(.+?)\.[^/]*so$", object_file)
    if ours:
        return ours[1].replace("/", ".")
    name = Path(object_file).name
    for begin, whose in {
        "_rust": "OpenSSL (libcrypto, libssl)",
        "libcrypto": "OpenSSL (libcrypto, libssl)",
        "libssl": "OpenSSL (libcrypto, libssl)",
        "libc.": "libc",
        "libc-": "libc",
        "libm.": "libc",
        "libpthread": "libc",
        "libpython": "Python",
        "python": "Python",
        "ld-": "loader",
        "vgpreload": "valgrind",
    }.items():
        if name.startswith(begin):
            return whose
    return name or "unknown"


def plain(where: str, function: str) -> str:
    """The name in the source of a function that Cython has named."""
    return re.sub(rf"^__pyx_\w*?_\d+{where.rpartition('.')[2]}_", "", function)


def per_call(fewer: Cost, more: Cost, calls: int) -> dict[tuple[str, str], float]:
    """Instructions for each of `calls`, the calls that `more` had and `fewer` had not."""
    return {key: (more[key] - fewer[key]) / calls for key in more.keys() | fewer.keys()}


def by_room(costs: dict[tuple[str, str], float]) -> dict[str, float]:
    rooms: Counter[str] = Counter()
    for (object_file, _), cost in costs.items():
        rooms[room(object_file)] += cost  # type: ignore[assignment]
    return dict(rooms)


def report(costs: dict[tuple[str, str], float], functions: int) -> str:
    """Rooms that cost at least one instruction for a call, dearest first; then the dearest functions."""
    rooms = by_room(costs)
    total = sum(rooms.values())
    own = sum(cost for name, cost in rooms.items() if "." in name or name in ("buf", "clock", "reasons"))
    lines = [f"{'room':30}{'per call':>10}{'share':>8}"]
    for name, cost in sorted(rooms.items(), key=lambda item: -item[1]):
        if cost >= 1:
            lines.append(f"{name:30}{cost:10.0f}{cost / total:8.1%}")
    lines += [
        f"{'all':30}{total:10.0f}{1:8.1%}",
        f"{'of these, our own rooms':30}{own:10.0f}{own / total:8.1%}",
    ]
    if functions:
        lines.append(f"\n{'function':58}{'per call':>10}")
        for (object_file, function), cost in sorted(costs.items(), key=lambda item: -item[1])[:functions]:
            where = room(object_file)
            lines.append(f"{f'{where}: {plain(where, function)}'[:57]:58}{cost:10.0f}")
    return "\n".join(lines)


def count(peer: Peer, calls: int) -> Cost:
    """What a whole life of the gateway costs with `calls` made over 10 connections, 10 at once on each."""
    out = RUN / f"callgrind-{calls}.out"
    out.unlink(missing_ok=True)
    words = start_words(peer, ORIGIN, ORIGIN_H2C)
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet"]
    command = [*valgrind, peer.program(), *(fill(word, words) for word in peer.command[1:])]
    # A hash seed of its own in each run would change what Python does while it starts.
    fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    server = Server(command, GATEWAY_CORE, peer.front, "callgrind.log", fixed, start=_START)
    try:
        if not server.started:
            raise MissingError(
                f"The gateway did not start under valgrind; why stands in {RUN}/callgrind.log."
            )
        _load(peer, calls)
    finally:
        server.stop(grace=120.0)
    if not out.exists() or not out.stat().st_size:
        raise MissingError(f"callgrind wrote nothing; why stands in {RUN}/callgrind.log.")
    with out.open() as lines:
        return read_callgrind(lines)


def _load(peer: Peer, calls: int) -> None:
    load = [
        "--conns",
        "10",
        "--streams",
        "10",
        "--warm",
        str(WARM),
        "--calls",
        str(calls),
        "--timeout",
        "300",
    ]
    with Blast([*load, "--port", str(peer.front)]) as blast:
        said = blast.line()
        if said == "READY":
            blast.go()
            said = blast.line()
            blast.go()
    if f'"ok": {calls}, "err": 0' not in said:
        raise MissingError(f"The calls did not succeed: {said}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, nargs=2, default=(2000, 6000), metavar=("FEWER", "MORE"))
    parser.add_argument("--functions", type=int, default=12, help="how many functions to list; default: 12")
    words = parser.parse_args()
    fewer, more = sorted(words.calls)
    try:
        if not shutil.which("valgrind"):
            raise MissingError("valgrind is missing: apt install valgrind.")
        prepare()
        with alone(), start_origin():
            few = count(PEERS["fastgw"], fewer)
            many = count(PEERS["fastgw"], more)
    except MissingError as why:
        sys.exit(f"instructions: {why}")
    print(report(per_call(few, many, more - fewer), words.functions))


if __name__ == "__main__":
    main()
