"""Raw clients: some go away in every rude manner, one keeps the ledger of its connection all the time."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from pathlib import Path

from tests.soak.book import Book
from tests.soak.processes import Gateway
from tests.support import frames
from tests.support.frames import Code, Frame, Setting, Type
from tests.support.raw import Answer, ClosedError, RawClient, h2_context

SERVICE = b"/fastgw.test.Echo/"
GONE = (OSError, ClosedError, AssertionError)
PIECE = 16384
LARGEST = 1 << 24


class Rough:
    """Connects, begins a few calls and leaves: by RST, FIN or GOAWAY, within a frame, or without reading."""

    def __init__(self, seed: int, gateway: Gateway, ca_file: Path, book: Book, over: threading.Event) -> None:
        self.dice = random.Random(seed)
        self.gateway, self.ca_file, self.book, self.over = gateway, ca_file, book, over

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self._visit()
            except GONE:
                self.book.count("rough clients cut off")
            except BaseException as error:
                self.book.find(f"a rough client broke: {error!r}")
                return
            self.over.wait(self.dice.random() * 0.2)

    def _visit(self) -> None:
        tls = self.dice.random() < 0.3
        context = h2_context(self.ca_file) if tls else None
        address = self.gateway.tls if tls else self.gateway.plain
        small = self.dice.choice((None, None, 4096))
        with RawClient(address, context=context, timeout=4, receive_buffer=small) as raw:
            if self.dice.random() < 0.05:
                raw.send(frames.PREFACE[: self.dice.randrange(24)])
            else:
                raw.begin((Setting.INITIAL_WINDOW_SIZE, self.dice.choice((0, 1, 65535, 1 << 20))))
                self._calls(raw)
            self._leave(raw)

    def _calls(self, raw: RawClient) -> None:
        dice = self.dice
        count = dice.randrange(1, 9)
        for number in range(1, 2 * count, 2):
            method = dice.choice((b"Endless", b"Unary", b"Sleep", b"Collect", b"Chat", b"Nothing"))
            name = dice.choice((b"a", b"b", b"steady")) + b".gw.test"
            raw.head(number, frames.request(SERVICE + method, name), end=dice.random() < 0.05)
            if dice.random() < 0.8:
                body = frames.message(b"9" if method == b"Sleep" else dice.randbytes(dice.randrange(9000)))
                raw.body(number, body[: dice.choice((len(body), len(body), 3))], end=dice.random() < 0.7)
            if dice.random() < 0.2:
                raw.send(frames.rst_stream(number))
        ends = time.monotonic() + dice.choice((0, 0.05, 0.5, 2.0))
        reads = dice.random() < 0.6
        while time.monotonic() < ends:
            if not reads:
                time.sleep(0.05)
                continue
            with contextlib.suppress(TimeoutError):
                frame = raw.read(0.05)
                if frame.type == Type.DATA and frame.payload and dice.random() < 0.7:
                    size = len(frame.payload)
                    raw.send(frames.window_update(0, size), frames.window_update(frame.stream_id, size))
            time.sleep(dice.choice((0, 0, 0.002)))

    def _leave(self, raw: RawClient) -> None:
        dice = self.dice
        manner = dice.choice(("reset", "reset", "fin", "goaway", "torn"))
        self.book.count(f"connections left by {manner}")
        if manner == "torn":
            whole = frames.data(1, dice.randbytes(500))
            raw.send(whole[: dice.randrange(1, len(whole))])
        if manner == "goaway":
            raw.send(frames.goaway(0, Code.NO_ERROR))
        if manner == "reset":
            raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Witness(RawClient):
    """One connection for the whole storm that knows its windows to the octet (RFC 9113 section 5.2).

    left  of the connection window toward the gateway
    full  what the gateway tops it up to: twice as much with each credit, up to LARGEST
    """

    def __init__(self, gateway: Gateway) -> None:
        self.left = self.full = self.initial = 65535
        self.streams: dict[int, int] = {}
        self.number = -1
        super().__init__(gateway.plain, timeout=40)
        self.begin((Setting.INITIAL_WINDOW_SIZE, 1 << 20))
        self.send(frames.window_update(0, (1 << 30)))

    def read(self, timeout: float | None = None) -> Frame:
        frame = super().read(timeout)
        if frame.type == Type.WINDOW_UPDATE:
            size = int.from_bytes(frame.payload, "big")
            if frame.stream_id:
                if frame.stream_id in self.streams:
                    self.streams[frame.stream_id] += size
            else:
                self.left += size
                self.full = min(self.full * 2, LARGEST)
        elif frame.type == Type.SETTINGS and not frame.flags & frames.ACK:
            self._take_settings(frame)
        elif frame.type == Type.DATA and frame.payload and frame.stream_id != self.number:
            # `answer` gives back what comes on the stream it waits for.
            self.send(frames.window_update(0, len(frame.payload)))
        return frame

    def _take_settings(self, frame: Frame) -> None:
        initial = frame.settings.get(Setting.INITIAL_WINDOW_SIZE, self.initial)
        for stream in self.streams:
            self.streams[stream] += initial - self.initial
        self.initial = initial

    def open(self, method: bytes, name: bytes) -> int:
        """Begin a call; its stream."""
        self.number += 2
        self.streams = {self.number: self.initial}
        self.head(self.number, frames.request(SERVICE + method, name + b".gw.test"))
        return self.number

    def push(self, stream: int, octets: bytes, *, end: bool) -> Frame | None:
        """DATA as the windows allow; returns the RST_STREAM or last HEADERS that came before all was sent."""
        at = 0
        while at < len(octets):
            size = min(PIECE, len(octets) - at, self.left, self.streams[stream])
            if size <= 0:
                early = self._until_credit(stream)
                if early is not None:
                    return early
                continue
            self.left -= size
            self.streams[stream] -= size
            at += size
            self.send(frames.data(stream, octets[at - size : at], end=end and at == len(octets)))
        return None

    def _until_credit(self, stream: int) -> Frame | None:
        frame = self.read()
        if frame.type == Type.HEADERS:
            self.fields(frame)  # the table follows every block
        if frame.stream_id == stream and (frame.type == Type.RST_STREAM or frame.ends_stream):
            return frame
        return None

    def settle(self) -> None:
        """Read what is on its way."""
        mark = time.monotonic_ns().to_bytes(8, "big")
        self.send(frames.ping(mark))
        self.expect(Type.PING, where=lambda frame: frame.payload == mark)


def _unwanted(witness: Witness, dice: random.Random, book: Book) -> None:
    """DATA that goes on when the answer is already there: no such method, no such zone."""
    method, name = dice.choice(((b"Nothing", b"steady"), (b"Nothing", b"a"), (b"Unary", b"no.such")))
    stream = witness.open(method, name)
    if dice.random() < 0.5:
        witness.fields(witness.expect(Type.HEADERS, where=lambda frame: frame.stream_id == stream))
    early = witness.push(stream, frames.message(bytes(dice.choice((10, 20_000, 60_000)))), end=False)
    if early is None:
        witness.send(frames.rst_stream(stream))
    witness.settle()
    book.count("unwanted bodies of the witness")


def answers(answer: Answer, body: bytes) -> bool:
    """Is it this body, and OK?"""
    return answer.reset is None and answer.grpc_status == 0 and answer.body == body


def witness_turn(witness: Witness, dice: random.Random, book: Book) -> None:
    """One call: whole and compared, or given up at some point, or one that nobody wants the octets of."""
    if dice.random() < 0.25:
        _unwanted(witness, dice, book)
        return
    name = dice.choice((b"a", b"b", b"steady"))
    sent = dice.randbytes(dice.choice((0, 5, 3000, 200_000)))
    whole = frames.message(sent)
    stream = witness.open(b"Unary", name)
    if dice.random() < 0.4:
        cut = dice.randrange(len(whole) + 1)
        if witness.push(stream, whole[:cut], end=False) is None:
            witness.send(frames.rst_stream(stream))
        witness.settle()
        return
    if witness.push(stream, whole, end=True) is None:
        answer = witness.answer(stream)
        book.count("calls of the witness")
        if name == b"steady" and not answers(answer, whole):
            book.find(f"witness on steady: reset {answer.reset}, {answer.heads}, {len(answer.body)} octets")
    elif name == b"steady":
        book.find("witness on steady: ended early")


def last_transfer(witness: Witness, size: int, book: Book) -> None:
    """`size` octets there and back on the old connection, and no octet of its window is missing."""
    whole = frames.message(random.Random(size).randbytes(size))
    stream = witness.open(b"Collect", b"steady")
    early = witness.push(stream, whole, end=True)
    if early is not None:
        book.find(f"the last transfer ended early: {early}")
        return
    answer = witness.answer(stream)
    if not answers(answer, whole):
        book.find(f"the last transfer: reset {answer.reset}, {answer.heads}, {len(answer.body)} octets")
    _ledger(witness, book)


def _ledger(witness: Witness, book: Book) -> None:
    """Send until credit comes: it must fill the window but for what was still on its way."""
    stream = witness.open(b"Collect", b"steady")
    before = witness.left
    body = frames.message(bytes(witness.full))
    at = 0
    while witness.left <= before and at + PIECE < len(body):
        if witness.push(stream, body[at : at + PIECE], end=False) is not None:
            break
        at += PIECE
        before = witness.left
        witness.settle()
        time.sleep(0.001)
    witness.send(frames.rst_stream(stream))
    witness.settle()
    missing = witness.full - witness.left
    if not 0 <= missing <= 4 * PIECE:
        book.find(f"{missing} octets of {witness.full} are missing in the window of the old connection")
