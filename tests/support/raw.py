"""Peers that send any octets and read frames, in either role: blocking, every wait has an end."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import hpack

from tests.support import frames
from tests.support.frames import ACK, END_HEADERS, Code, Fields, Frame, Reader, Type
from tests.support.steady import clock


class ClosedError(Exception):
    """The peer ended the connection; `frames` holds what had arrived and was not taken yet."""

    def __init__(self, pending: list[Frame]) -> None:
        super().__init__(f"closed by the peer; not taken: {pending}")
        self.frames = pending


class RawPeer:
    """One connection on an open socket, in either role. `timeout`: seconds each wait may last."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self.timeout = timeout
        self.sock = sock
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader()
        self.encoder = hpack.Encoder()
        self._pending: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.sock.close()

    # out

    def send(self, *octets: bytes) -> None:
        self.sock.sendall(b"".join(octets))

    def head(self, stream_id: int, fields: Fields, *, end: bool = False) -> None:
        """A request head or trailers, through an honest encoder."""
        self.send(frames.headers(stream_id, self.encoder.encode(list(fields)), end=end))

    def body(self, stream_id: int, octets: bytes, *, end: bool = True) -> None:
        """DATA in frames of the usual size, windows or not."""
        pieces = [octets[at : at + 16384] for at in range(0, len(octets), 16384)] or [b""]
        for piece in pieces:
            self.send(frames.data(stream_id, piece, end=end and piece is pieces[-1]))

    # in

    def read(self, timeout: float | None = None) -> Frame:
        """The next frame; ClosedError if the peer has ended, TimeoutError if nothing comes."""
        ends = clock.now() + (self.timeout if timeout is None else timeout)
        while not self._pending:
            left = ends - clock.now()
            if left <= 0:
                raise TimeoutError("no frame came")
            self.sock.settimeout(left)
            try:
                octets = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLEOFError):
                octets = b""
            if not octets:
                raise ClosedError([])
            self._pending = self.reader.feed(octets)
        return self._pending.pop(0)

    def expect(self, *kinds: Type, where: Callable[[Frame], bool] | None = None) -> Frame:
        """The next frame of these kinds that fits; what comes before it is dropped."""
        dropped: list[Frame] = []
        ends = clock.now() + self.timeout
        while True:
            try:
                frame = self.read(max(0.0, ends - clock.now()))
            except TimeoutError:
                raise AssertionError(f"no {kinds} came, but {dropped}") from None
            except ClosedError:
                raise ClosedError(dropped) from None
            if frame.type in kinds and (where is None or where(frame)):
                return frame
            if frame.type == Type.HEADERS:
                self.fields(frame)  # the table follows every block
            dropped.append(frame)

    def expect_goaway(self, code: Code, because: bytes | None = None) -> Frame:
        """GOAWAY with this code and, if given, these words in its debug data; then the connection ends."""
        frame = self.expect(Type.GOAWAY, where=lambda frame: frame.code != Code.NO_ERROR)
        assert frame.code == code, (frame.code, frame.debug)
        assert because is None or because in frame.debug, frame.debug
        self.expect_closed()
        return frame

    def expect_reset(self, stream_id: int, code: Code) -> Frame:
        frame = self.expect(Type.RST_STREAM, where=lambda frame: frame.stream_id == stream_id)
        assert frame.code == code, frame.code
        return frame

    def expect_closed(self) -> list[Frame]:
        """The peer ends the connection; returns the frames it sent before."""
        seen = []
        ends = clock.now() + self.timeout
        while clock.now() < ends:
            try:
                seen.append(self.read(max(0.01, ends - clock.now())))
            except ClosedError:
                return seen
            except TimeoutError:
                break
        raise AssertionError(f"the connection is still open after {self.timeout} s; it sent {seen}")

    def expect_alive(self) -> None:
        """A PING is answered: the connection has survived."""
        mark = time.monotonic_ns().to_bytes(8, "big")
        self.send(frames.ping(mark))
        self.expect(Type.PING, where=lambda frame: bool(frame.flags & ACK) and frame.payload == mark)

    def fields(self, frame: Frame) -> list[tuple[bytes, bytes]]:
        """The field section that begins with this HEADERS frame; each once, in order of arrival."""
        return self.reader.fields(self._block(frame))

    def answer(self, stream_id: int) -> Answer:
        """All of one stream until END_STREAM; windows are topped up as DATA comes."""
        heads: list[list[tuple[bytes, bytes]]] = []
        body = bytearray()
        kinds = [Type.HEADERS, Type.DATA, Type.RST_STREAM]
        while True:
            frame = self.expect(*kinds, where=lambda frame: frame.stream_id == stream_id)
            if frame.type == Type.RST_STREAM:
                return Answer(heads, bytes(body), frame.code)
            if frame.type == Type.DATA:
                body += frame.payload
                if frame.payload and not frame.ends_stream:
                    size = len(frame.payload)
                    self.send(frames.window_update(0, size), frames.window_update(stream_id, size))
            else:
                heads.append(self.fields(frame))
            if frame.ends_stream:
                return Answer(heads, bytes(body), None)

    def _block(self, frame: Frame) -> bytes:
        block = frame.payload
        while not frame.flags & END_HEADERS:
            frame = self.read()
            assert frame.type == Type.CONTINUATION, frame
            block += frame.payload
        return block


class RawClient(RawPeer):
    """A connection to `address`. Without `begin()` not even the preface is sent.

    context  how TLS is spoken; None: cleartext
    first    what is said before all that
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        context: ssl.SSLContext | None = None,
        server_name: str = "gw.test",
        timeout: float = 5.0,
        receive_buffer: int | None = None,
        first: bytes = b"",
    ) -> None:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.connect(address)
        sock.sendall(first)
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=server_name)
        super().__init__(sock, timeout)

    def begin(self, *pairs: tuple[int, int]) -> Frame:
        """Preface and SETTINGS both ways, acknowledged; returns the peer's SETTINGS."""
        self.send(frames.PREFACE, frames.settings(*pairs))
        theirs = self.expect(Type.SETTINGS, where=lambda frame: not frame.flags & ACK)
        self.send(frames.settings(ack=True))
        self.expect(Type.SETTINGS, where=lambda frame: bool(frame.flags & ACK))
        return theirs


class Answer:
    """What a stream brought: head, body, trailers, or the code it was reset with."""

    def __init__(self, heads: list[list[tuple[bytes, bytes]]], body: bytes, reset: Code | None) -> None:
        self.heads = heads
        self.body = body
        self.reset = reset

    @property
    def head(self) -> dict[bytes, bytes]:
        return dict(self.heads[0])

    @property
    def trailers(self) -> dict[bytes, bytes]:
        return dict(self.heads[-1])

    @property
    def trailers_only(self) -> bool:
        return len(self.heads) == 1 and not self.body and self.reset is None

    @property
    def grpc_status(self) -> int:
        return int(self.trailers.get(b"grpc-status", b"-1"))


def h2_context(ca_file: object | None = None, protocols: tuple[str, ...] = ("h2",)) -> ssl.SSLContext:
    """A client context; without `ca_file` it trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(str(ca_file))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
