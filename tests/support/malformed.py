"""What a peer may get wrong: octets by section, with the scope and the error code each must meet."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from tests.support import frames as f
from tests.support.frames import PADDED, PRIORITY_FLAG, Code, Setting, Type, frame, literal

CLIENT, ORIGIN = "client", "origin"
BOTH = (CLIENT, ORIGIN)


@dataclass(frozen=True)
class Case:
    """`octets` from a peer are refused for `reason` with `code`: on `stream`, or the connection if None.

    toward  who that peer is
    before  what had happened: "nothing", not even the preface; "begun", SETTINGS were exchanged; "open", the
            peer's head on stream 1 was sent; "ended", it carried END_STREAM; "reset", the peer has reset
            stream 1; "asked", our request went to the origin, which has not answered
    """

    section: str
    toward: str
    before: str
    name: str
    octets: bytes
    reason: str
    code: Code
    stream: int | None = None


CASES: list[Case] = []


def _add(
    section: str,
    before: str,
    reason: str,
    code: Code,
    *rows: tuple[str, bytes],
    toward: tuple[str, ...] = BOTH,
    stream: int | None = None,
) -> None:
    for side in toward:
        CASES.extend(Case(section, side, before, name, octets, reason, code, stream) for name, octets in rows)


def cases(*sections: str) -> list[object]:
    """The cases of these sections, as parameters."""
    return [
        pytest.param(case, id=f"{case.toward}-{case.before}-{case.name}")
        for case in CASES
        if case.section in sections
    ]


def asks(stream_id: int, *more: tuple[bytes, bytes], without: bytes = b"", end: bool = False) -> bytes:
    """A request head in plain literals."""
    fields = [field for field in f.request() if field[0] != without]
    return f.headers(stream_id, literal([*fields, *more]), end=end)


def answers(stream_id: int, *more: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> bytes:
    """A response head in plain literals."""
    return f.headers(stream_id, literal([(b":status", status), *more]), end=end)


def _setting(number: int, value: int) -> bytes:
    return f.settings((number, value))


PROTOCOL, SIZE, FLOW = Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR, Code.FLOW_CONTROL_ERROR
CLOSED, COMPRESSION, CALM = Code.STREAM_CLOSED, Code.COMPRESSION_ERROR, Code.ENHANCE_YOUR_CALM
ONLY_CLIENT, ONLY_ORIGIN = (CLIENT,), (ORIGIN,)
OPEN_BLOCK = f.headers(3, literal(f.request()), end_headers=False)
DATA_FRAME, BLOCK = f.data(1, b"x"), literal([(b"grpc-status", b"0")])
PROMISE = frame(Type.PUSH_PROMISE, 1, struct.pack("!I", 2) + literal(f.request()), 4)

_add(
    "3.4",
    "nothing",
    "PREFACE_INVALID",
    PROTOCOL,
    ("http-1", b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n"),
    ("first-octet", b"X"),
    ("last-octet", f.PREFACE[:-1] + b"\r"),
    toward=ONLY_CLIENT,
)
_add(
    "3.4",
    "nothing",
    "FIRST_FRAME_NOT_SETTINGS",
    PROTOCOL,
    ("ping", f.PREFACE + f.ping()),
    ("acknowledgement", f.PREFACE + f.settings(ack=True)),
    ("request", f.PREFACE + asks(1)),
    ("unknown", f.PREFACE + frame(0x77)),
    toward=ONLY_CLIENT,
)
_add(
    "3.4",
    "nothing",
    "FIRST_FRAME_NOT_SETTINGS",
    PROTOCOL,
    ("ping", f.ping()),
    ("window", f.window_update(0, 1)),
    ("http-1", b"HTTP/1.1 200 OK\r\n\r\n"),
    toward=ONLY_ORIGIN,
)
_add(
    "4.2",
    "open",
    "FRAME_TOO_LARGE",
    SIZE,
    *((f"{kind.name.lower()}", frame(kind, 1 if kind < 4 else 0, length=16386)) for kind in Type),
    ("unknown", frame(0x77, length=16385)),
    ("largest", frame(Type.DATA, 1, length=0xFFFFFF)),
)
_add(
    "4.3",
    "open",
    "HPACK_INDEX_INVALID",
    COMPRESSION,
    ("index-0", f.headers(1, b"\x80", end=True)),
    ("index-beyond", f.headers(1, b"\xff\x20", end=True)),
)
_add(
    "4.3",
    "open",
    "HPACK_BLOCK_TRUNCATED",
    COMPRESSION,
    ("name", f.headers(1, b"\0\x05abc", end=True)),
    ("value", f.headers(1, b"\0\x01a\x05", end=True)),
    ("over-frames", f.headers(1, b"\0\x05ab", end_headers=False, end=True) + f.continuation(1, b"c")),
)
_add(
    "4.3",
    "open",
    "HPACK_INTEGER_OVERFLOW",
    COMPRESSION,
    ("length", f.headers(1, b"\0\x7f" + b"\xff" * 9 + b"\x7f", end=True)),
)
_add(
    "4.3",
    "open",
    "HPACK_HUFFMAN_INVALID",
    COMPRESSION,
    ("end-of-string", f.headers(1, b"\0\x84\xff\xff\xff\xff\0", end=True)),
)
_add(
    "4.3",
    "open",
    "HPACK_TABLE_SIZE_TOO_LARGE",
    COMPRESSION,
    ("update", f.headers(1, b"\x3f\xe2\x1f", end=True)),
)
_add("4.3", "open", "HPACK_TABLE_SIZE_LATE", COMPRESSION, ("update", f.headers(1, BLOCK + b"\x20", end=True)))
_add(
    "5.1",
    "begun",
    "FRAME_ON_IDLE_STREAM",
    PROTOCOL,
    ("data", f.data(3, b"x")),
    ("empty-data", f.data(3)),
    ("reset", f.rst_stream(3)),
    ("window", f.window_update(3, 1)),
    ("window-zero", f.window_update(3, 0)),
)
_add("5.1", "begun", "FRAME_ON_IDLE_STREAM", PROTOCOL, ("head", answers(3)), toward=ONLY_ORIGIN)
_add(
    "5.1",
    "ended",
    "FRAME_AFTER_END_STREAM",
    CLOSED,
    ("data", DATA_FRAME),
    ("empty-data", f.data(1)),
    ("end", f.data(1, end=True)),
    ("trailers", f.headers(1, BLOCK, end=True)),
    stream=1,
)
_add(
    "5.1",
    "reset",
    "FRAME_AFTER_RESET",
    CLOSED,
    ("data", DATA_FRAME),
    ("trailers", f.headers(1, BLOCK, end=True)),
    stream=1,
)
_add("5.1.1", "open", "STREAM_ID_EVEN", PROTOCOL, ("head", f.headers(2, BLOCK)))
_add(
    "5.1.1",
    "open",
    "FRAME_ON_IDLE_STREAM",
    PROTOCOL,
    ("data-even", f.data(2, b"x")),
    ("reset-even", f.rst_stream(2)),
    ("window-even", f.window_update(2, 1)),
)
_add("5.1.1", "open", "STREAM_ID_NOT_INCREASING", PROTOCOL, ("lower", asks(7) + asks(5)), toward=ONLY_CLIENT)
_add("5.3.1", "open", "PRIORITY_ON_ITSELF", PROTOCOL, ("frame", f.priority(1, 1)), stream=1)
_add(
    "5.3.1",
    "open",
    "PRIORITY_ON_ITSELF",
    PROTOCOL,
    ("head", f.headers(3, struct.pack("!IB", 3, 1) + literal(f.request()), flags=PRIORITY_FLAG)),
    toward=ONLY_CLIENT,
    stream=3,
)
_add("6.1", "open", "FRAME_ON_CONNECTION", PROTOCOL, ("stream-0", f.data(0, b"x")))
_add(
    "6.1",
    "open",
    "PADDING_TOO_LONG",
    PROTOCOL,
    ("all", frame(Type.DATA, 1, b"\x01", PADDED)),
    ("more", frame(Type.DATA, 1, b"\xff" + b"x" * 9, PADDED)),
)
_add("6.1", "open", "FRAME_LENGTH_INVALID", SIZE, ("no-pad-length", frame(Type.DATA, 1, b"", PADDED)))
_add("6.2", "open", "FRAME_ON_CONNECTION", PROTOCOL, ("stream-0", f.headers(0, BLOCK)))
_add(
    "6.2",
    "open",
    "PADDING_TOO_LONG",
    PROTOCOL,
    ("more", f.headers(1, b"\x09" + BLOCK[:8], flags=PADDED)),
    ("with-priority", f.headers(1, b"\x01" + bytes(5), flags=PADDED | PRIORITY_FLAG)),
)
_add(
    "6.2",
    "open",
    "FRAME_LENGTH_INVALID",
    SIZE,
    ("no-pad-length", f.headers(1, b"", flags=PADDED)),
    ("no-priority", f.headers(1, bytes(4), flags=PRIORITY_FLAG)),
)
_add(
    "6.3",
    "open",
    "FRAME_LENGTH_INVALID",
    SIZE,
    ("short", frame(Type.PRIORITY, 1, bytes(4))),
    ("long", frame(Type.PRIORITY, 1, bytes(6))),
)
_add("6.3", "open", "FRAME_ON_CONNECTION", PROTOCOL, ("stream-0", f.priority(0, 1)))
_add(
    "6.4",
    "open",
    "FRAME_LENGTH_INVALID",
    SIZE,
    ("short", frame(Type.RST_STREAM, 1, bytes(3))),
    ("long", frame(Type.RST_STREAM, 1, bytes(5))),
)
_add("6.4", "open", "FRAME_ON_CONNECTION", PROTOCOL, ("stream-0", f.rst_stream(0)))
_add("6.5", "open", "FRAME_ON_STREAM", PROTOCOL, ("stream-1", frame(Type.SETTINGS, 1)))
_add(
    "6.5",
    "open",
    "FRAME_LENGTH_INVALID",
    SIZE,
    ("five", frame(Type.SETTINGS, 0, bytes(5))),
    ("seven", frame(Type.SETTINGS, 0, bytes(7))),
)
_add("6.5", "open", "SETTINGS_ACK_NOT_EMPTY", SIZE, ("full", frame(Type.SETTINGS, 0, bytes(6), f.ACK)))
_add("6.5.2", "open", "SETTINGS_ENABLE_PUSH_INVALID", PROTOCOL, ("two", _setting(Setting.ENABLE_PUSH, 2)))
_add(
    "6.5.2",
    "open",
    "SETTINGS_ENABLE_PUSH_INVALID",
    PROTOCOL,
    ("from-origin", _setting(Setting.ENABLE_PUSH, 1)),
    toward=ONLY_ORIGIN,
)
_add(
    "6.5.2",
    "open",
    "SETTINGS_WINDOW_TOO_LARGE",
    FLOW,
    ("over", _setting(Setting.INITIAL_WINDOW_SIZE, 1 << 31)),
    ("most", _setting(Setting.INITIAL_WINDOW_SIZE, 0xFFFFFFFF)),
)
_add(
    "6.5.2",
    "open",
    "SETTINGS_FRAME_SIZE_INVALID",
    PROTOCOL,
    ("small", _setting(Setting.MAX_FRAME_SIZE, 16383)),
    ("large", _setting(Setting.MAX_FRAME_SIZE, 1 << 24)),
)
_add("6.6", "open", "PUSH_NOT_ALLOWED", PROTOCOL, ("promise", PROMISE))
_add("6.6", "open", "FRAME_ON_CONNECTION", PROTOCOL, ("stream-0", frame(Type.PUSH_PROMISE, 0, bytes(4))))
_add("6.6", "open", "FRAME_LENGTH_INVALID", SIZE, ("short", frame(Type.PUSH_PROMISE, 1, bytes(3))))
_add("6.7", "open", "FRAME_ON_STREAM", PROTOCOL, ("stream-1", frame(Type.PING, 1, bytes(8))))
_add(
    "6.7",
    "open",
    "FRAME_LENGTH_INVALID",
    SIZE,
    ("short", f.ping(bytes(7))),
    ("long", f.ping(bytes(9))),
    ("empty-answer", f.ping(b"", ack=True)),
)
_add("6.8", "open", "FRAME_ON_STREAM", PROTOCOL, ("stream-1", frame(Type.GOAWAY, 1, bytes(8))))
_add("6.8", "open", "FRAME_LENGTH_INVALID", SIZE, ("short", frame(Type.GOAWAY, 0, bytes(7))))
_add(
    "6.9",
    "open",
    "WINDOW_INCREMENT_ZERO",
    PROTOCOL,
    ("zero", f.window_update(1, 0)),
    ("reserved-bit", f.window_update(1, 1 << 31)),
    stream=1,
)
_add("6.9", "open", "CONNECTION_WINDOW_INCREMENT_ZERO", PROTOCOL, ("zero", f.window_update(0, 0)))
_add(
    "6.9",
    "open",
    "FRAME_LENGTH_INVALID",
    SIZE,
    ("short", frame(Type.WINDOW_UPDATE, 0, bytes(3))),
    ("long", frame(Type.WINDOW_UPDATE, 1, bytes(5))),
)
_add("6.9.1", "open", "WINDOW_OVERFLOW", FLOW, ("overflow", f.window_update(1, 0x7FFFFFFF)), stream=1)
_add("6.9.1", "open", "CONNECTION_WINDOW_OVERFLOW", FLOW, ("overflow", f.window_update(0, 0x7FFFFFFF)))
_add(
    "6.9.2",
    "open",
    "SETTINGS_WINDOW_TOO_LARGE",
    FLOW,
    ("overflow", f.window_update(1, 0x7FFF0000) + _setting(Setting.INITIAL_WINDOW_SIZE, 0x7FFFFFFF)),
)
_add(
    "6.10",
    "open",
    "CONTINUATION_UNEXPECTED",
    PROTOCOL,
    ("alone", f.continuation(1, BLOCK)),
    ("idle", f.continuation(3, BLOCK)),
    ("after-end-headers", f.headers(1, BLOCK, end=True) + f.continuation(1, BLOCK)),
)
_add("6.10", "open", "FRAME_ON_CONNECTION", PROTOCOL, ("stream-0", f.continuation(0, BLOCK)))
_add(
    "6.10",
    "open",
    "CONTINUATION_EXPECTED",
    PROTOCOL,
    ("data", OPEN_BLOCK + f.data(1, b"x")),
    ("same-stream-data", OPEN_BLOCK + f.data(3, b"x")),
    ("ping", OPEN_BLOCK + f.ping()),
    ("settings", OPEN_BLOCK + f.settings()),
    ("head", OPEN_BLOCK + asks(5)),
    ("other-stream", OPEN_BLOCK + f.continuation(1, b"")),
    ("unknown", OPEN_BLOCK + frame(0x77)),
    toward=ONLY_CLIENT,
)
_add(
    "6.10",
    "open",
    "CONTINUATION_EXPECTED",
    PROTOCOL,
    ("ping", f.headers(1, BLOCK, end_headers=False) + f.ping()),
    toward=ONLY_ORIGIN,
)
_add(
    "10.5.1",
    "open",
    "CONTINUATION_FLOOD",
    CALM,
    ("empty", f.headers(1, BLOCK, end_headers=False) + f.continuation(1, b"", end_headers=False) * 9),
)
_add(
    "10.5.1",
    "open",
    "FIELD_BLOCK_TOO_LARGE",
    CALM,
    ("full", f.headers(1, BLOCK, end_headers=False) + f.continuation(1, bytes(16384), end_headers=False) * 8),
)
_add("8.1", "open", "HEADERS_WITHOUT_END_STREAM", PROTOCOL, ("second-head", f.headers(1, BLOCK)), stream=1)
_add(
    "8.1",
    "open",
    "PSEUDO_FIELD_MISPLACED",
    PROTOCOL,
    ("trailers", f.headers(1, literal([(b":path", b"/")]), end=True)),
    stream=1,
)
_add(
    "8.1",
    "asked",
    "DATA_BEFORE_HEAD",
    PROTOCOL,
    ("data", DATA_FRAME),
    ("after-1xx", answers(1, status=b"103") + DATA_FRAME),
    toward=ONLY_ORIGIN,
    stream=1,
)
_add(
    "8.1",
    "asked",
    "STATUS_INVALID",
    PROTOCOL,
    ("1xx-ends", answers(1, status=b"100", end=True)),
    toward=ONLY_ORIGIN,
    stream=1,
)
_add(
    "8.1.1",
    "begun",
    "CONTENT_LENGTH_MISMATCH",
    PROTOCOL,
    ("no-content", asks(1, (b"content-length", b"5"), end=True)),
    ("short", asks(1, (b"content-length", b"5")) + f.data(1, b"four", end=True)),
    ("long", asks(1, (b"content-length", b"5")) + f.data(1, b"sixsix")),
    ("empty-end", asks(1, (b"content-length", b"5")) + f.data(1, b"four") + f.data(1, end=True)),
    ("trailers", asks(1, (b"content-length", b"5")) + f.data(1, b"four") + f.headers(1, BLOCK, end=True)),
    toward=ONLY_CLIENT,
    stream=1,
)
_add(
    "8.1.1",
    "asked",
    "CONTENT_LENGTH_MISMATCH",
    PROTOCOL,
    ("no-content", answers(1, (b"content-length", b"5"), end=True)),
    ("short", answers(1, (b"content-length", b"5")) + f.data(1, b"four", end=True)),
    ("long", answers(1, (b"content-length", b"5")) + f.data(1, b"sixsix")),
    ("204", answers(1, status=b"204") + f.data(1, b"x")),
    ("304", answers(1, (b"content-length", b"5"), status=b"304") + f.data(1, b"five5")),
    toward=ONLY_ORIGIN,
    stream=1,
)
_add(
    "8.2.1",
    "begun",
    "FIELD_NAME_INVALID",
    PROTOCOL,
    ("upper", asks(1, (b"X-Upper", b"a"))),
    ("empty", asks(1, (b"", b"a"))),
    ("space", asks(1, (b"a b", b"a"))),
    toward=ONLY_CLIENT,
    stream=1,
)
_add(
    "8.2.1",
    "asked",
    "FIELD_VALUE_INVALID",
    PROTOCOL,
    ("line", answers(1, (b"x", b"a\r\nb: c"))),
    ("zero", answers(1, (b"x", b"a\0"))),
    toward=ONLY_ORIGIN,
    stream=1,
)
_add(
    "8.2.2",
    "begun",
    "FIELD_CONNECTION_SPECIFIC",
    PROTOCOL,
    ("connection", asks(1, (b"connection", b"close"))),
    ("transfer-encoding", asks(1, (b"transfer-encoding", b"chunked"))),
    toward=ONLY_CLIENT,
    stream=1,
)
_add(
    "8.3.1",
    "begun",
    "PSEUDO_FIELD_MISSING",
    PROTOCOL,
    *((name.decode()[1:], asks(1, without=name)) for name in (b":method", b":scheme", b":path")),
    toward=ONLY_CLIENT,
    stream=1,
)
_add(
    "8.3.2",
    "asked",
    "PSEUDO_FIELD_MISSING",
    PROTOCOL,
    ("status", f.headers(1, BLOCK)),
    toward=ONLY_ORIGIN,
    stream=1,
)
_add("8.4", "asked", "PUSH_NOT_ALLOWED", PROTOCOL, ("promise", PROMISE), toward=ONLY_ORIGIN)
_add(
    "8.5",
    "begun",
    "CONNECT_NOT_ALLOWED",
    PROTOCOL,
    ("connect", f.headers(1, literal([(b":method", b"CONNECT"), (b":authority", b"gw.test:443")]))),
    toward=ONLY_CLIENT,
    stream=1,
)
_add(
    "8.6",
    "asked",
    "STATUS_INVALID",
    PROTOCOL,
    ("101", answers(1, status=b"101")),
    toward=ONLY_ORIGIN,
    stream=1,
)
