"""RFC 7541 section 4: the size of entries, size changes, eviction."""

import hpack
import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder, Encoder

pytestmark = pytest.mark.rfc("7541 4")


def names(decoder: Decoder) -> list[bytes]:
    return [name for name, _ in decoder.table]


def size(number: int) -> bytes:
    octets = hpack.hpack.encode_integer(number, 5)
    octets[0] |= 0x20
    return bytes(octets)


def insert(name: bytes, value: bytes = b"") -> bytes:
    return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value


@pytest.mark.rfc("7541 4.1")
def test_an_entry_counts_its_octets_and_32() -> None:
    decoder = Decoder()
    decoder.decode(insert(b"four", b"sixsix"))
    assert decoder.table_size == 42


@pytest.mark.rfc("7541 4.2")
def test_size_updates_stand_at_the_beginning_only() -> None:
    assert Decoder().decode(size(0) + size(4096) + b"\x82") == Reason.ACCEPTED
    assert Decoder().decode(size(100)) == Reason.ACCEPTED
    for field in (b"\x82", insert(b"n"), b"\x00\x01n\x01v"):
        assert Decoder().decode(size(100) + field + size(100)) == Reason.HPACK_TABLE_SIZE_LATE


@pytest.mark.rfc("7541 4.3")
def test_a_smaller_size_evicts_the_oldest() -> None:
    decoder = Decoder()
    decoder.decode(insert(b"a") + insert(b"b") + insert(b"c"))
    assert names(decoder) == [b"c", b"b", b"a"]
    decoder.decode(size(98))
    assert names(decoder) == [b"c", b"b"]
    decoder.decode(size(0) + size(4096))
    assert names(decoder) == []


@pytest.mark.rfc("7541 4.4")
def test_an_insertion_evicts_as_many_as_it_needs() -> None:
    decoder = Decoder()
    decoder.decode(size(99) + insert(b"a") + insert(b"b") + insert(b"c") + insert(b"d"))
    assert names(decoder) == [b"d", b"c", b"b"]
    decoder.decode(insert(b"e", b"x" * 40))
    assert names(decoder) == [b"e"]


@pytest.mark.rfc("7541 4.4")
def test_an_entry_larger_than_the_table_empties_it_and_is_a_field_all_the_same() -> None:
    decoder = Decoder()
    assert decoder.decode(size(40) + insert(b"a") + insert(b"b", b"x" * 8)) == Reason.ACCEPTED
    assert [field[0] for field in decoder.fields] == [b"a", b"b"]
    assert names(decoder) == []


@pytest.mark.rfc("7541 4.4")
def test_a_name_may_come_from_the_entry_that_is_evicted_for_it() -> None:
    decoder = Decoder()
    decoder.decode(size(60) + insert(b"some-name", b"one"))
    for value in (b"two", b"three", b"y" * 19, b"z" * 300):
        assert decoder.decode(b"\x7e" + hpack.hpack.encode_integer(len(value), 7) + value) == Reason.ACCEPTED
        assert decoder.fields[0][:2] == (b"some-name", value)
        assert decoder.table == ([(b"some-name", value)] if len(value) < 20 else [])


@pytest.mark.rfc("7541 4.2")
@pytest.mark.parametrize(
    ("changes", "updates"),
    [
        ([4096], ""),
        ([65536], ""),
        ([0], "20"),
        ([0, 4096], "203fe11f"),
        ([100, 50, 60], "3f133f1d"),
        ([60, 50], "3f13"),
        ([50, 4294967295], "3f133fe11f"),
        ([5000, 4095], "3fe01f"),
    ],
)
def test_our_encoder_tells_the_smallest_size_and_the_last(changes: list[int], updates: str) -> None:
    encoder = Encoder()
    for change in changes:
        encoder.resize(change)
    assert encoder.encode([]).hex() == updates
    assert encoder.encode([]) == b""
