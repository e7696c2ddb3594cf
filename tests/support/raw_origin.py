"""An origin that plays any script on each connection: TLS or not, HTTP/2 or not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

from tests.support import frames
from tests.support.certs import Leaf
from tests.support.frames import ACK, Frame, Type
from tests.support.raw import ClosedError, RawPeer

GRPC_HEAD = [(b":status", b"200"), (b"content-type", b"application/grpc")]
OK = [(b"grpc-status", b"0")]


class RawServer(RawPeer):
    """The origin's side of one connection. `number`: how many came before it."""

    def __init__(self, sock: socket.socket, timeout: float, number: int) -> None:
        super().__init__(sock, timeout)
        self.number = number

    def begin(self, *pairs: tuple[int, int]) -> Frame:
        """Take the preface, exchange SETTINGS; returns the peer's."""
        self.sock.settimeout(self.timeout)
        octets = b""
        while len(octets) < len(frames.PREFACE):
            got = self.sock.recv(65536)
            if not got:
                raise ClosedError([])
            octets += got
        assert octets.startswith(frames.PREFACE), octets
        self._pending = self.reader.feed(octets[len(frames.PREFACE) :])
        self.send(frames.settings(*pairs))
        theirs = self.expect(Type.SETTINGS, where=lambda frame: not frame.flags & ACK)
        self.send(frames.settings(ack=True))
        return theirs

    def request(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """The next request head: its stream and its fields."""
        frame = self.expect(Type.HEADERS)
        return frame.stream_id, self.fields(frame)

    def requests(self) -> Iterator[tuple[int, list[tuple[bytes, bytes]]]]:
        """All request heads until the gateway closes."""
        self.timeout = 600.0
        while True:
            yield self.request()


Play = Callable[[RawServer], None]


def server_context(leaf: Leaf, alpn: tuple[str, ...] = ("h2",)) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class RawOrigin:
    """`with RawOrigin(play, leaf) as origin:` calls `play` for each connection, in a thread of its own.

    leaf    None: cleartext
    alpn    what TLS offers; empty: no ALPN at all
    tune    changes the TLS context
    peers   how many connections came
    A script that fails makes the `with` fail; one that meets a closed connection has simply ended.
    """

    def __init__(
        self,
        play: Play,
        leaf: Leaf | None,
        *,
        alpn: tuple[str, ...] = ("h2",),
        receive_buffer: int | None = None,
        timeout: float = 10.0,
        tune: Callable[[ssl.SSLContext], None] | None = None,
    ) -> None:
        self._play = play
        self._context = None if leaf is None else server_context(leaf, alpn)
        if tune is not None and self._context is not None:
            tune(self._context)
        self._timeout = timeout
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.port = self._socket.getsockname()[1]
        self.peers = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._ended = False

    def __enter__(self) -> RawOrigin:
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._ended = True
        _shut(self._socket)
        self._accepting.join(5)
        for sock in list(self._open):
            _shut(sock)
        for thread in self._threads:
            thread.join(5)
        if self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                self._socket.close()
                return
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.peers))
            self.peers += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            sock.settimeout(self._timeout)
            if self._context is not None:
                bare, sock = sock, self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
                self._open.remove(bare)
            self._play(RawServer(sock, self._timeout, number))
        except (ClosedError, OSError):
            pass  # the gateway went away, or the test is over
        except BaseException as error:
            if not self._ended:
                self._failures.append(error)
        finally:
            sock.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def echo_calls(peer: RawServer) -> None:
    """Answer every call with its own octets; the answer begins when the request has ended."""
    peer.begin()
    peer.timeout = 30.0
    bodies: dict[int, bytes] = {}
    while True:
        frame = peer.expect(Type.HEADERS, Type.DATA)
        if frame.type == Type.HEADERS:
            peer.fields(frame)
            bodies.setdefault(frame.stream_id, b"")
        else:
            bodies[frame.stream_id] += frame.payload
            if frame.payload:
                peer.send(frames.window_update(0, len(frame.payload)))
        if frame.ends_stream:
            peer.head(frame.stream_id, GRPC_HEAD)
            peer.send(frames.data(frame.stream_id, bodies.pop(frame.stream_id)))
            peer.head(frame.stream_id, OK, end=True)
