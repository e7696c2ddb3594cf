"""CVE-2023-44487: streams are opened and reset at once, without end; here: what they cost one connection."""

import pytest

from tests.support import frames as f
from tests.support.playbook import RESPONSE, Playbook


@pytest.mark.parametrize("answered", [False, True])
def test_reset_streams_leave_no_memory(answered: bool) -> None:
    book = Playbook("client", max_concurrent_streams=10)
    for stream in range(1, 8001, 2):
        book << book.head(stream)
        if answered:
            book.door.send_head(stream, RESPONSE)
            book.door.send_data(stream, bytes(100))
        book << f.rst_stream(stream)
        book.output()
        book.events()
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
