"""h2.conn in either role: cutting the input changes nothing, whatever floor 4 does breaks nothing."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from fastgw._core.h2.conn_door import ConnDoor
from tests.support import frames
from tests.support.frames import Frame, Reader, Type

REQUEST = frames.request()
RESPONSE = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0"), (b"grpc-message", b"fine")]
FILLER = b"\0\0\0\x03\xfbfiller" * 4096
DECODED = (Type.HEADERS, Type.PUSH_PROMISE, Type.CONTINUATION)


def octets_of(data: bytes, built: bool) -> bytes:
    """The peer's octets: as they stand, or frames built of type, flags, stream, length, payload.

    A length of 240 and above stands for that many KiB of filler.
    """
    if not built:
        return data
    out = []
    at = 0
    while len(data) - at >= 4:
        kind, flags, stream_id, length = data[at : at + 4]
        at += 4
        if length >= 0xF0:
            payload = FILLER[: (length - 0xEF) << 10]
        else:
            payload = data[at : at + length]
            at += length
        out.append(frames.frame(kind & 0x0F, stream_id, payload, flags))
    return b"".join(out)


class Side:
    """Our side of a connection, begun or not, with streams toward an origin already open."""

    def __init__(self, toward: str, how: int, *, credits: bool) -> None:
        self.door = ConnDoor(toward, credits=credits)
        self.toward = toward
        self.output = b""
        self.events: list[tuple[Any, ...]] = []
        if how & 2:
            self.feed((frames.PREFACE if toward == "client" else b"") + frames.settings())
        if toward == "origin":
            for number in range(how >> 4 & 7):
                self.door.send_head(self.door.open_stream(), REQUEST, number & 1, bodyless=number & 2)

    def feed(self, octets: bytes) -> None:
        self.door.feed(octets)
        self.listen()

    def listen(self) -> list[tuple[Any, ...]]:
        heard = [event for event in self.door.take_events() if event[0] != "settled"]
        self.events += heard
        return heard

    def flush(self) -> None:
        self.output += self.door.take_output()

    def said(self) -> list[Frame]:
        """All frames of our output, each of them whole and legal."""
        octets = self.output
        if self.toward == "origin":
            assert octets.startswith(frames.PREFACE)
            octets = octets[len(frames.PREFACE) :]
        reader = Reader()
        found = reader.feed(octets)
        assert 9 * len(found) + sum(len(frame.payload) for frame in found) == len(octets)
        block = b""
        for frame in found:
            assert len(frame.payload) <= 16384
            assert frame.type != Type.PUSH_PROMISE
            if frame.type in DECODED:
                block += frame.payload
                if frame.flags & frames.END_HEADERS:
                    assert reader.fields(block)
                    block = b""
            else:
                assert not block
        assert not block
        return found

    def close(self) -> None:
        """Nothing stays behind."""
        events, lent, live = self.door.close()
        self.events += [event for event in events if event[0] != "settled"]
        assert (lent, live) == (0, 0)


def joined(events: list[tuple[Any, ...]]) -> list[list[Any]]:
    """The events, with DATA that follows DATA of the same stream put together."""
    out: list[list[Any]] = []
    for event in events:
        last = out[-1] if out else [""]
        if event[0] == "data" == last[0] and last[1] == event[1] and not last[3]:
            last[2] += event[2]
            last[3] = event[3]
        else:
            out.append(list(event))
    return [event for event in out if event[0] != "data" or event[2] or event[3]]


def refused(events: list[list[Any]]) -> list[list[Any]]:
    """The same without the DATA that was heard right before its stream was refused.

    A frame that is too much for its stream is refused unheard, or after those pieces of it that were not.
    """
    out: list[list[Any]] = []
    for event in events:
        if event[0] == "reset" and event[3] == "refused":
            while out and out[-1][0] == "data" and out[-1][1] == event[1]:
                out.pop()
        out.append(event)
    return out


def cut_alike(toward: str, how: int, steps: bytes, octets: bytes) -> None:
    """In one piece, and in pieces of so many octets: the same is heard, answered and refused."""
    sides = []
    for lengths in (None, steps):
        side = Side(toward, how, credits=bool(how & 4))
        if lengths is None:
            side.feed(octets)
        else:
            feed_cut(side, octets, lengths)
        side.flush()
        sides.append(side)
    whole, cut = sides
    assert (whole.door.reason, whole.door.refusals) == (cut.door.reason, cut.door.refusals)
    assert (whole.door.broken, whole.door.streams) == (cut.door.broken, cut.door.streams)
    answers = [[frame for frame in side.said() if frame.type != Type.WINDOW_UPDATE] for side in sides]
    assert answers[0] == answers[1]
    for side in sides:
        side.close()
    assert refused(joined(whole.events)) == refused(joined(cut.events))


def feed_cut(side: Side, octets: bytes, steps: bytes) -> None:
    """In pieces as long as `steps` say, over and over, at most 1024 of them."""
    at = 0
    for _, step in zip(range(1024), cycle(steps), strict=False):
        if at >= len(octets):
            break
        side.door.feed(octets[at : at + step + 1])
        at += step + 1
    side.feed(octets[at:])


class Floor4(Side):
    """Answers what it hears in ways that the input chooses, and keeps the credit it owes in a book."""

    def __init__(self, toward: str, how: int, choices: bytes) -> None:
        super().__init__(toward, how, credits=False)
        self.choices = cycle(choices)
        self.owed: dict[int, int] = {}
        self.heads: set[int] = set() if toward == "client" else set(range(1, 2 * (how >> 4 & 7), 2))

    def react(self, event: tuple[Any, ...]) -> None:
        name, stream_id = event[0], event[1] if len(event) > 1 else 0
        choice = next(self.choices)
        if name == "data":
            self.owed[stream_id] = self.owed.get(stream_id, 0) + len(event[2])
        if name == "reset":
            self.pay(stream_id)
        if choice & 0x80 and stream_id:
            self.pay(stream_id)
        if stream_id and self.door.sends_open(stream_id):
            self.answer(stream_id, choice & 15, event)
        if choice & 0x40:
            self.flush()
        if choice == 0x3F:
            self.door.goaway(0x7FFFFFFF)
        if choice == 0x3E:
            self.door.ping(b"floor 4!")
        if choice & 0x30 == 0x30 and self.toward == "origin" and not self.door.broken:
            self.door.send_head(self.door.open_stream(), REQUEST, choice & 1)

    def pay(self, stream_id: int) -> None:
        self.door.credit(stream_id, self.owed.pop(stream_id, 0))

    def answer(self, stream_id: int, choice: int, event: tuple[Any, ...]) -> None:
        """A client's stream gets a head before anything else; nothing is sent behind an end."""
        if self.toward == "client" and stream_id not in self.heads:
            if choice == 1:
                self.door.reset(stream_id, 8)
            elif choice != 2 and not self.door.broken:
                self.heads.add(stream_id)
                self.door.send_head(stream_id, RESPONSE, choice == 3)
            return
        if stream_id not in self.heads:
            return
        if choice == 5:
            self.door.reset(stream_id, 8)
        elif choice == 6:
            self.ending(stream_id)
            self.door.send_trailers(stream_id, TRAILERS)
        elif choice == 7:
            self.ending(stream_id)
            self.door.send_data(stream_id, FILLER[:20000], True)
        elif choice > 7:
            self.door.send_data(stream_id, FILLER[: choice * 1000])
        elif event[0] == "data" and event[2]:
            self.door.send_data(stream_id, event[2][:5000])

    def ending(self, stream_id: int) -> None:
        self.heads.discard(stream_id)


