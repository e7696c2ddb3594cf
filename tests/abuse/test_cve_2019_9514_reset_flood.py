"""CVE-2019-9514: each stream is opened wrongly, we must answer with RST_STREAM, and no answer is read."""

import pytest

from tests.abuse.budgets import begun, pass_time
from tests.support import frames as f
from tests.support.frames import Code, Type
from tests.support.malformed import asks
from tests.support.playbook import Playbook


def wrong(book: Playbook, kind: str, stream: int) -> bytes:
    """A stream that we must reset."""
    if kind == "malformed":
        return asks(stream, (b"connection", b"close"))
    return book.head(stream) + (f.window_update(stream, 0) if kind == "window-zero" else b"")


@pytest.mark.parametrize("kind", ["malformed", "too-many", "window-zero"])
@pytest.mark.parametrize(
    ("limits", "resets", "reason"),
    [({}, 1000, b"reset_flood"), ({"resets_burst": 9999}, 1000, b"control_frame_flood")],
    ids=["too many", "too many unread"],
)
def test_resets_that_nobody_reads_end_the_connection(
    kind: str, limits: dict[str, int], resets: int, reason: bytes
) -> None:
    book = begun("client", max_concurrent_streams=1, limits=limits)
    if kind == "too-many":
        book << book.head(1)
    for stream in range(3, 6003, 2):
        book << wrong(book, kind, stream)
        if book.door.broken:
            break
    said = book.output()
    assert len(said) == resets + 1
    assert {frame.type for frame in said[:-1]} == {Type.RST_STREAM}
    assert (said[-1].type, said[-1].code, said[-1].debug) == (Type.GOAWAY, Code.ENHANCE_YOUR_CALM, reason)
    assert book.door.refusals[reason.decode()] == 1
    assert len(book.door.refusals) == 2
    assert book.door.close()[1:] == (0, 0)


def test_a_client_that_opens_too_many_and_reads_is_served() -> None:
    book = begun("client", max_concurrent_streams=1)
    book << book.head(1)
    for stream in range(3, 6003, 2):
        book << book.head(stream)
        book.output()
        pass_time(book, 5)
    book << f.rst_stream(1) + book.head(6003, end=True)
    assert book.events("head")[-1][1] == 6003
    assert book.is_quiet()
