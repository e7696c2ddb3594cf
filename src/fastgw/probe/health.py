"""Active health checks: one thread asks every endpoint of a configuration how it is and reports changes.

grpc   grpc.health.v1.Health/Check on a kept connection
watch  Health/Watch on a kept stream: what the endpoint says of itself counts at once
tcp    it accepts a connection
http   GET is answered with a status from 200 to 399, over HTTP/2
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from OpenSSL import SSL

from fastgw.probe.channel import Address, Channel, Exchange, Fields, StaleError, connect, open_channel, where
from fastgw.probe.failure import ProbeError
from fastgw.probe.health_message import SERVICE, SERVING, SERVING_NAMES, health_request, serving_status
from fastgw.probe.message import STATUS_NAMES, percent_decode

Kind = Literal["grpc", "watch", "tcp", "http"]
Report = Callable[[Hashable, bool, str], None]

JITTER = 0.1  # of the interval, to either side
BACKOFF = 0.1  # seconds before the second try to watch; twice as much before each further one
SPREAD = 0.002  # seconds per endpoint over which the first checks of many are spread
_UNIMPLEMENTED, _NOT_FOUND = 12, 5
_CLOSE_TIMEOUT = 10.0

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class HealthTarget:
    """One endpoint and how it is asked. Times are in seconds.

    key          what `report` is told; unique among the targets
    address      (host, port), or the path of a unix socket
    context      TLS as the calls have it; None: cleartext
    server_name  for SNI, the certificate and :authority; empty: the address
    names        one of which the certificate may bear instead
    common_name  may it do so as its common name, where it lists no names?
    service      for grpc and watch; empty: the endpoint as a whole
    rise, fall   results of one kind in a row that turn the verdict; the very first result is one at once
    """

    key: Hashable
    address: Address
    context: SSL.Context | None = None
    server_name: str = ""
    names: tuple[str, ...] = ()
    common_name: bool = False
    kind: Kind = "grpc"
    service: str = ""
    path: str = "/"
    interval: float = 10.0
    timeout: float = 2.0
    rise: int = 2
    fall: int = 3


class _UnimplementedError(ProbeError):
    """The endpoint does not know the method."""


class Health:
    """Checks until it is closed. `report(key, healthy, why)` is called on the thread of the checks, for the
    first result of a target and for each change of its verdict; it must not call back into this object.
    """

    def __init__(self, targets: Iterable[HealthTarget], report: Report) -> None:
        self._report = report
        self._checks: dict[Hashable, tuple[_Check, asyncio.Task[None]]] = {}
        self._began = threading.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="fastgw-health", daemon=True)
        self._thread.start()
        self._began.wait()
        self.replace(targets)

    def replace(self, targets: Iterable[HealthTarget]) -> None:
        """Check these from now on. A target that was there before, unchanged, keeps connection and verdict;
        nothing is reported any more for one that is not among them.
        """
        wanted = {target.key: target for target in targets}
        with self._lock:
            if not self._closed:
                asyncio.run_coroutine_threadsafe(self._swap(wanted), self._loop).result()

    def update(self, gone: Iterable[Hashable], new: Iterable[HealthTarget]) -> None:
        """The same for a change: leave out the keys `gone`, take in `new` targets, instead of others."""
        fresh = {target.key: target for target in new}
        left = [key for key in gone if key not in fresh]
        with self._lock:
            if not self._closed:
                asyncio.run_coroutine_threadsafe(self._alter(left, fresh), self._loop).result()

    def verdicts(self) -> dict[Hashable, bool]:
        """What has been found so far."""
        return {
            key: check.verdict.healthy
            for key, (check, _) in list(self._checks.items())
            if check.verdict.healthy is not None
        }

    def close(self) -> None:
        """End all checks and their thread. Harmless if repeated."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._ended.set)
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._began.set()
        await self._ended.wait()
        await self._swap({})

    async def _swap(self, wanted: dict[Hashable, HealthTarget]) -> None:
        await self._alter([key for key in self._checks if key not in wanted], wanted)

    async def _alter(self, left: Iterable[Hashable], fresh: Mapping[Hashable, HealthTarget]) -> None:
        other = [
            key
            for key, target in fresh.items()
            if key in self._checks and self._checks[key][0].target != target
        ]
        gone = [self._checks.pop(key)[1] for key in (*left, *other) if key in self._checks]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        new = [target for key, target in fresh.items() if key not in self._checks]
        for target in new:
            check = _Check(target, self._report)
            delay = random.uniform(0, min(target.interval, SPREAD * len(new)))
            self._checks[target.key] = check, asyncio.create_task(check.run(delay))