def lives(toward: str, how: int, choices: bytes, octets: bytes) -> None:
    """Floor 4 reacts to each piece; what it was lent comes back, and what we say is legal."""
    side = Floor4(toward, how, choices)
    at = 0
    for _, step in zip(range(64), cycle(choices), strict=False):
        if at >= len(octets):
            break
        size = 1 + step * step // 4
        piece = octets[at : at + size]
        at += size
        side.door.feed(piece)
        for event in side.listen():
            side.react(event)
    if not side.door.broken:
        for stream_id in list(side.owed):
            side.pay(stream_id)
    side.flush()
    side.said()
    before = 0 if how & 2 or toward == "origin" else len(frames.PREFACE)
    if not side.door.broken and at_boundary(octets[before:at]):
        left, owed, full = side.door.recv_window
        assert left + owed == full, side.door.recv_window
    side.close()


def at_boundary(octets: bytes) -> bool:
    """Do these octets end with a whole frame?"""
    at = 0
    while len(octets) - at >= 9:
        at += 9 + int.from_bytes(octets[at : at + 3], "big")
    return at == len(octets)


def one(toward: str, data: bytes) -> None:
    """How to set up, five octets of choices, then the peer's octets.

    Bits of the first: 1 frames are built, 2 the connection has begun, 4 credit comes at once,
    8 floor 4 reacts; 16 and above: streams toward the origin.
    """
    if len(data) < 6:
        return
    how, choices = data[0], data[1:6]
    octets = octets_of(data[6:], bool(how & 1))[:262144]
    if how & 8:
        lives(toward, how, choices, octets)
    else:
        cut_alike(toward, how, choices, octets)
