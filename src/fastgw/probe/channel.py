"""One HTTP/2 connection for probes on asyncio: a request out, its answer in, all of it bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import h2.errors
import h2.events
import h2.exceptions
from OpenSSL import SSL

from fastgw.probe.conn import open_connection
from fastgw.probe.failure import ProbeError
from fastgw.probe.message import Unpacker
from fastgw.tls.pipe import TlsError, TlsPipe

READ = 16384  # octets taken at once
HEAD_MAX = 16384  # octets of a field section
MESSAGE_MAX = 4096  # octets of a message; an answer of the health service has two
WINDOW = 65535
UNSENT_MAX = 65536  # octets that may wait for a peer who does not read
HEARD_MAX = 131072  # octets a peer may say for one thing asked of it
_SETTINGS = b"\x04"  # type of the frame that comes first (RFC 9113 section 3.4)

Address = tuple[str, int] | str  # host and port, or the path of a unix socket
Fields = list[tuple[bytes, bytes]]


class StaleError(ProbeError):
    """The request did not reach the application: it may be made again on a new connection."""


def where(address: Address) -> str:
    """How sentences name it."""
    if isinstance(address, str):
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A byte pipe to it. Raise ProbeError."""
    try:
        if isinstance(address, str):
            return await asyncio.open_unix_connection(address, limit=READ)
        return await asyncio.open_connection(*address, limit=READ)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ProbeError(f"{where(address)} does not accept connections: {why}") from None


@dataclass(eq=False)
class Exchange:
    """One request and what has come back. `done`: it ended, or why it could not."""

    stream_id: int
    done: asyncio.Future[None]
    on_message: Callable[[bytes], None] | None
    head: Fields = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    head_came: asyncio.Event = field(default_factory=asyncio.Event)
    unpacker: Unpacker | None = None

    def fail(self, error: ProbeError) -> None:
        """It will not end well."""
        self.head_came.set()
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # seen, even if nobody waits for it


