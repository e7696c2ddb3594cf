"""CVE-2024-27316: CONTINUATION without end; a block is bounded in frames and in octets."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH
from tests.support.playbook import Playbook, goaway


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_the_ninth_is_too_many(toward: str, size: int) -> None:
    book = Playbook(toward)
    stream = book.stream()
    block = f.literal([(b"x", b"y" * 8 * 1000)])
    book << f.headers(stream, block[:1], end_headers=False)
    for number in range(8):
        book << f.continuation(stream, block[1 + size * number : 1 + size * number + size], end_headers=False)
    assert not book.door.broken
    book.refuses(
        f.continuation(stream, b"", end_headers=False)[:9],
        goaway(Code.ENHANCE_YOUR_CALM, "continuation_flood"),
        "continuation_flood",
    )


@pytest.mark.parametrize("toward", BOTH)
def test_a_block_has_a_largest_size_even_where_it_ends(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.headers(stream, bytes(16384), end_headers=False)
    book << f.continuation(stream, bytes(16384), end_headers=False) * 7
    assert not book.door.broken
    book.refuses(f.continuation(stream, b"\0"), goaway(Code.ENHANCE_YOUR_CALM), "field_block_too_large")


def test_a_large_honest_block_passes() -> None:
    book = Playbook("client")
    fields = [*f.request(), *((b"x-%d" % number, b"v" * 1000) for number in range(30))]
    block = f.literal(fields)
    book << f.headers(1, block[:16384], end=True, end_headers=False) + f.continuation(1, block[16384:])
    assert book.events() == [("head", 1, fields, True)]
    assert book.is_quiet()
