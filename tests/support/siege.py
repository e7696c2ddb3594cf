"""A `fastgw serve` process under attack: honest and hostile peers around it, and what the attack cost."""

from __future__ import annotations

import contextlib
import ssl
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import grpc

from tests.support import frames as f
from tests.support.certs import Authority, Leaf
from tests.support.frames import Code, Type
from tests.support.grpc_echo import SERVICE, Echo, Origin, channel
from tests.support.raw import ClosedError, RawClient, h2_context
from tests.support.raw_origin import Play, RawOrigin
from tests.support.served import SANITIZED, Served
from tests.support.steady import clock

MIB = 1 << 20
CALLS = 50  # of the honest client in each siege, at least
SLOWEST = 1.0 if SANITIZED else 0.25  # seconds: the 99th percentile of the honest client's calls
TRIES = 3  # what is slow each time is slow; what is slow once had a neighbour
PAUSE = 0.001  # seconds between them
PATIENCE = 20.0  # seconds the honest client may need for all of its calls

_GONE = (ClosedError, OSError)


@dataclass
class Cost:
    """What a siege cost: the honest client's latencies in seconds, the gateway's CPU seconds and octets."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    cpu: float = 0.0
    grown: int = 0
    peak: int = 0

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[len(self.latencies) * 99 // 100 - 1]

    def __str__(self) -> str:
        return (
            f"honest calls {len(self.latencies)}, p99 {self.p99 * 1000:.0f} ms; gateway {self.cpu:.2f} s CPU, "
            f"memory {self.grown / MIB:+.1f} MiB (at most {self.peak / MIB:+.1f})"
        )


def toml(honest: int, hostile: Mapping[str, int], limits: str, server: str, settings: str) -> str:
    """gw.test leads to the honest origin, each hostile one has a hostname of its own; {ca} and so on stay."""
    record = 'content = "127.0.0.1", proxied = true, origin_server_name = "origin.test"'
    rows = [
        f'{{ name = "{name}", {record}, origin_port = {port} }}'
        for name, port in {"@": honest, **hostile}.items()
    ]
    return textwrap.dedent("""\
        [server]
        listen = ["127.0.0.1:0"]
        workers = 1
        {server}
        [limits]
        {limits}
        [[zone]]
        name = "gw.test"
        cert = {{ file = "{{cert}}", key = "{{key}}" }}
        settings = {{ grpc = "on", ssl = "strict"{settings} }}
        trust_store = "{{ca}}"
        dns = [{rows}]
        """).format(server=server, limits=limits, rows=", ".join(rows), settings=settings and ", " + settings)


class Siege:
    """`with Siege(…) as siege:` a gateway process, an honest origin, and hostile ones by name.

    hostile  what the origin of `<name>.gw.test` plays on each connection
    others   ports of further origins by name
    limits   lines of the table [limits]; server: of [server]; settings: further ones of the zone
    """

    def __init__(
        self,
        ca: Authority,
        gateway_leaf: Leaf,
        origin_leaf: Leaf,
        folder: Path,
        *,
        hostile: Mapping[str, Play] | None = None,
        others: Mapping[str, int] | None = None,
        limits: str = "",
        server: str = "",
        settings: str = "",
    ) -> None:
        self.ca = ca
        self.folder = folder
        self._files = {"ca": ca.file, "cert": gateway_leaf.certificate, "key": gateway_leaf.key}
        self._texts = {"limits": limits, "server": server, "settings": settings}
        self._others = dict(others or {})
        self._stack = contextlib.ExitStack()
        self.origin = Origin(origin_leaf)
        self.hostile = {name: RawOrigin(play, origin_leaf) for name, play in (hostile or {}).items()}

    def __enter__(self) -> Siege:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.origin)
            for rude in self.hostile.values():
                stack.enter_context(rude)
            ports = {name: rude.port for name, rude in self.hostile.items()} | self._others
            text = toml(self.origin.port, ports, **self._texts)
            for word, path in self._files.items():
                text = text.replace(f"{{{word}}}", str(path))
            file = self.folder / "siege.toml"
            file.write_text(text)
            self.gateway = stack.enter_context(Served(file))
            self.address = self.gateway.address
            opened = channel(self.address, ca_pem=self.ca.pem)
            stack.callback(opened.close)
            self.honest = Echo(opened)
            self.is_well()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._stack.close()

    # peers

    def raw(
        self,
        *,
        name: str = "gw.test",
        context: ssl.SSLContext | None = None,
        timeout: float = 5.0,
        receive_buffer: int | None = None,
    ) -> RawClient:
        """A TLS connection that has not begun HTTP/2."""
        context = h2_context(self.ca.file) if context is None else context
        return RawClient(
            self.address, context=context, server_name=name, timeout=timeout, receive_buffer=receive_buffer
        )

    def begun(self, *pairs: tuple[int, int], timeout: float = 5.0) -> RawClient:
        """A connection with SETTINGS exchanged."""
        raw = self.raw(timeout=timeout)
        raw.begin(*pairs)
        return raw

    def call(self, name: str, message: bytes = b"hello", timeout: float = 5.0) -> grpc.Future:
        """A finished unary call, by grpcio and a connection of its own, to `<name>.gw.test`."""
        with contextlib.closing(channel(self.address, ca_pem=self.ca.pem, name=f"{name}.gw.test")) as opened:
            future = opened.unary_unary(SERVICE + "Unary").future(message, timeout=timeout)
            future.exception()
            return future

    def is_well(self) -> None:
        """The gateway lives; the honest client's old connection and a new one carry a call."""
        assert self.honest.unary(b"well", timeout=5) == b"well"
        with self.begun() as raw:
            raw.head(1, f.request())
            raw.send(f.data(1, f.message(b"new"), end=True))
            answer = raw.answer(1)
            assert (answer.grpc_status, answer.body) == (0, f.message(b"new")), answer.heads

    def origin_is_idle(self, seconds: float = 5.0) -> None:
        """Every call the honest origin has begun is over: none was forgotten there."""
        ends = time.monotonic() + seconds
        while self.origin.ended < self.origin.calls and time.monotonic() < ends:
            time.sleep(0.01)
        assert self.origin.ended == self.origin.calls, (self.origin.ended, self.origin.calls)

    # the siege

    def under(self, attack: Callable[[], object], *, grows: int = 8 * MIB, calls: int = CALLS) -> Cost:
        """Run `attack` beside an honest client; what it cost.

        grows   octets of memory it may cost at most
        calls   how many the honest client makes at least
        An attack after which the honest client was slow is made again, up to TRIES times in all.
        """
        for left in reversed(range(TRIES)):
            cost = self._once(attack, calls)
            print(cost)
            assert cost.failures == [], f"the honest client suffered: {cost.failures[:3]}"
            assert len(cost.latencies) >= calls, "the honest client did not get through"
            assert SANITIZED or max(cost.grown, cost.peak) <= grows, str(cost)
            assert cost.p99 < SLOWEST or left, str(cost)
            if cost.p99 < SLOWEST:
                break
        self.is_well()
        return cost

    def _once(self, attack: Callable[[], object], calls: int) -> Cost:
        cost = Cost()
        stop, warm = threading.Event(), threading.Event()
        before, cpu = self.gateway.resident(), self.gateway.cpu_seconds()
        client = threading.Thread(target=self._honest_calls, args=(cost, before, calls, stop, warm))
        client.start()
        try:
            warm.wait(PATIENCE)
            attack()
        finally:
            stop.set()
            client.join(PATIENCE + 5)
        assert self.gateway.running, ("the gateway is gone", self.gateway.log[-5:])
        cost.cpu = self.gateway.cpu_seconds() - cpu
        cost.grown = self.gateway.resident() - before
        return cost

    def _honest_calls(
        self, cost: Cost, before: int, calls: int, stop: threading.Event, warm: threading.Event
    ) -> None:
        """Calls one after the other on the old connection, until the attack is over and there were enough."""
        ends = time.monotonic() + PATIENCE
        message = b"honest" * 20
        while (not stop.is_set() or len(cost.latencies) < calls) and time.monotonic() < ends:
            begun = clock.now()
            try:
                if self.honest.unary(message, timeout=5) != message:
                    cost.failures.append("another answer")
            except grpc.RpcError as error:
                tail = dict(error.trailing_metadata() or ()).get("fastgw-error", "")
                cost.failures.append(f"{error.code()} {error.details()} {tail} {error.debug_error_string()}")
            cost.latencies.append(clock.now() - begun)
            cost.peak = max(cost.peak, self.gateway.resident() - before)
            warm.set()
            time.sleep(PAUSE)
        warm.set()


# ---- what attacks are made of


def pour(raw: RawClient, octets: bytes, times: int = 1, *, pause: float = 0.0) -> bool:
    """Send `octets` again and again; False if the peer has ended the connection before all was sent."""
    try:
        for _ in range(times):
            raw.send(octets)
            if pause:
                time.sleep(pause)
    except OSError:
        return False
    return True


def drip(raw: RawClient, octets: bytes, pause: float) -> bool:
    """One octet after the other."""
    return all(pour(raw, octets[at : at + 1], pause=pause) for at in range(len(octets)))


def goaway_of(raw: RawClient) -> tuple[Code, bytes]:
    """Code and debug data of the GOAWAY that ends this connection; what else comes is read and dropped.

    NO_ERROR and nothing if the connection ends without.
    """
    ends = clock.now() + raw.timeout
    try:
        while True:
            frame = raw.read(max(0.01, ends - clock.now()))
            if frame.type == Type.GOAWAY:
                return frame.code, frame.debug
    except _GONE:
        if clock.now() >= ends:
            raise AssertionError("the connection is still open") from None
        return Code.NO_ERROR, b""
