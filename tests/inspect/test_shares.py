"""Leases of shared rate limits, in the core: what gateways may admit together, and what many keys cost."""

from __future__ import annotations

import struct
from time import monotonic_ns

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.inspect.counters import Counters
from fastgw._core.inspect.limits import Limiter, Values
from fastgw._core.inspect.shares import ShareMode, Shares
from fastgw.policy.inspection import RateLimit

FLEET = bytes(range(16))
BEGIN = 1_000_000_000  # ms; a window of any whole number of seconds up to 10 begins here
OWNER = 7


class Sums:
    """What the script does in Redis."""

    def __init__(self) -> None:
        self.held: dict[tuple[bytes, int], int] = {}

    def hear(self, told: bytes) -> bytes:
        heard = b""
        for name, window, calls, late, back, _ in struct.iter_unpack("<32sQIIII", told):
            if late:
                before = name, window - back
                self.held[before] = self.held.get(before, 0) + late
            self.held[name, window] = self.held.get((name, window), 0) + calls
            heard += struct.pack("<II", self.held[name, window], self.held.get((name, window - 1), 0))
        return heard


class Peer:
    """The core of one gateway. Each has another number for the rule, and the same name."""

    def __init__(self, sums: Sums, gateways: int, most: int, owner: int = OWNER, **terms: int) -> None:
        self.sums = sums
        self.counters = Counters(1 << 20)
        self.shares = self.counters.shares = Shares(
            terms.pop("records", 64), terms.pop("batch", 64), 50, FLEET
        )
        self.shares.own(owner, 0x1234567890ABCDEF)
        self.shares.mode(ShareMode.SHARED, gateways, 0)
        limit = RateLimit((), period=10, requests_per_period=most, **terms)
        self.limiter = Limiter(self.counters, owner, 1, limit)

    def call(self, now_ms: int, key: bytes = b"k") -> bool:
        return self.limiter.take(Values([key]), now_ms)[0]

    def turn(self, now_ms: int) -> bytes:
        told = self.shares.take(now_ms * 1_000_000)
        self.shares.give(self.counters, self.sums.hear(told), now_ms * 1_000_000)
        return told


@settings(max_examples=150, deadline=None)
@given(
    gateways=st.integers(1, 4),
    most=st.integers(1, 60),
    course=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25)), max_size=60),
)
def test_no_course_of_events_admits_more_than_the_bound(
    gateways: int, most: int, course: list[tuple[int, int]]
) -> None:
    """0 calls is a turn. Nobody reports in time, or all do: what passes in one window is bounded."""
    sums = Sums()
    peers = [Peer(sums, gateways, most, owner=number) for number in range(gateways)]
    admitted = 0
    for step, (number, calls) in enumerate(course):
        peer = peers[number % gateways]
        now = BEGIN + step * 50
        if calls == 0:
            peer.turn(now)
        admitted += sum(peer.call(now) for _ in range(calls))
    assert admitted <= most + (gateways - 1) * max(1, most // gateways)
    for number in range(gateways):
        peers[number].turn(BEGIN + 9000)
    assert sum(sums.held.values()) == admitted, "all that passed is told, and nothing else"


def test_all_of_the_limit_is_found_by_one_gateway_alone() -> None:
    peer = Peer(Sums(), 3, 90)
    passed = 0
    for turn in range(60):
        passed += sum(peer.call(BEGIN + turn * 50) for _ in range(40))
        peer.turn(BEGIN + turn * 50)
        if turn == 0:
            assert passed == 30, "a third, before anything was heard"
    assert passed == 90


def test_the_window_before_counts_for_all() -> None:
    sums = Sums()
    first, second = Peer(sums, 2, 10), Peer(sums, 2, 10, owner=8)
    for turn in range(10):
        first.call(BEGIN + 9000 + turn)
        first.turn(BEGIN + 9000 + turn)
    assert second.call(BEGIN + 10_100), "it has not heard of the key"
    second.turn(BEGIN + 10_100)
    assert not second.call(BEGIN + 10_200), "ten calls just before"
    second.turn(BEGIN + 18_000)
    assert second.call(BEGIN + 18_000), "most of them are no longer in the last ten seconds"


def test_what_did_not_arrive_is_told_again() -> None:
    sums = Sums()
    peer = Peer(sums, 1, 100)
    assert all(peer.call(BEGIN) for _ in range(5))
    assert peer.shares.take(BEGIN * 1_000_000)
    peer.shares.undo()
    assert peer.call(BEGIN + 1)
    peer.turn(BEGIN + 50)
    assert list(sums.held.values()) == [6]


def test_calls_of_others_count_here_too_once_all_are_alone() -> None:
    sums = Sums()
    first, second = Peer(sums, 2, 10), Peer(sums, 2, 10, owner=8)
    for peer in (first, second, first, second):
        peer.call(BEGIN)
        peer.turn(BEGIN)
    first.shares.mode(ShareMode.ALONE, 2, 0)
    assert sum(first.call(BEGIN + 100) for _ in range(20)) == 7, "two of its own, one that it heard of"


def test_a_million_keys_cost_no_more_than_was_taken() -> None:
    peer = Peer(Sums(), 1, 10, records=1024, batch=256)
    before = peer.shares.stats()["octets"]
    peer.limiter.take_many(Values([0]), 1_000_000, 1_000_000)
    stats = peer.shares.stats()
    assert stats["octets"] == before == 1024 * 136
    assert stats["used"] <= 1024
    assert stats["unshared"] + stats["displaced"] > 900_000
    assert len(peer.shares.take(monotonic_ns())) == 256 * 56
    assert peer.shares.stats()["waiting"] <= 1024


def test_keys_near_their_end_are_told_first() -> None:
    peer = Peer(Sums(), 1, 10, batch=1, records=4096)
    for number in range(20):
        peer.call(BEGIN, b"%d" % number)
    alone = Peer(Sums(), 1, 10)
    for one in (peer, alone):
        assert sum(one.call(BEGIN, b"busy") for _ in range(12)) == 10
    wanted = struct.unpack_from("<32s", alone.turn(BEGIN + 50))
    assert struct.unpack_from("<32s", peer.turn(BEGIN + 50)) == wanted


def test_the_name_of_a_key_hangs_on_the_fleet() -> None:
    one, same = Peer(Sums(), 1, 10), Peer(Sums(), 1, 10, owner=9)
    for peer in (one, same):
        peer.call(BEGIN)
    name = one.turn(BEGIN)[:32]
    assert same.turn(BEGIN)[:32] == name, "whatever number the rule has"
    assert int(name, 16)
    foreign = Peer(Sums(), 1, 10)
    foreign.shares.own(OWNER, 5)
    foreign.call(BEGIN)
    assert foreign.turn(BEGIN)[:32] != name


def test_open_and_closed() -> None:
    peer = Peer(Sums(), 1, 2)
    peer.shares.mode(ShareMode.OPEN, 1, 0)
    assert all(peer.call(BEGIN) for _ in range(5))
    peer.shares.mode(ShareMode.CLOSED, 1, 0)
    assert peer.limiter.take(Values([b"k"]), BEGIN) == (False, 1000)
    peer.shares.mode(ShareMode.SHARED, 1, 0)
    assert [peer.call(BEGIN) for _ in range(3)] == [True, True, False]
