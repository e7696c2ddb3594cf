"""Fixed maxima: each is changed, and a peer feels it where it stands and not before."""

from pathlib import Path

import pytest

from fastgw._core.h2.limits import TABLE
from tests.abuse.budgets import begun, is_served
from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH
from tests.support.playbook import RESPONSE, goaway

ELSEWHERE = {
    "waiting_octets",
    "worker_memory",
    "connections",
    "handshake_timeout_ms",
    "origin_idle_timeout_ms",
    "client_connection_age_ms",
    "drain_spread_ms",
    "hook_calls",
}
"""What a whole worker, its listeners and its pool enforce, not one connection."""


def heard(toward: str, fields: list[tuple[bytes, bytes]], **limits: int) -> list[tuple[bytes, bytes]]:
    """The fields of a head as floor 4 hears them; those beyond a limit are missing."""
    book = begun(toward, limits=limits)
    if toward == "origin":
        book.door.send_head(book.door.open_stream(), f.request())
        book.output()
    block = f.literal(fields)
    parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    book << f.headers(1, parts[0], end_headers=len(parts) == 1)
    for part in parts[1:]:
        book << f.continuation(1, part, end_headers=part is parts[-1])
    is_served(book)
    return book.events("head")[0][2]


def beginning(toward: str) -> list[tuple[bytes, bytes]]:
    return f.request() if toward == "client" else list(RESPONSE)


@pytest.mark.rfc("9113 6.5.2")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("octets", [1024, 4096, 65536])
def test_head_octets(toward: str, octets: int) -> None:
    fields = beginning(toward)
    left = octets - sum(len(name) + len(value) + 32 for name, value in fields)
    for number in range(left // 1000 - 1):
        fields.append((b"x-%03d" % number, b"v" * (1000 - 5 - 32)))
        left -= 1000
    whole = [*fields, (b"last", b"v" * (left - 4 - 32))]
    too_long = [*fields, (b"last", b"v" * (left - 4 - 31))]
    assert heard(toward, whole, head_octets=octets) == whole
    assert heard(toward, too_long, head_octets=octets) == fields


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("octets", [1024, 10000])
def test_a_block_may_have_four_times_the_octets_of_a_head(toward: str, octets: int) -> None:
    book = begun(toward, limits={"head_octets": octets, "continuation_frames": 1000})
    stream = book.stream()
    book << f.headers(stream, bytes(1000), end_headers=False)
    for at in range(1000, 4 * octets, 200):
        book << f.continuation(stream, bytes(200)[: 4 * octets - at], end_headers=False)
    assert not book.door.broken
    book.refuses(f.continuation(stream, b"\0"), goaway(Code.ENHANCE_YOUR_CALM), "field_block_too_large")


@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("most", [16, 100, 256])
def test_head_fields(toward: str, most: int) -> None:
    fields = beginning(toward)
    fields += [(b"x", b"%d" % number) for number in range(most - len(fields))]
    assert heard(toward, fields, head_fields=most) == fields
    assert heard(toward, [*fields, (b"y", b"")], head_fields=most) == fields


def test_head_fields_beyond_what_a_section_can_hold() -> None:
    fields = [*f.request(), *((b"x", b"%d" % number) for number in range(600))]
    assert heard("client", fields, head_fields=100_000) == fields[:256]


@pytest.mark.rfc("9113 6.9.2")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("most", [65535, 100_000, 1 << 20])
def test_connection_window(toward: str, most: int) -> None:
    """It grows as it is used, to this and no further."""
    book = begun(toward, limits={"connection_window": most}, initial_window_size=1 << 30)
    book.stream()
    for _ in range(400):
        book << f.data(1, bytes(16384))
        book.output()
        book.events()
    left, owed, full = book.door.recv_window
    assert full == most == left + owed
    is_served(book)


def test_every_limit_is_changed_by_some_test_here() -> None:
    told = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in TABLE if name not in ELSEWHERE and name not in told] == []
