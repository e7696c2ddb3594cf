"""CVE-2019-9513: PRIORITY, and PRIORITY_UPDATE of RFC 9218, are ignored, but not without end."""

import pytest

from tests.abuse.budgets import (
    Flood,
    begun,
    complete,
    gets_back_by_time,
    gets_back_by_use,
    is_served,
    spends_its_burst,
)
from tests.support import frames as f
from tests.support.malformed import BOTH

PRIORITY_UPDATE = f.frame(0x10, 0, b"\0\0\0\1u=3")


def flood(toward: str, **limits: int) -> Flood:
    return Flood(
        begun(toward, limits=limits),
        "priority_flood",
        lambda book, number: f.priority(99, 1 + number % 50),
    )


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
def test_the_budget_ends_at_its_number(toward: str) -> None:
    spends_its_burst(flood(toward), 1000)
    spends_its_burst(flood(toward, priorities_burst=9), 9)


@pytest.mark.parametrize("toward", BOTH)
def test_both_kinds_share_one_budget(toward: str) -> None:
    both = Flood(
        begun(toward, limits={"unknown_frames_burst": 9}),
        "priority_flood",
        lambda book, number: f.priority(99, 1) if number % 2 else PRIORITY_UPDATE,
    )
    spends_its_burst(both, 1000)


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    gets_back_by_time(lambda: flood(toward), 1000, 100)
    gets_back_by_time(lambda: flood(toward, priorities_burst=50, priorities_per_second=20), 50, 20)


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("per_useful", [0, 1, 4])
def test_content_gives_it_back(toward: str, per_useful: int) -> None:
    tried = flood(toward, priorities_burst=20, priorities_per_useful=per_useful)
    tried.book.stream()
    gets_back_by_use(tried, 20, per_useful)


@pytest.mark.parametrize("toward", BOTH)
def test_nothing_is_said_and_nothing_kept(toward: str) -> None:
    book = begun(toward)
    book.stream()
    book << f.priority(99, 1) * 1000
    assert book.output() == []
    assert book.events() == []
    assert book.door.streams == 1
    is_served(book)


def test_a_client_with_two_priorities_for_each_call_is_honest() -> None:
    book = begun("client")
    for stream in range(1, 3001, 2):
        book << f.priority(stream, 0) + book.head(stream, end=True) + PRIORITY_UPDATE
        complete(book, stream)
        book.output()
        book.events()
    is_served(book)
