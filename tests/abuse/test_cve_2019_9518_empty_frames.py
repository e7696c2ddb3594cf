"""CVE-2019-9518: DATA that carries nothing and ends nothing."""

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

EMPTY = pytest.mark.parametrize(
    "octets",
    [f.data(1), f.data(1, padding=0), f.data(1, padding=255)],
    ids=["bare", "padded with nothing", "padded"],
)


def flood(toward: str, octets: bytes = f.data(1), **limits: int) -> Flood:
    book = begun(toward, limits=limits)
    book.stream()
    return Flood(book, "empty_data_flood", octets)


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
@EMPTY
def test_the_budget_ends_at_its_number(toward: str, octets: bytes) -> None:
    spends_its_burst(flood(toward, octets), 1000)
    spends_its_burst(flood(toward, octets, empty_data_burst=9), 9)


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    gets_back_by_time(lambda: flood(toward), 1000, 100)
    gets_back_by_time(lambda: flood(toward, empty_data_burst=50, empty_data_per_second=20), 50, 20)


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("per_useful", [0, 1, 4])
def test_content_gives_it_back(toward: str, per_useful: int) -> None:
    gets_back_by_use(flood(toward, empty_data_burst=20, empty_data_per_useful=per_useful), 20, per_useful)


@pytest.mark.parametrize("toward", BOTH)
@EMPTY
def test_nothing_is_heard_and_no_credit_is_lost(toward: str, octets: bytes) -> None:
    book = begun(toward)
    book.stream()
    for _ in range(10):
        book << octets * 100
        assert {frame.type for frame in book.output()} <= {f.Type.WINDOW_UPDATE}
    assert book.events() == []
    left, owed, full = book.door.recv_window
    assert left + owed == full
    is_served(book)


def test_empty_frames_for_a_stream_that_we_have_reset_count_too() -> None:
    book = begun("client", limits={"empty_data_burst": 9})
    book.door.reset(book.stream(), f.Code.CANCEL)
    Flood(book, "empty_data_flood", f.data(1)).passes(9).is_refused()


def test_content_for_a_stream_that_we_have_reset_earns_nothing() -> None:
    book = begun("client", limits={"empty_data_burst": 9})
    book.door.reset(book.stream(), f.Code.CANCEL)
    Flood(book, "empty_data_flood", lambda book, _: f.data(1, b"x") + f.data(1)).passes(9).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_padded_and_empty_frames_between_content_are_honest(toward: str) -> None:
    book = begun(toward)
    stream = book.stream()
    for _ in range(5000):
        book << f.data(stream, b"x", padding=3) + f.data(stream, padding=7)
        book << f.data(stream) + f.data(stream, b"yz")
        book.output()
        book.events()
    is_served(book)


def test_an_empty_frame_that_ends_its_stream_is_useful() -> None:
    book = begun("client")
    for stream in range(1, 6001, 2):
        book << book.head(stream) + f.data(stream, end=True)
        complete(book, stream)
        book.output()
        book.events()
    is_served(book)


@pytest.mark.parametrize("toward", BOTH)
def test_tiny_messages_are_honest(toward: str) -> None:
    book = begun(toward)
    stream = book.stream()
    for _ in range(100):
        book << f.data(stream, b"x") * 100
        book.output()
    assert sum(len(event[2]) for event in book.events("data")) == 10000
    is_served(book)
