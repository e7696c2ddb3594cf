"""What ten thousand zones cost: python -m bench.scale [--zones 10000] [--changes 200] [--no-valgrind]."""

from __future__ import annotations

import argparse
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.scale.client import client_of_each_worker
from bench.scale.lookup import NAMES, snapshot
from bench.scale.stored import from_the_store
from bench.scale.times import say, timed
from bench.scale.zones import HOSTS, config, denying, make
from fastgw import Gateway
from fastgw._core.proxy.snapshot import lookup_cost

ROUNDS = (200, 2200)  # of lookups, under valgrind: the difference is free of all the rest
ASKED = NAMES * 5


def resident() -> int:
    """Memory of this process in octets."""
    text = Path("/proc/self/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pace() -> float:
    """Processor seconds for ten million additions: how fast Python is here and now, for comparison."""

    def add() -> None:
        total = 0
        for number in range(10_000_000):
            total += number

    return timed(add)[1]


def full(count: int) -> None:
    """Compile and publish all zones; what each costs in memory."""
    zones = make(count)
    with Gateway(config(make(10))) as gateway:
        gc.collect()
        before = resident()
        clock, processor = timed(lambda: gateway.publish(config(zones)))
        gc.collect()
        each = (resident() - before) / count / 1024
        print(
            f"compile and publish {count} zones, {count * len(HOSTS)} records: {clock:.3f} s,"
            f" of the processor {processor:.3f} s"
        )
        print(f"memory of a zone beside its Zone object: {each:.2f} KiB resident")


def changes(count: int, times: int) -> None:
    """Exchange one zone, again and again; how long until the next call of each worker sees it."""
    zones = make(count)
    number = count // 2
    name = zones[number].name
    with Gateway(config(zones)) as gateway:
        clients = client_of_each_worker(gateway)
        took: list[float] = []
        seen: list[float] = []
        try:
            for turn in range(times):
                error = ("grpc_disabled", "ssl_mode_insufficient")[turn % 2]
                wanted = config(denying(zones, number, error))
                begun = time.perf_counter()
                gateway.publish(wanted)
                took.append(time.perf_counter() - begun)
                answers = [client.error(name) for client in clients]
                seen.append(time.perf_counter() - begun)
                if answers != [error] * len(clients):
                    sys.exit(f"scale: a worker did not answer {error}: {answers}")
        finally:
            for client in clients:
                client.close()
    say(f"one zone of {count}, published", took)
    say(f"one zone of {count}, seen by a call on each worker", seen)


def lookups(count: int, with_valgrind: bool) -> None:
    """What one authority costs among ten zones and among many."""
    for zones in (10, count):
        compiled, asked = snapshot(zones)
        cost = min(lookup_cost(compiled, asked, 200) for _ in range(20))
        print(f"an authority among {zones} zones: {cost:.0f} ns, the same {len(asked)} names again and again")
    if count > 10:
        compiled, _ = snapshot(count)
        names = [f"api.{zone.name}".encode() for zone in make(count)]
        cost = min(lookup_cost(compiled, names, 1) for _ in range(5))
        print(
            f"an authority among {count} zones: {cost:.0f} ns, all zones in turn, so that caches do not help"
        )
    if with_valgrind and shutil.which("valgrind"):
        few, many = instructions(10), instructions(count)
        print(
            f"instructions for an authority: {few:.0f} among 10 zones, {many:.0f} among {count}:"
            f" {many / few - 1:+.1%}"
        )


def instructions(count: int) -> float:
    """For one normalization, lookup, choice of certificate and of route."""
    fewer, more = (_callgrind(count, rounds) for rounds in ROUNDS)
    return (more - fewer) / (ROUNDS[1] - ROUNDS[0]) / ASKED


def _callgrind(count: int, rounds: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={out}",
        ]
        command += [sys.executable, "-m", "bench.scale.lookup", str(count), str(rounds)]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        totals = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
    if totals is None:
        sys.exit("scale: callgrind counted nothing")
    return int(totals[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--no-valgrind", action="store_true", help="count no instructions: it takes minutes")
    words = parser.parse_args()
    print(f"pace: {pace():.2f} s of processor time for ten million additions in Python")
    full(words.zones)
    changes(words.zones, words.changes)
    from_the_store(words.zones, words.changes)
    lookups(words.zones, not words.no_valgrind)


if __name__ == "__main__":
    main()
