"""Writes the first inputs of each target: examples of the RFCs, what real peers say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

import h2.config
import h2.connection
import h2.settings
import hpack

from tests.fuzz import HERE
from tests.support import frames
from tests.support.frames import Type

DATE = b"Mon, 21 Oct 2013 20:13:21 GMT"
RESPONSE = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"date", DATE)]
TRAILERS = [(b"grpc-status", b"0"), (b"grpc-message", b"fine")]
BROWSER = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"www.example.com"),
    (b":path", b"/index.html?q=1"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2"),
]
AUTHORITIES = """example.com EXAMPLE.com. a.b.c:443 [::1]:8443 [fe80::1%25eth0] [::ffff:1.2.3.4] x_y-z.test:
 1.2.3.4 -a- a..b .a xn--bcher-kva.example [::1 [] a:65536 a:065535 [1:2:3:4:5:6:7:8]:0"""
TYPES = ["application/grpc", "Application/GRPC+proto; a=b", "application/grpc-web", "application/grpc+ ;x"]
TIMEOUTS = ["1S", "99999999H", "100m", "0n", "5u", "7M", "999999999S", "1s"]
TEXTS = ["100% of caf\u00e9s \u2603 \U0001f600\n", "plain", "\0\1\2"]


def rfc7541_blocks() -> list[bytes]:
    """The examples of RFC 7541 appendix C, from the tests that stand for it."""
    source = (HERE.parent / "rfc7541" / "test_appendix_c_examples.py").read_text()
    source = re.sub(r'"\s+"', "", source)
    return [bytes.fromhex(word) for word in re.findall(r'"([0-9a-f]{16,})"', source)]


def framed(blocks: list[bytes], what: int = 8 | 7) -> bytes:
    """Blocks as the target field_block reads them."""
    out = bytes((len(blocks[0]) & 3 if len(blocks) == 1 else 0,))
    for block in blocks:
        if len(block) < 256:
            out += bytes((what & 0x0F, len(block))) + block
        else:
            out += bytes((0x10 | (len(block) & 7) << 5, len(block) >> 3)) + block
    return out


def field_block() -> Iterator[bytes]:
    examples = rfc7541_blocks()
    for block in examples:
        yield framed([block])
    for start in range(0, len(examples), 3):
        yield framed(examples[start : start + 3])
    encoder = hpack.Encoder()
    sections = [list(frames.request()), BROWSER, RESPONSE, TRAILERS, BROWSER, list(frames.request())]
    yield framed([encoder.encode(section) for section in sections])
    yield framed([encoder.encode(section, huffman=False) for section in sections], 8 | 3)
    encoder = hpack.Encoder()
    encoder.header_table_size = 100
    yield framed([encoder.encode([(b"x-%d" % n, b"v" * n) for n in range(8)]) for _ in range(3)])
    # A long name inserted again and again by its index: the ring of the table's octets goes round.
    # With the second of these lists the eighth entry ends with the ring, at 8128; with the third behind it.
    named = b"\x40" + frames.literal([(b"n" * 1000, b"v")])[1:]
    for sizes in (range(1, 40, 3), (*[18] * 6, 19, 5), (*[18] * 6, 20, 5)):
        yield framed([named, *(b"\x7e" + bytes((size,)) + b"w" * size for size in sizes)])
    yield framed([frames.literal(BROWSER), b"\x3f\xe1\x1f\x82", b"\x20\x88", b"\x10\x01a\x01b"])


def frame_feed() -> Iterator[bytes]:
    for kind in range(11):
        for length in (0, 5, 8):
            yield frames.frame(kind, length & 1, b"\2" * length, length)
    yield frames.data(1, b"hello", end=True, padding=3) + frames.headers(3, b"\0" * 6, flags=0x28)


def sectioned(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b";" + b"".join(bytes((len(part),)) + part for field in fields for part in field)


def field_scan() -> Iterator[bytes]:
    for fields in (
        list(frames.request()),
        BROWSER,
        RESPONSE,
        TRAILERS,
        [(b":status", b"204"), (b"te", b"gzip")],
    ):
        yield sectioned(fields)
    more = [
        (b"host", b"gw.test"),
        (b"content-length", b"12"),
        (b"content-length", b"12"),
        (b"connection", b"x"),
    ]
    yield sectioned([*frames.request(), *more])
    yield sectioned([(b":method", b"CONNECT"), (b":authority", b"a:443"), (b"grpc-timeout", b"1S")])
    for length in (1, 15, 16, 17, 31, 32, 33, 63, 64, 65):
        yield b"a" * length
        yield b"a" * (length - 1) + b"\x7f"
        yield b"\x80 \t" * length


def message_scan() -> Iterator[bytes]:
    for sizes in ((), (0,), (1, 0, 5), (40, 3), (300,)):
        octets = b"".join(frames.message(b"x" * size, compressed=size & 1) for size in sizes)
        yield b"\1\2\3\4" + octets
        yield b"\5\5\4\7" + octets[:-1] + b"\2\xff\xff\xff\xff"


def small_parsers() -> Iterator[bytes]:
    for text in (*AUTHORITIES.split(), *TYPES, *TIMEOUTS, *TEXTS):
        yield text.encode()
    yield b"a" * 63 + b"." + b"b" * 64
    yield b".".join([b"a" * 62] * 4) + b".b."


def spoken(toward: str) -> bytes:
    """What the h2 package says as our peer, behind its preface and SETTINGS: a call, some housekeeping."""
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=toward == "client"))
    other = h2.connection.H2Connection(h2.config.H2Configuration(client_side=toward != "client"))
    for one in (peer, other):
        one.initiate_connection()
    other_says, peer_says = other.data_to_send(), peer.data_to_send()
    other.receive_data(peer_says)
    peer.receive_data(other_says)
    out = peer.data_to_send()
    if toward == "client":
        peer.send_headers(1, list(frames.request()))
        peer.send_data(1, frames.message(b"hello"))
        peer.send_headers(3, list(frames.request(b"/a/b")), end_stream=True)
        peer.end_stream(1)
        peer.increment_flow_control_window(100000)
        peer.reset_stream(3)
    else:
        other.send_headers(1, list(frames.request()), end_stream=True)
        peer.receive_data(other.data_to_send())
        out += peer.data_to_send()
        peer.send_headers(1, [(b":status", b"103"), (b"link", b"</x>")])
        peer.send_headers(1, RESPONSE)
        peer.send_data(1, frames.message(b"hello"))
        peer.send_headers(1, TRAILERS, end_stream=True)
    peer.ping(b"12345678")
    peer.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: 64})
    peer.close_connection()
    return out + peer.data_to_send()


def built(octets: bytes) -> bytes:
    """The same frames as tests/fuzz/conn.py reads them when it builds frames."""
    out = b""
    for frame in frames.Reader().feed(octets):
        payload = frame.payload[:239]
        out += bytes((frame.type, frame.flags, frame.stream_id & 0xFF, len(payload))) + payload
    return out


def conn(toward: str) -> Iterator[bytes]:
    streams = 0x30 if toward == "origin" else 0
    first = list(frames.request()) if toward == "client" else RESPONSE
    head = hpack.Encoder().encode(first)
    sized = [(b"content-length", b"10"), (b"x-more", b"y" * 300)]
    long_head = hpack.Encoder().encode([*first, *sized])
    lives = [
        spoken(toward),
        frames.headers(1, head, end=True) + frames.rst_stream(1),
        frames.headers(1, long_head[:50], end_headers=False)
        + frames.continuation(1, long_head[50:60], end_headers=False)
        + frames.continuation(1, long_head[60:])
        + frames.data(1, b"12345", padding=7)
        + frames.data(1, b"67890", end=True),
        frames.headers(1, head) + b"".join(frames.data(1, b"z" * 200) for _ in range(3)) + frames.goaway(1),
        frames.settings((4, 10), (1, 0), (5, 20000))
        + frames.headers(1, head)
        + frames.window_update(1, 70000),
        frames.ping()
        + frames.priority(1, 3)
        + frames.window_update(0, 1 << 30)
        + frames.frame(0xAB, 9, b"?"),
        frames.frame(Type.PUSH_PROMISE, 1, b"\0\0\0\2" + head, 4),
        frames.headers(1, b"\0\0\0\3\x0f" + head, flags=frames.PRIORITY_FLAG, end=True),
    ]
    for number, octets in enumerate(lives):
        choices = bytes((3 + number, 0, 40, 200, 7 * number & 0xFF))
        for how in (2, 6, 10):
            yield bytes((how | streams,)) + choices + octets
        yield bytes((2 | streams,)) + b"\0\0\0\0\0" + octets
        for how in (3, 11):
            yield bytes((how | streams,)) + choices + built(octets)
    begin = (frames.PREFACE if toward == "client" else b"") + frames.settings((3, 100))
    yield bytes((streams,)) + b"\0\1\2\3\4" + begin + lives[0]
    # Much DATA: a length of 240 and above stands for KiB of filler.
    big = built(frames.headers(1, head)) + bytes((0, 0, 1, 0xFE, 0, 0, 1, 0xFE, 0, 8, 1, 0xF9, 0, 1, 1, 0xF0))
    for how in (3, 7, 11):
        yield bytes((how | streams,)) + b"\x40\xff\x08\x80\x0f" + big


def conn_client() -> Iterator[bytes]:
    return conn("client")


def conn_origin() -> Iterator[bytes]:
    return conn("origin")


def record_feed() -> Iterator[bytes]:
    """Scripts as tests/fuzz/record_feed.py reads them."""
    begin = b"\0\x18" + frames.PREFACE
    for script in (
        begin + b"\x08\x05three\0\xff" + bytes(255),
        begin + b"\x30\x00" + b"\x30\x01\0\x02ab" + b"\x10\x00",
        b"\x04\x02\x18\0\x04\x03\0\1\1\x20\x01x",
        b"\x03\x02\x01\0\0\x04late",
        b"\x03\x02\x02\x2a",
        b"\0\0" * 40,
        begin + b"\x40\x07changed",
        begin + b"\x80\x06\x14\x03\x03\0\1\1",
        b"\x80\x05\x17\x03\x03\x40\x12",
        b"\x07\x04\0\0\0\0",
    ):
        yield b"\x06" + script
        yield b"\x01" + script


def main() -> None:
    sources = (
        frame_feed,
        field_block,
        field_scan,
        message_scan,
        small_parsers,
        conn_client,
        conn_origin,
        record_feed,
    )
    for source in sources:
        folder = HERE / "corpus" / source.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for octets in source():
            (folder / sha256(octets).hexdigest()).write_bytes(octets)
        print(source.__name__, len(list(folder.iterdir())))


if __name__ == "__main__":
    main()
