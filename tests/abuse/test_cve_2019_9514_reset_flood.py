"""CVE-2019-9514: each stream is opened wrongly, we must answer with RST_STREAM, and no answer is read."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code, Type
from tests.support.malformed import asks
from tests.support.playbook import Playbook


@pytest.mark.parametrize("kind", ["malformed", "too-many", "window-zero"])
def test_resets_that_nobody_reads_end_the_connection(kind: str) -> None:
    book = Playbook("client", max_concurrent_streams=1)
    if kind == "too-many":
        book << book.head(1)
    for stream in range(3, 6003, 2):
        if kind == "window-zero":
            book << book.head(stream) + f.window_update(stream, 0)
        else:
            book << asks(stream, (b"connection", b"close")) if kind == "malformed" else book << book.head(
                stream
            )
        if book.door.broken:
            break
    said = book.output()
    assert len(said) == 1001
    assert {frame.type for frame in said[:-1]} == {Type.RST_STREAM}
    assert (said[-1].type, said[-1].code) == (Type.GOAWAY, Code.ENHANCE_YOUR_CALM)
    assert book.door.close()[1:] == (0, 0)


def test_a_client_that_opens_too_many_and_reads_is_served() -> None:
    book = Playbook("client", max_concurrent_streams=1)
    book << book.head(1)
    for stream in range(3, 6003, 2):
        book << book.head(stream)
        book.output()
    book << f.rst_stream(1) + book.head(6003, end=True)
    assert book.events("head")[-1][1] == 6003
    assert book.is_quiet()
