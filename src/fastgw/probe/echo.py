"""An echo origin for demonstrations and checks: service fastgw.demo.Echo over h2c or TLS.

Messages are opaque octets. Unary answers the message; ClientStream answers how much it was sent;
ServerStream answers each word of its message; BidiStream answers each message at once. Request metadata
that begins with `x-echo-` comes back in the trailers, octet by octet. One thread serves one connection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import h2.errors
import h2.events
import h2.exceptions

from fastgw.probe.conn import open_connection
from fastgw.probe.failure import ProbeError
from fastgw.probe.message import Unpacker, pack, percent_encode

SERVICE = "/fastgw.demo.Echo/"

_OK, _INVALID_ARGUMENT, _UNIMPLEMENTED = 0, 3, 12

Fields = list[tuple[bytes, bytes]]


@dataclass
class _Call:
    """One call. `answer` takes the messages so far and whether the request has ended."""

    answer: Callable[[list[bytes], bool], list[bytes]]
    echoed: Fields
    unpacker: Unpacker = field(default_factory=Unpacker)
    output: bytearray = field(default_factory=bytearray)
    trailers: Fields | None = None
    head_sent: bool = False


def _unary(messages: list[bytes], ended: bool) -> list[bytes]:
    if not ended:
        return []
    if len(messages) != 1:
        raise ProbeError(f"a unary call carries one message, {len(messages)} came")
    return messages


def _client_stream(messages: list[bytes], ended: bool) -> list[bytes]:
    if not ended:
        return []
    return [b"%d messages, %d octets" % (len(messages), sum(map(len, messages)))]


def _server_stream(messages: list[bytes], ended: bool) -> list[bytes]:
    return _unary(messages, ended)[0].split() if ended else []


def _bidi_stream(messages: list[bytes], ended: bool) -> list[bytes]:
    answers = messages[:]
    messages.clear()
    return answers


_METHODS = {
    "Unary": _unary,
    "ClientStream": _client_stream,
    "ServerStream": _server_stream,
    "BidiStream": _bidi_stream,
}


class _Conn:
    """One connection of a client, served by one thread until either side ends it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._calls: dict[int, _Call] = {}
        self._messages: dict[int, list[bytes]] = {}
        self._h2 = open_connection(client_side=False)

    def serve(self) -> None:
        try:
            self._sock.sendall(self._h2.data_to_send())
            while octets := self._sock.recv(65536):
                for event in self._h2.receive_data(octets):
                    self._take(event)
                self._sock.sendall(self._h2.data_to_send())
        except h2.exceptions.ProtocolError:
            # h2 has a GOAWAY ready that says what was wrong.
            with contextlib.suppress(OSError):
                self._sock.sendall(self._h2.data_to_send())
        except OSError:
            pass
        finally:
            self._sock.close()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream_id), headers=list(headers)):
                self._open(stream_id, headers)
            case h2.events.DataReceived(stream_id=int(stream_id), data=bytes(data)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
                self._feed(stream_id, data, ended=False)
            case h2.events.StreamEnded(stream_id=int(stream_id)):
                self._feed(stream_id, b"", ended=True)
            case h2.events.StreamReset(stream_id=int(stream_id)):
                self._calls.pop(stream_id, None)
                self._messages.pop(stream_id, None)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for stream_id in list(self._calls):
                    self._pump(stream_id)

    def _open(self, stream_id: int, headers: Fields) -> None:
        fields = dict(headers)
        method = fields.get(b":path", b"").decode("latin-1").removeprefix(SERVICE)
        answer = _METHODS.get(method)
        if not fields.get(b"content-type", b"").startswith(b"application/grpc"):
            self._h2.send_headers(stream_id, [(b":status", b"415")], end_stream=True)
        elif answer is None:
            self._deny(stream_id, _UNIMPLEMENTED, f"{SERVICE}{method} is not a method of the echo origin")
        else:
            echoed = [(name, value) for name, value in headers if name.startswith(b"x-echo-")]
            self._calls[stream_id] = _Call(answer, echoed)
            self._messages[stream_id] = []

    def _deny(self, stream_id: int, status: int, message: str) -> None:
        """Trailers-Only: one field section that is head and end."""
        self._h2.send_headers(
            stream_id,
            [
                (b":status", b"200"),
                (b"content-type", b"application/grpc"),
                (b"grpc-status", b"%d" % status),
                (b"grpc-message", percent_encode(message)),
            ],
            end_stream=True,
        )

    def _feed(self, stream_id: int, octets: bytes, *, ended: bool) -> None:
        call = self._calls.get(stream_id)
        if call is None:
            return
        messages = self._messages[stream_id]
        try:
            messages += call.unpacker.feed(octets)
            if ended and not call.unpacker.at_boundary:
                raise ProbeError("the request ended inside a message")
            answers = call.answer(messages, ended)
        except ProbeError as error:
            del self._calls[stream_id], self._messages[stream_id]
            if call.head_sent:
                self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            else:
                self._deny(stream_id, _INVALID_ARGUMENT, str(error))
            return
        for answer in answers:
            call.output += pack(answer)
        if ended:
            call.trailers = [(b"grpc-status", b"%d" % _OK), *call.echoed]
        self._pump(stream_id)

    def _pump(self, stream_id: int) -> None:
        """Send what the windows allow; the trailers when all is sent."""
        call = self._calls[stream_id]
        if not call.head_sent and (call.output or call.trailers):
            self._h2.send_headers(stream_id, [(b":status", b"200"), (b"content-type", b"application/grpc")])
            call.head_sent = True
        while call.output:
            room = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            self._h2.send_data(stream_id, bytes(call.output[:room]))
            del call.output[:room]
        if call.trailers:
            del self._calls[stream_id], self._messages[stream_id]
            self._h2.send_headers(stream_id, call.trailers, end_stream=True)


class EchoOrigin:
    """`with EchoOrigin(...) as origin:` serves until the block ends.

    certificate  paths of a PEM chain and its key; None: h2c, cleartext
    address      where it listens, (host, port); the port is known once it is made
    """

    def __init__(self, *, certificate: tuple[str, str] | None = None, host: str = "127.0.0.1") -> None:
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server((host, 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self._accept, name="echo origin", daemon=True)

    def __enter__(self) -> EchoOrigin:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._stopped = True
        # A thread in accept() does not notice that its socket was closed; shutting it down wakes it.
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._stopped:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), name="echo origin call", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            try:
                sock.settimeout(10)
                sock = self._context.wrap_socket(sock, server_side=True)
                if sock.selected_alpn_protocol() != "h2":
                    sock.close()
                    return
                sock.settimeout(None)
            except OSError:
                sock.close()
                return
        self._open.add(sock)
        try:
            _Conn(sock).serve()
        finally:
            self._open.discard(sock)
