"""RFC 9113 section 6.9 and 5.2: windows, both ways."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Setting, Type
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import RESPONSE, TRAILERS, Playbook, credit, goaway, refused, reset


@pytest.mark.rfc("9113 6.9")
@pytest.mark.parametrize("case", cases("6.9", "6.9.1", "6.9.2"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.9.1")
@pytest.mark.parametrize("toward", BOTH)
def test_padding_counts_against_both_windows(toward: str) -> None:
    book = Playbook(toward, credits=False)
    stream = book.stream()
    book << f.data(stream, b"x" * 10, padding=5)
    assert book.door.recv_window == (65535 - 16, 6, 65535), (
        "padding is owed at once, content when it has passed"
    )
    assert book.door.stream_recv_window(stream) == (65535 - 16, 6, 65535)
    book.door.credit(stream, 10)
    assert book.door.recv_window == (65535 - 16, 16, 65535)


@pytest.mark.rfc("9113 6.9.1")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("padding", [None, 200])
def test_one_octet_more_than_a_window_is_refused(toward: str, padding: int | None) -> None:
    extra = 0 if padding is None else padding + 1
    book = Playbook(toward, initial_window_size=1000, credits=False)
    stream = book.stream()
    book << f.data(stream, bytes(1000 - extra), padding=padding)
    assert book.door.reason == 0
    assert book.output() == []
    book << f.data(stream, b"x")
    book >> reset(stream, Code.FLOW_CONTROL_ERROR)
    assert book.door.refusals == {"window_overrun": 1}
    assert book.is_quiet()

    book = Playbook(toward, initial_window_size=1 << 20, credits=False)
    stream = book.stream()
    book << f.data(stream, bytes(16384)) * 3 + f.data(stream, bytes(16383))
    assert book.door.recv_window[0] == 0
    book.refuses(
        f.data(stream, b"x"),
        goaway(Code.FLOW_CONTROL_ERROR, "connection_window_overrun"),
        "connection_window_overrun",
    )


@pytest.mark.rfc("9113 6.9")
@pytest.mark.parametrize("toward", BOTH)
def test_a_frame_refused_on_its_stream_still_counts_on_the_connection_and_is_paid_back(toward: str) -> None:
    book = Playbook(toward, credits=False)
    stream = book.stream(ended=True)
    for _ in range(30):
        book << f.data(stream, bytes(16000), padding=100)
        assert book.door.reason == 0
        left, owed, full = book.door.recv_window
        assert left + owed == full
        book.output()


@pytest.mark.rfc("9113 6.9")
@pytest.mark.parametrize("how", ["long", "ends-short"])
def test_content_that_breaks_its_length_is_paid_back(how: str) -> None:
    book = Playbook("client", credits=False)
    book << book.head(1, f.request(b"/a.B/C", b"gw.test", (b"content-length", b"5")))
    octets = f.data(1, bytes(1000), padding=9) if how == "long" else f.data(1, b"abc", end=True)
    for at in range(0, len(octets), 7):
        book << octets[at : at + 7]
    held = sum(len(event[2]) for event in book.events("data"))
    book.door.credit(1, held)
    left, owed, full = book.door.recv_window
    assert left + owed == full


@pytest.mark.rfc("9113 6.9.1")
@pytest.mark.parametrize("toward", BOTH)
def test_credit_is_said_at_half_a_window(toward: str) -> None:
    book = Playbook(toward, initial_window_size=1000)
    stream = book.stream()
    book << f.data(stream, bytes(499))
    assert book.output() == []
    book << f.data(stream, b"x")
    book >> credit(stream, 500)
    assert book.door.stream_recv_window(stream) == (1000, 0, 1000)


@pytest.mark.rfc("9113 6.9.1")
@pytest.mark.parametrize("toward", BOTH)
def test_no_credit_for_a_half_that_has_ended(toward: str) -> None:
    book = Playbook(toward, initial_window_size=1000)
    stream = book.stream()
    book << f.data(stream, bytes(1000), end=True)
    assert [frame for frame in book.output() if frame.stream_id == stream] == []


@pytest.mark.rfc("9113 5.2.2")
@pytest.mark.parametrize("toward", BOTH)
def test_we_send_no_more_than_either_window(toward: str) -> None:
    book = Playbook(toward, theirs=f.settings((Setting.INITIAL_WINDOW_SIZE, 1000)))
    stream = book.stream()
    if toward == "client":
        book.door.send_head(stream, RESPONSE)
        book.output()
    assert book.door.send_data(stream, bytes(200000), True) > 0
    assert sent(book) == (1000, False)
    book << f.window_update(0, 1)
    assert sent(book) == (0, False)
    book << f.window_update(stream, 100000)
    assert sent(book) == (65536 - 1000, False)
    book << f.window_update(0, 1000000) + f.window_update(stream, 1000000)
    assert sent(book) == (200000 - 65536, True)


def sent(book: Playbook) -> tuple[int, bool]:
    """Octets of DATA that went out, and whether one ended its stream."""
    said = [frame for frame in book.output() if frame.type == Type.DATA]
    return sum(len(frame.payload) for frame in said), any(frame.ends_stream for frame in said)


@pytest.mark.rfc("9113 6.9.2")
def test_a_lower_initial_window_may_make_a_window_negative() -> None:
    book = Playbook("client", theirs=f.settings((Setting.INITIAL_WINDOW_SIZE, 1000)))
    stream = book.stream()
    book.door.send_head(stream, RESPONSE)
    book.output()
    book.door.send_data(stream, bytes(3000), True)
    assert sent(book) == (1000, False)
    book << f.settings((Setting.INITIAL_WINDOW_SIZE, 100))
    assert book.door.stream_send_window(stream) == -900
    book << f.window_update(stream, 900)
    assert sent(book) == (0, False)
    book << f.window_update(stream, 1)
    assert sent(book) == (1, False)
    book << f.settings((Setting.INITIAL_WINDOW_SIZE, 200))
    assert sent(book) == (100, False)
    assert book.door.send_window == 65535 - 1101, "the connection window does not move with it"
    book << f.settings((Setting.INITIAL_WINDOW_SIZE, 10000))
    assert sent(book) == (1899, True)


@pytest.mark.rfc("9113 6.9.1")
@pytest.mark.parametrize("toward", BOTH)
def test_the_largest_window_is_legal(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    before = book.door.send_window
    book << f.window_update(0, 0x7FFFFFFF - before) + f.window_update(stream, 0x7FFFFFFF - 65535)
    assert book.door.send_window == book.door.stream_send_window(stream) == 0x7FFFFFFF
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.9")
def test_what_has_no_octets_needs_no_window() -> None:
    book = Playbook("client", theirs=f.settings((Setting.INITIAL_WINDOW_SIZE, 0)))
    stream = book.stream(ended=True)
    book.door.send_head(stream, RESPONSE)
    book.output()
    book.door.send_data(stream, b"", True)
    assert sent(book) == (0, True)
    assert book.events("ended") == [("ended", stream)]


@pytest.mark.rfc("9113 6.9")
def test_trailers_wait_behind_octets_and_need_no_window_themselves() -> None:
    book = Playbook("client", theirs=f.settings((Setting.INITIAL_WINDOW_SIZE, 10)))
    stream = book.stream(ended=True)
    book.door.send_head(stream, RESPONSE)
    book.output()
    book.door.send_data(stream, bytes(25))
    book.door.send_trailers(stream, TRAILERS)
    assert sent(book) == (10, False)
    book << f.window_update(stream, 15)
    said = book.output()
    assert [(frame.type, frame.ends_stream) for frame in said] == [(Type.DATA, False), (Type.HEADERS, True)]
    assert book.events("ended") == [("ended", stream)]
