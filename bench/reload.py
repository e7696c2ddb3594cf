"""Calls while the configuration changes all the time: python -m bench.reload [--seconds 30] [--rate 1000].

Every 0.1 s the file says something else: a record, a setting, at each tenth reload a renewed certificate;
then the gateway gets SIGHUP. No call may fail, and nothing of the gateway may grow.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from bench.scale.times import quantile
from tests.chaos.calls import OPTIONS
from tests.soak.processes import Gateway, Origin
from tests.soak.storm import LIVE, MIB
from tests.support.calls import record
from tests.support.certs import Authority
from tests.support.grpc_echo import SERVICE, same

EVERY = 0.1  # seconds from one reload to the next
RENEWED = 10  # so many reloads from one certificate to the next
OTHERS = tuple(f"zone{number}.example" for number in range(10))  # zones besides the one that is called
ADDRESSES = 2  # that their records may lead to
CHANNELS = 6  # for all time; one more is opened anew every second
STREAMS = 4  # that are open all the time, each for STREAM seconds
STREAM = 2.0
BEAT = 0.02  # seconds from one message of a stream to the next
PATIENCE = 20.0  # seconds: a call that takes this long is stuck
SETTLE = 15.0  # seconds until all is let go of afterwards
GROWTH = 1.02  # memory in the last third, in parts of what it was in the second; and SLACK on top
SLACK = 2 * MIB
WARM = 10.0  # seconds that a run must take for its memory to be judged


class File:
    """The file that is read; `change` lets it say something else, which no call may feel."""

    def __init__(self, folder: Path, ca: Authority, origin: Origin) -> None:
        self.path = folder / "fastgw.toml"
        self._ca, self._origin = ca, origin
        self._dice = random.Random(1)
        self._turn = 0
        self._last_octets = {name: 1 for name in OTHERS}
        self._modes = {name: "full" for name in OTHERS}
        self._leaf = self._renewed()
        self.renewals = 0
        self._write()

    def _renewed(self) -> str:
        """A certificate of new files, as a cert in the file."""
        leaf = self._ca.leaf("gw.test", *OTHERS, file=f"gateway{self._turn}")
        return f'{{ file = "{leaf.certificate}", key = "{leaf.key}" }}'

    def change(self) -> None:
        """Exchange a record of one zone and a setting of two, now and then the certificate of all."""
        self._turn += 1
        self._last_octets[self._dice.choice(OTHERS)] = self._dice.randrange(ADDRESSES)
        self._modes[self._dice.choice(OTHERS)] = self._dice.choice(("full", "strict"))
        if self._turn % RENEWED == 0:
            self._leaf = self._renewed()
            self.renewals += 1
        self._write()

    def _write(self) -> None:
        others = "".join(
            f"""
[[zone]]
name = "{name}"
cert = {self._leaf}
settings = {{ grpc = "on", ssl = "{self._modes[name]}" }}
dns = [{{ name = "@", content = "10.0.0.{self._last_octets[name]}", proxied = true }}]
"""
            for name in OTHERS
        )
        weight = f'origin_server_name = "origin.test", weight = {1 + self._turn % 5}'
        timeout = 90 + self._turn % 7
        half = self.path.with_suffix(".new")
        half.write_text(f"""\
[server]
listen = ["127.0.0.1:0", "h2c://127.0.0.1:0"]
workers = 2
drain_timeout = "10s"

