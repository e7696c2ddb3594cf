"""CVE-2023-44487: streams are opened and reset at once, without end."""

import pytest

from tests.abuse.budgets import (
    Flood,
    begun,
    complete,
    gets_back_by_time,
    is_served,
    pass_time,
    spends_its_burst,
)
from tests.support import frames as f
from tests.support.playbook import RESPONSE, Playbook


def cancelled(book: Playbook, number: int) -> bytes:
    stream = 1 + 2 * number
    return book.head(stream) + f.rst_stream(stream)


def flood(**limits: int) -> Flood:
    return Flood(begun("client", limits=limits), "reset_flood", cancelled)


@pytest.mark.rfc("9113 10.5")
def test_the_budget_ends_at_its_number() -> None:
    spends_its_burst(flood(), 1000)
    spends_its_burst(flood(resets_burst=5), 5)


def test_time_gives_it_back() -> None:
    gets_back_by_time(flood, 1000, 200)
    gets_back_by_time(lambda: flood(resets_burst=40, resets_per_second=60), 40, 60)


@pytest.mark.parametrize("per_useful", [0, 2])
def test_content_gives_back_what_it_is_told_to(per_useful: int) -> None:
    """Each head is useful too, so that opening streams would pay for breaking them: that is why it is 0."""
    tried = flood(resets_burst=20, resets_per_useful=per_useful)
    if per_useful:
        tried.passes(200)
    else:
        spends_its_burst(tried, 20)


def test_a_call_that_ends_well_forgives_one() -> None:
    tried = flood(resets_burst=20).passes(20)
    for stream in (10001, 10003, 10005):
        tried.book << tried.book.head(stream, end=True)
        complete(tried.book, stream)
    tried.sent = 6000
    tried.passes(3).is_refused()


@pytest.mark.parametrize("answered", [False, True])
def test_reset_streams_leave_no_memory(answered: bool) -> None:
    book = begun("client", max_concurrent_streams=10)
    for stream in range(1, 4001, 2):
        book << book.head(stream)
        if answered:
            book.door.send_head(stream, RESPONSE)
            book.door.send_data(stream, bytes(100))
        book << f.rst_stream(stream)
        book.output()
        book.events()
        pass_time(book, 5)
    assert book.door.streams == 0
    assert book.door.waiting == 0
    assert book.is_quiet()
    heard, lent, live = book.door.close()
    assert ([event for event in heard if event[0] == "reset"], lent, live) == ([], 0, 0)


def test_a_slot_is_free_when_its_stream_is_gone_and_not_before() -> None:
    book = Playbook("client", max_concurrent_streams=2)
    book << book.head(1) + book.head(3) + f.rst_stream(1) + book.head(5) + book.head(7)
    assert [event[1] for event in book.events("head")] == [1, 3, 5]
    assert book.door.refusals == {"stream_limit_exceeded": 1}


def step(book: Playbook, stream: int, cancels: int, completes: int) -> int:
    """So many calls of both kinds; returns the next stream."""
    for number in range(cancels + completes):
        book << book.head(stream, end=True)
        if number < cancels:
            book << f.rst_stream(stream)
        else:
            complete(book, stream)
        stream += 2
    book.output()
    book.events()
    return stream


def test_150_cancels_a_second_for_a_minute_next_to_calls_are_honest() -> None:
    book = begun("client")
    stream = 1
    for _ in range(60 * 50):
        stream = step(book, stream, 3, 1)
        pass_time(book, 20)
    is_served(book)


def test_cancels_that_time_alone_would_not_pay_for_are_honest_next_to_as_many_calls() -> None:
    book = begun("client")
    stream = 1
    for _ in range(1500):
        stream = step(book, stream, 1, 1)
    is_served(book)


def test_400_cancels_a_second_and_no_call_are_not() -> None:
    book = begun("client")
    stream = 1
    for _ in range(250):
        stream = step(book, stream, 4, 0)
        pass_time(book, 10)
    assert not book.door.broken
    for _ in range(300):
        stream = step(book, stream, 4, 0) if not book.door.broken else stream
        pass_time(book, 10)
    assert book.door.reason.name == "RESET_FLOOD"


def test_an_origin_may_reset_what_it_likes() -> None:
    book = begun("origin")
    for _ in range(3000):
        stream = book.door.open_stream()
        book.door.send_head(stream, f.request(), True)
        book << f.rst_stream(stream)
        book.output()
        book.events()
    is_served(book)
