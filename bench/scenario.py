"""Calls through a gateway that turns only when it is told to, so that the same happens each time.

Run under callgrind by bench/budgets.py: python bench/scenario.py TEMPLATE FOLDER W1,W3. One thread is client,
gateway and origin in turn, over TLS on loopback: each client connection writes all its calls, the gateway
turns until nothing is ready, the origin answers all it has got, the gateway turns, the clients check the
answers. So what is batched does not depend on when who runs. Costs are dumped at each getppid(): before and
after the rounds that count.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import struct
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hpack

from fastgw import gateway as bridge
from fastgw._core.proxy.worker import Worker

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
WINDOW = 1 << 30
RECORD = 16000  # octets of the origin that travel in one write
Fields = list[tuple[str, str]]

USUAL: Fields = [
    (":method", "POST"),
    (":scheme", "https"),
    (":path", "/bench.Echo/Unary"),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", "grpc-c/44.0.0 (linux; chttp2)"),
    ("grpc-accept-encoding", "identity, deflate, gzip"),
]
HEAD: Fields = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS: Fields = [("grpc-status", "0")]


@dataclass(frozen=True)
class Load:
    """One workload of bench/load, in rounds of all connections with all their calls at once."""

    connections: int
    streams: int
    warm: int  # rounds
    rounds: int
    messages: int = 1  # of an answer
    fields: int = 0
    varied: int = 0

    @property
    def units(self) -> int:
        """What costs are divided by: calls, or messages where a call has many."""
        return self.connections * self.streams * self.rounds * self.messages


LOADS = {
    "W1": Load(10, 10, 4, 10),
    "W3": Load(100, 32, 1, 1),
    "W5": Load(10, 1, 2, 4, messages=1000),
    "W8": Load(10, 10, 4, 5, fields=30, varied=4),
}


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


MESSAGES = [struct.pack("!BI", 0, 100) + bytes(range(number, number + 100)) for number in range(64)]


class Line:
    """One TLS connection of ours, without a thread: octets in, octets out, frames."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, server: bool) -> None:
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw = raw
        self._from, self._to = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else "localhost"
        self._tls = context.wrap_bio(self._from, self._to, server_side=server, server_hostname=name)
        self.open = False
        self.ended = False
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self._rest = b""
        self._server = server
        self._known: dict[tuple[tuple[str, str], ...], bytes] = {}
        self._read: dict[bytes, dict[str, str]] = {}

    def send(self, octets: bytes) -> None:
        self._tls.write(octets)
        self.flush()

    def flush(self) -> None:
        while waiting := self._to.read():
            if self.raw.send(waiting) != len(waiting):
                raise BlockingIOError("a socket is full: rounds are to fit in its buffer")

    def take(self) -> list[tuple[int, int, int, bytes]]:
        """Frames that have come: type, flags, stream, payload."""
        try:
            while octets := self.raw.recv(1 << 20):
                self._from.write(octets)
            self.ended = True
        except BlockingIOError:
            pass
        if not self.open:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                return []
            self.open = True
            self._begin()
        parts = [self._rest]
        try:
            while part := self._tls.read(1 << 18):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        return self._frames(b"".join(parts))

    def _begin(self) -> None:
        settings = frame(SETTINGS, 0, 0, struct.pack("!HIHI", 3, 1000, 4, WINDOW))
        credit = frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", WINDOW))
        self.send((b"" if self._server else PREFACE) + settings + credit)

    def _frames(self, octets: bytes) -> list[tuple[int, int, int, bytes]]:
        if self._server and octets.startswith(PREFACE):
            octets = octets[len(PREFACE) :]
        found, at = [], 0
        while len(octets) - at >= 9:
            high, low, kind, flags, stream = struct.unpack_from("!BHBBI", octets, at)
            length = high << 16 | low
            if len(octets) - at < 9 + length:
                break
            found.append((kind, flags, stream, octets[at + 9 : at + 9 + length]))
            at += 9 + length
        self._rest = octets[at:]
        if any(kind == SETTINGS and not flags & ACK for kind, flags, _, _ in found):
            self.send(frame(SETTINGS, ACK, 0, b""))
        return found

    def block(self, fields: Fields) -> bytes:
        """What a peer with a table of its own would send: by index alone from the second time on."""
        key = tuple(fields)
        known = self._known.get(key)
        if known is None:
            known = self.encoder.encode(fields)
            if all(octet & 0x80 for octet in known):
                self._known[key] = known
        return known

    def fields(self, block: bytes) -> dict[str, str]:
        """A block decoded; those of indexed fields alone mean the same until something is inserted."""
        known = self._read.get(block)
        if known is None:
            known = dict(self.decoder.decode(block))
            if all(octet & 0x80 for octet in block):
                self._read[block] = known
            else:
                self._read.clear()
        return known


@dataclass
class Heard:
    """One call, as its client sees it."""

    octets: int = 0
    heads: list[Any] = field(default_factory=list)
    ended: bool = False


class Stepped(Worker):
    """A worker whose thread does nothing: it turns on the thread of the scenario."""

    asleep = threading.Event()

    def run(self) -> None:
        self.asleep.wait()


