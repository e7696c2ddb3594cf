"""RFC 7541 section 6.3: how large the peer may make its table."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder

pytestmark = pytest.mark.rfc("7541 6.3")


def test_up_to_what_we_announced() -> None:
    assert Decoder().decode(bytes.fromhex("3fe11f")) == Reason.ACCEPTED
    assert Decoder().decode(bytes.fromhex("3fe21f")) == Reason.HPACK_TABLE_SIZE_TOO_LARGE
    assert Decoder().decode(bytes.fromhex("203fffffff07")) == Reason.HPACK_TABLE_SIZE_TOO_LARGE


def test_it_lasts_beyond_the_block() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x20") == Reason.ACCEPTED
    assert decoder.decode(b"\x40\x01n\x01v") == Reason.ACCEPTED
    assert decoder.table == []
