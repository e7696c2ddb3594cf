"""RFC 7541 sections 2.3 and 3: two tables in one address space, and how a block is worked through."""

import hpack.table
import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder, Encoder, static_name_index

INDEXED = 0x80


def insert(name: bytes, value: bytes) -> bytes:
    return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value


def pairs(decoder: Decoder) -> list[tuple[bytes, bytes]]:
    return [field[:2] for field in decoder.fields]


@pytest.mark.rfc("7541 2.3.1")
def test_the_static_table_is_appendix_a() -> None:
    wanted = list(hpack.table.HeaderTable.STATIC_TABLE)
    decoder = Decoder()
    assert decoder.decode(bytes(INDEXED | index for index in range(1, 62))) == Reason.ACCEPTED
    assert pairs(decoder) == wanted
    assert decoder.table == []


@pytest.mark.rfc("7541 2.3.1")
def test_the_static_table_stays_what_it_is() -> None:
    """An entry of the same name and value in the dynamic table is another one."""
    decoder = Decoder()
    assert decoder.decode(insert(b":method", b"GET") + bytes([INDEXED | 2, INDEXED | 62])) == Reason.ACCEPTED
    assert pairs(decoder) == [(b":method", b"GET")] * 3
    assert decoder.table == [(b":method", b"GET")]
    assert static_name_index(b":method") == 2


@pytest.mark.rfc("7541 2.3.2")
def test_the_newest_entry_comes_first_and_the_oldest_goes_first() -> None:
    decoder = Decoder()
    for number in range(3):
        decoder.decode(insert(b"n%d" % number, b"v"))
        assert decoder.table[0] == (b"n%d" % number, b"v")
    assert decoder.decode(bytes([INDEXED | 62, INDEXED | 63, INDEXED | 64])) == Reason.ACCEPTED
    assert [name for name, _ in pairs(decoder)] == [b"n2", b"n1", b"n0"]
    assert decoder.decode(b"\x3f\x2b") == Reason.ACCEPTED  # 74 octets: two of them
    assert [name for name, _ in decoder.table] == [b"n2", b"n1"]


@pytest.mark.rfc("7541 2.3.2")
def test_an_entry_may_be_there_twice() -> None:
    decoder = Decoder()
    assert decoder.decode(insert(b"n", b"v") * 2) == Reason.ACCEPTED
    assert decoder.table == [(b"n", b"v")] * 2


@pytest.mark.rfc("7541 3.1")
def test_fields_keep_their_order_and_what_precedes_them_is_in_force() -> None:
    decoder = Decoder()
    block = (
        insert(b"a", b"1") + bytes([INDEXED | 62]) + insert(b"b", b"2") + bytes([INDEXED | 62, INDEXED | 63])
    )
    assert decoder.decode(block) == Reason.ACCEPTED
    assert pairs(decoder) == [(b"a", b"1"), (b"a", b"1"), (b"b", b"2"), (b"b", b"2"), (b"a", b"1")]


@pytest.mark.rfc("7541 3.1")
def test_a_block_that_ends_in_the_middle_is_refused() -> None:
    whole = insert(b"name", b"value")
    for cut in range(1, len(whole)):
        assert Decoder().decode(whole[:cut]) != Reason.ACCEPTED
    assert Decoder().decode(b"") == Reason.ACCEPTED


@pytest.mark.rfc("7541 3.2")
def test_only_one_representation_of_four_changes_the_table() -> None:
    decoder = Decoder()
    for block in (b"\x82", b"\x00\x01a\x011", b"\x10\x01a\x011", b"\x01\x011", b"\x11\x011"):
        assert decoder.decode(block) == Reason.ACCEPTED
        assert decoder.table == []
    assert decoder.decode(b"\x41\x011") == Reason.ACCEPTED
    assert decoder.table == [(b":authority", b"1")]


@pytest.mark.rfc("7541 3.2")
def test_both_sides_keep_the_same_table() -> None:
    encoder, decoder = Encoder(), Decoder()
    for number in range(300):
        fields = [(b"x-%d" % (number % 7), b"v" * (number % 90)), (b"x-new-%d" % number, b"1")]
        assert decoder.decode(encoder.encode(fields)) == Reason.ACCEPTED
        assert pairs(decoder) == fields
        assert decoder.table == encoder.table
