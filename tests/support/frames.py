"""HTTP/2 frames as octets, right or wrong: nothing here checks what it builds."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

Fields = Iterable[tuple[bytes, bytes]]


class Type(IntEnum):
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    """Error codes, RFC 9113 section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


@dataclass(frozen=True)
class Frame:
    """A frame as it was read."""

    type: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def ends_stream(self) -> bool:
        return self.type in (Type.DATA, Type.HEADERS) and bool(self.flags & END_STREAM)

    @property
    def code(self) -> Code:
        """The error code of a RST_STREAM or GOAWAY."""
        at = 4 if self.type == Type.GOAWAY else 0
        return Code(int.from_bytes(self.payload[at : at + 4], "big"))

    @property
    def last_stream_id(self) -> int:
        return int.from_bytes(self.payload[:4], "big") & 0x7FFFFFFF

    @property
    def debug(self) -> bytes:
        """The debug data of a GOAWAY."""
        return self.payload[8:]

    @property
    def settings(self) -> dict[int, int]:
        return dict(struct.iter_unpack("!HI", self.payload))


def frame(
    kind: int, stream_id: int = 0, payload: bytes = b"", flags: int = 0, *, length: int | None = None
) -> bytes:
    """Any frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    return struct.pack("!BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def settings(*pairs: tuple[int, int], ack: bool = False) -> bytes:
    return frame(Type.SETTINGS, 0, b"".join(struct.pack("!HI", *pair) for pair in pairs), ACK if ack else 0)


def ping(payload: bytes = b"\0" * 8, *, ack: bool = False) -> bytes:
    return frame(Type.PING, 0, payload, ACK if ack else 0)


def window_update(stream_id: int, increment: int) -> bytes:
    return frame(Type.WINDOW_UPDATE, stream_id, struct.pack("!I", increment))


def rst_stream(stream_id: int, code: int = Code.CANCEL) -> bytes:
    return frame(Type.RST_STREAM, stream_id, struct.pack("!I", code))


def goaway(last_stream_id: int = 0, code: int = 0, debug: bytes = b"") -> bytes:
    return frame(Type.GOAWAY, 0, struct.pack("!II", last_stream_id, code) + debug)


def priority(stream_id: int, depends_on: int = 0, weight: int = 15) -> bytes:
    return frame(Type.PRIORITY, stream_id, struct.pack("!IB", depends_on, weight))


def data(stream_id: int, payload: bytes = b"", *, end: bool = False, padding: int | None = None) -> bytes:
    flags = END_STREAM if end else 0
    if padding is not None:
        flags |= PADDED
        payload = bytes((padding,)) + payload + b"\0" * padding
    return frame(Type.DATA, stream_id, payload, flags)


def headers(
    stream_id: int, block: bytes, *, end: bool = False, end_headers: bool = True, flags: int = 0
) -> bytes:
    flags |= (END_STREAM if end else 0) | (END_HEADERS if end_headers else 0)
    return frame(Type.HEADERS, stream_id, block, flags)


def continuation(stream_id: int, block: bytes, *, end_headers: bool = True) -> bytes:
    return frame(Type.CONTINUATION, stream_id, block, END_HEADERS if end_headers else 0)


def literal(fields: Fields) -> bytes:
    """A field block of plain literals, RFC 7541 section 6.2.2: no table, no Huffman, any octets."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def _string(octets: bytes) -> bytes:
    if len(octets) < 127:
        return bytes((len(octets),)) + octets
    rest, out = len(octets) - 127, bytearray(b"\x7f")
    while rest >= 128:
        out.append(rest % 128 | 128)
        rest //= 128
    return bytes(out) + bytes((rest,)) + octets


def request(
    path: bytes = b"/fastgw.test.Echo/Unary", authority: bytes = b"gw.test", *more: tuple[bytes, bytes]
):
    """The fields of a gRPC request head."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":path", path),
        (b":authority", authority),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    ]


def message(payload: bytes, *, compressed: int = 0) -> bytes:
    """A gRPC message with its prefix."""
    return bytes((compressed,)) + struct.pack("!I", len(payload)) + payload


class Reader:
    """Octets in, frames out; decodes the field blocks of one direction of one connection."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._decoder = hpack.Decoder(max_header_list_size=1 << 24)

    def feed(self, octets: bytes) -> list[Frame]:
        self._held += octets
        frames = []
        while len(self._held) >= 9:
            end = 9 + int.from_bytes(self._held[:3], "big")
            if len(self._held) < end:
                break
            stream_id = int.from_bytes(self._held[5:9], "big") & 0x7FFFFFFF
            frames.append(Frame(self._held[3], self._held[4], stream_id, bytes(self._held[9:end])))
            del self._held[:end]
        return frames

    def fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Each block once and in order of arrival: the dynamic table is one for the connection."""
        return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
