"""Attacks on field compression (RFC 7541) from a client: bombs, lies, and tables that must stay in step."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Setting
from tests.support.raw import RawClient
from tests.support.siege import MIB, Siege, goaway_of, pour

ASK = f.literal(f.request())
COMPRESSION, CALM = Code.COMPRESSION_ERROR, Code.ENHANCE_YOUR_CALM


@dataclass(frozen=True)
class Lie:
    """A field block that ends the connection with `code` for `reason`."""

    name: str
    block: bytes
    code: Code
    reason: bytes


LIES = [
    Lie("rfc-7541-6.1-index-0", ASK + b"\x80", COMPRESSION, b"hpack_index_invalid"),
    Lie("rfc-7541-2.3.3-first-beyond", ASK + b"\xbe", COMPRESSION, b"hpack_index_invalid"),
    Lie("name-index-beyond", ASK + b"\x7f\x40\x01a", COMPRESSION, b"hpack_index_invalid"),
    Lie(
        "cve-2023-33953-zeroes",
        ASK + b"\xff" + b"\x80" * 2000 + b"\0",
        COMPRESSION,
        b"hpack_integer_overflow",
    ),
    Lie(
        "cve-2023-33953-length",
        ASK + b"\0\x7f" + b"\x80" * 2000 + b"\0",
        COMPRESSION,
        b"hpack_integer_overflow",
    ),
    Lie("index-2-to-32", ASK + b"\xff\x80\x80\x80\x80\x10", COMPRESSION, b"hpack_integer_overflow"),
    Lie("index-2-to-64", ASK + b"\xff" + b"\xff" * 9 + b"\x01", COMPRESSION, b"hpack_integer_overflow"),
    Lie("4-gib-name", ASK + b"\0\x7f\x80\xff\xff\xff\x0f", COMPRESSION, b"hpack_integer_overflow"),
    Lie("4-gib-value", ASK + b"\0\x01a\x7f\x80\xff\xff\xff\x0f", COMPRESSION, b"hpack_integer_overflow"),
    Lie("4-gib-huffman", ASK + b"\0\x01a\xff\x80\xff\xff\xff\x0f", COMPRESSION, b"hpack_integer_overflow"),
    Lie("1-mib-value", ASK + b"\0\x01a\x7f\x81\xff\x3f", COMPRESSION, b"hpack_block_truncated"),
    Lie("one-octet-short", ASK + b"\0\x01a\x05bcde", COMPRESSION, b"hpack_block_truncated"),
    Lie("integer-cut", ASK + b"\0\x01a\x7f", COMPRESSION, b"hpack_block_truncated"),
    Lie("huffman-padding-of-zeroes", ASK + b"\0\x01a\x81\x00", COMPRESSION, b"hpack_huffman_invalid"),
    Lie("huffman-padding-too-long", ASK + b"\0\x01a\x82\x1f\xff", COMPRESSION, b"hpack_huffman_invalid"),
    Lie("huffman-end-of-string", ASK + b"\0\x01a\x84\xff\xff\xff\xff", COMPRESSION, b"hpack_huffman_invalid"),
    Lie("table-above-settings", b"\x3f\xe2\x1f" + ASK, COMPRESSION, b"hpack_table_size_too_large"),
    Lie("table-4-gib", b"\x3f\xe0\xff\xff\xff\x0f" + ASK, COMPRESSION, b"hpack_integer_overflow"),
    Lie("table-late", ASK + b"\x20", COMPRESSION, b"hpack_table_size_late"),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.name)
def test_a_lie_in_a_block_ends_the_connection(siege: Siege, lie: Lie) -> None:
    def attack() -> None:
        for _ in range(20):
            with siege.begun() as raw:
                raw.send(f.headers(1, lie.block, end=True))
                raw.expect_goaway(lie.code, lie.reason)

    siege.under(attack, calls=20)


def many_frames(stream_id: int, block: bytes) -> bytes:
    """The block in HEADERS and as many CONTINUATION as it needs."""
    pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    out = [f.headers(stream_id, pieces[0], end=True, end_headers=len(pieces) == 1)]
    out += [f.continuation(stream_id, piece, end_headers=False) for piece in pieces[1:-1]]
    if len(pieces) > 1:
        out.append(f.continuation(stream_id, pieces[-1]))
    return b"".join(out)


def bomb(size: int, copies: int) -> bytes:
    """CVE-2016-6581: one large entry, then one octet for each copy of it."""
    value = b"v" * size
    return ASK + b"\x40" + f.literal([(b"x", value)])[1:] + b"\xbe" * copies


TOO_LARGE = {  # answered, the connection goes on
    "cve-2016-6581-bomb": bomb(3000, 25),
    "one-name": ASK + f.literal([(b"n" * 40000, b"v")]),
    "one-value": ASK + f.literal([(b"x", b"v" * 40000)]),
    "path": f.literal(f.request(b"/" + b"p" * 40000)),
    "authority": f.literal(f.request(authority=b"a" * 40000)),
    "cve-2026-47774-300-fields": ASK + f.literal([(b"cookie", b"a=1")] * 300),
    "empty-values": ASK + f.literal([(b"x", b"")] * 900),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_too_large_a_head_is_answered_and_not_forwarded(siege: Siege, name: str) -> None:
    before = siege.origin.calls
    answers = []

    def attack() -> None:
        with siege.begun() as raw:
            for number in range(1, 200, 2):
                raw.send(many_frames(number, TOO_LARGE[name]))
                answers.append(raw.answer(number).heads[0])

    cost = siege.under(attack, calls=20)
    assert len(answers) == 100
    assert all((b"grpc-status", b"8") in head for head in answers) or all(
        dict(head)[b":status"] == b"431" for head in answers
    ), answers[0]
    assert siege.origin.calls == before + len(cost.latencies) + 2


BOMBS = {  # the connection ends
    "cve-2016-6581-4-kib": bomb(3900, 16000),
    "cve-2026-49975-1000-times": bomb(1, 16000),
    "size-in-many-frames": f.literal([*f.request(), (b"x", b"v" * 140000)]),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_the_connection(siege: Siege, name: str) -> None:
    seen = set()

    def attack() -> None:
        for _ in range(20):
            with siege.begun() as raw:
                pour(raw, many_frames(1, BOMBS[name]))
                seen.add(goaway_of(raw))

    siege.under(attack, calls=20)
    assert seen <= {(CALM, b"field_block_too_large"), (CALM, b"continuation_flood")}


def test_the_encoder_does_not_grow_as_the_peer_wishes(siege: Siege) -> None:
    """SETTINGS_HEADER_TABLE_SIZE of 4 GiB, and new metadata in every answer: our table stays at its own size."""

    def attack() -> None:
        for _ in range(2):
            with siege.begun((Setting.HEADER_TABLE_SIZE, 0xFFFFFFFF)) as raw:
                for number in range(1, 60, 2):
                    more = (b"x-%d" % number, b"v" * 8000)
                    raw.head(number, f.request(b"/fastgw.test.Echo/Unary", b"gw.test", more))
                    raw.send(f.data(number, f.message(b""), end=True))
                    assert raw.answer(number).grpc_status == 0

    siege.under(attack)


REFUSED = {  # each inserts its last field, x-secret, into our table before it is refused
    "malformed-name": [*f.request(), (b"Bad", b"1")],
    "connection-specific": [*f.request(), (b"connection", b"close")],
    "no-path": [field for field in f.request() if field[0] != b":path"],
    "unknown-host": f.request(authority=b"nobody.test"),
    "too-large": [*f.request(), (b"x-long", b"v" * 40000)],
    "too-many": [*f.request(), *[(b"x", b"1")] * 300],
}


def plain(raw: RawClient, number: int) -> list[tuple[bytes, bytes]]:
    raw.send(f.headers(number, ASK + b"\xbe"), f.data(number, f.message(b""), end=True))
    return raw.answer(number).heads[-1]


@pytest.mark.parametrize("name", REFUSED)
def test_cve_2023_32731_tables_after_a_refusal(siege: Siege, name: str) -> None:
    """What a refused block has put into the table is there, and is that client's own."""
    with siege.begun() as raw, siege.begun() as other:
        block = f.literal(REFUSED[name]) + b"\x40" + f.literal([(b"x-secret", name.encode())])[1:]
        raw.send(many_frames(1, block))
        raw.expect_alive()
        assert (b"x-secret", name.encode()) in plain(raw, 3)
        other.send(f.headers(1, ASK + b"\xbe"))
        other.expect_goaway(COMPRESSION, b"hpack_index_invalid")


