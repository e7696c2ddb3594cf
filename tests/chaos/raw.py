"""A cleartext origin of raw frames, `python -m tests.chaos.raw PORT JOURNAL goaway|refuse SECONDS`.

goaway  every connection gets a GOAWAY that often, without the warning of a first one: streams that came in
        the last tenth of the time are above its last number and ignored, those below are served to their end
refuse  for a tenth of each such time every new stream is refused (REFUSED_STREAM)

It serves the four kinds of calls of `tests.chaos.origin`, without `x-pace`. SIGUSR1 makes it an honest one,
or not one again.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field

from tests.chaos.origin import Journal
from tests.support import frames
from tests.support.frames import Code, Frame, Setting, Type
from tests.support.raw import ClosedError
from tests.support.raw_origin import GRPC_HEAD, OK, RawServer

LINGER = 0.3  # seconds after the last stream until it closes
PART = 0.1  # of the time in which streams are refused

honest = threading.Event()


@dataclass
class Call:
    """One stream that is served."""

    method: bytes
    body: bytearray = field(default_factory=bytearray)


class Connection:
    """What one connection of the gateway is told."""

    def __init__(self, peer: RawServer, journal: Journal, manner: str, every: float) -> None:
        self.peer, self.journal, self.manner, self.every = peer, journal, manner, every
        self.calls: dict[int, Call] = {}
        self.last = 0  # the highest stream that is served
        self.due = 0.0  # when it gets its GOAWAY
        self.ignores = False  # new streams: they will be above the last of that
        self.gone = False

    def serve(self) -> None:
        theirs = self.peer.begin((Setting.MAX_CONCURRENT_STREAMS, 100))
        self.peer.encoder.header_table_size = theirs.settings.get(Setting.HEADER_TABLE_SIZE, 4096)
        self.due = time.monotonic() + self.every
        while not (self.gone and not self.calls):
            try:
                left = self.due - time.monotonic() if self.manner == "goaway" else 1.0
                self._take(self.peer.read(0.05 if self.gone else max(0.01, left)))
            except TimeoutError:
                pass
            if self.manner == "goaway" and not self.gone and time.monotonic() >= self.due:
                self.due += self.every
                self._go()
        self._leave()

    def _go(self) -> None:
        if self.ignores or not honest.is_set():
            self.gone = True
            self.peer.send(frames.goaway(self.last, Code.NO_ERROR))
            self.journal.note("goaway")

    def _leave(self) -> None:
        ends = time.monotonic() + LINGER
        with contextlib.suppress(TimeoutError, ClosedError):
            self.peer.sock.shutdown(socket.SHUT_WR)
            while time.monotonic() < ends:
                self.peer.read(max(0.01, ends - time.monotonic()))

    def _take(self, frame: Frame) -> None:
        if frame.type == Type.HEADERS:
            fields = dict(self.peer.fields(frame))  # the table follows every block
            if frame.stream_id not in self.calls:
                self._begin(frame.stream_id, fields)
        elif frame.type == Type.DATA:
            self._credit(frame)
        elif frame.type == Type.RST_STREAM:
            self.calls.pop(frame.stream_id, None)
        elif frame.type == Type.PING and not frame.flags & frames.ACK:
            self.peer.send(frames.ping(frame.payload, ack=True))
        elif frame.type == Type.SETTINGS and not frame.flags & frames.ACK:
            self.peer.send(frames.settings(ack=True))
        call = self.calls.get(frame.stream_id)
        if call is not None and frame.type == Type.DATA:
            self._data(frame.stream_id, call, frame.payload)
        if call is not None and frame.ends_stream:
            self._end(frame.stream_id, self.calls.pop(frame.stream_id))

    def _credit(self, frame: Frame) -> None:
        if frame.payload:
            size = len(frame.payload)
            self.peer.send(frames.window_update(0, size))
            if frame.stream_id in self.calls and not frame.ends_stream:
                self.peer.send(frames.window_update(frame.stream_id, size))

    def _begin(self, stream: int, fields: dict[bytes, bytes]) -> None:
        if self.manner == "goaway" and not honest.is_set():
            self.ignores |= time.monotonic() > self.due - PART * self.every
        if self.gone or self.ignores:
            return
        refuses = self.manner == "refuse" and not honest.is_set()
        if refuses and time.monotonic() % self.every < PART * self.every:
            self.peer.send(frames.rst_stream(stream, Code.REFUSED_STREAM))
            self.journal.note("refused")
            return
        self.last = stream
        self.calls[stream] = Call(fields[b":path"].rpartition(b"/")[2])
        self.journal.note(f"call {fields.get(b'x-id', b'').decode()}")
        self.peer.head(stream, GRPC_HEAD)

    def _data(self, stream: int, call: Call, payload: bytes) -> None:
        if call.method == b"Chat":
            self.peer.send(frames.data(stream, payload))
        else:
            call.body += payload

    def _end(self, stream: int, call: Call) -> None:
        if call.method == b"Count":
            count = int(call.body[5:])
            self.peer.send(*(frames.data(stream, frames.message(b"m%d" % number)) for number in range(count)))
        elif call.method == b"Collect":
            self.peer.body(stream, frames.message(_joined(bytes(call.body))), end=False)
        elif call.method == b"Unary":
            self.peer.body(stream, bytes(call.body), end=False)
        self.peer.head(stream, OK, end=True)


def _joined(body: bytes) -> bytes:
    """The payloads of all messages in `body`."""
    whole, at = b"", 0
    while at < len(body):
        size = int.from_bytes(body[at + 1 : at + 5], "big")
        whole += body[at + 5 : at + 5 + size]
        at += 5 + size
    return whole


def _serve(sock: socket.socket, journal: Journal, manner: str, every: float) -> None:
    connection = Connection(RawServer(sock, 10.0, 0), journal, manner, every)
    try:
        with sock:
            connection.serve()
    except (ClosedError, OSError) as error:
        journal.note(f"ended with {len(connection.calls)} calls: {error!r}")


def main() -> None:
    port, path, manner, every = sys.argv[1:]
    signal.signal(signal.SIGUSR1, lambda number, frame: honest.clear() if honest.is_set() else honest.set())
    journal = Journal(path)
    with socket.create_server(("127.0.0.1", int(port)), backlog=128) as listener:
        print("ready", flush=True)
        while True:
            sock, _ = listener.accept()
            arguments = (sock, journal, manner, float(every))
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
