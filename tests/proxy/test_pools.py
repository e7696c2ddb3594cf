"""Connections to origins: kept ready, retired, asked whether they live, limited; origins that abuse them."""

from __future__ import annotations

import contextlib
import itertools
import time

import pytest

from tests.support import frames
from tests.support.calls import eventually
from tests.support.frames import Code, Setting
from tests.support.stage import Caller, Stage, config, pushback, settles, total


@pytest.fixture
def start(gateway):
    houses = []

    def begin(*stages, **more):
        houses.append(gateway(toml=config(*(stage.port for stage in stages), **more)))
        return houses[-1]

    yield begin
    for house in houses:
        settles(house)


def unary(caller: Caller, *acts: str) -> int:
    return caller.result(caller.open(*acts, end=True)).grpc_status


# ---- ready


def test_connections_are_ready_before_the_first_call_and_again_when_they_were_closed(one, start):
    house = start(one, origin="min_ready = 3")
    eventually(lambda: len(one.opened) == 3)
    caller = Caller(house)
    assert [unary(caller) for _ in range(20)] == [0] * 20
    assert len(one.opened) == 3
    for peer in one.servers[:3]:
        peer.sock.shutdown(2)
    eventually(lambda: total(house)["origin_connections_open"] == 3 and len(one.opened) == 6)
    assert unary(caller) == 0
    for peer in one.servers[3:]:
        peer.send(frames.goaway(1 << 30))
    eventually(lambda: len(one.opened) == 9)
    assert [unary(caller) for _ in range(20)] == [0] * 20


def test_ready_connections_to_nobody_are_not_tried_without_pause(one, start, theatre):
    with contextlib.ExitStack() as stack:
        gone = stack.enter_context(Stage(theatre))
        house = start(one, gone, origin="min_ready = 2")
        eventually(lambda: len(one.opened) == len(gone.opened) == 2)
    time.sleep(1.5)
    assert 4 <= total(house)["origin_connections_opened"] <= 8
    caller = Caller(house)
    assert [unary(caller) for _ in range(10)] == [0] * 10


# ---- retired


def test_connections_retire_with_jitter_and_no_call_is_lost(one, start):
    house = start(one, origin='connection_age = "1s"')
    caller = Caller(house)
    ends = time.monotonic() + 10
    calls = 0
    while len(one.opened) < 3 and time.monotonic() < ends:
        group = [caller.open(end=True) for _ in range(5)]
        assert [caller.result(call).grpc_status for call in group] == [0] * 5
        calls += 5
    ages = [later - earlier for earlier, later in itertools.pairwise(one.opened)]
    print("calls:", calls, "ages:", ages)
    assert len(ages) == 2
    assert all(0.88 <= age <= 2 for age in ages), "a tenth less, a tenth more and what the machine adds"


def test_a_long_call_stays_on_a_retired_connection(one, start):
    house = start(one, origin='connection_age = "1s"')
    caller = Caller(house)
    call = caller.open()
    eventually(lambda: one.attempts)
    time.sleep(1.2)
    assert unary(caller) == 0
    assert len(one.opened) == 2
    caller.send(call, b"late", end=True)
    assert caller.result(call).body == b"late"
    eventually(lambda: total(house)["origin_connections_open"] == 1)


# ---- asked whether they live


def test_pings_only_while_calls_are_open_and_fewer_after_a_complaint(one, start):
    house = start(one, origin='keepalive = "1s"')
    caller = Caller(house)
    assert unary(caller) == 0
    call = caller.open("hold", "hold")
    time.sleep(0.9)
    assert not one.pings
    eventually(lambda: one.pings)
    one.servers[0].send(frames.goaway(0, Code.ENHANCE_YOUR_CALM, b"too_many_pings"))
    eventually(
        lambda: len(one.attempts) == 3
    )  # it was above the last stream, and is on another connection now
    again, before = time.monotonic(), len(one.pings)
    eventually(lambda: len(one.pings) > before, 6)
    assert time.monotonic() - again >= 1.9
    caller.cancel(call)
    settles(house)
    before = len(one.pings)
    time.sleep(1.2)
    assert len(one.pings) == before
    assert total(house)["keepalives_failed"] == 0


# ---- limited


def test_connections_and_the_queue_have_limits(theatre, start):
    with Stage(theatre, (Setting.MAX_CONCURRENT_STREAMS, 1)) as one:
        house = start(one, origin="connections = 2\nwaiting = 3")
        caller = Caller(house)
        held = [caller.open("hold")]
        eventually(lambda: len(one.attempts) == 1)
        held.append(caller.open("hold"))
        eventually(lambda: len(one.attempts) == 2)
        queued = [caller.open(end=True) for _ in range(3)]
        answer = caller.result(caller.open(end=True))
        assert (answer.grpc_status, len(one.opened)) == (14, 2)
        assert answer.trailers[b"fastgw-error"].startswith(b"overloaded")
        caller.cancel(held.pop())
        assert [caller.result(call).grpc_status for call in queued] == [0] * 3
        caller.cancel(held.pop())
        assert len(one.opened) == 2


def test_calls_that_wait_do_not_fail_with_the_first_of_two_connections(one, start, gateway):
    """min_ready opens several; that one of them comes to nothing says nothing about the others."""
    calls = itertools.count()
    begin = one._perform

    def first_is_lost(peer):
        if next(calls) == 0:
            raise ConnectionError
        time.sleep(0.2)
        begin(peer)

    one._play = first_is_lost
    house = start(one, origin="min_ready = 2")
    caller = Caller(house)
    assert unary(caller) == 0


# ---- abuse

CALLS = 1500


@pytest.mark.parametrize("how", ["refuse", "goaway", "lose", "down", "push"])
def test_an_origin_that_serves_nobody_costs_little(theatre, one, start, how):
    theatre.acts["push"] = ("head", pushback(b"315360000000"))
    one.always = how
    retry = 'on = ["unavailable"]'
    house = start(one, retry=retry, origin="eject_after = 0", limits="concurrent_streams = 1000")
    caller = Caller(house, timeout=30)
    begun, spent = time.monotonic(), time.thread_time()
    for _ in range(CALLS // 500):
        calls = [caller.open(end=True) for _ in range(500)]
        assert {caller.result(call).grpc_status for call in calls} == {14}
    settles(house)
    now = total(house)
    figures = {key: now[key] for key in ("attempts_again", "origin_connections_opened", "turns")}
    print(how, f"{time.monotonic() - begun:.2f} s, ours {time.thread_time() - spent:.2f}", figures)
    assert now["attempts_again"] <= (0 if how == "push" else 2 * CALLS)
    if how == "down":
        assert now["attempts_again"] <= 10 + CALLS // 5
    if how in ("refuse", "down", "push"):
        assert now["origin_connections_opened"] == 1
    assert now["origin_connections_opened"] <= 3 * CALLS
    assert not now["octets_waiting"]
