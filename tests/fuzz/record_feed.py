"""io.records: whatever a client seals, and whatever anybody sends, cutting it changes nothing."""

from __future__ import annotations

from fastgw._core.io.records import ways
from tests.io.records_support import CLIENT, FAILED, HANDSHAKE, Client, Way

KINDS = (23, 23, 23, 21, 22, 22, 20, 0)
UPDATES = (b"\x18\0\0\x01\0", b"\x18\0\0\x01\x01")


def sealed_of(script: bytes) -> bytes:
    """What a client says: records built of a word and content, or octets that are not sealed.

    The word: bits 0-2 the type, 3 some padding, 4 a key update in the place of the content, 5 the key that
    follows it, 6 damage, 7 not sealed. Then a length.
    """
    way = Way(CLIENT)
    out = []
    at = 0
    while len(script) - at >= 2:
        word, length = script[at : at + 2]
        content = script[at + 2 : at + 2 + length]
        at += 2 + length
        if word & 0x80:
            out.append(content)
            continue
        kind = KINDS[word & 7]
        if word & 0x10:
            kind, content = HANDSHAKE, UPDATES[length & 1]
        record = bytearray(way.seal(content, kind, padding=length if word & 8 else 0))
        if word & 0x40:
            record[length % len(record)] ^= 1
        out.append(bytes(record))
        if word & 0x20:
            way.update()
    return b"".join(out)


def run(sealed: bytes, step: int) -> tuple[int, bytes, str, list[tuple[int, bytes]]]:
    """How it ended, all octets, why, and what was said unasked in the end."""
    client = Client()
    octets, result = b"", 1
    for at in range(0, len(sealed), step):
        result, some = client.give(sealed[at : at + step])
        octets += some
        if result == FAILED:
            assert client.door.error()
            break
        assert client.door.held == 0 or result == 1
    # A close_notify ends it, whatever follows.
    return result, octets, client.door.error() if result == FAILED else "", client.heard()


def one(data: bytes) -> None:
    if not data or not ways():
        return
    sealed = sealed_of(data[1:])
    whole = run(sealed, max(1, len(sealed)))
    assert run(sealed, 1 + data[0]) == whole
    if data[0] & 1:
        assert run(sealed, 1) == whole
    client = Client()
    for result in (client.give(data)[0], client.give(data[1:])[0]):
        assert result in (1, 3), "nobody without the key can end it in order"
