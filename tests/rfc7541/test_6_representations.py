"""RFC 7541 sections 6.1, 6.2, 7.1.3: a field as an index or a literal, and what we keep of that."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder, Encoder

NEVER = 1  # the flag of a field that must not be indexed


def read(
    block: bytes, before: bytes = b""
) -> tuple[list[tuple[bytes, bytes]], list[int], list[tuple[bytes, bytes]]]:
    """(fields, their flags, the dynamic table) of `block`, decoded after `before`."""
    decoder = Decoder()
    assert decoder.decode(before) == Reason.ACCEPTED
    assert decoder.decode(block) == Reason.ACCEPTED
    return [row[:2] for row in decoder.fields], [row[4] for row in decoder.fields], decoder.table


@pytest.mark.rfc("7541 6.1")
def test_an_index_is_a_field() -> None:
    assert read(b"\x82") == ([(b":method", b"GET")], [0], [])
    assert read(b"\xbe", b"\x40\x01n\x01v") == ([(b"n", b"v")], [0], [(b"n", b"v")])
    assert read(b"\xff\x00", b"\x40\x01n\x01v" * 66)[0] == [(b"n", b"v")]


@pytest.mark.rfc("7541 6.1")
def test_index_zero_is_an_error() -> None:
    assert Decoder().decode(b"\x80") == Reason.HPACK_INDEX_INVALID


LITERALS = [
    pytest.param(0x40, 6, True, 0, marks=pytest.mark.rfc("7541 6.2.1"), id="with indexing"),
    pytest.param(0x00, 4, False, 0, marks=pytest.mark.rfc("7541 6.2.2"), id="without"),
    pytest.param(0x10, 4, False, NEVER, marks=pytest.mark.rfc("7541 6.2.3"), id="never"),
]


@pytest.mark.parametrize(("first", "prefix", "enters", "flag"), LITERALS)
def test_a_literal(first: int, prefix: int, enters: bool, flag: int) -> None:
    """With a new name, a static one, a dynamic one, and an index beyond the prefix."""
    old = (b"old", b"o")
    before = b"\x40\x03old\x01o"
    most = (1 << prefix) - 1
    beyond = bytes([first | most, 62 - most]) if most <= 62 else bytes([first | 62])
    rows = {
        bytes([first]) + b"\x03new\x01v": (b"new", b"v"),
        bytes([first | 1]) + b"\x01v": (b":authority", b"v"),
        beyond + b"\x01v": (b"old", b"v"),
        bytes([first]) + b"\x01e\x00": (b"e", b""),
    }
    for block, field in rows.items():
        assert read(block, before) == ([field], [flag], [field, old] if enters else [old])


@pytest.mark.rfc("7541 6.2.1")
def test_the_encoder_indexes_what_comes_again() -> None:
    encoder = Encoder()
    first, again = encoder.encode([(b"x-a", b"1")]), encoder.encode([(b"x-a", b"1")])
    assert (first[0], again) == (0x40, b"\xbe")


@pytest.mark.rfc("7541 6.2.2")
@pytest.mark.parametrize("name", [b"content-length", b"grpc-timeout", b"traceparent", b"authorization"])
def test_the_encoder_leaves_the_table_alone_for_what_does_not(name: bytes) -> None:
    encoder = Encoder()
    for _ in range(2):
        assert encoder.encode([(name, b"12345")])[0] & 0xF0 == 0x00
    assert encoder.table == []


@pytest.mark.rfc("7541 6.2.3")
@pytest.mark.rfc("7541 7.1.3")
@pytest.mark.parametrize(
    "field", [(b"x-secret", b"s"), (b":method", b"GET"), (b"cookie", b""), (b"accept", b"")]
)
def test_an_intermediary_passes_it_on_as_never_indexed(field: tuple[bytes, bytes]) -> None:
    """Even what stands in a table, and again and again."""
    decoder, encoder, end = Decoder(), Encoder(), Decoder()
    name, value = field
    assert encoder.encode([(b"x-secret", b"s")])[0] == 0x40
    end.decode(b"\x40\x08x-secret\x01s")
    for _ in range(2):
        assert (
            decoder.decode(b"\x10" + bytes([len(name)]) + name + bytes([len(value)]) + value)
            == Reason.ACCEPTED
        )
        block = encoder.relay(decoder)
        assert block[0] & 0xF0 == 0x10
        assert end.decode(block) == Reason.ACCEPTED
        assert [(row[:2], row[4]) for row in end.fields] == [(field, NEVER)]
    assert encoder.table == [(b"x-secret", b"s")]
