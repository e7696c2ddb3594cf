"""RFC 7541 section 7: what a hostile encoder may cost, and the table after it (CVE-2016-6581)."""

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder

pytestmark = pytest.mark.rfc("7541 7.3")

ROWS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"bb", b"x-longer-name"]),
        st.one_of(st.binary(max_size=5), st.integers(0, 1500).map(lambda length: b"e" * length)),
    ),
    max_size=40,
)


@given(
    st.lists(ROWS, min_size=1, max_size=4),
    st.sampled_from([0, 50, 1000, 65536]),
    st.integers(1000, 8000),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_the_table_stays_right_when_the_section_is_too_large(
    blocks: list, arena: int, limit: int, coded: bool
) -> None:
    theirs, decoder = hpack.Encoder(), Decoder(limit, arena)
    for rows in blocks:
        reason = decoder.decode(theirs.encode(rows, huffman=coded))
        total = sum(len(name) + len(value) + 32 for name, value in rows)
        assert (reason == Reason.FIELD_BLOCK_TOO_LARGE) == (total > 4 * limit)
        if reason != Reason.ACCEPTED:
            return
        assert decoder.table == list(theirs.header_table.dynamic_entries)
        facts = decoder.facts
        assert (facts["seen"], facts["list_size"]) == (len(rows), total)
        assert [field[:2] for field in decoder.fields] == rows[: len(decoder.fields)]
        assert facts["too_large"] == (len(decoder.fields) < len(rows))
        assert facts["too_large"] or total <= limit
        if arena == 65536:
            assert facts["too_large"] == (total > limit)
        if rows:
            assert facts["largest"] == max(len(name) + len(value) for name, value in rows)


def test_more_fields_than_are_stored_are_counted() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x82" * 256) == Reason.ACCEPTED
    assert not decoder.facts["too_large"]
    assert decoder.decode(b"\x82" * 257 + b"\x40\x01n\x01v") == Reason.ACCEPTED
    assert (len(decoder.fields), decoder.facts["seen"], decoder.facts["too_large"]) == (256, 258, True)
    assert decoder.table == [(b"n", b"v")]


def test_a_bomb_of_one_octet_references_ends_early() -> None:
    decoder = Decoder(65536)
    value = b"v" * 4000
    assert decoder.decode(b"\x40\x01n" + hpack.hpack.encode_integer(4000, 7) + value) == Reason.ACCEPTED
    assert decoder.decode(b"\xbe" * 1_000_000) == Reason.FIELD_BLOCK_TOO_LARGE
    assert decoder.facts["seen"] == 4 * 65536 // 4033 + 1
    assert decoder.facts["largest_name"] == b"n"


@pytest.mark.parametrize("limit", [100, 65536])
def test_the_largest_field_is_named_with_64_octets_at_most(limit: int) -> None:
    decoder = Decoder(limit)
    name = b"long-" * 15
    block = b"\x82\x00" + bytes([len(name)]) + name + b"\x03val\x00\x01n\x05value"
    assert decoder.decode(block) == Reason.ACCEPTED
    assert decoder.facts["largest"] == 78
    assert decoder.facts["largest_name"] == name[:64]


def test_a_largest_name_that_was_evicted_from_a_full_arena_is_known() -> None:
    decoder = Decoder(65536, 4)
    evict = b"\x40\x01m" + hpack.hpack.encode_integer(4000, 7) + b"w" * 4000
    assert decoder.decode(b"\x40\x09some-name\x60" + b"v" * 96) == Reason.ACCEPTED
    assert decoder.decode(b"\xbe\x82" + evict) == Reason.ACCEPTED
    assert decoder.facts["too_large"]
    assert decoder.fields == []
    assert decoder.facts["largest_name"] == b"m"
    assert decoder.decode(b"\x40\x09some-name\x60" + b"v" * 96) == Reason.ACCEPTED
    assert decoder.decode(b"\x20\x82") == Reason.ACCEPTED


def test_lent_octets_survive_the_entry_that_overwrites_them() -> None:
    decoder = Decoder()
    evicting = b"\x40\x01m" + hpack.hpack.encode_integer(3900, 7) + b"w" * 3900
    assert decoder.decode(b"\x40\x04name\x05value\xbe" + evicting + b"\xbe" + evicting) == Reason.ACCEPTED
    big = (b"m", b"w" * 3900)
    assert [field[:2] for field in decoder.fields] == [(b"name", b"value")] * 2 + [big] * 3
