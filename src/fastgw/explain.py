"""What the core makes of recorded octets: each frame in words and the rule it broke; a bridge, no socket."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fastgw._core.h2.conn_door import ConnDoor
from fastgw._core.reasons import TABLE, ErrorCode, Reason, Scope
from fastgw._core.wire.hpack_door import Decoder
from fastgw.policy.limits import CATALOGUE

Side = Literal["client", "origin"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE = 9
STREAM_ID_LARGEST = 0x7FFFFFFF
OPENED_MAX = 10_000  # calls an origin's recording may be about; streams above are idle
VALUE_MAX = 200  # octets of a field value that are shown
SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # an empty frame: stands for a beginning that was not recorded

_TYPES = (
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
)
_FLAGS = {
    "DATA": {0x1: "END_STREAM", 0x8: "PADDED"},
    "HEADERS": {0x1: "END_STREAM", 0x4: "END_HEADERS", 0x8: "PADDED", 0x20: "PRIORITY"},
    "SETTINGS": {0x1: "ACK"},
    "PUSH_PROMISE": {0x4: "END_HEADERS", 0x8: "PADDED"},
    "PING": {0x1: "ACK"},
    "CONTINUATION": {0x4: "END_HEADERS"},
}
_SETTINGS = {
    1: "HEADER_TABLE_SIZE",
    2: "ENABLE_PUSH",
    3: "MAX_CONCURRENT_STREAMS",
    4: "INITIAL_WINDOW_SIZE",
    5: "MAX_FRAME_SIZE",
    6: "MAX_HEADER_LIST_SIZE",
}
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_ANSWER = [(b":status", b"200"), (b"grpc-status", b"0")]
_REQUEST = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"recorded")]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that was broken, by its row in the table of reasons."""

    name: str
    scope: str
    code: str
    rule: str

    def __str__(self) -> str:
        way = "RST_STREAM" if self.scope == "stream" else "GOAWAY"
        return f"{self.name}: ends the {self.scope} with {way} {self.code} ({self.rule})"


@dataclass(frozen=True, slots=True)
class Finding:
    """One frame, or what stands in the place of one, and why it was refused. `offset` in octets."""

    offset: int
    text: str
    refusals: tuple[Refusal, ...] = ()


def explain(octets: bytes, side: Side = "client", *, after_preface: bool = False) -> Iterator[Finding]:
    """What the gateway makes of `octets` that a client or an origin has sent, frame by frame.

    `after_preface`: they begin behind the preface and the first SETTINGS. Nothing is known of time or of our
    own frames: all comes at once; calls of a client are answered when it has no stream left, calls to an
    origin are as many as the recording is about. Ends at the frame that ends the connection.
    """
    reading = _Reading(side)
    at = 0
    if after_preface and not octets.startswith(PREFACE):
        reading.feed((PREFACE if side == "client" else b"") + SETTINGS)
    elif side == "client":
        at = min(len(PREFACE), len(octets))
        yield Finding(0, _preface_text(octets[:at]), reading.feed(octets[:at]))
    while at < len(octets) and not reading.door.broken:
        frame = Frame.read(octets, at)
        text = reading.text(frame)
        reading.expect(frame)
        yield Finding(at, text, reading.feed(octets[at : frame.end]))
        at = min(frame.end, len(octets))
    if at < len(octets):
        yield Finding(at, f"{len(octets) - at} octets more, which are not read")


def _preface_text(octets: bytes) -> str:
    if octets == PREFACE:
        return "preface"
    kind = "preface, cut short" if PREFACE.startswith(octets) else "not the preface"
    return f"{kind}: {shown(octets)}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as far as it was recorded: `payload` may be shorter than `length`, the header than 9 octets."""

    header: bytes
    payload: bytes
    end: int

    @classmethod
    def read(cls, octets: bytes, at: int) -> Frame:
        """The frame that begins at `at`."""
        header = octets[at : at + HEADER_SIZE]
        length = int.from_bytes(header[:3], "big") if len(header) == HEADER_SIZE else 0
        end = at + HEADER_SIZE + length
        return cls(header, octets[at + HEADER_SIZE : end], end)

    @property
    def whole(self) -> bool:
        """Was all of it recorded?"""
        return len(self.header) == HEADER_SIZE and len(self.payload) == self.length

    @property
    def length(self) -> int:
        """Of the payload, as the header says."""
        return int.from_bytes(self.header[:3], "big")

    @property
    def kind(self) -> str:
        """The type by name."""
        number = self.header[3]
        return _TYPES[number] if number < len(_TYPES) else f"type {number:#04x}"

    @property
    def flags(self) -> int:
        return self.header[4]

    @property
    def stream_id(self) -> int:
        """Without the reserved bit, RFC 9113 section 4.1."""
        return int.from_bytes(self.header[5:9], "big") & STREAM_ID_LARGEST

    @property
    def flag_names(self) -> str:
        names = _FLAGS.get(self.kind, {})
        found = [name for bit, name in names.items() if self.flags & bit]
        rest = self.flags & ~sum(names)
        return ",".join(found + ([f"{rest:#04x}"] if rest else [])) or "-"

    @property
    def content(self) -> bytes:
        """The payload without padding and priority fields, RFC 9113 sections 6.1, 6.2 and 6.6."""
        names, start, padding = _FLAGS.get(self.kind, {}), 0, 0
        if self.flags & _PADDED and _PADDED in names and self.payload:
            start, padding = 1, self.payload[0]
        if self.flags & _PRIORITY and _PRIORITY in names:
            start += 5
        if self.kind == "PUSH_PROMISE":
            start += 4
        return self.payload[start : max(start, len(self.payload) - padding)]


