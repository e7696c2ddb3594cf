"""The ledger of connection credit, kept from outside: none is lost, none given twice (RFC 9113 section 5)."""

from __future__ import annotations

import random

from tests.abuse.peers import HEAD, TRAILERS, Served, client, live, until
from tests.support import frames
from tests.support.frames import Type
from tests.support.raw import RawClient

LARGEST = 1 << 24


class Ledger:
    """What a sender knows of its connection window: `left`, and `full`, which grows as credit comes."""

    def __init__(self, peer: RawClient) -> None:
        self.peer = peer
        self.left = self.full = 65535

    def send(self, octets: bytes) -> None:
        """DATA; waits for credit if there is too little."""
        size = len(octets) - 9
        while self.left < size:
            self.take(self.peer.expect(Type.WINDOW_UPDATE, where=lambda frame: frame.stream_id == 0))
        self.left -= size
        self.peer.send(octets)

    def take(self, frame: frames.Frame) -> None:
        self.left += int.from_bytes(frame.payload, "big")
        self.full = min(self.full * 2, LARGEST)

    def settle(self) -> None:
        """All that was sent has been dealt with: at most half a window is owed, nothing is given twice."""
        self.peer.send(frames.ping(b"settled!"))
        while True:
            frame = self.peer.expect(Type.WINDOW_UPDATE, Type.PING, where=lambda frame: not frame.stream_id)
            if frame.type == Type.PING:
                break
            self.take(frame)
        assert self.full // 2 < self.left <= self.full, (self.left, self.full)


def _request(dice: random.Random, raw: RawClient, ledger: Ledger, number: int) -> None:
    """DATA for a call that ends in one of many ways."""
    more = [(b"content-length", b"7")] if dice.random() < 0.2 else []
    authority = dice.choice((b"gw.test", b"gw.test", b"nobody.test"))
    raw.head(number, frames.request(b"/a/b", authority, *more))
    for _ in range(dice.randrange(1, 6)):
        padding = dice.choice((None, None, 0, 200))
        ledger.send(frames.data(number, b"x" * dice.choice((0, 1, 900, 16000)), padding=padding))
        if dice.random() < 0.15:
            raw.send(frames.rst_stream(number))
    if dice.random() < 0.3:
        ledger.send(frames.data(number, b"", end=True))
    elif dice.random() < 0.9:
        raw.send(frames.rst_stream(number))
    else:
        raw.send(frames.window_update(number, 0))


def test_credit_of_requests(house, raw_origin):
    """Toward an origin that never reads its streams, so that everything waits until it is reset."""
    dice = random.Random(7)
    raw = client(house)
    ledger = Ledger(raw)
    raw.head(1, frames.request())
    origin = raw_origin.accept()
    origin.begin((frames.Setting.INITIAL_WINDOW_SIZE, 3000))
    for number in range(3, 603, 2):
        _request(dice, raw, ledger, number)
        if number % 40 == 3:
            ledger.settle()
    for number in range(1, 603, 2):
        raw.send(frames.rst_stream(number))
    ledger.settle()
    assert ledger.full >= 1 << 20
    assert until(lambda: not live(house))


def _next(origin: Served, ledger: Ledger) -> int:
    """The next stream that the gateway opens; credit that comes before it is kept."""
    while True:
        frame = origin.expect(Type.HEADERS, Type.WINDOW_UPDATE)
        if frame.type == Type.HEADERS:
            origin.reader.fields(origin._block(frame))
            return frame.stream_id
        if frame.stream_id == 0:
            ledger.take(frame)


def test_credit_of_responses(house, raw_origin):
    """Toward a client that takes little, and cancels."""
    dice = random.Random(8)
    raw = client(house, (frames.Setting.INITIAL_WINDOW_SIZE, 3000))
    origin = ledger = None
    for number in range(1, 401, 2):
        raw.head(number, frames.request(), end=True)
        if origin is None:
            origin = raw_origin.accept()
            origin.begin()
            ledger = Ledger(origin)
        stream = _next(origin, ledger)
        origin.head(stream, HEAD)
        for _ in range(dice.randrange(1, 5)):
            ledger.send(
                frames.data(stream, b"x" * dice.choice((0, 1, 2000, 16000)), padding=dice.choice((None, 99)))
            )
            if dice.random() < 0.1:
                raw.send(frames.rst_stream(number))
        if dice.random() < 0.5:
            origin.head(stream, TRAILERS, end=True)
        raw.send(frames.rst_stream(number))
        if number % 40 == 1:
            ledger.settle()
    ledger.settle()
    assert ledger.full >= 1 << 20
    assert until(lambda: not live(house))
