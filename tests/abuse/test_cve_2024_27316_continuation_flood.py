"""CVE-2024-27316: CONTINUATION without end; a block is bounded in frames and octets, many by a budget."""

import pytest

from tests.abuse.budgets import (
    Flood,
    begun,
    complete,
    gets_back_by_time,
    is_served,
    spends_its_burst,
)
from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH
from tests.support.playbook import Playbook, goaway

FIELDS = [*f.request(), *((b"x-%d" % number, b"v" * 1000) for number in range(30))]
LARGE = f.literal(FIELDS)


def one(book: Playbook, number: int) -> bytes:
    """A CONTINUATION inside a block that begins and ends when it must; nothing useful comes of it."""
    octets = f.continuation(1, b"", end_headers=False)
    return f.headers(1, b"", end_headers=False) + octets if number == 0 else octets


def flood(toward: str, **limits: int) -> Flood:
    book = begun(toward, limits={"continuation_frames": 10_000_000, **limits})
    book.stream()
    return Flood(book, "continuation_flood", one)


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
@pytest.mark.parametrize("most", [1, 20])
def test_the_limit_is_a_number(toward: str, most: int) -> None:
    book = begun(toward, limits={"continuation_frames": most})
    book.stream()
    Flood(book, "continuation_flood", one).passes(most).is_refused()


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
def test_the_budget_ends_at_its_number(toward: str) -> None:
    spends_its_burst(flood(toward), 1000)
    spends_its_burst(flood(toward, continuations_burst=9), 9)


@pytest.mark.parametrize(("per_useful", "blocks"), [(0, 8), (1, 9), (2, 11)])
def test_the_budget_spans_blocks(per_useful: int, blocks: int) -> None:
    """Eight empty ones in every block, whose end is the only useful thing in it: after n of them, the next
    one reaches n * (8 - per_useful) + 8."""
    book = begun("client", limits={"continuations_burst": 70, "continuations_per_useful": per_useful})
    block = f.literal(f.request())

    def eight(_: Playbook, number: int) -> bytes:
        stream = 1 + 2 * number
        empty = f.continuation(stream, b"", end_headers=False)
        return f.headers(stream, block, end=True, end_headers=False) + empty * 7 + f.continuation(stream, b"")

    Flood(book, "continuation_flood", eight).passes(blocks).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    gets_back_by_time(lambda: flood(toward), 1000, 100)
    gets_back_by_time(lambda: flood(toward, continuations_burst=50, continuations_per_second=20), 50, 20)


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
    book << f.headers(1, LARGE[:16384], end=True, end_headers=False) + f.continuation(1, LARGE[16384:])
    assert book.events() == [("head", 1, FIELDS, True)]
    assert book.is_quiet()


def test_a_client_whose_every_head_is_large_is_honest() -> None:
    book = begun("client")
    for stream in range(1, 4001, 2):
        book << f.headers(stream, LARGE[:16384], end=True, end_headers=False)
        book << f.continuation(stream, LARGE[16384:])
        complete(book, stream)
        book.output()
        book.events()
    is_served(book)


def test_a_frame_that_comes_octet_by_octet_is_one_frame() -> None:
    book = begun("client", limits={"continuations_burst": 2})
    book << f.headers(1, LARGE[:16384], end=True, end_headers=False)
    octets = f.continuation(1, LARGE[16384:])
    for at in range(0, len(octets), 100):
        book << octets[at : at + 100]
    assert book.events() == [("head", 1, FIELDS, True)]
    is_served(book)