class Channel:
    """An open connection; made by `open_channel`."""

    def __init__(
        self,
        address: Address,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pipe: TlsPipe | None,
    ) -> None:
        self.where = where(address)
        self.closed: ProbeError | None = None
        self.leaving = False  # GOAWAY came: nothing new here
        self.used = False
        self._reader = reader
        self._writer = writer
        self._pipe = pipe
        self._h2 = open_connection(client_side=True, window=WINDOW, head=HEAD_MAX)
        self._heard = 0
        self._first = b""
        self._exchange: Exchange | None = None
        self._ponged: asyncio.Future[None] | None = None
        self._send()
        self._task = asyncio.create_task(self._read())

    @property
    def reusable(self) -> bool:
        """May another request be made on it?"""
        return self.closed is None and not self.leaving

    def begin(
        self, fields: Fields, body: bytes | None, on_message: Callable[[bytes], None] | None = None
    ) -> Exchange:
        """Make the one request of now; one with a body is a gRPC call. Raise ProbeError.

        Messages go to `on_message`; without it one is kept.
        """
        if self.closed is not None:
            raise StaleError(str(self.closed))
        if self._exchange is not None:
            self.abandon(self._exchange)
        self._heard = 0
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, fields, end_stream=body is None)
            if body is not None:
                self._h2.send_data(stream_id, body, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            raise StaleError(f"{self.where} takes no request: {error}") from None
        exchange = Exchange(stream_id, asyncio.get_running_loop().create_future(), on_message)
        exchange.unpacker = None if body is None else Unpacker(MESSAGE_MAX)
        self._exchange = exchange
        self._send()
        return exchange

    def abandon(self, exchange: Exchange) -> None:
        """The rest of the answer is of no interest."""
        if self._exchange is exchange:
            self._exchange = None
        if not exchange.done.done() and self.closed is None:
            exchange.done.cancel()
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.reset_stream(exchange.stream_id, h2.errors.ErrorCodes.CANCEL)
            self._send()

    async def ping(self) -> None:
        """Return when the peer has answered. Raise ProbeError."""
        if self.closed is not None:
            raise self.closed
        self._heard = 0
        self._ponged = asyncio.get_running_loop().create_future()
        self._h2.ping(b"fastgw-?")
        self._send()
        await self._ponged

    async def close(self) -> None:
        """End at once."""
        self._lose(ProbeError(f"the connection to {self.where} was closed"))
        self._task.cancel()
        # Not awaited itself: its end by cancellation could not be told from our own.
        await asyncio.wait({self._task})

    # within

    async def _read(self) -> None:
        try:
            self._hear(b"")  # what came with the end of the handshake
            while octets := await self._reader.read(READ):
                self._hear(octets)
            raise ProbeError(f"{self.where} closed the connection")
        except ProbeError as error:
            self._lose(error)
        except TlsError as error:
            self._lose(ProbeError(f"{self.where} {error}"))
        except OSError as error:
            self._lose(ProbeError(f"the connection to {self.where} broke: {error.strerror or error}"))
        except Exception as error:  # garbage has many ways to confuse the libraries
            self._lose(ProbeError(f"{self.where} broke HTTP/2: {error or type(error).__name__}"))

    def _hear(self, octets: bytes) -> None:
        self._heard += len(octets)
        if self._heard > HEARD_MAX:
            raise ProbeError(f"{self.where} says more than a probe listens to")
        plain = octets if self._pipe is None else self._pipe.feed(octets)
        if len(self._first) < 4:
            # The library waits for a frame to be whole before it judges its length, garbage or not.
            self._first += plain[: 4 - len(self._first)]
            if self._first[3:] not in (b"", _SETTINGS):
                raise ProbeError(f"{self.where} does not speak HTTP/2")
        for event in self._h2.receive_data(plain) if plain else ():
            self._take(event)
        self._send()

    def _lose(self, error: ProbeError) -> None:
        if self.closed is not None:
            return
        self.closed = error
        exchange = self._exchange
        if exchange is not None:
            untouched = self.used and not exchange.head
            exchange.fail(StaleError(str(error)) if untouched else error)
        if self._ponged is not None and not self._ponged.done():
            self._ponged.set_exception(error)
            self._ponged.exception()
        self._writer.transport.abort()

    def _send(self) -> None:
        octets = self._h2.data_to_send()
        if not octets or self.closed is not None:
            return
        self._writer.write(octets if self._pipe is None else self._pipe.seal(octets))
        if self._writer.transport.get_write_buffer_size() > UNSENT_MAX:
            self._lose(ProbeError(f"{self.where} does not read what it asked for"))

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ConnectionTerminated():
                self._leave(event)
            case h2.events.PingAckReceived():
                if self._ponged is not None and not self._ponged.done():
                    self._ponged.set_result(None)
            case h2.events.DataReceived(stream_id=int(stream_id)):
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
                self._of_exchange(event)
            case _:
                self._of_exchange(event)

    def _leave(self, event: h2.events.ConnectionTerminated) -> None:
        self.leaving = True
        exchange = self._exchange
        last = event.last_stream_id
        if event.error_code != h2.errors.ErrorCodes.NO_ERROR:
            raise ProbeError(f"{self.where} ended the connection with GOAWAY, error code {event.error_code}")
        if exchange is not None and last is not None and exchange.stream_id > last:
            exchange.fail(StaleError(f"{self.where} is going away"))

    def _of_exchange(self, event: h2.events.Event) -> None:
        exchange = self._exchange
        if exchange is None or getattr(event, "stream_id", None) != exchange.stream_id:
            return
        match event:
            case h2.events.ResponseReceived(headers=list(headers)):
                exchange.head = headers
                if event.stream_ended is not None:
                    exchange.trailers = headers
                exchange.head_came.set()
            case h2.events.DataReceived(data=bytes(data)):
                if exchange.unpacker is not None:
                    self._unpack(exchange, data)
            case h2.events.TrailersReceived(headers=list(headers)):
                exchange.trailers = headers
            case h2.events.StreamReset():
                text = f"{self.where} reset the request with error code {event.error_code}"
                refused = event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
                exchange.fail(StaleError(text) if refused else ProbeError(text))
            case h2.events.StreamEnded():
                exchange.head_came.set()
                if not exchange.done.done():
                    exchange.done.set_result(None)

    def _unpack(self, exchange: Exchange, data: bytes) -> None:
        assert exchange.unpacker is not None
        try:
            found = exchange.unpacker.feed(data)
        except ProbeError as error:
            raise ProbeError(f"{self.where} does not speak gRPC: {error}") from None
        for message in found:
            if exchange.on_message is not None:
                exchange.on_message(message)
            elif exchange.messages:
                raise ProbeError(f"{self.where} sent a second message for one request")
            else:
                exchange.messages.append(message)


async def open_channel(
    address: Address, context: SSL.Context | None, server_name: str, names: Sequence[str] = ()
) -> Channel:
    """Connect, with TLS and ALPN h2 if there is a context. Raise ProbeError; to be ended by a timeout.

    `names`: which of them a verified certificate may bear; none: `server_name`.
    """
    reader, writer = await connect(address)
    try:
        if context is None:
            return Channel(address, reader, writer, None)
        pipe = TlsPipe(context, server_name, names=names)
        while True:
            over = pipe.handshake()
            writer.write(pipe.pending())
            if over:
                return Channel(address, reader, writer, pipe)
            octets = await reader.read(READ)
            if not octets:
                raise ProbeError(f"{where(address)} closed the connection in the TLS handshake")
            pipe.put(octets)
    except BaseException as error:
        writer.transport.abort()
        if isinstance(error, TlsError):
            raise ProbeError(f"{where(address)} {error}") from None
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise ProbeError(f"the connection to {where(address)} broke: {error.strerror or error}") from None
        raise
