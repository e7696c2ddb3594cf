"""CVE-2025-8671: the client breaks a rule on each stream it opens, so that we reset it."""

import pytest

from tests.abuse.budgets import Flood, begun, gets_back_by_time, pass_time, spends_its_burst
from tests.support import frames as f
from tests.support.malformed import asks
from tests.support.playbook import Playbook

OPEN = {
    "window zero": lambda stream: f.window_update(stream, 0),
    "window too large": lambda stream: f.window_update(stream, (1 << 31) - 1),
    "depends on itself": lambda stream: f.priority(stream, stream),
    "trailers that do not end": lambda stream: f.headers(stream, f.literal([(b"x", b"y")])),
}


def of_open_stream(how: str, **limits: int) -> Flood:
    def one(book: Playbook, number: int) -> bytes:
        return book.head(1 + 2 * number) + OPEN[how](1 + 2 * number)

    return Flood(begun("client", limits=limits), "reset_flood", one)


@pytest.mark.parametrize("how", OPEN)
def test_the_budget_ends_at_its_number(how: str) -> None:
    spends_its_burst(of_open_stream(how), 1000)
    spends_its_burst(of_open_stream(how, resets_burst=5), 5)


def test_time_gives_it_back() -> None:
    gets_back_by_time(lambda: of_open_stream("window zero"), 1000, 200)


def test_frames_after_the_end_count_too() -> None:
    def one(book: Playbook, number: int) -> bytes:
        stream = 1 + 2 * number
        return book.head(stream, end=True) + f.data(stream, b"late")

    spends_its_burst(Flood(begun("client"), "reset_flood", one), 1000)


def test_wrong_heads_count_too() -> None:
    flood = Flood(
        begun("client"), "reset_flood", lambda _, number: asks(1 + 2 * number, (b"connection", b"close"))
    )
    spends_its_burst(flood, 1000)


def test_their_streams_and_ours_share_one_budget() -> None:
    def one(book: Playbook, number: int) -> bytes:
        stream = 1 + 2 * number
        return book.head(stream) + (f.rst_stream(stream) if number % 2 else f.window_update(stream, 0))

    spends_its_burst(Flood(begun("client"), "reset_flood", one), 1000)


def test_a_client_that_is_wrong_now_and_then_is_served() -> None:
    book = begun("client")
    for number in range(4000):
        book << book.head(1 + 2 * number) + f.window_update(1 + 2 * number, 0)
        book.output()
        book.events()
        pass_time(book, 10)
    assert book.door.refusals == {"window_increment_zero": 4000}
    assert book.is_quiet()