[[zone]]
name = "gw.test"
cert = {self._leaf}
settings = {{ grpc = "on", ssl = "strict", proxy_read_timeout = {timeout} }}
trust_store = "{self._ca.file}"
dns = [{record("@", self._origin.port, weight)}]
{others}""")
        half.replace(self.path)


@dataclass
class Caller:
    """Unary calls at a rate, over lasting channels and young ones, and streams that outlive reloads."""

    target: str
    ca_pem: bytes
    rate: float
    begun: int = 0
    streams: int = 0
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """For so many seconds, and until what is under way then has ended."""
        ends = time.monotonic() + seconds
        channels = [self._channel() for _ in range(CHANNELS)]
        running = {asyncio.ensure_future(self._streams(channel, ends)) for channel in channels[:STREAMS]}
        young, renewed = self._channel(), time.monotonic()
        closing: list[asyncio.Task[None]] = []
        due = time.monotonic()
        while due < ends:
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() - renewed > 1:
                closing.append(asyncio.ensure_future(young.close(PATIENCE)))
                young, renewed = self._channel(), time.monotonic()
            place = self.begun % (CHANNELS + 1)
            task = asyncio.ensure_future(self._unary(channels[place] if place < CHANNELS else young))
            running.add(task)
            task.add_done_callback(running.discard)
            self.begun += 1
        await asyncio.gather(*running)
        await asyncio.gather(*closing, young.close(), *(channel.close() for channel in channels))

    def _channel(self) -> grpc.aio.Channel:
        names = (("grpc.default_authority", "gw.test"), ("grpc.ssl_target_name_override", "gw.test"))
        credentials = grpc.ssl_channel_credentials(self.ca_pem)
        return grpc.aio.secure_channel(self.target, credentials, (*names, *OPTIONS))

    async def _unary(self, channel: grpc.aio.Channel) -> None:
        sent, begun = os.urandom(100), time.monotonic()
        try:
            if await channel.unary_unary(SERVICE + "Unary", same, same)(sent, timeout=PATIENCE) != sent:
                self.failed.append("other octets came back")
        except grpc.aio.AioRpcError as failure:
            self._note(failure)
        self.took.append(time.monotonic() - begun)

    async def _streams(self, channel: grpc.aio.Channel, ends: float) -> None:
        """One after the other; each message must come back."""
        while time.monotonic() < ends:
            over = min(ends, time.monotonic() + STREAM)
            sent: list[bytes] = []

            async def messages(over: float = over, sent: list[bytes] = sent) -> AsyncIterator[bytes]:
                while time.monotonic() < over:
                    sent.append(os.urandom(100))
                    yield sent[-1]
                    await asyncio.sleep(BEAT)

            self.streams += 1
            try:
                chat = channel.stream_stream(SERVICE + "Chat", same, same)(messages(), timeout=PATIENCE)
                if [message async for message in chat] != sent:
                    self.failed.append("a stream brought other messages back")
            except grpc.aio.AioRpcError as failure:
                self._note(failure)

    def _note(self, failure: grpc.aio.AioRpcError) -> None:
        error = dict(failure.trailing_metadata() or ()).get("fastgw-error", "")
        self.failed.append(f"{failure.code().name} {failure.details()} {error!r}")


@dataclass(frozen=True)
class Sample:
    """What the gateway held at one moment; `at` in seconds since the beginning."""

    at: float
    resident: int
    descriptors: int
    snapshots: int
    endpoints: int


@dataclass
class Run:
    """`Run(seconds, rate).run()` returns what was found; an empty list is a pass."""

    seconds: float
    rate: float
    asked: int = 0
    samples: list[Sample] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ca = Authority(folder)
            origin = Origin(ca.leaf("origin.test", file="origin"))
            try:
                self.file = File(folder, ca, origin)
                with Gateway(self.file.path) as self.gateway:
                    self.caller = Caller("{}:{}".format(*self.gateway.tls), ca.pem, self.rate)
                    asyncio.run(self._storm())
                    self._settle()
                    self._judge()
                    self._end()
            finally:
                origin.end()
        return self.findings

    async def _storm(self) -> None:
        self.begun = time.monotonic()
        chores = [asyncio.ensure_future(self._reload()), asyncio.ensure_future(self._watch())]
        await self.caller.run(self.seconds)
        self.lasted = time.monotonic() - self.begun
        for chore in chores:
            chore.cancel()
            with suppress(asyncio.CancelledError):
                await chore

    async def _reload(self) -> None:
        due = time.monotonic()
        while True:
            due += EVERY
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.to_thread(self.file.change)
            self.gateway.reload()
            self.asked += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(0.5, self.seconds / 15))
            self.samples.append(await asyncio.to_thread(self._sample))

    def _sample(self) -> Sample:
        held = self.gateway.stats()["held"]
        return Sample(
            time.monotonic() - self.begun,
            self.gateway.resident(),
            self.gateway.descriptors(),
            held["snapshots"],
            held["endpoints"],
        )

    def _settle(self) -> None:
        """Wait until nothing is open any more but the listeners."""
        ends = time.monotonic() + SETTLE
        while True:
            stats = self.gateway.stats()
            left = {name: stats["total"][name] for name in (*LIVE, "links_open") if stats["total"][name]}
            self.after = self._sample()
            if (not left or set(left) == {"links_open"}) and self.after.snapshots == 1:
                return
            if time.monotonic() > ends:
                self.findings.append(f"afterwards it holds {left} and {self.after.snapshots} snapshots")
                return
            time.sleep(0.1)

    def _thirds(self, what: str) -> tuple[list[int], list[int]]:
        """The values in the second third and in the last."""
        second = [s for s in self.samples if self.seconds / 3 <= s.at < self.seconds * 2 / 3]
        last = [s for s in self.samples if self.seconds * 2 / 3 <= s.at <= self.seconds]
        return [getattr(s, what) for s in second], [getattr(s, what) for s in last]

    def _judge(self) -> None:
        if self.caller.failed:
            first = "; ".join(dict.fromkeys(self.caller.failed[:20]))
            self.findings.append(f"{len(self.caller.failed)} calls failed: {first}")
        if self.gateway.refused:
            self.findings.append(f"{self.gateway.refused} reloads were refused")
        if not self.gateway.reloads or not self.file.renewals:
            self.findings.append("there was no reload, or no certificate was renewed")
        second, last = self._thirds("resident")
        if self.seconds >= WARM and statistics.median(last) > statistics.median(second) * GROWTH + SLACK:
            self.findings.append(f"memory grew: {second} then {last}")
        second, last = self._thirds("descriptors")
        if max(last) > max(second) + CHANNELS:
            self.findings.append(f"descriptors grew: {second} then {last}")
        second, last = self._thirds("snapshots")
        if max(last) > STREAMS + CHANNELS:
            self.findings.append(f"snapshots are not let go of: {second} then {last}")
        most = 1 + len(OTHERS) * ADDRESSES * 2
        if self.after.endpoints > most:
            self.findings.append(f"{self.after.endpoints} endpoints, where the files name {most} at most")

    def _end(self) -> None:
        code = self.gateway.end()
        if code != 0:
            self.findings.append(f"the gateway ended with code {code}")
        self.findings += [f"the gateway said: {line}" for line in self.gateway.complaints]

    def lines(self) -> list[str]:
        """What happened, in figures."""
        caller, took = self.caller, self.caller.took
        lines = [
            f"{caller.begun} calls and {caller.streams} streams in {self.lasted:.1f} s"
            f" ({caller.begun / self.lasted:.0f} calls/s), {len(caller.failed)} failed;"
            f" p50 {quantile(took, 0.5) * 1e3:.2f} ms, p99 {quantile(took, 0.99) * 1e3:.2f} ms,"
            f" most {max(took) * 1e3:.0f} ms",
            f"{self.gateway.reloads} reloads in force of {self.asked},"
            f" {self.file.renewals} times with a renewed certificate",
        ]
        for what, unit, parts in (
            ("resident", "MiB", MIB),
            ("descriptors", "", 1),
            ("snapshots", "", 1),
            ("endpoints", "", 1),
        ):
            first = [getattr(s, what) for s in self.samples if s.at < self.seconds / 3]
            means = [
                f"{statistics.median(part) / parts:.4g}" for part in (first, *self._thirds(what)) if part
            ]
            after = getattr(self.after, what) / parts
            lines.append(f"{what}: by thirds {', '.join(means)}, afterwards {after:.4g} {unit}".rstrip())
        return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.reload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="calls a second")
    asked = parser.parse_args()
    run = Run(asked.seconds, asked.rate)
    findings = run.run()
    print(f"load of the machine: {os.getloadavg()[0]:.2f}")
    print("\n".join(run.lines()))
    sys.exit("\n".join(f"finding: {finding}" for finding in findings) or 0)


if __name__ == "__main__":
    main()
