"""wire.hpack: blocks decoded as the hpack package does, passed on, and decoded to the same."""

import hpack

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder, Encoder

NEVER_INDEXED = 1
LIMITS = ((65536, 65536), (65536, 100), (200, 65536), (400, 64))  # of the list, of the arena
SIZES = (0, 31, 64, 100, 200, 1000, 4095, 4096)


def plain(entries: object) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in entries]


def blocks(data: bytes) -> list[tuple[int | None, bytes]]:
    """(new size of the encoder's table or None, block): what, its length, the block."""
    found = []
    at = 0
    while len(data) - at >= 2:
        what, length = data[at], data[at + 1]
        if what & 0x10:
            length = length << 3 | what >> 5
        found.append((SIZES[what & 7] if what & 8 else None, data[at + 2 : at + 2 + length]))
        at += 2 + length
    return found


def one(data: bytes) -> None:
    """An octet that chooses the limits, then blocks."""
    ours, encoder, peer = Decoder(*LIMITS[data[0] & 3 if data else 0]), Encoder(), Decoder()
    oracle = hpack.Decoder(max_header_list_size=1 << 24)
    for size, block in blocks(data[1:]):
        if ours.decode(block) != Reason.ACCEPTED:
            return
        facts, stored = ours.facts, ours.fields
        read = plain(oracle.decode(block, raw=True))
        assert facts["seen"] == len(read)
        assert facts["list_size"] == sum(len(name) + len(value) + 32 for name, value in read)
        if facts["too_large"]:
            assert len(stored) < len(read)
        else:
            assert [field[:2] for field in stored] == read
        assert ours.table == plain(oracle.header_table.dynamic_entries)
        assert ours.table_size <= 4096
        if size is not None:
            encoder.resize(size)
        relayed = encoder.relay(ours)
        assert peer.decode(relayed) == Reason.ACCEPTED
        again = peer.fields
        assert [field[:4] for field in again] == [field[:4] for field in stored]
        for before, after in zip(stored, again, strict=True):
            assert after[4] & NEVER_INDEXED or not before[4] & NEVER_INDEXED
        assert encoder.table == peer.table
