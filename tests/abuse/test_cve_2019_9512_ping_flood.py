"""CVE-2019-9512: PING asks for answers, without end, read or not."""

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
from tests.support.frames import Code
from tests.support.malformed import BOTH
from tests.support.playbook import RESPONSE, Playbook


def flood(toward: str, **limits: int) -> Flood:
    return Flood(begun(toward, limits=limits), "ping_flood", f.ping())


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
def test_the_budget_ends_at_its_number(toward: str) -> None:
    spends_its_burst(flood(toward), 1000)
    spends_its_burst(flood(toward, pings_burst=7), 7)


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    gets_back_by_time(lambda: flood(toward), 1000, 100)
    gets_back_by_time(lambda: flood(toward, pings_burst=70, pings_per_second=30), 70, 30)


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("per_useful", [0, 1, 5])
def test_content_gives_it_back(toward: str, per_useful: int) -> None:
    tried = flood(toward, pings_burst=20, pings_per_useful=per_useful)
    tried.book.stream()
    gets_back_by_use(tried, 20, per_useful)


@pytest.mark.parametrize("toward", BOTH)
def test_who_reads_nothing_meets_the_same_budget(toward: str) -> None:
    book = Playbook(toward)
    book << f.ping() * 5000
    said = book.output()
    assert len(said) == 1001
    assert (said[-1].type, said[-1].code) == (f.Type.GOAWAY, Code.ENHANCE_YOUR_CALM)
    assert said[-1].debug == b"ping_flood"
    assert book.door.refusals == {"ping_flood": 1}
    assert book.door.close()[1:] == (0, 0)


@pytest.mark.parametrize("toward", BOTH)
def test_answers_that_nobody_reads_have_a_limit_of_their_own(toward: str) -> None:
    """Honest as to time, yet the answers pile up."""
    book = begun(toward, limits={"control_waiting": 50})
    for _ in range(50):
        book << f.ping()
        book.door.now_ms += 100
    assert not book.door.broken
    book << f.ping()
    said = book.output()
    assert len(said) == 51
    assert (said[-1].code, said[-1].debug) == (Code.ENHANCE_YOUR_CALM, b"control_frame_flood")
    assert book.door.refusals == {"control_frame_flood": 1}


@pytest.mark.parametrize("toward", BOTH)
def test_a_ping_for_each_window_received_is_honest(toward: str) -> None:
    """Peers measure their path that way; here so fast that no time passes."""
    book = begun(toward)
    stream = book.stream()
    if toward == "client":
        book.door.send_head(stream, RESPONSE)
    for _ in range(1500):
        assert book.door.send_data(stream, bytes(65535)) == 0
        book << f.ping() + f.window_update(0, 65535) + f.window_update(stream, 65535)
        book.output()
    is_served(book)


@pytest.mark.parametrize("toward", BOTH)
def test_a_ping_every_ten_milliseconds_is_honest(toward: str) -> None:
    book = begun(toward)
    for _ in range(6000):
        book << f.ping()
        book.output()
        book.door.now_ms += 10
    is_served(book)


@pytest.mark.parametrize("toward", BOTH)
def test_answers_nobody_asked_for_are_not_answered_and_count(toward: str) -> None:
    book = Playbook(toward)
    book << (f.ping(ack=True) + f.settings(ack=True)) * 400
    assert book.door.out_length == 0
    book << (f.ping(ack=True) + f.settings(ack=True)) * 400
    assert book.door.reason.name.lower() == "unknown_frame_flood"
