"""What the kernel says a process has used, and one measured run of a gateway under load."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load.peers import Peer
from bench.load.process import Blast, Server, tree
from bench.load.workloads import Workload
from bench.load.workshop import GATEWAY_CORE

Figures = dict[str, Any]

_TICK = os.sysconf("SC_CLK_TCK")
_SETTLED = 0.02  # seconds of foreign work in 0.12 s that count as none
_CALM_AFTER = 8.0  # seconds; then it is measured all the same


@dataclass(frozen=True, slots=True)
class Used:
    """CPU time of a process tree: run and waited-for-the-core in ns (all threads), user and system in s."""

    run: int = 0
    waited: int = 0
    user: float = 0.0
    system: float = 0.0

    def __add__(self, other: Used) -> Used:
        return Used(
            self.run + other.run,
            self.waited + other.waited,
            self.user + other.user,
            self.system + other.system,
        )

    def __sub__(self, other: Used) -> Used:
        return self + Used(-other.run, -other.waited, -other.user, -other.system)


def used(pids: Iterable[int]) -> Used:
    total = Used()
    for pid in pids:
        with contextlib.suppress(OSError):  # it may end while we look
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += Used(user=int(fields[11]) / _TICK, system=int(fields[12]) / _TICK)
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    run, waited, _ = (thread / "schedstat").read_text().split()
                    total += Used(int(run), int(waited))
    return total


def resident(pids: Iterable[int]) -> int:
    """KiB in memory."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    total += int(line.split()[1])
    return total


def core(number: int) -> tuple[float, float]:
    """Seconds that a core was busy since it started, and that the hypervisor kept it from us."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{number} "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq) / _TICK, steal / _TICK
    return 0.0, 0.0


def wait_for_calm() -> None:
    """Until nothing else runs on the gateway's core, or for eight seconds."""
    until = time.monotonic() + _CALM_AFTER
    while time.monotonic() < until:
        before = core(GATEWAY_CORE)[0]
        time.sleep(0.12)
        if core(GATEWAY_CORE)[0] - before <= _SETTLED:
            return
        time.sleep(0.3)


def run_once(server: Server, workload: Workload, peer: Peer, calls: int, rate: float = 0.0) -> Figures:
    """Figures of one run of `calls`, `rate` of them per second if not 0; a key "error": there are none."""
    if workload.idle:
        return _hold(server, workload, peer)
    port = peer.h2c_port if workload.cleartext else peer.port
    paced = ["--rate", f"{rate:.0f}"] if rate else []
    with Blast([*workload.arguments(calls), *paced, "--port", str(port)]) as blast:
        said = blast.line()
        if said != "READY":
            return _failure(said)
        wait_for_calm()
        pids = tree(server.pid)
        before, before_core = used(pids), core(GATEWAY_CORE)
        blast.go()
        said = blast.line()
        spent, after_core = used(pids) - before, core(GATEWAY_CORE)
        memory = resident(pids)
        blast.go()
    try:
        answer = json.loads(said)
    except ValueError:
        return _failure(said)
    if not answer["ok"]:
        return _failure(said)
    kept = ("ok", "err", "sec", "rps", "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "resumed", "error")
    figures: Figures = {key: answer[key] for key in kept if answer[key] != ""}
    done, seconds = answer["ok"], answer["sec"]
    figures |= {
        "cpu_us": spent.run / 1e3 / done,
        "user_us": spent.user * 1e6 / done,
        "system_us": spent.system * 1e6 / done,
        "use": spent.run / 1e9 / seconds,
        "wait": spent.waited / 1e9 / seconds,
        "core_us": (after_core[0] - before_core[0]) * 1e6 / done,
        "steal": after_core[1] - before_core[1],
        "rss_kib": memory,
    }
    if rate:
        figures["rate"] = rate
    if workload.per == "message":
        figures["cpu_us_message"] = figures["cpu_us"] / workload.units
    elif workload.per == "byte":
        figures["cpu_ns_byte"] = figures["cpu_us"] * 1e3 / workload.units
    return rounded(figures)


def rounded(figures: Figures) -> Figures:
    """Five digits; more would pretend."""
    return {
        key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in figures.items()
    }


def _hold(server: Server, workload: Workload, peer: Peer) -> Figures:
    """Memory for each idle connection, after 2000 calls have grown what grows once."""
    warm = ["--conns", "20", "--calls", "2000", "--warm", "2000", "--timeout", "40"]
    with Blast([*warm, "--port", str(peer.port)]) as blast:
        said = blast.line()
        if said != "READY":
            return _failure(said)
        blast.go()
        blast.line()
        blast.go()
    time.sleep(0.3)
    before = resident(tree(server.pid))
    with Blast([*workload.arguments(1), "--port", str(peer.port)]) as blast:
        said = blast.line()
        if said != "READY":
            return _failure(said)
        time.sleep(1.0)
        held = resident(tree(server.pid))
        blast.go()
    return rounded(
        {"ok": workload.idle, "err": 0, "kib_conn": (held - before) / workload.idle, "rss_kib": held}
    )


def _failure(said: str) -> Figures:
    try:
        said = json.loads(said).get("error") or "no call succeeded"
    except ValueError:
        said = said or "the load generator said nothing"
    return {"error": said}