class Scenario:
    """The gateway of a configuration, with its clients and its origin, all on this thread."""

    def __init__(self, config: Path, origin: socket.socket, cert: str, key: str) -> None:
        bridge.Worker = Stepped  # type: ignore[misc]
        self.gateway = bridge.Gateway(config)
        self.gateway.start()
        self._worker = self.gateway._workers[0]
        self._listener = origin
        self._served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._served.load_cert_chain(cert, key)
        self._served.set_alpn_protocols(["h2"])
        self._client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client.check_hostname, self._client.verify_mode = False, ssl.CERT_NONE
        self._client.set_alpn_protocols(["h2"])
        host, _, port = self.gateway.addresses[0].rpartition(":")
        self._front = (host, int(port))
        self._origins: list[Line] = []
        self._ready = selectors.DefaultSelector()
        self._ready.register(origin, selectors.EVENT_READ)
        self._ask: dict[int, bytes] = {}

    def _turn(self) -> None:
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if self._worker.turn() == 0 else 0

    def step(self, load: Load) -> None:
        """Until neither gateway nor origin has anything to do."""
        busy = True
        while busy:
            self._turn()
            busy = False
            for key, _ in self._ready.select(0):
                busy = True
                if key.data is None:
                    self._accept()
                else:
                    self._answer(key.data, load)

    def _accept(self) -> None:
        raw, _ = self._listener.accept()
        line = Line(raw, self._served, server=True)
        self._origins.append(line)
        self._ready.register(raw, selectors.EVENT_READ, line)

    def _answer(self, line: Line, load: Load) -> None:
        out = bytearray()
        for kind, flags, stream, _ in line.take():
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                out += frame(HEADERS, END_HEADERS, stream, line.block(HEAD))
                for number in range(load.messages):
                    out += frame(DATA, 0, stream, MESSAGES[number % 64])
                    if len(out) > RECORD:
                        line.send(bytes(out))
                        out.clear()
                        self._turn()
                out += frame(HEADERS, END_HEADERS | END_STREAM, stream, line.block(TRAILERS))
        if out:
            line.send(bytes(out))
        if line.ended:
            self._ready.unregister(line.raw)

    def connect(self, load: Load) -> list[Line]:
        lines = []
        for _ in range(load.connections):
            lines.append(Line(socket.create_connection(self._front), self._client, server=False))
            while not lines[-1].open:
                lines[-1].take()
                self.step(load)
        for line in lines:
            line.take()
        self.step(load)
        return lines

    def round(self, lines: list[Line], load: Load, number: int) -> None:
        """All calls of one round, each answer checked; AssertionError if one is not as it must be."""
        first = 1 + 2 * load.streams * number
        streams = range(first, first + 2 * load.streams, 2)
        body = MESSAGES[0]
        for line in lines:
            out = bytearray()
            for stream in streams:
                out += frame(HEADERS, END_HEADERS, stream, line.block(self._fields(load, stream)))
                out += frame(DATA, END_STREAM, stream, body)
            line.send(bytes(out))
        self.step(load)
        for line in lines:
            heard = {stream: Heard() for stream in streams}
            for kind, flags, stream, payload in line.take():
                if stream:
                    assert kind in (DATA, HEADERS), f"frame of type {kind}"
                    one = heard[stream]
                    one.ended = bool(flags & END_STREAM)
                    if kind == DATA:
                        one.octets += len(payload)
                    else:
                        one.heads.append(line.fields(payload))
            for one in heard.values():
                assert one.ended, "a call has not ended"
                assert one.heads[0][":status"] == "200", one.heads
                assert one.heads[-1]["grpc-status"] == "0", one.heads
                assert one.octets == load.messages * 105, one.octets
        self.step(load)

    def _fields(self, load: Load, stream: int) -> Fields:
        more = [
            (f"x-meta-field-{at:02}", f"value-{at:02}-of-some-static-metadata") for at in range(load.fields)
        ]
        for at in range(load.varied):
            mixed = (stream * 64 + at + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
            more[at] = (more[at][0], f"{mixed:016x}-{mixed * 7 & 0xFFFFFFFFFFFFFFFF:016x}")
        return USUAL + more


def play(scenario: Scenario, load: Load) -> None:
    """Warm up, and between two calls of getppid what counts."""
    lines = scenario.connect(load)
    for number in range(load.warm + load.rounds):
        if number == load.warm:
            os.getppid()
        scenario.round(lines, load, number)
    os.getppid()
    for line in lines:
        line.raw.close()
    scenario.step(load)


def prepare(template: Path, folder: Path, cert: str, key: str) -> tuple[Path, socket.socket]:
    """The configuration, filled, and the origin that it names, listening."""
    origin = socket.create_server(("127.0.0.1", 0), backlog=64)
    text = template.read_text()
    words = {"port": 0, "h2c_port": 0, "origin": origin.getsockname()[1], "cert": cert, "key": key, "log": ""}
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", str(value))
    config = folder / "scenario.toml"
    config.write_text(text)
    return config, origin


def main() -> None:
    template, folder, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(",")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    config, origin = prepare(template, folder, cert, key)
    scenario = Scenario(config, origin, cert, key)
    for name in names:
        play(scenario, LOADS[name])
    stats = scenario.gateway.stats()["total"]
    print({key: value for key, value in stats.items() if value}, flush=True)
    os._exit(0)  # the worker's thread never ran: nothing is to be taken down


if __name__ == "__main__":
    main()
