"""Writes down how real clients begin: their ClientHello, their first HTTP/2 frames, the heads of their calls.

`python -m tests.support.recorder PORT CA FILE CLIENT SOURCE` serves one client until it goes and writes FILE.
A head that repeats is kept once. CA is written anew: the client is to trust it for `localhost`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.certs import Authority

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HANDSHAKE, _CLIENT_HELLO = 22, 1


@dataclass
class Recording:
    """What one connection showed."""

    hello: bytes = b""
    settings: list[tuple[int, int]] = field(default_factory=list)
    window_update: int = 0
    priorities: int = 0
    heads: list[list[tuple[str, str]]] = field(default_factory=list)

    @property
    def order(self) -> str:
        """The pseudo-fields of the first head by their letters."""
        return ",".join(name[1] for name, _ in self.heads[0] if name.startswith(":"))

    def as_json(self, client: str, source: str) -> dict[str, Any]:
        opening = {"settings": self.settings, "window_update": self.window_update,
                   "priorities": self.priorities, "order": self.order}  # fmt: skip
        return {"client": client, "source": source, "hello": base64.b64encode(self.hello).decode(),
                "opening": opening, "heads": self.heads}  # fmt: skip


def hello_of(octets: bytes) -> bytes:
    """The first handshake message in TLS records, with its header; b"" while it is not whole."""
    message, at = b"", 0
    while at + 5 <= len(octets) and octets[at] == _HANDSHAKE:
        size = int.from_bytes(octets[at + 3 : at + 5], "big")
        message += octets[at + 5 : at + 5 + size]
        at += 5 + size
    if len(message) < 4 or message[0] != _CLIENT_HELLO:
        return b""
    whole = 4 + int.from_bytes(message[1:4], "big")
    return message[:whole] if len(message) >= whole else b""


def allowance(head: dict[str, str]) -> list[tuple[str, str]]:
    """What lets a page of another origin call; a browser asks for it, before the call and of its answer."""
    if "origin" not in head:
        return []
    asked = head.get("access-control-request-headers", "")
    return [("access-control-allow-origin", head["origin"]), ("access-control-allow-headers", asked)]


class Peer:
    """One connection of a client."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.seen = Recording()
        self.raw = b""
        self.decoder, self.encoder = Decoder(), Encoder()

    def send(self, octets: bytes = b"") -> None:
        if octets:
            self.tls.write(octets)
        if waiting := self.outgoing.read():
            self.connection.sendall(waiting)

    def more(self) -> None:
        octets = self.connection.recv(65536)
        if not octets:
            raise EOFError
        if not self.seen.hello:
            self.raw += octets
            self.seen.hello = hello_of(self.raw)
        self.incoming.write(octets)

    def shake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.send()
                self.more()
        self.send(SettingsFrame(0).serialize())

    def read(self, count: int, have: bytes) -> bytes:
        while len(have) < count:
            try:
                got = self.tls.read(65536)
                if not got:
                    raise EOFError
                have += got
            except ssl.SSLWantReadError:
                self.send()
                self.more()
        return have

    def serve(self) -> None:
        self.shake()
        have = self.read(len(PREFACE), b"")[len(PREFACE) :]
        block = b""
        while True:
            have = self.read(9, have)
            frame, length = Frame.parse_frame_header(memoryview(have[:9]))
            have = self.read(9 + length, have)
            frame.parse_body(memoryview(have[9 : 9 + length]))
            have = have[9 + length :]
            if isinstance(frame, HeadersFrame | ContinuationFrame):
                block += frame.data
                if "END_HEADERS" in frame.flags:
                    self.head(frame.stream_id, block)
                    block = b""
            else:
                self.control(frame)

    def control(self, frame: Frame) -> None:
        early = not self.seen.heads
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            if early:
                self.seen.settings = list(frame.settings.items())
            self.send(SettingsFrame(0, flags=["ACK"]).serialize())
        elif isinstance(frame, WindowUpdateFrame) and frame.stream_id == 0 and early:
            self.seen.window_update += frame.window_increment
        elif isinstance(frame, PriorityFrame) and early:
            self.seen.priorities += 1
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]).serialize())

    def head(self, stream_id: int, block: bytes) -> None:
        fields = [(str(name), str(value)) for name, value in self.decoder.decode(block)]
        if fields not in self.seen.heads:
            self.seen.heads.append(fields)
        answer = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")]
        answer += allowance(dict(fields))
        frame = HeadersFrame(stream_id, self.encoder.encode(answer), flags=["END_HEADERS", "END_STREAM"])
        self.send(frame.serialize())


def written(recording: dict[str, Any]) -> str:
    """As JSON with a field of a head in each line."""
    heads = recording["heads"]
    rest = json.dumps({**recording, "heads": None}, indent=1).removesuffix("null\n}")
    lines = [",\n".join("   " + json.dumps(pair) for pair in head) for head in heads]
    return rest + "[\n" + ",\n".join(f"  [\n{line}\n  ]" for line in lines) + "\n ]\n}\n"


def main(port: int, ca: Path, target: Path, client: str, source: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        leaf = authority.leaf("localhost")
        context.load_cert_chain(leaf.certificate, leaf.key)
        ca.write_bytes(authority.file.read_bytes())
    context.set_alpn_protocols(["h2"])
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(60)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            peer = Peer(connection, context)
            connection.settimeout(20)
            with contextlib.suppress(EOFError, OSError, ssl.SSLError):
                peer.serve()
            connection.close()
            if peer.seen.heads:
                break
    target.write_text(written(peer.seen.as_json(client, source)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5])
