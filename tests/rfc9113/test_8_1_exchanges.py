"""RFC 9113 section 8.1 to 8.6: requests and responses on a connection."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import RESPONSE, TRAILERS, Playbook, refused, reset


@pytest.mark.rfc("9113 8.1")
@pytest.mark.parametrize("case", cases("8.1", "8.1.1", "8.2.1", "8.2.2", "8.3.1", "8.3.2", "8.5", "8.6"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 8.1")
def test_informational_heads_come_before_the_final_one() -> None:
    book = Playbook("origin")
    stream = book.door.open_stream()
    book.door.send_head(stream, f.request(), True)
    for status in (b"100", b"103"):
        book << book.head(stream, [(b":status", status)])
    book << book.head(stream) + f.data(stream, b"abc") + book.head(stream, TRAILERS, end=True)
    assert [event[0] for event in book.events()] == ["head", "head", "head", "data", "trailers", "ended"]


@pytest.mark.rfc("9113 8.1")
@pytest.mark.parametrize("toward", BOTH)
def test_trailers_end_a_half(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.data(stream, b"abc") + book.head(stream, [(b"grpc-status", b"7"), (b"x", b"y")], end=True)
    assert book.events("trailers") == [("trailers", stream, [(b"grpc-status", b"7"), (b"x", b"y")], 7)]
    assert book.is_quiet()


@pytest.mark.rfc("9113 8.1.1")
@pytest.mark.parametrize("toward", BOTH)
def test_content_length_holds(toward: str) -> None:
    length = (b"content-length", b"5")
    book = Playbook(toward)
    if toward == "origin":
        book.door.open_stream()
        book.door.send_head(1, f.request())
    head = f.request(b"/a.B/C", b"gw.test", length) if toward == "client" else [*RESPONSE, length]
    book << book.head(1, head) + f.data(1, b"abc", padding=3) + f.data(1, b"de") + f.data(1, end=True)
    assert [event[-1] for event in book.events("data")] == [False, False, True]
    assert book.door.refusals == {}


@pytest.mark.rfc("9113 8.1.1")
@pytest.mark.parametrize("status", [b"200", b"304", b"204"])
def test_what_has_no_content_may_promise_some(status: bytes) -> None:
    book = Playbook("origin")
    stream = book.door.open_stream()
    book.door.send_head(stream, f.request(), True, status == b"200")
    book << book.head(stream, [(b":status", status), (b"content-length", b"500")], end=True)
    assert [event[0] for event in book.events()] == ["head", "ended"]
    assert book.door.refusals == {}


@pytest.mark.rfc("9113 8.1.1")
def test_an_answer_to_head_has_no_content() -> None:
    book = Playbook("origin")
    stream = book.door.open_stream()
    book.door.send_head(stream, f.request(), True, True)
    book.output()
    head = book.head(stream, [(b":status", b"200"), (b"content-length", b"5")])
    book.refuses(
        head + f.data(stream, b"five5", end=True),
        reset(stream, Code.PROTOCOL_ERROR),
        "content_length_mismatch",
    )


@pytest.mark.rfc("9113 8.1")
def test_an_answer_may_be_complete_before_the_request() -> None:
    book = Playbook("origin")
    stream = book.stream(ended=True)
    assert book.door.sends_open(stream)
    book << f.rst_stream(stream, Code.NO_ERROR)
    assert book.events("reset") == [("reset", stream, Code.NO_ERROR, "reset")]
