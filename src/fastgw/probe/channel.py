"""One HTTP/2 connection for probes on asyncio: requests out, their answers in, all of it bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
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
HEADER = 9  # octets of a frame header (RFC 9113 section 4.1)
FRAME_MAX = 16384  # octets of a payload, which is all that a peer may send to who has not allowed more
_SETTINGS = 4  # type of the frame that comes first (RFC 9113 section 3.4)

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
        self._held = bytearray()  # of a frame that is not whole
        self._begun = False  # the first frame was there
        self._exchanges: dict[int, Exchange] = {}  # those that have not ended, by stream id
        self._greeted = asyncio.Event()  # the peer's SETTINGS came, or nothing will
        self._send()
        self._task = asyncio.create_task(self._read())

    @property
    def reusable(self) -> bool:
        """May another request be made on it?"""
        return self.closed is None and not self.leaving

    async def greeted(self) -> None:
        """Return when the peer's SETTINGS have come (RFC 9113 section 3.4). Raise ProbeError."""
        await self._greeted.wait()
        if self.closed is not None:
            raise self.closed

    def begin(
        self, fields: Fields, body: bytes | None, on_message: Callable[[bytes], None] | None = None
    ) -> Exchange:
        """Make a request, beside those that have not ended; one with a body is a gRPC call. Raise StaleError.

        Messages go to `on_message`; without it one is kept.
        """
        if self.closed is not None:
            raise StaleError(str(self.closed))
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
        self._exchanges[stream_id] = exchange
        self._send()
        return exchange

    def abandon(self, exchange: Exchange) -> None:
        """The rest of the answer is of no interest."""
        self._exchanges.pop(exchange.stream_id, None)
        if not exchange.done.done() and self.closed is None:
            exchange.done.cancel()
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.reset_stream(exchange.stream_id, h2.errors.ErrorCodes.CANCEL)
            self._send()

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
        for frame in self._frames(plain):
            for event in self._h2.receive_data(frame):
                self._take(event)
        self._send()

    def _frames(self, octets: bytes) -> Iterator[bytes]:
        """Whole frames, one at a time, up to GOAWAY: what comes after it would make the library lose it."""
        self._held += octets
        while not self.leaving and len(self._held) >= 4:
            size = int.from_bytes(self._held[:3], "big")
            # Judged before the frame is whole: garbage may call itself 16 MiB long.
            if size > FRAME_MAX or not (self._begun or self._held[3] == _SETTINGS):
                raise ProbeError(f"{self.where} does not speak HTTP/2")
            if len(self._held) < HEADER + size:
                return
            self._begun = True
            frame = bytes(self._held[: HEADER + size])
            del self._held[: HEADER + size]
            yield frame

    def _lose(self, error: ProbeError) -> None:
        if self.closed is not None:
            return
        self.closed = error
        for exchange in self._exchanges.values():
            untouched = self.used and not exchange.head
            exchange.fail(StaleError(str(error)) if untouched else error)
        self._exchanges.clear()
        self._greeted.set()
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
            case h2.events.RemoteSettingsChanged():
                self._greeted.set()
            case h2.events.DataReceived(stream_id=int(stream_id)):
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
                self._of_exchange(event)
            case _:
                self._of_exchange(event)

    def _leave(self, event: h2.events.ConnectionTerminated) -> None:
        self.leaving = True
        if event.error_code != h2.errors.ErrorCodes.NO_ERROR:
            raise ProbeError(f"{self.where} ended the connection with GOAWAY, error code {event.error_code}")
        # Those it would still answer, too: the library reads nothing after GOAWAY. Asking again does no harm.
        for exchange in self._exchanges.values():
            exchange.fail(StaleError(f"{self.where} is going away"))
        self._exchanges.clear()

    def _of_exchange(self, event: h2.events.Event) -> None:
        exchange = self._exchanges.get(getattr(event, "stream_id", None) or 0)
        if exchange is None:
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
                del self._exchanges[exchange.stream_id]
                exchange.fail(StaleError(text) if refused else ProbeError(text))
            case h2.events.StreamEnded():
                del self._exchanges[exchange.stream_id]
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
    address: Address,
    context: SSL.Context | None,
    server_name: str,
    names: Sequence[str] = (),
    common_name: bool = False,
) -> Channel:
    """Connect, with TLS and ALPN h2 if there is a context. Raise ProbeError; to be ended by a timeout.

    `names`: which of them a verified certificate may bear; none: `server_name`. `common_name`: as its common
    name too, where it lists no names.
    """
    reader, writer = await connect(address)
    try:
        if context is None:
            return Channel(address, reader, writer, None)
        pipe = TlsPipe(context, server_name, names=names, common_name=common_name)
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
