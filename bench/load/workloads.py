"""What is asked of each gateway: the calls, and the figure that counts for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of traffic, as arguments of gblast, and how its figures are read."""

    what: str
    load: str
    per: str = "call"  # what the CPU time is divided by: call, message, byte or connection
    units: int = 1  # of those in a call
    warm: int = 1000  # calls before the measurement
    first: int = 4000  # calls of the run that finds out how many fill the wanted time
    most: int | None = None  # calls of a measured run, at most
    cleartext: bool = False
    share: float = 0.0  # so much of the calls/s it reaches unpaced, in an open loop; 0: a closed loop
    bar: float | None = None  # the figure is to be at most so many times that of the best rival
    bar_p50: float | None = None

    @property
    def lead(self) -> str:
        """The figure by which gateways are compared."""
        if self.share:
            return "p99_us"
        figures = {
            "call": "cpu_us",
            "message": "cpu_us_message",
            "byte": "cpu_ns_byte",
            "connection": "kib_conn",
        }
        return figures[self.per]

    @property
    def idle(self) -> int:
        """Connections that are only held open; 0 where calls are made."""
        return self.units if self.per == "connection" else 0

    def arguments(self, calls: int) -> list[str]:
        """Those of gblast, but for the port."""
        more = ["--plain"] if self.cleartext else []
        return [*self.load.split(), *more, "--calls", str(calls), "--warm", str(self.warm), "--timeout", "40"]


_SMALL = "--request 100 --response 100"
_MIB = 1 << 20

WORKLOADS = {
    "W1": Workload("unary, 100 B, 10 connections x 10 calls", f"--conns 10 --streams 10 {_SMALL}", bar=0.30),
    "W1b": Workload(
        "W1 after 100 calls at once on a fresh gateway", f"--conns 10 --streams 10 {_SMALL} --burst"
    ),
    "W1c": Workload("W1 in cleartext on both sides", f"--conns 10 --streams 10 {_SMALL}", cleartext=True),
    "W1m": Workload(
        "unary, 100 B, 10 connections x 1 call: little to batch",
        f"--conns 10 --streams 1 {_SMALL}",
        bar=0.85,
    ),
    "W1p": Workload(
        "W1 at 70 % of the calls/s that the gateway reaches",
        f"--conns 10 --streams 100 {_SMALL}",
        share=0.7,
        bar=1.0,
    ),
    "W1k": Workload(
        "unary, 8 KiB both ways, 10 connections x 10 calls",
        "--conns 10 --streams 10 --request 8192 --response 8192",
        bar=0.60,
    ),
    "W2": Workload(
        "unary, 100 B, 1 connection x 1 call: ping-pong",
        f"--conns 1 --streams 1 {_SMALL}",
        bar=0.80,
        bar_p50=0.60,
    ),
    "W3": Workload(
        "unary, 100 B, 100 connections x 32 calls",
        f"--conns 100 --streams 32 {_SMALL}",
        warm=6400,
        first=20000,
        bar=0.12,
    ),
    "W4d": Workload(
        "responses of 1 MiB, 4 connections x 2 calls",
        f"--conns 4 --streams 2 --request 100 --response {_MIB}",
        per="byte",
        units=_MIB,
        warm=40,
        first=60,
        bar=0.85,
    ),
    "W4u": Workload(
        "requests of 1 MiB, 4 connections x 2 calls",
        f"--conns 4 --streams 2 --request {_MIB} --response 100",
        per="byte",
        units=_MIB,
        warm=40,
        first=60,
        bar=0.80,
    ),
    "W5": Workload(
        "server streaming, 1000 messages of 100 B, 10 connections x 1 call",
        f"--conns 10 --streams 1 {_SMALL} --count 1000",
        per="message",
        units=1000,
        warm=20,
        first=40,
        bar=0.40,
    ),
    "W6f": Workload(
        "a new TLS connection for each call, full handshake",
        f"--conns 10 --streams 1 --mode churn {_SMALL}",
        warm=50,
        first=300,
        most=4000,
        bar=0.95,
    ),
    "W6r": Workload(
        "a new TLS connection for each call, resumed session",
        f"--conns 10 --streams 1 --mode churn --resume {_SMALL}",
        warm=50,
        first=300,
        most=4000,
        bar=1.00,
    ),
    "W7": Workload(
        "2000 idle TLS connections after one call each",
        f"--conns 2000 --streams 1 --mode hold {_SMALL}",
        per="connection",
        units=2000,
        bar=1.00,
    ),
    "W8": Workload(
        "W1 with 30 metadata fields, 4 of them new in each call",
        f"--conns 10 --streams 10 {_SMALL} --fields 30 --varied 4",
        bar=0.40,
    ),
}
