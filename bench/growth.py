"""How the cost of a call grows with what a gateway has to hold: python -m bench.growth [--short].

One thing grows at a time, all else stays: workers, idle connections, calls at once, zones, rules, fields of
metadata. Every answer is checked; a call that fails ends the run with 1. The figures go to
bench/results/DATE-growth.json; --plot writes a PNG and an SVG for each thing that grows, --write the table
into bench/README.md, and with --from both are made of a file that is there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.load import table
from bench.load.compare import painter, save
from bench.load.measure import Figures, run_once
from bench.load.peers import PEERS, Peer
from bench.load.process import Blast, Server, start_origin, start_peer
from bench.load.run import calibrate, machine, results_file, version
from bench.load.workloads import WORKLOADS
from bench.load.workshop import GATEWAY_CORE, LOAD_CORE, RIVALS, RUN, MissingError, alone, prepare
from bench.micro.rules import custom
from bench.scale.zones import make

NAME = "growth"
SIZES = {
    "workers": (1, 2),
    "idle connections": (0, 10, 100, 1_000, 10_000, 20_000),
    "calls at once": (10, 100, 1_000, 10_000),
    "zones": (1, 10, 100, 1_000, 10_000),
    "rules": (0, 20, 100, 1_000),
    "fields": (0, 10, 30, 60, 100),
}
SHORT = {
    "workers": (1, 2),
    "idle connections": (0, 100),
    "calls at once": (10, 1_000),
    "zones": (1, 100),
    "rules": (0, 100),
    "fields": (0, 100),
}
_HOLD = 5_000  # idle connections of one load generator and of one source address
_SPARE = 600  # descriptors that a gateway needs beside idle connections
_START = 90.0  # seconds; ten thousand zones are read first


@dataclass(frozen=True, slots=True)
class Point:
    """One gateway and its load: `size` of the thing that grows."""

    thing: str
    size: int

    def of(self, thing: str, else_: int) -> int:
        return self.size if self.thing == thing else else_

    @property
    def cores(self) -> int | str:
        """One worker has its core alone; the second shares that of the load."""
        return f"{LOAD_CORE},{GATEWAY_CORE}" if self.of("workers", 1) > 1 else GATEWAY_CORE

    def load(self) -> str:
        """Arguments of gblast: W1, but for what grows in the load."""
        conns, streams = (
            (min(self.size, 100), max(1, self.size // 100)) if self.thing == "calls at once" else (10, 10)
        )
        words = f"--conns {conns} --streams {streams} --request 100 --response 100"
        return f"{words} --fields {self.size}" if self.thing == "fields" else words

    def config(self) -> str:
        """The configuration of bench/load, but for what grows in it."""
        text = (RIVALS / PEERS["fastgw"].conf).read_text()
        if self.thing == "rules":
            text = text.partition("# Twenty rules")[0] + "".join(_rule(number) for number in range(self.size))
        text = _changed(text, "workers = 1 ", f"workers = {self.of('workers', 1)} ")
        return text + _zones(self.of("zones", 1) - 1)


def _changed(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise MissingError(f"The configuration of bench/load does not have one {old!r}.")
    return text.replace(old, new)


def _rule(number: int) -> str:
    head = f'[[zone.rule]]\ndescription = "rule {number}"\naction = "block"\n'
    return f"{head}expression = '{custom(number)}'\n\n"


def _zones(count: int) -> str:
    """Other zones, with the certificate of the first."""
    lines = []
    for zone in make(count):
        records = ", ".join(
            f'{{ name = "{record.name}", type = "A", content = "{record.content}", proxied = true }}'
            for record in zone.records
        )
        lines.append(
            f'\n[[zone]]\nname = "{zone.name}"\ncert = {{ file = "{{cert}}", key = "{{key}}" }}\n'
            f'settings = {{ grpc = "on", ssl = "full" }}\ndns = [{records}]\n'
        )
    return "".join(lines)


def peer_of(point: Point) -> Peer:
    made = RUN / f"{NAME}.toml"
    made.write_text(point.config())
    return replace(PEERS["fastgw"], conf=str(made))


@contextlib.contextmanager
def holding(count: int, port: int) -> Iterator[str]:
    """So many idle connections, each after one verified call; yields why they are not there, or ""."""
    with contextlib.ExitStack() as held:
        for part, first in enumerate(range(0, count, _HOLD)):
            conns = min(_HOLD, count - first)
            words = f"--mode hold --port {port} --source {part + 2} --conns {conns} --timeout 240"
            blast = held.enter_context(Blast(words.split()))
            said = blast.line()
            if said != "READY":
                yield said or "the load generator said nothing"
                return
        yield ""


def unruled(count: int, port: int) -> str:
    """Why it is not so that the last rule about a path is asked, or ""; a call that it blocks must fail."""
    last = (count - 2) // 10 * 10 + 1  # custom(n) blocks a path where n ends in 1
    if count < 2:
        return ""
    words = f"--conns 1 --calls 1 --timeout 10 --port {port} --path /internal.Admin{last}/Reset"
    with Blast(words.split()) as blast:
        return "a rule did not block what it is for" if blast.line() == "READY" else ""


def measure(point: Point, seconds: float) -> Figures:
    """A fresh gateway, first a run that finds out how many calls fill the time."""
    peer = peer_of(point)
    at_once = point.of("calls at once", 100)
    workload = replace(
        WORKLOADS["W1"], load=point.load(), warm=max(1000, 2 * at_once), first=max(4000, 2 * at_once)
    )
    with start_peer(peer, core=point.cores, start=_START) as server:
        if not server.started:
            return {"error": "did not start"}
        if point.thing == "rules" and (why := unruled(point.size, peer.port)):
            return {"error": why}
        with holding(point.of("idle connections", 0), peer.port) as why:
            if why:
                return {"error": why}
            return _run(server, workload, peer, seconds)


def _run(server: Server, workload: Any, peer: Peer, seconds: float) -> Figures:
    first = run_once(server, workload, peer, workload.first)
    if "error" in first:
        return first
    return run_once(server, workload, peer, calibrate(first, workload, seconds))


def more_descriptors() -> int:
    """As many as this process and those it starts may have."""
    wanted = max(SIZES["idle connections"]) + 4 * _SPARE
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def points(short: bool, only: str, descriptors: int) -> list[Point]:
    """What is measured; idle connections are at most what the descriptors allow."""
    sizes = SHORT if short else SIZES
    things = only.split(",") if only else list(sizes)
    return [
        Point(thing, min(size, descriptors - _SPARE) if thing == "idle connections" else size)
        for thing in things
        for size in sizes[thing]
    ]


def markdown(results: dict[str, Any]) -> str:
    """One row for each point: medians, and the spread of the figure that counts."""
    lines = [
        "| what grows | | CPU µs/call | to the first | calls/s | core in use | p99 µs | memory MiB "
        "| failed calls/runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for thing, rows in by_thing(results).items():
        base = 0.0
        for size, runs in rows.items():
            good = table.calm([run for run in runs if "cpu_us" in run])
            if not good:
                lines.append(f"| {thing} | {size:,} | failed: {runs[-1].get('error', '')} | | | | | | |")
                continue
            cost = [run["cpu_us"] for run in good]
            middle = statistics.median(cost)
            base = base or middle
            others = [
                table.number(statistics.median(run[key] for run in good)) for key in ("rps", "use", "p99_us")
            ]
            memory = statistics.median(run["rss_kib"] for run in good) / 1024
            spread = f"{table.number(min(cost))}-{table.number(max(cost))}"
            lines.append(
                f"| {thing} | {size:,} | {table.number(middle)} ({spread}) | {middle / base:.2f} "
                f"| {' | '.join(others)} | {table.number(memory)} "
                f"| {sum(run['err'] for run in good)}/{len(good)} |"
            )
    return "\n".join(lines)


def by_thing(results: dict[str, Any]) -> dict[str, dict[int, list[Figures]]]:
    found: dict[str, dict[int, list[Figures]]] = {}
    for run in results["runs"]:
        found.setdefault(run["thing"], {}).setdefault(run["size"], []).append(run)
    return found


def plot(results: dict[str, Any], into: Path) -> list[Path]:
    """A figure for each thing that grows; `into` is the results file."""
    pyplot, written = painter(), []
    for thing, rows in by_thing(results).items():
        costs = {
            size: [run["cpu_us"] for run in table.calm([run for run in runs if "cpu_us" in run])]
            for size, runs in rows.items()
        }
        drawn = {size: cost for size, cost in costs.items() if cost}
        if not drawn:
            continue
        figure, axis = pyplot.subplots(figsize=(4.6, 3.0))
        middle = [statistics.median(cost) for cost in drawn.values()]
        axis.plot(list(drawn), middle, marker="o", color="#c0392b")
        axis.fill_between(
            list(drawn), [min(cost) for cost in drawn.values()], [max(cost) for cost in drawn.values()],
            color="#c0392b", alpha=0.15,
        )  # fmt: skip
        if max(drawn) >= 1000:
            axis.set_xscale("symlog", linthresh=10)
        axis.set_ylim(bottom=0)
        axis.set_xlabel(thing)
        axis.set_ylabel(table.COLUMNS["cpu_us"])
        axis.grid(alpha=0.3)
        written += save(figure, into.with_name(f"{into.stem}-{thing.replace(' ', '-')}.json"))
    return written


def _all(words: argparse.Namespace, out: Path) -> dict[str, Any]:
    descriptors = more_descriptors()
    results: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%d"),
        "note": words.note,
        "machine": machine(),
        "versions": {"fastgw": version(PEERS["fastgw"])},
        "rounds": words.rounds,
        "seconds": words.sec,
        "descriptors": descriptors,
        "runs": [],
    }
    os.sched_setaffinity(0, {LOAD_CORE})
    with alone(), start_origin():
        for number in range(1, words.rounds + 1):
            for point in points(words.short, words.only, descriptors):
                figures = measure(point, words.sec)
                results["runs"].append({"thing": point.thing, "size": point.size, "round": number, **figures})
                said = f"{figures['cpu_us']:.2f} µs/call" if "cpu_us" in figures else figures.get("error")
                print(f"{number}  {point.thing:18} {point.size:6} {said}", flush=True)
                out.write_text(json.dumps(results, indent=1) + "\n")
    return results


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--short", action="store_true", help="two sizes of each, one round, to see that it works"
    )
    parser.add_argument("--only", default="", help=f"with commas, of: {','.join(SIZES)}")
    parser.add_argument("--rounds", type=int, help="default: 3, short: 1")
    parser.add_argument("--sec", type=float, help="length of a run, about; default: 1, short: 0.1")
    parser.add_argument("--note", default="", help="what a reader of the figures should know")
    parser.add_argument(
        "--plot", action="store_true", help="PNG and SVG beside the results (needs matplotlib)"
    )
    parser.add_argument("--write", action="store_true", help="the table into bench/README.md")
    parser.add_argument("--out", type=Path, help="the results file")
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing, read this results file")
    words = parser.parse_args()
    words.rounds = words.rounds or (1 if words.short else 3)
    words.sec = words.sec or (0.1 if words.short else 1.0)
    unknown = set(words.only.split(",") if words.only else ()) - set(SIZES)
    if unknown:
        parser.error(f"nothing is called {min(unknown)!r}; there are {', '.join(SIZES)}")
    return words


def main() -> None:
    words = parse()
    out: Path = words.source or words.out or results_file([NAME])
    # SIGTERM ends the run as Ctrl-C does: with what was started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if words.source:
        results = json.loads(out.read_text())
    else:
        try:
            prepare()
            out.parent.mkdir(parents=True, exist_ok=True)
            results = _all(words, out)
        except MissingError as why:
            sys.exit(f"bench-growth: {why}")
    said = f"{markdown(results)}\n\n`results/{out.name}`: {table.describe(results)}"
    print(f"\n{said}\n\n{out}")
    if words.write:
        table.README.write_text(table.between(table.README.read_text(), NAME, said))
    if words.plot:
        print(*plot(results, out), sep="\n")
    if any(run.get("err") or "cpu_us" not in run for run in results["runs"]):
        sys.exit("bench-growth: calls failed")


if __name__ == "__main__":
    main()
