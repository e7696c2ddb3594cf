"""RFC 9113 section 6.1: DATA and its padding."""

import pytest

from tests.support import frames as f
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import Playbook, refused


@pytest.mark.rfc("9113 6.1")
@pytest.mark.parametrize("case", cases("6.1"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.1")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("padding", [0, 1, 255])
@pytest.mark.parametrize("content", [b"", b"abc"])
def test_padding_is_skipped(toward: str, padding: int, content: bytes) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.data(stream, content, padding=padding) + f.data(stream, b"def", end=True)
    assert b"".join(event[2] for event in book.events("data")) == content + b"def"
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.1")
@pytest.mark.parametrize("toward", BOTH)
def test_end_stream_comes_with_the_last_piece_only(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    octets = f.data(stream, b"abcdef", end=True, padding=4)
    for at in range(len(octets)):
        book << octets[at : at + 1]
    heard = book.events("data")
    assert b"".join(event[2] for event in heard) == b"abcdef"
    assert [event[3] for event in heard] == [False] * (len(heard) - 1) + [True]


@pytest.mark.rfc("9113 6.1")
def test_an_empty_frame_may_end_the_stream_and_says_nothing_otherwise() -> None:
    book = Playbook("client")
    stream = book.stream()
    book << f.data(stream) * 3 + f.data(stream, end=True)
    assert book.events() == [("data", stream, b"", True)]
