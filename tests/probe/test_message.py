"""The message prefix and grpc-message: gRPC over HTTP/2, "Length-Prefixed-Message" and "Status-Message"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.probe.failure import ProbeError
from fastgw.probe.message import Unpacker, pack, percent_decode, percent_encode


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_cutting_changes_nothing(messages: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(map(pack, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    unpacker, got = Unpacker(), []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        got += unpacker.feed(octets[start:end])
    assert got == messages
    assert unpacker.at_boundary


def test_a_message_too_large_and_an_odd_flag_are_refused() -> None:
    with pytest.raises(ProbeError, match="over the limit"):
        Unpacker(largest=10).feed(b"\0\0\0\0\x0b")
    with pytest.raises(ProbeError, match="compressed flag"):
        Unpacker().feed(b"\2\0\0\0\0")


@given(st.text())
def test_a_status_message_survives(text: str) -> None:
    encoded = percent_encode(text)
    assert all(0x20 <= octet <= 0x7E for octet in encoded)
    assert percent_decode(encoded) == text


def test_percent_encoding_as_written_in_the_specification() -> None:
    assert percent_encode("100% spaß ") == b"100%25 spa%C3%9F "
    assert percent_decode(b"50%zz") == "50%zz"
