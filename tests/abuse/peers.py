"""Origins that say any octets, and a gateway between them and raw clients."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import hpack

from tests.support import frames
from tests.support.frames import ACK, Frame, Reader, Type
from tests.support.house import House
from tests.support.raw import ClosedError, RawClient

LIVE = ("streams_open", "exchanges_live", "exchanges_open", "octets_waiting")
HEAD = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0")]


class Served(RawClient):
    """The origin's end of a connection the gateway has opened."""

    def __init__(self, sock: socket.socket, timeout: float = 5.0) -> None:
        self.timeout = timeout
        self.sock = sock
        self.reader = Reader()
        self.encoder = hpack.Encoder()
        self._pending: list[Frame] = []

    def begin(self, *pairs: tuple[int, int]) -> Frame:
        self.sock.settimeout(self.timeout)
        said = b""
        while len(said) < len(frames.PREFACE):
            more = self.sock.recv(len(frames.PREFACE) - len(said))
            if not more:
                raise ClosedError([])
            said += more
        self.send(frames.settings(*pairs))
        theirs = self.expect(Type.SETTINGS, where=lambda frame: not frame.flags & ACK)
        self.send(frames.settings(ack=True))
        return theirs

    def request(self) -> int:
        """The number of the next stream that the gateway opens."""
        frame = self.expect(Type.HEADERS)
        self.reader.fields(self._block(frame))
        return frame.stream_id


class RawOrigin:
    """Listens in cleartext on 127.0.0.1."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.served: list[Served] = []

    def accept(self, timeout: float = 5.0) -> Served:
        self.listener.settimeout(timeout)
        sock, _ = self.listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.served.append(Served(sock))
        return self.served[-1]

    def close(self) -> None:
        self.listener.close()
        for one in self.served:
            one.sock.close()


def toml(origin_port: int, honest_port: int = 1, drain_timeout: str = "100ms") -> str:
    """gw.test leads to a raw origin, good.gw.test to another one; the second listener is cleartext."""
    record = 'type = "A", content = "127.0.0.1", proxied = true, origin_protocol = "h2c"'
    return f"""\
        [server]
        listen = ["127.0.0.1:0", "h2c://127.0.0.1:0"]
        workers = 1
        drain_timeout = "{drain_timeout}"

        [[zone]]
        name = "gw.test"
        cert = {{ file = "{{cert}}", key = "{{key}}" }}
        settings = {{ grpc = "on", ssl = "full" }}
        dns = [
          {{ name = "@", {record}, origin_port = {origin_port} }},
          {{ name = "good", {record}, origin_port = {honest_port} }},
        ]
        """


def client(house: House, *pairs: tuple[int, int], timeout: float = 5.0) -> RawClient:
    raw = house.raw(tls=False, listener=1, timeout=timeout)
    raw.begin(*pairs)
    return raw


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Does the condition become true in time?"""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def stats(house: House) -> dict[str, Any]:
    """Counters of the worker."""
    return house.gateway.stats()["workers"][0]


def live(house: House) -> dict[str, int]:
    """What is still open of calls; empty when nothing is."""
    now = stats(house)
    return {name: now[name] for name in LIVE if now[name]}
