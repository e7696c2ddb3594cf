"""Measure gateways side by side: python -m bench.load.run --peers fastgw,nghttpx --workloads W1 --rounds 5.

Rounds go around all gateways, so that what changes on the machine in a minute meets all of them. The figures
are written to bench/results/DATE-WORKLOADS.json; what each process said is in bench/work/run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.load import logged, table
from bench.load.measure import Figures, run_once
from bench.load.peers import Peer, choose
from bench.load.process import Server, start_origin, start_peer
from bench.load.workloads import WORKLOADS, Workload
from bench.load.workshop import LOAD_CORE, RESULTS, MissingError, alone, prepare


def version(peer: Peer) -> str:
    """What a program says of its version, without the rest of its words; "" for our own relay."""
    if not peer.version:
        return ""
    command = [peer.program(), *peer.version[1:]]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return found[0] if found else "?"


def machine() -> dict[str, Any]:
    """The machine without its name: processor, cores, memory, kernel, and what else changes figures."""
    processor = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)
    kernel = re.match(r"[\d.]+", platform.release())
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / (1 << 20), 1) if memory else None,
        "kernel": kernel[0].rstrip(".") if kernel else "",
        "virtual": "hypervisor" in Path("/proc/cpuinfo").read_text(),
        "tcp": congestion.read_text().strip() if congestion.exists() else "",
        "python": platform.python_version(),
    }


def calibrate(first: Figures, workload: Workload, seconds: float) -> int:
    """How many calls fill `seconds`, in whole hundreds, by the speed of a first run."""
    calls = workload.first
    if "rps" in first:
        calls = max(calls, int(first["rps"] * seconds / 100 + 1) * 100)
    return min(calls, workload.most or calls)


class Session:
    """One results file and what is known of how many calls to make."""

    def __init__(self, peers: list[Peer], names: list[str], words: argparse.Namespace) -> None:
        self._peers = peers
        self._names = names
        self._seconds: float = words.sec
        self._attempts: int = words.attempts
        self._log: bool = words.access_log
        self._calls: dict[tuple[str, str], int] = {}
        self._rates: dict[tuple[str, str], float] = {}
        self.results: dict[str, Any] = {
            "when": time.strftime("%Y-%m-%d"),
            "note": words.note,
            "machine": machine(),
            "versions": {peer.name: version(peer) for peer in peers},
            "rounds": words.rounds,
            "seconds": words.sec,
            "access_log": words.access_log,
            "runs": [],
        }

    def round(self, number: int) -> None:
        for name in self._names:
            for peer in self._peers:
                if peer.runs(WORKLOADS[name].cleartext):
                    figures = self._measure(peer, name)
                    head = {"workload": name, "peer": peer.name, "round": number}
                    self.results["runs"].append(head | figures)
                    print(_line(head, figures, WORKLOADS[name].lead), flush=True)

    def _measure(self, peer: Peer, name: str) -> Figures:
        """On a fresh process: the first time also to find out how many calls it takes."""
        workload = WORKLOADS[name]
        with start_peer(peer, log=self._log) as server:
            if not server.started:
                return {"error": "did not start"}
            if (peer.name, name) not in self._calls:
                self._size(server, peer, name)
            attempt, figures = 0, {"wait": 1.0}
            while attempt < self._attempts and figures.get("wait", 0.0) >= table.DISTURBED:
                attempt += 1
                rate = self._rates.get((peer.name, name), 0.0)
                figures = run_once(server, workload, peer, self._calls[peer.name, name], rate)
        return figures | {"attempt": attempt}

    def _size(self, server: Server, peer: Peer, name: str) -> None:
        """How many calls fill the time, and how many per second where they are paced.

        What a gateway reaches is what a run of W1 says that is as long as the others.
        """
        workload = WORKLOADS[name]
        first = {} if workload.idle else run_once(server, workload, peer, workload.first)
        calls = calibrate(first, workload, self._seconds)
        if workload.share and "rps" in first:
            full = run_once(server, WORKLOADS["W1"], peer, calls)
            rate = full.get("rps", first["rps"]) * workload.share
            self._rates[peer.name, name] = rate
            calls = max(100, int(rate * self._seconds))
        self._calls[peer.name, name] = calls


def _line(head: Figures, figures: Figures, lead: str) -> str:
    begin = f"{head['round']}  {head['workload']:4} {head['peer']:12}"
    if lead not in figures:
        return f"{begin} {figures.get('error')}"
    said = "  ".join(
        f"{word} {table.number(figures[key])}"
        for key, word in (
            (lead, lead),
            ("rps", "calls/s"),
            ("use", "use"),
            ("wait", "wait"),
            ("p99_us", "p99 µs"),
        )
        if key in figures
    )
    return f"{begin} {said}" + (
        f"  FAILED {figures['err']}: {figures.get('error')}" if figures["err"] else ""
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help="with commas; default: all that are installed")
    parser.add_argument(
        "--workloads", default="W1", help=f"with commas, of {', '.join(WORKLOADS)}; default: W1"
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--sec", type=float, default=1.5, help="length of a run, about; default: 1.5")
    parser.add_argument("--attempts", type=int, default=3, help="for a run that was disturbed; default: 3")
    parser.add_argument("--access-log", action="store_true", help="a line per call, by all that can")
    parser.add_argument("--note", default="", help="what a reader of the figures should know")
    parser.add_argument("--out", type=Path, help="the results file")
    words = parser.parse_args(arguments)
    unknown = [name for name in words.workloads.split(",") if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]!r}; there are {', '.join(WORKLOADS)}")
    return words


def results_file(names: list[str]) -> Path:
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    return RESULTS / f"{stamp}-{'-'.join(names) if len(names) < 4 else 'many'}.json"


def main() -> None:
    words = parse()
    names = words.workloads.split(",")
    out = words.out or results_file(names)
    out.parent.mkdir(parents=True, exist_ok=True)
    # SIGTERM ends the run as Ctrl-C does: with what was started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        prepare()
        peers = [peer for peer in choose(words.peers) if not words.access_log or logged.can(peer.name)]
        os.sched_setaffinity(0, {LOAD_CORE})
        session = Session(peers, names, words)
        with alone(), start_origin():
            for number in range(1, words.rounds + 1):
                session.round(number)
                out.write_text(json.dumps(session.results, indent=1) + "\n")
    except MissingError as why:
        sys.exit(f"bench-load: {why}")
    for name in names:
        print(f"\n{name}: {WORKLOADS[name].what}\n\n{table.table(session.results, name)}")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
