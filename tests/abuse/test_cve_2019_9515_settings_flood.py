"""CVE-2019-9515: SETTINGS ask for answers, and each may touch every stream."""

import pytest

from tests.abuse.budgets import Flood, begun, gets_back_by_time, is_served, spends_its_burst
from tests.support import frames as f
from tests.support.frames import Code, Setting
from tests.support.malformed import BOTH
from tests.support.playbook import Playbook


def flood(toward: str, octets: bytes = f.settings(), **limits: int) -> Flood:
    return Flood(begun(toward, limits=limits), "settings_flood", octets)


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("octets", [f.settings(), f.settings(*[(4, 65535)] * 30)], ids=["empty", "many"])
def test_the_budget_ends_at_its_number(toward: str, octets: bytes) -> None:
    spends_its_burst(flood(toward, octets), 100)
    spends_its_burst(flood(toward, octets, settings_burst=3), 3)


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    gets_back_by_time(lambda: flood(toward), 100, 10)
    gets_back_by_time(lambda: flood(toward, settings_burst=40, settings_per_second=20), 40, 20)


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("per_useful", [0, 2])
def test_content_gives_back_what_it_is_told_to(toward: str, per_useful: int) -> None:
    tried = flood(toward, settings_burst=20, settings_per_useful=per_useful)
    tried.book.stream()
    tried.passes(20)
    tried.book << f.data(1, b"x") * 3
    tried.passes(3 * per_useful).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_who_reads_nothing_meets_the_same_budget(toward: str) -> None:
    book = Playbook(toward)
    book << f.settings() * 5000
    said = book.output()
    assert len(said) == 100  # the first one of the connection was paid for too
    assert (said[-1].code, said[-1].debug) == (Code.ENHANCE_YOUR_CALM, b"settings_flood")
    assert book.door.refusals == {"settings_flood": 1}


@pytest.mark.parametrize("toward", BOTH)
def test_settings_that_change_now_and_then_are_honest(toward: str) -> None:
    book = begun(toward)
    book.stream()
    for number in range(1200):
        book << f.settings((Setting.INITIAL_WINDOW_SIZE, 65535 + number), (Setting.HEADER_TABLE_SIZE, number))
        book.output()
        book.door.now_ms += 500
    is_served(book)


def test_an_origin_that_measures_its_path_under_thousands_of_calls_is_honest() -> None:
    """It doubles its window as often as it can, in one moment, twice in ten seconds."""
    book = begun("origin", max_concurrent_streams=5000)
    for _ in range(3000):
        book.door.send_head(book.door.open_stream(), f.request())
    book.output()
    for _ in range(2):
        for power in range(16, 26):
            book << f.settings((Setting.INITIAL_WINDOW_SIZE, 1 << power)) + f.ping()
        book.output()
        book.door.now_ms += 10_000
    is_served(book)


def test_settings_that_touch_many_streams_cost_more() -> None:
    book = begun("origin", max_concurrent_streams=5000)
    for _ in range(3000):
        book.door.send_head(book.door.open_stream(), f.request())
    book.output()
    Flood(book, "settings_flood", f.settings((Setting.INITIAL_WINDOW_SIZE, 65535))).passes(33).is_refused()
