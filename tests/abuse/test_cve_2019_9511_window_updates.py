"""CVE-2019-9511: WINDOW_UPDATE without end, for windows that nobody uses or that are silly."""

import pytest

from tests.abuse.budgets import (
    Flood,
    begun,
    gets_back_by_time,
    gets_back_by_use,
    is_served,
    spends_its_burst,
)
from tests.support import frames as f
from tests.support.frames import Setting
from tests.support.malformed import BOTH
from tests.support.playbook import RESPONSE, Playbook


def flood(toward: str, stream: int = 0, **limits: int) -> Flood:
    book = begun(toward, limits=limits)
    book.stream()
    return Flood(book, "window_update_flood", f.window_update(stream, 1))


def sending(book: Playbook) -> int:
    """A stream on which we may send DATA."""
    stream = book.stream()
    if book.toward == "client":
        book.door.send_head(stream, RESPONSE)
        book.output()
    return stream


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("stream", [0, 1])
def test_the_budget_ends_at_its_number(toward: str, stream: int) -> None:
    tried = flood(toward, stream)
    tried.book << f.window_update(stream, 1) * 9000
    tried.passes(1000).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_a_smaller_budget(toward: str) -> None:
    spends_its_burst(flood(toward, window_updates_burst=9, window_updates_per_useful=0), 9)


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    numbers = {"window_updates_burst": 500, "window_updates_per_useful": 0}
    gets_back_by_time(lambda: flood(toward, **numbers, window_updates_per_second=60), 500, 60)
    gets_back_by_time(lambda: flood(toward, window_updates_burst=1500), 1500, 1000)


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("per_useful", [0, 1, 4])
def test_content_gives_it_back(toward: str, per_useful: int) -> None:
    tried = flood(toward, window_updates_burst=20, window_updates_per_useful=per_useful)
    gets_back_by_use(tried, 20, per_useful)


def test_updates_for_streams_that_are_gone_count_too() -> None:
    tried = flood("client", 1, window_updates_burst=20)
    tried.book.door.reset(1, f.Code.CANCEL)
    tried.passes(20).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_two_windows_for_each_small_message_are_honest(toward: str) -> None:
    book = begun(toward)
    stream = sending(book)
    for _ in range(8000):
        book.door.send_data(stream, b"message")
        book.output()
        book << f.window_update(0, 7) + f.window_update(stream, 7)
    is_served(book)


@pytest.mark.parametrize("toward", BOTH)
def test_many_tiny_windows_that_are_used_are_honest(toward: str) -> None:
    book = Playbook(toward, theirs=f.settings((Setting.INITIAL_WINDOW_SIZE, 300)))
    stream = sending(book)
    book.door.send_data(stream, bytes(300 * 12001))
    for _ in range(12000):
        book << f.window_update(stream, 300) + f.window_update(0, 300)
        book.output()
    assert book.door.stream_waiting(stream) == 0
    is_served(book)
