"""RFC 7541 section 5.1: integers, the limits of an implementation included (CVE-2023-33953)."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder

pytestmark = pytest.mark.rfc("7541 5.1")


def prefixes() -> list[bytes]:
    """What stands before an integer whose prefix is full, for each place an integer can have."""
    return [
        b"\xff",
        b"\x7f",
        b"\x3f",
        b"\x0f",
        b"\x1f",
        b"\x40\x7f",
        b"\x00\xff",
        b"\x40\x01n\x7f",
        b"\x41\xff",
    ]


@pytest.mark.parametrize("prefix", prefixes())
@pytest.mark.parametrize(
    "rest",
    [
        "8080808080",
        "808080808000",
        "ffffffff0f",
        "ffffffffff",
        "8080808008",
        "80808080808080808080808080808080",
    ],
)
def test_too_large_or_too_long_is_refused(prefix: bytes, rest: str) -> None:
    assert Decoder().decode(prefix + bytes.fromhex(rest) + b"\x00" * 9) == Reason.HPACK_INTEGER_OVERFLOW


@pytest.mark.parametrize("prefix", prefixes())
@pytest.mark.parametrize("rest", ["", "80", "ffffff", "80808080"])
def test_a_cut_integer_is_refused(prefix: bytes, rest: str) -> None:
    assert Decoder().decode(prefix + bytes.fromhex(rest)) == Reason.HPACK_BLOCK_TRUNCATED


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 256, 16382, 16383, 16510, 16511])
def test_lengths_around_each_octet_s_end(length: int) -> None:
    number = (
        bytes([length])
        if length < 127
        else b"\x7f"
        + (
            bytes([length - 127])
            if length < 255
            else bytes([(length - 127) & 127 | 128, (length - 127) >> 7])
            if length < 127 + 16384
            else bytes([(length - 127) & 127 | 128, (length - 127) >> 7 & 127 | 128, 1])
        )
    )
    decoder = Decoder()
    assert decoder.decode(b"\x00\x01n" + number + b"v" * length) == Reason.ACCEPTED
    assert decoder.fields[0][1] == b"v" * length


def test_zeros_behind_a_number_change_nothing_up_to_five_octets() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x00\x01n\x7f\x81\x80\x80\x80\x00" + b"v" * 128) == Reason.ACCEPTED
    assert len(decoder.fields[0][1]) == 128
