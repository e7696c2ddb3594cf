"""cext/huffman: the code of RFC 7541 section 5.2 both ways, against the hpack package and bit by bit."""

import subprocess
import sys
from pathlib import Path

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.wire.hpack_door import huffman_decode, huffman_encode

ORACLE = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
GENERATORS = Path(__file__).parents[2] / "cext" / "gen"


def bits_to_octets(bits: str) -> bytes:
    assert len(bits) % 8 == 0
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def code(symbol: int) -> str:
    return f"{REQUEST_CODES[symbol]:0{REQUEST_CODES_LENGTH[symbol]}b}"


SYMBOLS = {code(symbol): symbol for symbol in range(257)}


def meaning(coded: bytes) -> bytes | None:
    """Bit by bit, as the section words it."""
    text = bytearray()
    word = ""
    for bit in "".join(f"{octet:08b}" for octet in coded):
        word += bit
        if word in SYMBOLS:
            if SYMBOLS[word] == 256:
                return None
            text.append(SYMBOLS[word])
            word = ""
    return bytes(text) if len(word) < 8 and "0" not in word else None


@pytest.mark.parametrize("symbol", range(256))
def test_each_octet_alone_and_between_others(symbol: int) -> None:
    for text in (bytes([symbol]), b"a" + bytes([symbol]) * 3, bytes([symbol]) * 40 + b"zzzz"):
        assert huffman_encode(text) == ORACLE.encode(text)
        assert huffman_decode(ORACLE.encode(text)) == text


@given(
    st.one_of(st.binary(max_size=300), st.text("acehilnorst/-.:0123456789=XZ{", max_size=300).map(str.encode))
)
@settings(deadline=None)
def test_coding_agrees_with_the_hpack_package(text: bytes) -> None:
    coded = huffman_encode(text)
    assert coded == ORACLE.encode(text)
    assert huffman_decode(coded) == text


OCTETS = st.one_of(st.binary(min_size=1, max_size=1), st.sampled_from([b"\xff", b"\xfe", b"\x00"]))


@given(st.lists(OCTETS, max_size=40).map(b"".join))
@settings(deadline=None)
def test_any_octets_mean_what_the_code_says_or_nothing(coded: bytes) -> None:
    assert huffman_decode(coded) == meaning(coded)


@pytest.mark.parametrize("before", [b"", b"a", b"0123456789abcdefghijkl", b"\x0a\x0a\x0a", b"zzzzzzzzzzzz"])
def test_padding_is_all_ones_and_shorter_than_an_octet(before: bytes) -> None:
    bits = "".join(code(symbol) for symbol in before)
    short = -len(bits) % 8
    assert huffman_decode(bits_to_octets(bits + "1" * short)) == before
    assert huffman_decode(bits_to_octets(bits + "1" * (short + 8))) is None
    for zero in range(short):
        padding = "1" * zero + "0" + "1" * (short - zero - 1)
        whole = bits_to_octets(bits + padding)
        assert huffman_decode(whole) == meaning(whole)
    if short:
        assert huffman_decode(bits_to_octets(bits + "0" * short)) == meaning(
            bits_to_octets(bits + "0" * short)
        )


@pytest.mark.parametrize("after", ["", "1" * 10, code(97) * 20])
@pytest.mark.parametrize("before", [b"", b"a", b"abcdefghijklmnop"])
def test_eos_is_refused_wherever_it_stands(before: bytes, after: str) -> None:
    bits = "".join(code(symbol) for symbol in before) + code(256) + after
    assert huffman_decode(bits_to_octets(bits + "1" * (-len(bits) % 8))) is None


def test_every_cut_of_a_string_is_judged_by_its_padding() -> None:
    coded = huffman_encode(b"grpc-status\x00\x01\x0a{}\xff")
    for length in range(len(coded) + 1):
        assert huffman_decode(coded[:length]) == meaning(coded[:length])


@pytest.mark.parametrize("name", ["huffman.py", "static_table.py"])
def test_the_committed_table_is_what_its_generator_writes(name: str) -> None:
    assert subprocess.run([sys.executable, GENERATORS / name, "--check"], check=False).returncode == 0
