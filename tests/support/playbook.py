"""A connection as a page of the protocol: octets go in with `<<`, what must come out is said with `>>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import hpack

from fastgw._core.h2.conn_door import ConnDoor
from tests.support import frames
from tests.support.frames import ACK, Frame, Reader, Type
from tests.support.malformed import Case

RESPONSE = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0")]


@dataclass(frozen=True)
class Said:
    """A frame that must come next; None: whatever it is."""

    kind: Type
    stream_id: int | None = None
    code: int | None = None
    because: str | None = None
    payload: bytes | None = None
    flags: int | None = None

    def is_met_by(self, frame: Frame) -> bool:
        return (
            frame.type == self.kind
            and (self.stream_id is None or frame.stream_id == self.stream_id)
            and (self.code is None or frame.code == self.code)
            and (self.because is None or frame.debug == self.because.encode())
            and (self.payload is None or frame.payload == self.payload)
            and (self.flags is None or frame.flags == self.flags)
        )


def goaway(code: int, because: str | None = None) -> Said:
    return Said(Type.GOAWAY, 0, code, because)


def reset(stream_id: int, code: int) -> Said:
    return Said(Type.RST_STREAM, stream_id, code)


def pong(payload: bytes) -> Said:
    return Said(Type.PING, 0, payload=payload, flags=ACK)


def credit(stream_id: int, octets: int) -> Said:
    return Said(Type.WINDOW_UPDATE, stream_id, payload=octets.to_bytes(4, "big"))


class Playbook:
    """Our side of one connection toward a "client" or an "origin", begun unless told otherwise."""

    def __init__(self, toward: str, *, begun: bool = True, theirs: bytes = b"", **ours: Any) -> None:
        self.toward = toward
        self.door = ConnDoor(toward, **ours)
        self.encoder = hpack.Encoder()
        self.reader = Reader()
        self.frames: list[Frame] = []
        if begun:
            self << (frames.PREFACE if toward == "client" else b"") + (theirs or frames.settings())
            first = self.output()
            assert (first[0].type, first[0].flags) == (Type.SETTINGS, 0)
            assert (first[1].type, first[1].flags) == (Type.SETTINGS, ACK)
            assert len(first) == 2
            self << frames.settings(ack=True)
            self.events()

    def __lshift__(self, octets: bytes) -> Playbook:
        self.door.feed(octets)
        return self

    def __rshift__(self, said: Said) -> Playbook:
        """The next frame is this one."""
        self.frames += self.output()
        assert self.frames, f"{said} was to be said, but nothing was"
        frame = self.frames.pop(0)
        assert said.is_met_by(frame), (said, frame, frame.debug)
        return self

    def output(self) -> list[Frame]:
        """The frames that go to the peer now."""
        octets = self.door.take_output()
        if octets.startswith(frames.PREFACE):
            octets = octets[len(frames.PREFACE) :]
        return self.reader.feed(octets)

    def events(self, *names: str) -> list[tuple[Any, ...]]:
        """What floor 4 heard, only events of these names if any are given; "settled" must be asked for."""
        heard = self.door.take_events()
        return [one for one in heard if (one[0] in names if names else one[0] != "settled")]

    def head(self, stream_id: int = 1, fields: frames.Fields | None = None, *, end: bool = False) -> bytes:
        """A legal head of the peer: a request from a client, a response from an origin."""
        if fields is None:
            fields = frames.request() if self.toward == "client" else RESPONSE
        return frames.headers(stream_id, self.encoder.encode(list(fields)), end=end)

    def stream(self, *, ended: bool = False) -> int:
        """An open stream whose head the peer has sent; `ended`: its half is over. Returns its number."""
        stream_id = 1
        if self.toward == "origin":
            stream_id = self.door.open_stream()
            self.door.send_head(stream_id, frames.request())
        self << self.head(stream_id, end=ended)
        self.output()
        self.events()
        return stream_id

    def is_quiet(self) -> bool:
        """Nothing more is said and the connection lives: a PING is answered."""
        self.frames += self.output()
        if self.frames or self.door.broken:
            return False
        self << frames.ping(b"are you?")
        self >> pong(b"are you?")
        return not self.frames

    def prepare(self, before: str) -> None:
        """Bring the connection to where a `Case` begins."""
        if before in ("open", "ended", "reset"):
            self.stream(ended=before == "ended")
        if before == "reset":
            self << frames.rst_stream(1)
        if before == "asked":
            self.door.open_stream()
            self.door.send_head(1, frames.request())
        self.output()
        self.events()

    def refuses(self, octets: bytes, said: Said, reason: str) -> None:
        """These octets are refused as `said` for exactly this reason, once, and no memory is lost."""
        reason = reason.lower()
        self << octets
        assert self.door.refusals == {reason: 1}
        if said.kind == Type.GOAWAY:
            self >> said
            assert self.door.reason.name.lower() == reason
            assert self.door.broken
            self << frames.ping()
            assert self.output() == [], "after GOAWAY nothing is read"
        else:
            self >> said
            assert self.is_quiet()
            left, owed, full = self.door.recv_window
            assert left + owed == full, "credit was lost"
        assert self.door.close()[1:] == (0, 0)


def refused(case: Case) -> None:
    """Play a case: it ends with the right code in the right scope."""
    book = Playbook(case.toward, begun=case.before != "nothing")
    book.prepare(case.before)
    said = (
        reset(case.stream, case.code) if case.stream is not None else goaway(case.code, case.reason.lower())
    )
    book.refuses(case.octets, said, case.reason)
