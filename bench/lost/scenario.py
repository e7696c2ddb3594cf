"""One gateway, five origins, one kind of event after the other; which calls failed in the time of which."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from bench.lost.gateways import Gateway
from tests.chaos.calls import Call, Client
from tests.chaos.fleet import Fleet

QUIET = 1.0  # seconds before each kind of event in which nothing happens; its calls count for nothing
AFTER = 1.5  # seconds after the last event of a kind, which count for it
SPELL = 5.0  # seconds of GOAWAY or REFUSED_STREAM
EVENTS = {
    "none": "nothing happens",
    "stop": "SIGTERM of an origin",
    "kill": "SIGKILL of an origin",
    "goaway": "GOAWAY by an origin",
    "refuse": "REFUSED_STREAM by an origin",
    "reload": "reload of the gateway",
    "replace": "new process of the gateway",
}


class Scenario:
    """`Scenario(gateway type, policy).run()`: what happened, by kind of event."""

    def __init__(self, kind: type[Gateway], policy: bool, port: int, run: Path, rate: float) -> None:
        self._kind, self._policy, self._port, self._run, self._rate = kind, policy, port, run, rate
        self._spans: list[tuple[str, float, float, int]] = []

    def run(self) -> dict[str, dict[str, Any]]:
        with tempfile.TemporaryDirectory() as name, Fleet(Path(name), None) as self._fleet:
            for origin in (self._fleet.goaway, self._fleet.refuse):
                origin.turn()
            ports = [origin.port for origin in self._fleet.all]
            with self._kind(self._run, self._port, ports, self._policy) as self._gateway:
                client = Client(f"127.0.0.1:{self._port}", None, "gw.test", self._rate)
                asyncio.run(self._storm(client))
            reached = self._fleet.reached()
            self._wait_for(client.calls)
            return {
                event: figures(client.calls, reached, begun, ended) | {"events": count}
                for event, begun, ended, count in self._spans
            }

    def _wait_for(self, calls: list[Call]) -> None:
        if not calls:
            raise RuntimeError("no calls were made")

    async def _storm(self, client: Client) -> None:
        over = asyncio.Event()
        load = asyncio.ensure_future(client.run(over))
        await asyncio.sleep(1.0)
        works: dict[str, Callable[[], int]] = {
            "none": lambda: time.sleep(2.0) or 0,
            "stop": lambda: self._restart(signal.SIGTERM),
            "kill": lambda: self._restart(signal.SIGKILL),
            "goaway": self._goaway,
            "refuse": self._refuse,
            "reload": self._reload,
            "replace": self._replace,
        }
        for event in EVENTS:
            await asyncio.sleep(QUIET)
            begun = time.monotonic()
            count = await asyncio.to_thread(works[event])
            await asyncio.sleep(AFTER)
            self._spans.append((event, begun, time.monotonic(), count))
        over.set()
        await load

    # events; each returns how many there were

    def _restart(self, number: signal.Signals) -> int:
        for origin in self._fleet.grpcio:
            origin.restart(number, 0.3)
            time.sleep(1.5)
        return len(self._fleet.grpcio)

    def _goaway(self) -> int:
        before = self._fleet.count("goaway")
        self._fleet.goaway.turn()
        time.sleep(SPELL)
        self._fleet.goaway.turn()
        return self._fleet.count("goaway") - before

    def _refuse(self) -> int:
        before = self._fleet.count("refused")
        self._fleet.refuse.turn()
        time.sleep(SPELL)
        self._fleet.refuse.turn()
        return self._fleet.count("refused") - before

    def _reload(self) -> int:
        for _ in range(4):
            self._gateway.reload()
            time.sleep(1.5)
        return 4

    def _replace(self) -> int:
        for _ in range(3):
            self._gateway.replace()
            time.sleep(3.0)
        return 3


def figures(calls: list[Call], reached: Counter[str], begun: float, ended: float) -> dict[str, Any]:
    """Of the calls that ran between `begun` and `ended`: how many there were, failed, and why.

    unreached  failed and never reached an application
    twice      reached an application more than once
    """
    these = [call for call in calls if begun <= call.ended and call.begun <= ended]
    failed = [call for call in these if call.wrong or call.code is not grpc.StatusCode.OK]
    words = Counter(f"{call.code.name}: {call.wrong or call.words}"[:120] for call in failed)
    return {
        "calls": len(these),
        "failed": len(failed),
        "unreached": sum(reached[call.name] == 0 for call in failed),
        "wrong": sum(bool(call.wrong) for call in these),
        "twice": sum(reached[call.name] > 1 for call in these),
        "slowest_s": round(max((call.ended - call.begun for call in these), default=0.0), 2),
        "words": dict(words.most_common(5)),
    }
