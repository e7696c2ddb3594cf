"""What every budget promises, played on one connection whose clock stands still unless it is moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support import frames as f
from tests.support.frames import Code, Type
from tests.support.playbook import RESPONSE, TRAILERS, Playbook

One = Callable[[Playbook, int], bytes]
START_MS = 60_000  # late enough for the first SETTINGS to be forgiven


def begun(toward: str, *, limits: dict[str, int] | None = None, **more: Any) -> Playbook:
    """A connection with a clock that has moved and now stands."""
    book = Playbook(toward, limits=limits, **more)
    book.door.now_ms = START_MS
    return book


def pass_time(book: Playbook, milliseconds: int) -> None:
    book.door.now_ms += milliseconds


class Flood:
    """A peer that sends `one(book, n)` for n = 0, 1, 2 …; too many of them are `reason`."""

    def __init__(self, book: Playbook, reason: str, one: One | bytes) -> None:
        self.book = book
        self.reason = reason
        self.one = one if callable(one) else lambda book, number: one
        self.sent = 0

    def passes(self, count: int) -> Flood:
        """`count` more are accepted; the peer reads what is said."""
        for number in range(count):
            self.book << self.one(self.book, self.sent)
            self.sent += 1
            if number % 200 == 199:
                self.book.output()
                self.book.events()
        self.book.output()
        self.book.events()
        assert not self.book.door.broken, (self.book.door.reason.name, self.sent)
        assert self.reason not in self.book.door.refusals
        return self

    def is_refused(self) -> None:
        """One more is too many: GOAWAY tells why, nothing is kept, and what comes later is not read."""
        self.book << self.one(self.book, self.sent)
        said = self.book.output()
        assert said, f"number {self.sent} was accepted"
        assert (said[-1].type, said[-1].code) == (Type.GOAWAY, Code.ENHANCE_YOUR_CALM)
        assert said[-1].debug.decode() == self.reason
        assert self.book.door.reason.name.lower() == self.reason
        assert self.book.door.refusals[self.reason] == 1
        assert "control_frame_flood" not in self.book.door.refusals
        self.book << f.ping()
        assert self.book.output() == []
        assert self.book.door.close()[1:] == (0, 0)


def spends_its_burst(flood: Flood, burst: int) -> None:
    flood.passes(burst).is_refused()


def gets_back_by_time(make: Callable[[], Flood], burst: int, per_second: int) -> None:
    """Half a second gives half of what a second does, an hour no more than the burst."""
    for pause_ms, more in ((500, per_second // 2), (3_600_000, burst)):
        flood = make().passes(burst)
        pass_time(flood.book, pause_ms)
        flood.passes(more).is_refused()


def gets_back_by_use(flood: Flood, burst: int, per_useful: int) -> None:
    """Each octet of content that comes in gives `per_useful` back. The stream it comes on is open."""
    flood.passes(burst)
    flood.book << f.data(1, b"x") * 3
    flood.passes(3 * per_useful).is_refused()


def complete(book: Playbook, stream: int) -> None:
    """We answer a request whose half is over; its stream ends well."""
    book.door.send_head(stream, RESPONSE)
    book.door.send_trailers(stream, TRAILERS)


def is_served(book: Playbook) -> None:
    """After all that nothing was refused."""
    book.output()
    assert book.door.refusals == {}
    assert book.is_quiet()
