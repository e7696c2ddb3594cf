"""Frames that we ignore: unknown types, and those that come too late."""

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
from tests.support.playbook import TRAILERS, Playbook


def flood(toward: str, octets: bytes = f.frame(0x77, 99), **limits: int) -> Flood:
    return Flood(begun(toward, limits=limits), "unknown_frame_flood", octets)


def late(kind: str, **limits: int) -> Flood:
    """Frames of a client on a stream that we have reset."""
    book = begun("client", limits=limits)
    stream = book.stream()
    book.door.reset(stream, f.Code.CANCEL)
    book.output()
    if kind == "reset":
        return Flood(book, "unknown_frame_flood", f.rst_stream(stream))
    return Flood(book, "unknown_frame_flood", f.headers(stream, f.literal(TRAILERS), end=True))


@pytest.mark.rfc("9113 5.5")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("octets", [f.frame(0x77, 99), f.frame(0xA, 0, b"\0\0x")], ids=["unknown", "ALTSVC"])
def test_the_budget_ends_at_its_number(toward: str, octets: bytes) -> None:
    spends_its_burst(flood(toward, octets), 1000)
    spends_its_burst(flood(toward, octets, unknown_frames_burst=9), 9)


@pytest.mark.parametrize("toward", BOTH)
def test_time_gives_it_back(toward: str) -> None:
    gets_back_by_time(lambda: flood(toward), 1000, 100)
    gets_back_by_time(lambda: flood(toward, unknown_frames_burst=50, unknown_frames_per_second=20), 50, 20)


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("per_useful", [0, 1, 4])
def test_content_gives_it_back(toward: str, per_useful: int) -> None:
    tried = flood(toward, unknown_frames_burst=20, unknown_frames_per_useful=per_useful)
    tried.book.stream()
    gets_back_by_use(tried, 20, per_useful)


@pytest.mark.parametrize("kind", ["reset", "trailers"])
def test_late_frames_count_too(kind: str) -> None:
    spends_its_burst(late(kind, unknown_frames_burst=9), 9)


@pytest.mark.parametrize("toward", BOTH)
def test_goaway_said_again_counts_too(toward: str) -> None:
    book = begun(toward, limits={"unknown_frames_burst": 9})
    book << f.goaway((1 << 31) - 1)
    Flood(book, "unknown_frame_flood", lambda _, number: f.goaway(9999 - 2 * number)).passes(9).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_nothing_is_said_and_nothing_kept(toward: str) -> None:
    book = begun(toward)
    book.stream()
    book << f.frame(0x77, 99, bytes(1000)) * 1000
    assert book.output() == []
    assert book.events() == []
    is_served(book)


def test_a_client_with_an_unknown_frame_for_each_call_is_honest() -> None:
    book = begun("client")
    for stream in range(1, 4001, 2):
        book << f.frame(0x77, stream) + book.head(stream, end=True)
        complete(book, stream)
        book.output()
        book.events()
    is_served(book)


def test_an_origin_whose_answers_cross_our_resets_is_honest() -> None:
    """All calls of a client that has gone are cancelled, and every one was just being answered."""
    book = Playbook("origin", max_concurrent_streams=5000)
    for _ in range(2):
        streams = [book.door.open_stream() for _ in range(1100)]
        for stream in streams:
            book.door.send_head(stream, f.request())
            book.door.send_data(stream, b"question", True)
        for stream in streams:
            book.door.reset(stream, f.Code.CANCEL)
        book.output()
        for stream in streams:
            book << book.head(stream) + f.data(stream, b"answer")
            book << f.headers(stream, f.literal(TRAILERS), end=True) + f.rst_stream(stream)
        book.events()
    is_served(book)