class _Reading:
    """A connection of the core that hears the recording, and a decoder that reads the same field blocks."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.streams_max = CATALOGUE["concurrent_streams"].default
        self.door = ConnDoor(
            side,
            max_concurrent_streams=self.streams_max,
            initial_window_size=CATALOGUE["stream_window"].default,
        )
        self._decoder: Decoder | None = Decoder(list_limit=CATALOGUE["head_octets"].default)
        self._block = b""
        self._opened = 1  # the next stream we open toward an origin
        self._ended: deque[int] = deque()  # calls a client has said all of
        self._counted: dict[str, int] = {}

    def feed(self, octets: bytes) -> tuple[Refusal, ...]:
        """Let the connection hear `octets`; returns what it refused for them."""
        self.door.feed(octets)
        self.door.take_output()
        for event in self.door.take_events():
            ends = event[0] == "trailers" or (event[0] in ("head", "data") and event[3])
            if ends and self.side == "client":
                self._ended.append(event[1])
        counted = self.door.refusals
        found = [name for name in counted if counted[name] > self._counted.get(name, 0)]
        self._counted = counted
        return tuple(refusal(Reason[name.upper()]) for name in found)

    def expect(self, frame: Frame) -> None:
        """Do what the gateway must have done before `frame` could be sent."""
        if len(frame.header) < HEADER_SIZE:
            return
        if self.side == "client":
            if self.door.streams >= self.streams_max and frame.kind == "HEADERS":
                self._answer()
        elif frame.stream_id % 2 == 1 and frame.kind != "PRIORITY":
            while self._opened <= min(frame.stream_id, 2 * OPENED_MAX):
                self.door.send_head(self.door.open_stream(), _REQUEST, True)
                self._opened += 2
            self.door.take_output()

    def _answer(self) -> None:
        """End the call that has waited longest for its answer."""
        while self._ended:
            stream_id = self._ended.popleft()
            if self.door.sends_open(stream_id):
                self.door.send_head(stream_id, _ANSWER, True)
                self.door.take_output()
                return

    def text(self, frame: Frame) -> str:
        """`frame` in one line."""
        if len(frame.header) < HEADER_SIZE:
            return f"{len(frame.header)} of the {HEADER_SIZE} octets of a frame header: {frame.header.hex()}"
        text = f"{frame.kind:<13} stream {frame.stream_id}  length {frame.length}  {frame.flag_names}"
        if not frame.whole:
            return f"{text}  cut short after {len(frame.payload)} octets"
        detail = self._detail(frame)
        return f"{text}  {detail}" if detail else text

    def _detail(self, frame: Frame) -> str:
        if frame.kind in ("HEADERS", "PUSH_PROMISE", "CONTINUATION"):
            promised = ""
            if frame.kind != "CONTINUATION":
                self._block = b""
            if frame.kind == "PUSH_PROMISE":
                start = 1 if frame.flags & _PADDED else 0
                promised = f"promises stream {_number(frame.payload[start : start + 4])}  "
            self._block += frame.content
            return promised + (self._fields() if frame.flags & _END_HEADERS else "")
        return _detail(frame)

    def _fields(self) -> str:
        if self._decoder is None:
            return "(the table is out of step: not decoded)"
        block, self._block = self._block, b""
        reason = self._decoder.decode(block)
        if reason:
            self._decoder = None
            return f"(cannot be decoded: {Reason(reason).name.lower()})"
        rows = [f"{shown(name)}: {shown(value)}" for name, value, *_ in self._decoder.fields]
        if self._decoder.facts["too_large"]:
            rows.append("(more, beyond the limits of a head)")
        return "{" + ", ".join(rows) + "}"


def refusal(reason: Reason) -> Refusal:
    """The row of `reason` in words."""
    scope, code, rule = TABLE[reason]
    named = "stream" if scope == Scope.ON_STREAM_SCOPE else "connection"
    document, _, section = rule.rpartition(" ")
    is_rfc = document.startswith("RFC ")
    return Refusal(
        reason.name.lower(), named, ErrorCode(code).name, f"{document} section {section}" if is_rfc else rule
    )


def _detail(frame: Frame) -> str:
    """What a payload without a field block says; nothing if it has not the length it must have."""
    kind, payload = frame.kind, frame.payload
    if kind == "DATA" and frame.flags & _PADDED and payload:
        return f"{payload[0]} of them padding"
    if kind == "PRIORITY" and len(payload) == 5:
        return f"depends on stream {_number(payload[:4])}, weight {payload[4] + 1}"
    if kind == "RST_STREAM" and len(payload) == 4:
        return _code(payload)
    if kind == "SETTINGS" and len(payload) % 6 == 0:
        pairs = struct.iter_unpack("!HI", payload)
        return " ".join(f"{_SETTINGS.get(number, f'{number:#x}')}={value}" for number, value in pairs)
    if kind == "PING":
        return payload.hex()
    if kind == "GOAWAY" and len(payload) >= 8:
        debug = f" {shown(payload[8:])}" if payload[8:] else ""
        return f"last stream {_number(payload[:4])}, {_code(payload[4:8])}{debug}"
    if kind == "WINDOW_UPDATE" and len(payload) == 4:
        return f"+{_number(payload)}"
    return ""


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big") & STREAM_ID_LARGEST


def _code(octets: bytes) -> str:
    number = int.from_bytes(octets, "big")
    return ErrorCode(number).name if number in ErrorCode.__members__.values() else f"{number:#x}"


def shown(octets: bytes) -> str:
    """Octets as text that cannot do anything to a terminal, cut where it gets long."""
    text = repr(octets[:VALUE_MAX])[2:-1]
    return f"{text}... ({len(octets)} octets)" if len(octets) > VALUE_MAX else text
