"""CVE-2019-9518, CVE-2019-9513: frames that carry nothing or only priorities cost nothing."""

import pytest

from tests.support import frames as f
from tests.support.malformed import BOTH
from tests.support.playbook import Playbook


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize(
    "octets",
    [f.data(1), f.data(1, b"", padding=0), f.priority(99, 1), f.frame(0x77, 99), f.window_update(1, 1)],
    ids=["data", "padded", "priority", "unknown", "window"],
)
def test_nothing_is_kept_and_nothing_is_said(toward: str, octets: bytes) -> None:
    book = Playbook(toward)
    book.stream()
    book << octets * 10000
    assert [frame for frame in book.output() if frame.type != f.Type.WINDOW_UPDATE] == []
    assert book.events() == []
    left, owed, full = book.door.recv_window
    assert left + owed == full
    assert book.is_quiet()


@pytest.mark.parametrize("toward", BOTH)
def test_tiny_messages_are_honest_traffic(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    for _ in range(100):
        book << f.data(stream, b"x") * 100
        book.output()
    assert sum(len(event[2]) for event in book.events("data")) == 10000
    assert book.is_quiet()
