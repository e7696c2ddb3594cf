"""Origins that restart, die, say GOAWAY and refuse; a gateway that is reloaded and replaced; clients."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc

from tests.chaos.calls import KINDS, Client
from tests.chaos.fleet import Fleet
from tests.chaos.gateway import Files, Gateway
from tests.chaos.verdict import OUTCOMES, sentence, twice, verdict
from tests.support.certs import Authority

LONG = 20.0  # seconds: then there are enough kills for some calls to be met by them
LIVE = ("streams_open", "exchanges_live", "exchanges_open", "octets_waiting", "octets_lent", "links_open")


class Chaos:
    """`Chaos(seconds, seed).run()` returns what was found; an empty list is a pass.

    policy        the zone tries again after UNAVAILABLE, too
    replacements  of the gateway's process, spread over the time
    pause         seconds from one restart of an origin to the next
    """

    def __init__(
        self,
        seconds: float,
        seed: int,
        *,
        policy: bool = False,
        replacements: int = 5,
        pause: float = 1.0,
        rate: float = 200.0,
        say: Callable[[str], None] = print,
    ) -> None:
        self.seconds, self.seed, self.policy = seconds, seed, policy
        self.replacements, self.pause, self.rate, self.say = replacements, pause, rate, say
        self.findings: list[str] = []
        self._over = threading.Event()

    def run(self) -> list[str]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ca = Authority(folder)
            with Fleet(folder, ca.leaf("origin.test", file="origin")) as self.fleet:
                self.files = Files(folder, ca, self.fleet, self.policy, self.seed)
                with Gateway(self.files) as self.gateway:
                    self.client = Client(self.gateway.target, ca.pem, "gw.test", self.rate, self.seed)
                    asyncio.run(self._storm())
                    if not self.gateway.end():
                        self.findings.append("a process of the gateway did not end")
                self._judge()
        return self.findings

    async def _storm(self) -> None:
        over = asyncio.Event()
        load = asyncio.ensure_future(self.client.run(over))
        chores = [
            asyncio.ensure_future(asyncio.to_thread(self._chore, work))
            for work in (self._restart, self._reload, self._replace)
        ]
        await asyncio.sleep(self.seconds)
        self._over.set()
        await asyncio.gather(*chores)
        await asyncio.sleep(0.5)
        over.set()
        await load

    # what happens meanwhile, each in a thread of its own

    def _chore(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.findings.append(f"a chore broke: {error!r}")

    def _restart(self) -> None:
        while True:
            for origin in self.fleet.grpcio:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    if self._over.wait(self.pause):
                        return
                    origin.restart(number, 0.1)

    def _reload(self) -> None:
        while not self._over.wait(1.0):
            self.gateway.reload()

    def _replace(self) -> None:
        begun = time.monotonic()
        for number in range(1, self.replacements + 1):
            due = begun + number * self.seconds / (self.replacements + 1)
            if self._over.wait(max(0.0, due - time.monotonic())):
                break
            self.gateway.replace()

    # what must hold afterwards

    def _judge(self) -> None:
        calls, reached = self.client.calls, self.fleet.reached()
        said = [event for event in self.gateway.events if "warning" not in event[1]]
        events = sorted([*self.fleet.events(), *said])
        outcomes: Counter[str] = Counter()
        table: Counter[tuple[str, str]] = Counter()
        for call in calls:
            what = verdict(call, reached[call.name], self.fleet.all, self.policy)
            outcomes[what] += 1
            table[call.kind, what] += 1
            if what not in ("", "killed", "cancelled"):
                self.findings.append(sentence(call, what, reached[call.name], events))
        if not self.policy:
            self.findings += twice(calls, reached, events)
        self._left()
        saved = sum(reached[call.name] > 1 for call in calls if call.code is grpc.StatusCode.OK)
        self._happened(outcomes, table, saved)

    def _left(self) -> None:
        """Each process of the gateway let go of everything, and the access log has a line for each call."""
        totals = self.gateway.totals
        if len(totals) != self.gateway.replacements + 1:
            self.findings.append(f"{len(totals)} processes ended well of {self.gateway.replacements + 1}")
        for total in totals:
            left = {name: total[name] for name in LIVE if total[name]}
            if left:
                self.findings.append(f"in the end a process of the gateway holds {left}")
            refused = {name: count for name, count in total["refused"].items() if count}
            if refused:
                self.findings.append(f"the gateway refused what a peer said: {refused}")
        with self.files.access_log.open() as log:
            lines = [json.loads(line) for line in log]
        finished = sum(total["exchanges_finished"] - total["log_dropped"] for total in totals)
        if finished != len(lines):
            self.findings.append(f"{finished} calls, but {len(lines)} lines in the access log")
        self.findings += [f"the gateway said: {line}" for line in self.gateway.complaints]
        again = sum(line["attempts"] > 1 for line in lines)
        self.say(f"calls the gateway carried: {len(lines)}; tried again: {again}")
        self._again = again

    def _happened(self, outcomes: Counter[str], table: Counter[tuple[str, str]], saved: int) -> None:
        """Print the counts. What did not happen was not tested."""
        grpcio = self.fleet.grpcio
        events = {
            "origins stopped by SIGTERM": sum(one.restarts(signal.SIGTERM) for one in grpcio),
            "origins ended by SIGKILL": sum(one.restarts(signal.SIGKILL) for one in grpcio),
            "GOAWAY of an origin": self.fleet.count("goaway"),
            "REFUSED_STREAM of an origin": self.fleet.count("refused"),
            "reloads": self.gateway.reloads,
            "publications": self.gateway.publications,
            "replacements": self.gateway.replacements,
            "calls tried again": self._again,
        }
        if self.policy and self.seconds >= LONG:
            events["calls saved by the policy"] = saved
        self.say("; ".join(f"{name}: {count}" for name, count in events.items()))
        self.findings += [f"there was none: {name}" for name, count in events.items() if not count]
        if self.gateway.replacements < self.replacements:
            self.findings.append(f"only {self.gateway.replacements} replacements")
        total = sum(outcomes.values())
        if total < self.rate * self.seconds * 0.5:
            self.findings.append(f"only {total} calls: this machine is too busy for this test")
        self.say(
            f"calls: {total}; well: {outcomes['']}; "
            f"failed with an origin that was killed: {outcomes['killed']}; "
            f"cancelled by an origin that was stopped: {outcomes['cancelled']}; "
            f"lost although they could be saved: {outcomes['lost']}; wrong: {outcomes['wrong']}"
        )
        for kind in KINDS:
            said = ", ".join(f"{table[kind, what]} {what or 'well'}" for what in OUTCOMES)
            self.say(f"  {kind}: {said}")
        took = sorted(call.ended - call.begun for call in self.client.calls) or [0.0]
        self.say(f"slowest call: {took[-1]:.2f} s")
