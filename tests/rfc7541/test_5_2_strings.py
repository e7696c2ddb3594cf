"""RFC 7541 section 5.2: string literals, cut ones and lies about their length included."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder, Encoder, huffman_encode

pytestmark = pytest.mark.rfc("7541 5.2")


def test_every_cut_of_a_block_is_truncated_or_whole() -> None:
    block = b"\x82\x40\x03abc\x84" + huffman_encode(b"value") + b"\x10\x01n\x02vv\x0f\x01\x01x"
    ends = {0, 1, 1 + 5 + 5, 1 + 5 + 5 + 6, len(block)}
    for length in range(len(block) + 1):
        wanted = Reason.ACCEPTED if length in ends else Reason.HPACK_BLOCK_TRUNCATED
        assert Decoder().decode(block[:length]) == wanted, length


@pytest.mark.parametrize("coded", [0x00, 0x80])
def test_four_gibibytes_are_not_believed(coded: int) -> None:
    block = b"\x40" + bytes([coded | 0x7F]) + b"\x80\xff\xff\xff\x07" + b"n" * 40
    assert Decoder().decode(block) == Reason.HPACK_BLOCK_TRUNCATED


@pytest.mark.parametrize("text", [b"\xff", b"\xff\xff\xff\xff", b"\x00\xff\xff", b"\x18", b"\x10"])
@pytest.mark.parametrize("arena", [65536, 0])
def test_bad_padding_is_refused_in_names_and_values(text: bytes, arena: int) -> None:
    coded = bytes([0x80 | len(text)]) + text
    assert Decoder(65536, arena).decode(b"\x40" + coded + b"\x01v") == Reason.HPACK_HUFFMAN_INVALID
    assert Decoder(65536, arena).decode(b"\x40\x01n" + coded) == Reason.HPACK_HUFFMAN_INVALID


def test_an_empty_coded_string_is_empty() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x00\x01n\x80") == Reason.ACCEPTED
    assert decoder.fields[0][:2] == (b"n", b"")


@pytest.mark.parametrize(
    ("value", "coded"), [(b"aaaa", True), (b"\x00\x00\x00", False), (b"a", False), (b"0123", True)]
)
def test_we_code_what_gets_shorter(value: bytes, coded: bool) -> None:
    block = Encoder().encode([(b":path", value)])
    assert block[0] == 0x44
    assert (block[1] & 0x80 != 0) == coded
