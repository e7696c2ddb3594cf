"""The storm: clients, origins that die, reloads; a line a minute; and what must hold when it is over."""

from __future__ import annotations

import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from tests.soak.book import Book
from tests.soak.calls import Caller
from tests.soak.processes import Files, Gateway, Origin
from tests.soak.rough import Rough, Witness, last_transfer, witness_turn
from tests.support.certs import Authority
from tests.support.grpc_echo import Echo, channel

LIVE = ("streams_open", "exchanges_live", "exchanges_open", "octets_waiting", "octets_lent")
SETTLE = 12.0  # seconds after the storm in which everything has to come back
FLAT = 1.10  # memory at the end, in parts of what it was in the second minute
MIB = 1 << 20


class Storm:
    """`Storm(seconds, seed).run()` returns what was found; an empty list is a pass."""

    def __init__(
        self, seconds: float, seed: int, *, last: int = 64 * MIB, say: Callable[[str], None] = print
    ) -> None:
        self.seconds, self.seed, self.last, self.say = seconds, seed, last, say
        self.over = threading.Event()
        self.resident: list[tuple[float, int]] = []

    def run(self) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            ca = Authority(Path(folder))
            leaf = ca.leaf("origin.test", file="origin")
            self.steady = Origin(leaf)
            self.shaky = [Origin(leaf), Origin(leaf)]
            self.book = Book(self.shaky)
            try:
                self.files = Files(Path(folder), ca, self.steady, self.shaky)
                self._write_good()
                with Gateway(self.files.file) as self.gateway:
                    self._weather(ca)
            finally:
                for origin in (self.steady, *self.shaky):
                    origin.end()
        return self.book.findings

    def _write_good(self) -> None:
        dice = random.Random(self.seed)
        while not self.files.write(dice):
            pass

    def _weather(self, ca: Authority) -> None:
        """Begin, storm, calm down, judge."""
        self.begun = time.monotonic()
        self.witness = Witness(self.gateway)
        self.old = channel(self.gateway.tls, ca_pem=ca.pem, name="steady.gw.test")
        states: list[grpc.ChannelConnectivity] = []
        self.old.subscribe(states.append, try_to_connect=True)
        seeds = random.Random(self.seed)
        callers = [
            Caller(seeds.getrandbits(32), self.gateway, ca.pem, self.book, self.over).run for _ in range(5)
        ]
        rough = [
            Rough(seeds.getrandbits(32), self.gateway, ca.file, self.book, self.over).run for _ in range(3)
        ]
        chores = [self._watch_old, self._witness, self._restart, self._reload]
        threads = [threading.Thread(target=work, daemon=True) for work in (*callers, *rough, *chores)]
        for thread in threads:
            thread.start()
        self._minutes()
        self.over.set()
        self._calm(threads)
        self._judge(states)

    # what happens during it

    def _until(self, pause: Callable[[], float], work: Callable[[], None]) -> None:
        while not self.over.wait(pause()):
            try:
                work()
            except BaseException as error:
                self.book.find(f"a chore broke: {error!r}")
                return

    def _watch_old(self) -> None:
        """The channel of the last transfer has calls all the time, too."""
        dice, echo = random.Random(self.seed + 1), Echo(self.old)

        def work() -> None:
            sent = dice.randbytes(dice.choice((10, 100_000)))
            begun = time.monotonic()
            if echo.unary(sent, timeout=30) != sent:
                self.book.find("the old channel: other octets came back")
            self.book.slowest = max(self.book.slowest, time.monotonic() - begun)

        self._until(lambda: 0.1 + dice.random() * 0.2, work)

    def _witness(self) -> None:
        dice = random.Random(self.seed + 2)
        self._until(lambda: dice.random() * 0.1, lambda: witness_turn(self.witness, dice, self.book))

    def _restart(self) -> None:
        dice = random.Random(self.seed + 3)

        def work() -> None:
            number = dice.choice((signal.SIGTERM, signal.SIGKILL))
            dice.choice(self.shaky).restart(number, dice.choice((0, 0.2, 1.5)))

        self._until(lambda: 0.3 + dice.random() * min(6.0, self.seconds / 4), work)

    def _reload(self) -> None:
        dice = random.Random(self.seed + 4)

        def work() -> None:
            self.files.write(dice)
            self.gateway.reload()

        self._until(lambda: 1.0, work)

    def _minutes(self) -> None:
        ends, line = self.begun + self.seconds, self.begun + 60
        while time.monotonic() < ends and self.gateway.running:
            time.sleep(min(1.0, max(0.0, ends - time.monotonic())))
            self.resident.append((time.monotonic() - self.begun, self.gateway.resident()))
            if time.monotonic() >= line:
                self.say(self.summary())
                line += 60
        if not self.gateway.running:
            self.book.find("the gateway has died")

    def summary(self) -> str:
        """One line on how it goes."""
        at = time.monotonic() - self.begun
        total = self.gateway.total()
        live = " ".join(f"{name} {total[name]}" for name in (*LIVE, "links_open"))
        endings = " ".join(f"{name} {count}" for name, count in self.book.endings.most_common())
        return (
            f"{at:5.0f} s | {endings} | restarts {sum(one.restarts for one in self.shaky)} "
            f"reloads {self.gateway.reloads}+{self.gateway.refused} refused | {live} | "
            f"RSS {self.gateway.resident() / MIB:.1f} MiB, {self.gateway.descriptors()} fds | "
            f"latest {self.book.longest_overrun:+.2f} s after its deadline, "
            f"slowest steady {self.book.slowest:.2f} s | "
            f"findings {len(self.book.findings)}"
        )

    # what must hold afterwards

    def _calm(self, threads: list[threading.Thread]) -> None:
        ends = time.monotonic() + 45
        for thread in threads:
            thread.join(max(0.1, ends - time.monotonic()))
        stuck = sum(thread.is_alive() for thread in threads)
        if stuck:
            self.book.find(f"{stuck} clients did not come to an end")

    def _judge(self, states: list[grpc.ChannelConnectivity]) -> None:
        self._nothing_open("after the storm")
        try:
            last_transfer(self.witness, self.last, self.book)
            sent = random.Random(self.seed).randbytes(self.last)
            if Echo(self.old).unary(sent, timeout=120) != sent:
                self.book.find("the last transfer by grpcio: other octets came back")
        except Exception as error:
            self.book.find(f"the last transfer failed: {error!r}")
        lost = (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        if grpc.ChannelConnectivity.READY not in states or any(
            state in lost for state in states[states.index(grpc.ChannelConnectivity.READY) :]
        ):
            self.book.find(f"the old channel did not last: {states}")
        self._nothing_open("after the last transfer")
        self.say(self.summary())
        self.say(" ".join(f"{name}: {count};" for name, count in sorted(self.book.kinds.items())))
        self._memory()
        self._end()

    def _nothing_open(self, when: str) -> None:
        ends = time.monotonic() + SETTLE
        while True:
            total = self.gateway.total()
            left = {name: total[name] for name in LIVE if total[name]}
            if not left:
                return
            if time.monotonic() > ends:
                self.book.find(f"{when} the gateway still holds {left}")
                return
            time.sleep(0.1)

    def _memory(self) -> None:
        """The second minute against the last one."""
        if self.seconds < 180:
            return
        second = statistics.median(octets for at, octets in self.resident if 60 <= at < 120)
        final = statistics.median(octets for at, octets in self.resident if at >= self.seconds - 60)
        self.say(f"RSS: second minute {second / MIB:.1f} MiB, last minute {final / MIB:.1f} MiB")
        if final > second * FLAT:
            self.book.find(f"memory grew from {second / MIB:.1f} to {final / MIB:.1f} MiB")

    def _end(self) -> None:
        """Drain; then nothing at all is held, and the access log has a line for each call."""
        self.witness.sock.close()
        self.old.close()
        code = self.gateway.end()
        if code != 0:
            self.book.find(f"the gateway ended with code {code}")
        total = self.gateway.last["total"]
        left = {name: total[name] for name in (*LIVE, "links_open") if total[name]}
        if left:
            self.book.find(f"in the end the gateway holds {left}")
        with open(self.files.access_log, "rb") as log:
            lines = sum(1 for _ in log)
        size = os.path.getsize(self.files.access_log) / MIB
        self.say(f"access log: {lines} lines, {size:.1f} MiB; {total}")
        if lines + total["log_dropped"] != total["exchanges_finished"]:
            self.book.find(f"{total['exchanges_finished']} calls, but {lines} lines in the access log")
        self._was_a_storm()
        for complaint in self.gateway.complaints:
            self.book.find(f"the gateway said: {complaint}")

    def _was_a_storm(self) -> None:
        """What did not happen was not tested."""
        happened = {
            "call that went well": self.book.endings["OK"],
            "call that was cancelled": self.book.endings["CANCELLED"],
            "restart of an origin": sum(origin.restarts for origin in self.shaky),
            "reload": self.gateway.reloads,
            "call of the witness": self.book.kinds["calls of the witness"],
            "connection left by reset": self.book.kinds["connections left by reset"],
        }
        for what, times in happened.items():
            if not times:
                self.book.find(f"there was no {what}")
