"""How exactly a rate limit counts under load: python -m bench.exact [--seconds 30] [--limit 20000].

A gateway of two workers, in cleartext on both sides so that as many calls as can be come upon one counter:
the load makes them in a closed loop, as fast as the machine allows, and checks each answer. What was admitted
must be the limit in the first period, and go on as evenly as time in those that follow. Exit code 1 if it is
more than 1 % of the limit away from that.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import fastgw
from bench.load.process import Blast, start_origin
from bench.load.workshop import HOST, MissingError, alone, prepare

CONNECTIONS = 16
STREAMS = 20
WITHIN = 0.01  # parts of the limit by which the count may be wrong
SHARP = 0.1  # seconds of warming up, of which nobody knows when the period began; a longer one is made anew
TRIES = 5
WARM = 100  # calls before the measured ones, besides one for each connection


@dataclass(frozen=True, slots=True)
class Count:
    """What a run has counted. Times in seconds.

    admitted, refused  calls, as the client was told
    counted  calls the gateway says it has admitted; it has ended what the client did not wait for
    wanted   how many a limit without any error admits in that time, at least and at most: it begins with
             the first call, of which is known that it came while the load warmed up
    blur     how long the warming up took
    by_worker  calls of each worker
    """

    seconds: float
    admitted: int
    refused: int
    counted: int
    wanted: tuple[float, float]
    limit: int
    blur: float
    by_worker: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Calls per second."""
        return (self.admitted + self.refused) / self.seconds

    @property
    def error(self) -> float:
        """Parts of the limit by which the count is wrong."""
        least, most = self.wanted
        return (self.admitted - min(max(self.admitted, least), most)) / self.limit

    def __str__(self) -> str:
        return (
            f"{self.rate:.0f} calls/s for {self.seconds:.1f} s over {len(self.by_worker)} workers "
            f"{self.by_worker}: {self.admitted} admitted of {self.admitted + self.refused}, "
            f"{self.wanted[0]:.0f} to {self.wanted[1]:.0f} wanted, {100 * self.error:+.2f} % of the limit"
        )


def configuration(origin: int, limit: int, period: int) -> str:
    """Zone localhost with one rate limit that all calls share."""
    protocol = 'origin_protocol = "h2c"'
    return textwrap.dedent(f"""\
        [server]
        listen = ["h2c://{HOST}:0"]
        workers = 2
        drain_timeout = "100ms"
        [[zone]]
        name = "localhost"
        settings = {{ grpc = "on", ssl = "full" }}
        dns = [{{ name = "@", content = "{HOST}", proxied = true, {protocol}, origin_port = {origin} }}]
        [[zone.rule]]
        phase = "ratelimit"
        id = "exact"
        expression = 'grpc.method eq "Unary"'
        action = "block"
        ratelimit = {{ characteristics = ["ip.src"], period = {period}, requests_per_period = {limit} }}
        """)


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def measure(limit: int, period: int, seconds: float) -> Count:
    """Load for so many seconds. Raise MissingError."""
    prepare()
    plain = free_port()
    with tempfile.TemporaryDirectory() as folder, start_origin(free_port(), plain):
        file = Path(folder, "fastgw.toml")
        file.write_text(configuration(plain, limit, period))
        with fastgw.Gateway(file) as gateway:
            begun = time.monotonic()
            with Blast(_arguments(gateway.addresses[0], seconds)) as load:
                told = load.line()
                ready = time.monotonic()
                if told == "READY":
                    load.go()
                    told = load.line()
                took = time.monotonic() - begun
            stats = gateway.stats()
    told_of = json.loads(told)
    # Connections are warmed up with calls that are admitted and not in the load's report.
    admitted = told_of["ok"] + CONNECTIONS + WARM
    refused = told_of["err"]
    replies = stats["total"]["replies"]
    by_worker = tuple(worker["exchanges_finished"] for worker in stats["workers"])
    if set(replies) - {"rate_limited"}:
        raise MissingError(f"The gateway denied calls for other reasons than the limit: {replies}.")
    return Count(
        seconds=took,
        admitted=admitted,
        refused=refused,
        counted=sum(by_worker) - replies.get("rate_limited", 0),
        wanted=_wanted(told_of["sec"], took, admitted + refused, limit, period),
        limit=limit,
        blur=ready - begun,
        by_worker=by_worker,
    )


def _wanted(least: float, most: float, calls: int, limit: int, period: int) -> tuple[float, float]:
    """What a limit admits of so many calls in a time between these."""
    return (
        min(calls, limit * max(1.0, least / period)),
        min(calls, limit * max(1.0, most / period)),
    )


def _arguments(address: str, seconds: float) -> list[str]:
    """Of the load: more calls than it can make, ended by time."""
    words = {
        "port": address.rpartition(":")[2],
        "conns": CONNECTIONS,
        "streams": STREAMS,
        "warm": WARM,
        "calls": 10**9,
        "timeout": seconds,
    }
    return ["--plain", *(text for name, value in words.items() for text in (f"--{name}", str(value)))]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.exact", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--limit", type=int, default=20_000, help="calls per period (%(default)s)")
    parser.add_argument("--period", type=int, default=10, help="seconds (%(default)s)")
    options = parser.parse_args()
    try:
        with alone():
            for _ in range(TRIES):
                count = measure(options.limit, options.period, options.seconds)
                if count.blur <= SHARP:
                    break
    except MissingError as error:
        print(error, file=sys.stderr)
        return 2
    print(count)
    return 0 if abs(count.error) <= WITHIN else 1


if __name__ == "__main__":
    sys.exit(main())