class _Verdict:
    """What is held of one endpoint, and how many results in a row speak against it."""

    def __init__(self, rise: int, fall: int) -> None:
        self.healthy: bool | None = None
        self._rise = max(1, rise)
        self._fall = max(1, fall)
        self._against = 0

    def add(self, good: bool, *, final: bool = False) -> bool:
        """Count one result, or take it as final; has the verdict changed?"""
        if good == self.healthy:
            self._against = 0
            return False
        self._against += 1
        needed = self._rise if good else self._fall
        if self.healthy is not None and not final and self._against < needed:
            return False
        self.healthy, self._against = good, 0
        return True


class _Check:
    """The checks of one endpoint, one after the other."""

    def __init__(self, target: HealthTarget, report: Report) -> None:
        self.target = target
        self.verdict = _Verdict(target.rise, target.fall)
        self._report = report
        self._channel: Channel | None = None
        self._said = False  # a watch has said something since it was opened

    async def run(self, delay: float) -> None:
        """Check until cancelled."""
        try:
            await asyncio.sleep(delay)
            if self.target.kind == "watch":
                await self._watch()
            while True:
                await self._once()
                await asyncio.sleep(self.target.interval * random.uniform(1 - JITTER, 1 + JITTER))
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("the health checks of %s have ended", where(self.target.address))
        finally:
            await self._drop()

    def _result(self, good: bool, why: str, *, final: bool = False) -> None:
        if not self.verdict.add(good, final=final):
            return
        try:
            self._report(self.target.key, good, why)
        except Exception:
            logger.exception("a result of a health check could not be reported")

    async def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _once(self) -> None:
        asks = {"tcp": self._connects, "http": self._answers}.get(self.target.kind, self._serves)
        try:
            async with asyncio.timeout(self.target.timeout):
                why = await asks()
        except TimeoutError:
            await self._drop()
            self._result(False, self._silent())
        except ProbeError as error:
            await self._drop()
            self._result(False, str(error))
        else:
            self._result(not why, why or "it answers")

    def _silent(self) -> str:
        return f"{where(self.target.address)} did not answer within {self.target.timeout:g} s"

    # the kinds: an empty text is good, any other says what is bad

    async def _connects(self) -> str:
        _, writer = await connect(self.target.address)
        writer.transport.abort()
        return ""

    async def _answers(self) -> str:
        exchange = await self._ask(self._fields(b"GET", self.target.path), None)
        status = dict(exchange.head).get(b":status", b"")
        assert self._channel is not None
        self._channel.abandon(exchange)
        if len(status) == 3 and status[:1] in (b"2", b"3"):
            return ""
        text = status.decode("latin-1") or "nothing"
        return f"{where(self.target.address)} answered GET {self.target.path} with {text}"

    async def _serves(self) -> str:
        exchange = await self._ask(*self._check())
        try:
            self._judge(exchange)
        except _UnimplementedError:
            return f"{where(self.target.address)} has no service grpc.health.v1.Health"
        if not exchange.messages:
            raise ProbeError(f"{where(self.target.address)} answered without a message")
        return self._unfit(self._status(exchange.messages[0]))

    def _check(self) -> tuple[Fields, bytes]:
        """The request Health/Check."""
        timeout = b"%dm" % max(1, round(self.target.timeout * 1000))
        fields = [*self._fields(b"POST", SERVICE + "Check"), *_GRPC, (b"grpc-timeout", timeout)]
        return fields, health_request(self.target.service)

    async def _ask(self, fields: Fields, body: bytes | None) -> Exchange:
        """Make one request, on a new connection if the old one has gone meanwhile. Raise ProbeError."""
        while True:
            old = self._channel
            if old is None or not old.reusable:
                await self._drop()
                self._channel = await self._open()
            assert self._channel is not None
            try:
                exchange = self._channel.begin(fields, body)
                if body is None:
                    await exchange.head_came.wait()
                    if not exchange.head:
                        await exchange.done
                else:
                    await exchange.done
            except StaleError:
                if self._channel is not old:
                    raise  # it was new
                await self._drop()
                continue
            self._channel.used = True
            return exchange

    async def _open(self) -> Channel:
        target = self.target
        return await open_channel(
            target.address, target.context, self._name(), target.names, target.common_name
        )

    def _name(self) -> str:
        target = self.target
        return target.server_name or ("localhost" if isinstance(target.address, str) else target.address[0])

    def _fields(self, method: bytes, path: str) -> Fields:
        authority = self.target.server_name or (
            "localhost" if isinstance(self.target.address, str) else where(self.target.address)
        )
        return [
            (b":method", method),
            (b":scheme", b"http" if self.target.context is None else b"https"),
            (b":path", path.encode()),
            (b":authority", authority.encode("idna") if not authority.isascii() else authority.encode()),
            (b"user-agent", b"fastgw-health"),
        ]

    # gRPC

    def _judge(self, exchange: Exchange) -> None:
        """Did the call end well? Raise ProbeError."""
        at = where(self.target.address)
        head, trailers = dict(exchange.head), dict(exchange.trailers)
        if head.get(b":status") != b"200":
            status = head.get(b":status", b"").decode("latin-1")
            raise ProbeError(f"{at} answered with HTTP status {status or 'none'}, gRPC uses 200")
        if not head.get(b"content-type", b"").startswith(b"application/grpc"):
            raise ProbeError(f"{at} answered with something that is not gRPC")
        code = trailers.get(b"grpc-status", b"")
        if not code.isdigit() or len(code) > 3:
            raise ProbeError(f"{at} ended the call without a grpc-status")
        number = int(code)
        if number == 0:
            return
        if number == _UNIMPLEMENTED:
            raise _UnimplementedError(f"{at} has no such method")
        if number == _NOT_FOUND:
            raise ProbeError(f"{at} does not know the service {self.target.service!r}")
        name = STATUS_NAMES[number] if number < len(STATUS_NAMES) else str(number)
        words = percent_decode(trailers.get(b"grpc-message", b"")[:200])
        raise ProbeError(f"{at} answered {name}{': ' if words else ''}{words}")

    def _status(self, message: bytes) -> int:
        try:
            return serving_status(message)
        except ValueError:
            text = f"{where(self.target.address)} sent a message that is no HealthCheckResponse"
            raise ProbeError(text) from None

    def _unfit(self, status: int) -> str:
        if status == SERVING:
            return ""
        name = SERVING_NAMES[status] if status < len(SERVING_NAMES) else str(status)
        about = f" for {self.target.service}" if self.target.service else ""
        return f"{where(self.target.address)} says {name}{about}"

    # watching

    async def _watch(self) -> None:
        """Watch until the endpoint turns out not to know how."""
        tries = 0
        while True:
            self._said = False
            try:
                await self._watch_once()
            except _UnimplementedError:
                await self._drop()
                logger.warning(
                    "%s does not know Health/Watch; it is asked with Check every %g s instead",
                    where(self.target.address),
                    self.target.interval,
                )
                return
            except TimeoutError:
                self._result(False, self._silent())
            except StaleError as error:
                # It goes away in order, as servers do with old connections: that says nothing bad of it.
                if not self._said:
                    self._result(False, str(error))
            except ProbeError as error:
                self._result(False, str(error))
            await self._drop()
            tries = 0 if self._said else tries + 1
            delay = min(self.target.interval, BACKOFF * 2 ** min(tries, 20))
            await asyncio.sleep(delay * random.uniform(1 - JITTER, 1 + JITTER))

    async def _watch_once(self) -> None:
        """One stream from its beginning to its end, which always raises."""
        first = asyncio.Event()

        def hear(message: bytes) -> None:
            why = self._unfit(self._status(message))
            self._said = True
            first.set()
            self._result(not why, why or "it says SERVING", final=True)

        async with asyncio.timeout(self.target.timeout):
            self._channel = channel = await self._open()
            fields = [*self._fields(b"POST", SERVICE + "Watch"), *_GRPC]
            exchange = channel.begin(fields, health_request(self.target.service), hear)
            opened = asyncio.create_task(first.wait())
            either: set[asyncio.Future[Any]] = {opened, exchange.done}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                opened.cancel()
        while not exchange.done.done():
            await asyncio.wait({exchange.done}, timeout=self.target.interval)
            if not exchange.done.done():
                await self._lives(channel)
        await exchange.done
        self._judge(exchange)
        raise ProbeError(f"{where(self.target.address)} ended the watch")

    async def _lives(self, channel: Channel) -> None:
        """Return once a silent peer has answered a Check. Raise TimeoutError, or ProbeError if it has gone.

        Any answer is good: what it says of itself comes on the watch. It is no PING, because gRPC servers
        take several of those without data between them for abuse, and end the connection.
        """
        async with asyncio.timeout(self.target.timeout):
            asked = channel.begin(*self._check())
            await asyncio.wait({asked.done})
        if channel.closed is not None:
            raise channel.closed


_GRPC: Fields = [(b"te", b"trailers"), (b"content-type", b"application/grpc")]
