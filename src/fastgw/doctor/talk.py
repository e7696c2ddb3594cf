"""HTTP/2 with an endpoint on the channel of the probes, with more of it kept: SETTINGS, PINGs, GOAWAY."""

from __future__ import annotations

import asyncio

import h2.events
import h2.exceptions

from fastgw.doctor.facts import Call, Fields, Pings, Target
from fastgw.doctor.handshake import FIRST, SeenPipe
from fastgw.probe.channel import Address, Channel, Exchange
from fastgw.probe.failure import ProbeError
from fastgw.probe.health_message import SERVICE, health_request

PING_INTERVAL = 0.05  # seconds from an answer to the next PING
DEBUG_MAX = 100  # octets of the debug data of GOAWAY that are kept


class Talk(Channel):
    """A channel that remembers."""

    def __init__(
        self,
        address: Address,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pipe: SeenPipe | None,
    ) -> None:
        self.settings: dict[int, int] | None = None
        self.goaway: tuple[int, bytes] | None = None
        self._seen = b""
        self._pongs = 0
        self._news = asyncio.Event()
        self._watched = pipe
        self._asked: Exchange | None = None
        super().__init__(address, reader, writer, pipe)

    @property
    def first(self) -> bytes:
        """The first octets of plaintext."""
        return self._seen if self._watched is None else self._watched.first

    async def greeting(self) -> None:
        """Return once SETTINGS have come. Raise ProbeError."""
        while self.settings is None:
            await self._next()

    async def call(self, target: Target) -> Call:
        """Health/Check, and all that came back."""
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http" if target.plaintext else b"https"),
            (b":path", SERVICE.encode() + b"Check"),
            (b":authority", target.authority.encode()),
            (b"user-agent", b"fastgw-doctor"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"grpc-timeout", b"%dm" % max(1, round(target.timeout * 1000))),
        ]
        try:
            exchange = self.begin(fields, health_request(target.service))
        except ProbeError as error:
            return Call(error=str(error))
        self._asked = exchange
        call = Call()
        try:
            async with asyncio.timeout(target.timeout):
                await asyncio.shield(exchange.done)
        except TimeoutError:
            call.error = f"the call was not answered within {target.timeout:g} s"
        except ProbeError as error:
            call.error = str(error) if self.goaway is None else f"{error} {self.goaway[1].decode('latin-1')}"
        call.head, call.trailers = exchange.head, exchange.trailers
        call.trailers_only = exchange.trailers is exchange.head and bool(exchange.head)
        call.message = exchange.messages[0] if exchange.messages else None
        self.abandon(exchange)
        return call

    async def pings(self, most: int, timeout: float) -> Pings:
        """Send PINGs one after the other, until one is not answered or the connection ends."""
        found = Pings(interval=PING_INTERVAL)
        try:
            while found.sent < most and self.goaway is None:
                await self._ping(found, timeout)
        except TimeoutError:
            found.error = f"a PING was not answered within {timeout:g} s"
        except ProbeError as error:
            found.error = str(error)
        if self.goaway is not None:
            found.code, found.debug = self.goaway
        found.answered = self._pongs
        return found

    async def _ping(self, found: Pings, timeout: float) -> None:
        if self.closed is not None:
            raise self.closed
        self._h2.ping(b"doctor%02d" % (found.sent % 100))
        self._send()
        found.sent += 1
        async with asyncio.timeout(timeout):
            while self._pongs < found.sent and self.goaway is None:
                await self._next()
        # Also behind the last one: the GOAWAY for it may follow its answer.
        await asyncio.sleep(PING_INTERVAL)

    async def _next(self) -> None:
        """Wait for anything to happen. Raise ProbeError if nothing can any more."""
        if self.closed is not None:
            raise self.closed
        self._news.clear()
        await self._news.wait()

    def _hear(self, octets: bytes) -> None:
        if self._watched is None:
            self._seen += octets[: FIRST - len(self._seen)]
        super()._hear(octets)

    def _lose(self, error: ProbeError) -> None:
        super()._lose(error)
        self._news.set()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                known = self.settings or {}
                for number, changed in event.changed_settings.items():
                    known[int(number)] = int(changed.new_value)
                self.settings = dict(list(known.items())[:64])
            case h2.events.ResponseReceived(headers=list(head)):
                if self._asked is not None and not _is_grpc(head):
                    self._asked.unpacker = None  # a page, not messages
            case h2.events.PingAckReceived():
                self._pongs += 1
            case h2.events.ConnectionTerminated():
                self.goaway = int(event.error_code or 0), (event.additional_data or b"")[:DEBUG_MAX]
        self._news.set()
        super()._take(event)


def _is_grpc(head: Fields) -> bool:
    return dict(head).get(b"content-type", b"").lower().startswith(b"application/grpc")
