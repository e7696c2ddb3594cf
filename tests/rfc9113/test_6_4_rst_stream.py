"""RFC 9113 section 6.4: RST_STREAM."""

import pytest

from tests.support import frames as f
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import RESPONSE, Playbook, refused


@pytest.mark.rfc("9113 6.4")
@pytest.mark.parametrize("case", cases("6.4"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.4")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("code", [0, 1, 8, 13, 14, 0xFFFFFFFF])
def test_any_code_ends_the_stream_and_is_handed_on(toward: str, code: int) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.rst_stream(stream, code)
    assert book.events("reset") == [("reset", stream, code, "reset")]
    assert book.door.streams == 0
    assert book.is_quiet(), "a reset is never answered with one"


@pytest.mark.rfc("9113 6.4")
@pytest.mark.parametrize("toward", BOTH)
def test_what_waited_in_a_reset_stream_is_dropped(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    if toward == "client":
        book.door.send_head(stream, RESPONSE)
    assert book.door.send_data(stream, bytes(100000)) > 0
    book.output()
    book << f.rst_stream(stream) + f.window_update(0, 100000)
    assert book.door.waiting == 0
    assert book.is_quiet()