def test_cve_2023_32731_tables_after_a_reset(siege: Siege) -> None:
    """HEADERS for a stream that is refused, reset or gone still move the table."""
    with siege.begun() as raw:
        insert = b"\x40" + f.literal([(b"x-secret", b"late")])[1:]
        raw.send(f.headers(1, ASK), f.window_update(1, 0))
        raw.expect_reset(1, Code.PROTOCOL_ERROR)
        raw.send(f.headers(1, insert, end=True))
        raw.expect_alive()
        assert (b"x-secret", b"late") in plain(raw, 3)


def test_no_field_of_one_client_reaches_another(siege: Siege) -> None:
    """Two clients share the origin's connection and its encoder's table; each gets its own metadata back."""
    with siege.begun() as one, siege.begun() as two:
        for number in range(1, 200, 2):
            for raw, value in ((one, b"one-%d" % (number % 8)), (two, b"two-%d" % (number % 8))):
                raw.head(number, f.request(b"/fastgw.test.Echo/Unary", b"gw.test", (b"x-who", value)))
                raw.send(f.data(number, f.message(value), end=True))
            for raw, who in ((one, b"one-%d" % (number % 8)), (two, b"two-%d" % (number % 8))):
                answer = raw.answer(number)
                assert answer.head[b"head-x-who"] == who
                assert answer.trailers[b"x-who"] == who


def test_blocks_of_random_octets(siege: Siege) -> None:
    """Nothing a block may hold ends more than its own connection."""

    def attack() -> None:
        for number in range(150):
            with siege.begun() as raw:
                block = bytes((octet * (number + 1) * 2654435761 >> 13) & 0xFF for octet in range(400))
                pour(raw, f.headers(1, block, end=True))

    siege.under(attack, grows=8 * MIB)
