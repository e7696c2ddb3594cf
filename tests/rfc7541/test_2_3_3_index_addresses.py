"""RFC 7541 section 2.3.3: which indices name an entry."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder

pytestmark = pytest.mark.rfc("7541 2.3.3")

INSERT = b"\x40\x01n\x01v"


@pytest.mark.parametrize("block", ["80", "be", "ff00", "ffffffff07"])
def test_an_index_without_an_entry_is_refused(block: str) -> None:
    assert Decoder().decode(bytes.fromhex(block)) == Reason.HPACK_INDEX_INVALID


@pytest.mark.parametrize("block", ["7e0161", "0f2f0161", "1f2f0161"])
def test_a_name_index_without_an_entry_is_refused(block: str) -> None:
    assert Decoder().decode(bytes.fromhex(block)) == Reason.HPACK_INDEX_INVALID
    assert Decoder().decode(INSERT + bytes.fromhex(block)) == Reason.ACCEPTED


def test_the_last_entry_of_each_table_is_the_last_index() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\xbd" + INSERT * 3 + b"\xc0") == Reason.ACCEPTED
    assert [field[0] for field in decoder.fields] == [b"www-authenticate", b"n", b"n", b"n", b"n"]
    assert decoder.decode(b"\xc1") == Reason.HPACK_INDEX_INVALID
