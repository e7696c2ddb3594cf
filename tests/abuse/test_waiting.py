"""Clients that ask for much and take nothing: what waits for them is bounded, others do not pay for it."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.abuse.peers import HEAD, TRAILERS, Served, client, live, stats, until
from tests.support import frames
from tests.support.frames import Setting, Type
from tests.support.raw import ClosedError

STREAMS = 120
PIECE = 16384


def _pour(origin: Served, streams: list[int], done: threading.Event) -> None:
    """Fill each stream's window as far as credit goes; answer what comes later with 1000 octets."""
    credit = 65535
    left = dict.fromkeys(streams, 1 << 20)
    for stream in streams:
        origin.head(stream, HEAD)
    try:
        while True:
            for stream in streams:
                while left.get(stream, 0) >= PIECE and credit >= PIECE:
                    origin.send(frames.data(stream, b"x" * PIECE))
                    left[stream] -= PIECE
                    credit -= PIECE
            if not any(size >= PIECE for size in left.values()):
                done.set()
            frame = origin.read(20)
            if frame.type == Type.WINDOW_UPDATE and frame.stream_id == 0:
                credit += int.from_bytes(frame.payload, "big")
            elif frame.type == Type.RST_STREAM:
                left.pop(frame.stream_id, None)
            elif frame.type == Type.HEADERS:
                origin.reader.fields(origin._block(frame))
                origin.head(frame.stream_id, HEAD)
                assert credit > 1000
                origin.send(frames.data(frame.stream_id, b"y" * 1000))
                origin.head(frame.stream_id, TRAILERS, end=True)
    except (OSError, ClosedError):
        pass


def test_a_client_that_takes_nothing_does_not_stall_the_origin_for_others(house, raw_origin):
    hog = client(house, (Setting.INITIAL_WINDOW_SIZE, 0))
    for number in range(1, 2 * STREAMS, 2):
        hog.head(number, frames.request(), end=True)
    origin = raw_origin.accept()
    origin.begin()
    streams = [origin.request() for _ in range(STREAMS)]
    done = threading.Event()
    thread = threading.Thread(target=_pour, args=(origin, streams, done))
    thread.start()
    try:
        filled = done.wait(20)
        held = stats(house)["octets_waiting"]
        assert filled, held
        assert 60 << 20 < held < 80 << 20
        assert stats(house)["replies"]["overloaded"] > 0
        other = client(house)
        for number in range(1, 101, 2):
            other.head(number, frames.request(), end=True)
            answer = other.answer(number)
            assert (answer.grpc_status, len(answer.body)) == (0, 1000)
        hog.sock.close()
        assert until(lambda: not live(house))
    finally:
        hog.sock.close()
        with contextlib.suppress(OSError):
            origin.sock.shutdown(socket.SHUT_RDWR)
        thread.join()
