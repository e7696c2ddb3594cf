"""RFC 9113 section 5.1: the life of a stream, seen from outside."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import RESPONSE, TRAILERS, Playbook, goaway, refused, reset


@pytest.mark.rfc("9113 5.1")
@pytest.mark.rfc("9113 5.3.1")
@pytest.mark.parametrize("case", cases("5.1", "5.1.1", "5.3.1"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 5.1")
@pytest.mark.parametrize("toward", BOTH)
def test_half_closed_remote_still_takes_what_concerns_the_other_half(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream(ended=True)
    book << f.window_update(stream, 5) + f.priority(stream, 0) + f.frame(0x77, stream)
    assert book.is_quiet()
    book << f.rst_stream(stream, Code.CANCEL)
    assert book.events("reset") == [("reset", stream, Code.CANCEL, "reset")]
    assert book.is_quiet()


def closed(toward: str) -> Playbook:
    """Both halves of stream 1 have ended."""
    book = Playbook(toward)
    stream = book.stream(ended=toward == "client")
    if toward == "client":
        book.door.send_head(stream, RESPONSE, True)
    else:
        book.door.send_data(stream, b"", True)
        book << f.data(stream, b"", end=True)
    book.output()
    assert book.events("ended") == [("ended", stream)]
    assert book.door.streams == 0
    return book


@pytest.mark.rfc("9113 5.1")
@pytest.mark.parametrize("toward", BOTH)
def test_closed_ignores_what_may_have_been_on_its_way(toward: str) -> None:
    book = closed(toward)
    book << f.window_update(1, 5) + f.rst_stream(1) + f.priority(1, 0) + f.window_update(1, 0)
    assert book.is_quiet()


@pytest.mark.rfc("9113 5.1")
@pytest.mark.parametrize("toward", BOTH)
def test_closed_refuses_what_begins_something(toward: str) -> None:
    closed(toward).refuses(f.data(1, b"x"), reset(1, Code.STREAM_CLOSED), "frame_after_reset")
    late = f.headers(1, f.literal(TRAILERS), end=True)
    closed(toward).refuses(late, goaway(Code.STREAM_CLOSED), "frame_after_close")


@pytest.mark.rfc("9113 5.1")
@pytest.mark.parametrize("toward", BOTH)
def test_after_our_reset_the_peer_may_not_know_yet(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book.door.reset(stream, Code.CANCEL)
    book >> reset(stream, Code.CANCEL)
    book << f.data(stream, bytes(100)) + f.window_update(stream, 1) + f.headers(
        stream, f.literal(TRAILERS), end=True
    )
    assert book.is_quiet()
    left, owed, full = book.door.recv_window
    assert left + owed == full


@pytest.mark.rfc("9113 5.1.1")
def test_streams_may_be_skipped() -> None:
    book = Playbook("client")
    book << book.head(5) + book.head(101, end=True)
    assert [event[1] for event in book.events("head")] == [5, 101]
    book.refuses(book.head(7), goaway(Code.PROTOCOL_ERROR), "stream_id_not_increasing")


@pytest.mark.rfc("9113 5.1.1")
def test_toward_an_origin_we_count_in_odd_numbers() -> None:
    door = Playbook("origin").door
    assert [door.open_stream() for _ in range(3)] == [1, 3, 5]


@pytest.mark.rfc("9113 5.1.2")
def test_one_stream_too_many_is_refused_and_may_be_tried_again() -> None:
    book = Playbook("client", max_concurrent_streams=2)
    book << book.head(1) + book.head(3) + book.head(5, end=True)
    book >> reset(5, Code.REFUSED_STREAM)
    book << f.rst_stream(3) + book.head(7, end=True)
    assert [event[1] for event in book.events("head")] == [1, 3, 7]
    assert book.is_quiet()


@pytest.mark.rfc("9113 5.1.2")
@pytest.mark.parametrize("how", ["abort", "refused", "reset", "ended"])
def test_a_slot_at_an_origin_is_free_only_once_it_has_heard_so(how: str) -> None:
    book = Playbook("origin")
    stream = book.stream(ended=how == "ended")
    book.door.take_events()
    if how == "abort":
        book.door.reset(stream, Code.CANCEL)
    elif how == "ended":
        book.door.send_data(stream, b"", True)
    else:
        book << (f.rst_stream(stream) if how == "reset" else f.window_update(stream, 0))
    settled = [event for event in book.door.take_events() if event[0] == "settled"]
    assert len(settled) == 1
    assert settled[0][1] == book.door.out_length, "something is said after the slot was given away"


@pytest.mark.rfc("9113 5.3.2")
@pytest.mark.parametrize("toward", BOTH)
def test_priority_is_read_and_ignored_in_every_state(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << b"".join(f.priority(number, 0) for number in (stream, 2, 9, 0x7FFFFFFF))
    assert book.is_quiet()
    assert book.door.streams == 1


@pytest.mark.rfc("9113 5.3.2")
def test_a_head_with_priority_and_padding_is_a_head() -> None:
    book = Playbook("client")
    fields = f.request()
    payload = b"\x03" + bytes(4) + b"\xff" + f.literal(fields) + bytes(3)
    book << f.headers(1, payload, end=True, flags=f.PADDED | f.PRIORITY_FLAG)
    assert book.events("head") == [("head", 1, fields, True)]
