"""A small blocking gRPC client: one connection, one call at a time, all of the answer kept for judgement."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import h2.errors
import h2.events
import h2.exceptions

from fastgw.probe.conn import open_connection
from fastgw.probe.failure import ProbeError
from fastgw.probe.message import STATUS_NAMES, Unpacker, pack, percent_decode

Fields = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What came back for one call. Times are in milliseconds from the moment the request head was sent."""

    head: Fields = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    trailers_only: bool = False
    head_ms: float = 0.0
    total_ms: float = 0.0

    @property
    def http_status(self) -> int:
        return int(dict(self.head).get(b":status", b"0"))

    @property
    def status(self) -> int:
        """The grpc-status; 2 (UNKNOWN) if the answer has none."""
        value = dict(self.trailers).get(b"grpc-status", b"2")
        return int(value) if value.isdigit() else 2

    @property
    def status_name(self) -> str:
        return STATUS_NAMES[self.status] if self.status < len(STATUS_NAMES) else str(self.status)

    @property
    def message(self) -> str:
        return percent_decode(dict(self.trailers).get(b"grpc-message", b""))


class Client:
    """`with Client("127.0.0.1", 8443, context=trusting("ca.pem"), authority="localhost") as client:`

    context    how TLS is spoken and who is trusted; None: h2c, cleartext
    authority  the name that is asked for, in SNI and in :authority
    timeout    seconds that one read or write may take
    """

    def __init__(
        self, host: str, port: int, *, context: ssl.SSLContext | None, authority: str, timeout: float = 10.0
    ) -> None:
        self.authority = authority
        self._timeout = timeout
        self._where = f"{host}:{port}"
        try:
            sock = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise ProbeError(f"{self._where} does not accept connections: {error}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = "cleartext"
        if context is not None:
            sock = self._wrap(sock, context, authority)
        self._sock = sock
        self._h2 = open_connection(client_side=True)
        self._send()

    def _wrap(self, sock: socket.socket, context: ssl.SSLContext, authority: str) -> ssl.SSLSocket:
        try:
            wrapped = context.wrap_socket(sock, server_hostname=authority.rsplit(":", 1)[0])
        except OSError as error:
            sock.close()
            raise ProbeError(f"the TLS handshake with {self._where} failed: {error}") from error
        if wrapped.selected_alpn_protocol() != "h2":
            wrapped.close()
            raise ProbeError(f"{self._where} speaks TLS but did not agree on HTTP/2 (ALPN h2)")
        cipher = wrapped.cipher()
        self.tls = f"{wrapped.version()} {cipher[0] if cipher else ''}".strip()
        return wrapped

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._h2.close_connection()
            self._sock.sendall(self._h2.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            pass
        self._sock.close()

    @property
    def local_port(self) -> int:
        return int(self._sock.getsockname()[1])

    def call(
        self,
        path: str,
        messages: Iterable[bytes],
        *,
        metadata: Sequence[tuple[bytes, bytes]] = (),
        in_turn: bool = False,
    ) -> Answer:
        """Make one call; `in_turn` waits for an answer to each message before the next is sent."""
        try:
            return _Exchange(self, path, metadata).run(messages, in_turn)
        except TimeoutError as error:
            raise ProbeError(f"{self._where} was silent for {self._timeout:g} s during {path}") from error
        except OSError as error:
            raise ProbeError(f"the connection to {self._where} broke during {path}: {error}") from error
        except h2.exceptions.ProtocolError as error:
            raise ProbeError(f"{self._where} broke HTTP/2 during {path}: {error!r}") from error

    def _send(self) -> None:
        octets = self._h2.data_to_send()
        if octets:
            self._sock.sendall(octets)

    def _receive(self) -> list[h2.events.Event]:
        octets = self._sock.recv(65536)
        if not octets:
            raise ProbeError(f"{self._where} closed the connection in the middle of a call")
        events = self._h2.receive_data(octets)
        self._send()
        return list(events)


class _Exchange:
    """One call on its way."""

    def __init__(self, client: Client, path: str, metadata: Sequence[tuple[bytes, bytes]]) -> None:
        self._client = client
        self._h2 = client._h2
        self._path = path
        self._metadata = metadata
        self._id = self._h2.get_next_available_stream_id()
        self._unpacker = Unpacker()
        self._answer = Answer()
        self._ended = False
        self._started = 0.0

    def run(self, messages: Iterable[bytes], in_turn: bool) -> Answer:
        tls = self._client.tls != "cleartext"
        self._started = time.perf_counter()
        self._h2.send_headers(
            self._id,
            [
                (b":method", b"POST"),
                (b":scheme", b"https" if tls else b"http"),
                (b":path", self._path.encode()),
                (b":authority", self._client.authority.encode()),
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
                (b"user-agent", b"fastgw-probe"),
                *self._metadata,
            ],
        )
        for number, message in enumerate(messages, 1):
            self._put(pack(message))
            while in_turn and not self._ended and len(self._answer.messages) < number:
                self._turn()
        if self._ended:
            self._h2.reset_stream(self._id, h2.errors.ErrorCodes.CANCEL)
        else:
            self._h2.end_stream(self._id)
        self._client._send()
        while not self._ended:
            self._turn()
        self._answer.total_ms = self._now_ms()
        self._judge()
        return self._answer

    def _now_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000

    def _put(self, octets: bytes) -> None:
        """Send as the windows allow; an answer that is already complete makes the rest superfluous."""
        while octets and not self._ended:
            room = min(self._h2.local_flow_control_window(self._id), self._h2.max_outbound_frame_size)
            if room > 0:
                self._h2.send_data(self._id, octets[:room])
                octets = octets[room:]
                self._client._send()
            else:
                self._turn()

    def _turn(self) -> None:
        for event in self._client._receive():
            if isinstance(event, h2.events.ConnectionTerminated):
                raise ProbeError(f"the connection was ended with GOAWAY, error code {event.error_code}")
            if getattr(event, "stream_id", None) == self._id:
                self._take(event)
        self._client._send()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(headers=list(headers)):
                self._answer.head, self._answer.head_ms = headers, self._now_ms()
                self._answer.trailers_only = event.stream_ended is not None
                if self._answer.trailers_only:
                    self._answer.trailers = headers
            case h2.events.DataReceived(data=bytes(data)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, self._id)
                self._answer.messages += self._unpacker.feed(data)
            case h2.events.TrailersReceived(headers=list(headers)):
                self._answer.trailers = headers
            case h2.events.StreamReset() if not self._ended:
                raise ProbeError(f"{self._path} was reset with error code {event.error_code}")
            case h2.events.StreamEnded():
                self._ended = True

    def _judge(self) -> None:
        """The checks that were taken from the library, as far as gRPC needs them."""
        answer = self._answer
        names = [name for name, _ in answer.head]
        if names[:1] != [b":status"] or names.count(b":status") != 1:
            raise ProbeError(f"the head of the answer to {self._path} does not begin with one :status")
        if answer.http_status != 200:
            raise ProbeError(
                f"{self._path} was answered with HTTP status {answer.http_status}, gRPC uses 200"
            )
        if not dict(answer.head).get(b"content-type", b"").startswith(b"application/grpc"):
            raise ProbeError(
                f"the answer to {self._path} is not gRPC: its content-type is missing or another"
            )
        if not answer.trailers_only and any(name.startswith(b":") for name, _ in answer.trailers):
            raise ProbeError(f"the trailers of {self._path} contain a pseudo-field")
        if not dict(answer.trailers).get(b"grpc-status", b"").isdigit():
            raise ProbeError(f"{self._path} ended without a grpc-status")
        if not self._unpacker.at_boundary:
            raise ProbeError(f"the answer to {self._path} ended inside a message")


def trusting(ca_file: str) -> ssl.SSLContext:
    """A client context that trusts only this CA and offers only HTTP/2."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2"])
    return context
