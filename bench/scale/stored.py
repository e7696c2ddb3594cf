"""The whole way of ten thousand zones, from a store to the workers; and that of a change to one of them."""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.scale.client import client_of_each_worker
from bench.scale.times import say, timed
from bench.scale.zones import HOSTS, config, documents, make, refusing
from fastgw import Gateway
from fastgw.published import Published
from fastgw.store.base import Edit
from fastgw.store.judge import Judge
from fastgw.store.sqlite import SqliteStore
from fastgw.store.zones import Zones

ROUNDS = 5
PARTS = ("open", "read", "judge", "compile", "publish")
FILE = """\
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 2

[store]
kind = "sqlite"
path = "zones.db"
"""


def from_the_store(count: int, times: int) -> None:
    """Fill a store, serve it, change one zone of it again and again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fastgw.toml"
        file.write_text(FILE)
        _fill(count, file.parent / "zones.db")
        _whole(count, file)
        _changes(count, times, file)


def _fill(count: int, path: Path) -> None:
    store = SqliteStore(path)
    edits = [Edit(str(document["name"]), document) for document in documents(make(count))]
    clock, processor = timed(lambda: store.write(edits, actor="bench"))
    store.close()
    print(f"{count} zones written to a store at once: {clock:.3f} s, of the processor {processor:.3f} s")


def _whole(count: int, file: Path) -> None:
    """What `fastgw serve` does, from the first look at the file until each worker decides by it."""
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        gc.collect()
        with Gateway(config(make(10))) as gateway, _parts() as took:
            zones = Zones(file)
            zones.publish = gateway.publish
            took["sum"], took["processor"] = timed(zones.load)
            zones.close()
        took["publish"] -= took["compile"]
        rounds.append(dict(took))
    print(f"from the store to the workers, {count} zones, {count * len(HOSTS)} records, {ROUNDS} rounds:")
    for name, part in (("by the clock", "sum"), ("of the processor", "processor")):
        sums = [took[part] for took in rounds]
        print(f"  {name}: median {statistics.median(sums):.3f} s ({min(sums):.3f}-{max(sums):.3f})")
    middle = sorted(rounds, key=lambda took: took["processor"])[ROUNDS // 2]
    print("  of which " + ", ".join(f"{part} {middle[part]:.3f} s" for part in PARTS))


@contextlib.contextmanager
def _parts() -> Iterator[dict[str, float]]:
    """What is spent in each part meanwhile, in seconds of this thread's processor time."""
    took: dict[str, float] = defaultdict(float)

    def watched(owner: type, name: str, part: str) -> Any:
        done: Callable[..., Any] = getattr(owner, name)

        def do(*words: Any, **more: Any) -> Any:
            begun = time.thread_time()
            try:
                return done(*words, **more)
            finally:
                took[part] += time.thread_time() - begun

        return patch.object(owner, name, do)

    with (
        watched(SqliteStore, "__init__", "open"),
        watched(SqliteStore, "snapshot", "read"),
        watched(Judge, "usable", "judge"),
        watched(Published, "change", "compile"),
        watched(Gateway, "publish", "publish"),
    ):
        yield took


def _changes(count: int, times: int, file: Path) -> None:
    """One zone through `Zones.write`: judged, stored, published; then a call to each worker."""
    zones = Zones(file)
    (document,) = documents(make(count)[count // 2 : count // 2 + 1])
    name = str(document["name"])
    with Gateway(zones.load()) as gateway:
        zones.publish = gateway.publish
        clients = client_of_each_worker(gateway)
        stored: list[float] = []
        seen: list[float] = []
        for turn in range(times):
            error = ("grpc_disabled", "zone_unknown")[turn % 2]
            edit = Edit(name, refusing(document, error))
            begun = time.perf_counter()
            zones.write([edit], "bench")
            stored.append(time.perf_counter() - begun)
            answers = [client.error(name) for client in clients]
            seen.append(time.perf_counter() - begun)
            if answers != [error] * len(clients):
                sys.exit(f"scale: a worker did not answer {error}: {answers}")
        for client in clients:
            client.close()
    zones.close()
    say(f"one zone of {count} in the store, judged, stored and published", stored)
    say(f"one zone of {count} in the store, seen by a call on each worker", seen)
