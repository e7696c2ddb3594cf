"""RFC 9113 section 6.8: GOAWAY, theirs and ours."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Type
from tests.support.malformed import Case, cases
from tests.support.playbook import RESPONSE, Playbook, goaway, refused


@pytest.mark.rfc("9113 6.8")
@pytest.mark.parametrize("case", cases("6.8"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.8")
@pytest.mark.parametrize("last", [0, 1, 3, 5, 9, 0x7FFFFFFF])
def test_an_origin_that_leaves_has_not_seen_streams_above_its_last(last: int) -> None:
    book = Playbook("origin")
    streams = [book.door.open_stream() for _ in range(20)]
    for stream in streams:
        book.door.send_head(stream, f.request(), True)
    book.output()
    book << f.goaway(last, Code.NO_ERROR, b"bye")
    lost = sorted(event[1] for event in book.events("reset"))
    assert lost == [stream for stream in streams if stream > last]
    assert book.door.streams == 20 - len(lost)
    for stream in streams:
        if stream <= last:
            book << book.head(stream, end=True)
    assert len(book.events("ended")) == 20 - len(lost)
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.8")
def test_a_client_that_leaves_still_gets_its_answers() -> None:
    book = Playbook("client")
    stream = book.stream(ended=True)
    book << f.goaway(0, Code.NO_ERROR)
    assert book.events("reset") == []
    book.door.send_head(stream, RESPONSE, True)
    assert [frame.type for frame in book.output()] == [Type.HEADERS]
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.8")
def test_what_our_goaway_left_out_is_ignored_and_credited() -> None:
    book = Playbook("client")
    stream = book.stream()
    book.door.goaway(stream)
    book >> goaway(Code.NO_ERROR)
    book << book.head(stream + 2) + f.data(stream + 2, bytes(1000)) + f.window_update(stream + 2, 1)
    book << f.data(stream, b"still served")
    assert [event[:2] for event in book.events()] == [("data", stream)]
    assert book.is_quiet()
    left, owed, full = book.door.recv_window
    assert left + owed == full


@pytest.mark.rfc("9113 6.8")
def test_a_later_goaway_never_promises_more() -> None:
    book = Playbook("client")
    book.stream()
    for last, said in ((0x7FFFFFFF, 0x7FFFFFFF), (1, 1), (9, 1)):
        book.door.goaway(last)
        assert [frame.last_stream_id for frame in book.output()] == [said]


@pytest.mark.rfc("9113 6.8")
def test_a_refused_connection_says_which_stream_was_the_last() -> None:
    book = Playbook("client")
    book << book.head(1) + book.head(7) + f.data(0)
    said = book.output()[-1]
    assert (said.type, said.last_stream_id) == (Type.GOAWAY, 7)
    assert book.door.streams == 2, "floor 4 abandons them when it flushes"


@pytest.mark.rfc("9113 6.8")
def test_the_drain_is_over_once() -> None:
    book = Playbook("client")
    stream = book.stream()
    book.door.goaway(0x7FFFFFFF)
    book.door.ping(b"draining")
    book.output()
    book << f.ping(b"draining", ack=True)
    assert book.events() == [("drained",)]
    book.door.goaway(stream)
    book.output()
    book << f.ping(b"draining", ack=True) * 100
    assert book.events() == [], "each would cost another GOAWAY"
