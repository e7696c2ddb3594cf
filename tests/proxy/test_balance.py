"""Which endpoint gets a call: by weight, by cost, by key; who is left out, and how it comes back."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.proxy.endpoints import replay
from tests.support.calls import eventually
from tests.support.frames import Code
from tests.support.stage import Caller, Stage, Theatre, config, settles, total

WEIGHTS = (5, 3, 1)


@pytest.fixture
def three(theatre):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Stage(theatre)) for _ in range(3)]


@pytest.fixture
def start(gateway, three):
    """`start(origin=…, each=[…])`: a gateway in front of the stages, with further keys for each record."""
    houses = []

    def begin(origin="", each=("", "", ""), stages=three, **more):
        pairs = zip(stages, each, strict=True)
        ports = [f"{stage.port}{extra and ', ' + extra}" for stage, extra in pairs]
        houses.append(gateway(toml=config(*ports, origin=origin, **more)))
        return houses[-1], Caller(houses[-1])

    yield begin
    for house in houses:
        settles(house)


def call(theatre: Theatre, caller: Caller, *acts: str, fields=None) -> Stage:
    """One unary call; the stage of its last attempt."""
    stream_id = caller.open(*acts, end=True, fields=fields)
    caller.result(stream_id)
    return theatre.calls[caller.name(stream_id)][-1].stage


def share(theatre, caller, stages, calls, **more) -> list[int]:
    order = [stages.index(call(theatre, caller, **more)) for _ in range(calls)]
    return [order.count(number) for number in range(len(stages))]


def smooth(weights: tuple[int, ...], calls: int) -> list[int]:
    """Whose turn it is, by nginx's rule: all gain their weight, the richest pays the sum."""
    saved, order = [0] * len(weights), []
    for _ in range(calls):
        saved = [have + weight for have, weight in zip(saved, weights, strict=True)]
        richest = saved.index(max(saved))
        saved[richest] -= sum(weights)
        order.append(richest)
    return order


# ---- by weight


def test_round_robin_is_exact_and_smooth(theatre, three, start):
    _, caller = start(each=[f"weight = {weight}" for weight in WEIGHTS])
    order = [three.index(call(theatre, caller)) for _ in range(45)]
    assert order == smooth(WEIGHTS, 45)


def test_by_lot_as_likely_as_the_weight_is_large(theatre, three, start):
    _, caller = start('balance = "random"', each=[f"weight = {weight}" for weight in WEIGHTS])
    calls = 450
    for count, weight in zip(share(theatre, caller, three, calls), WEIGHTS, strict=True):
        likely = weight / sum(WEIGHTS)
        assert abs(count - calls * likely) < 5 * math.sqrt(calls * likely * (1 - likely))


# ---- by cost


def test_the_less_busy_of_two(theatre, three, start):
    _, caller = start('balance = "least_calls"', each=["", ""], stages=three[:2])
    held = [caller.open("hold") for _ in range(20)]
    eventually(lambda: sum(len(stage.attempts) for stage in three) == 20)
    assert [len(stage.attempts) for stage in three] == [10, 10, 0]
    for stream_id in held:
        caller.cancel(stream_id)
    caller.sync()
    assert min(share(theatre, caller, three[:2], 100)) >= 20, "equals share"


def test_the_faster_ones_get_the_calls(theatre, three, start):
    house, _ = start('balance = "peak_ewma"')
    slow = three[2]
    slow.delay = 0.1
    ends = time.monotonic() + 2

    def work():
        caller = Caller(house)
        while time.monotonic() < ends:
            call(theatre, caller)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    calls = [len(stage.attempts) for stage in three]
    print("calls in 2 s:", calls)
    assert 0 < calls[2] < 0.05 * sum(calls)
    assert min(calls[:2]) > 0.2 * sum(calls)
    slow.delay = 0.0
    caller = Caller(house)
    ends = time.monotonic() + 25
    while share(theatre, caller, three, 60)[2] < 12:
        assert time.monotonic() < ends, "what was slow is forgotten after ten seconds"
        time.sleep(0.2)


def test_one_that_was_slow_is_fast_after_one_answer_once_its_past_is_forgotten():
    slow = ("answered", 0, 200)
    (at_once,), (half,) = (replay([slow, ("look", ms, 0)], 5, 1000)[1:] for ms in (0, 5000))
    assert at_once[0] == 200
    assert half[0] == pytest.approx(100)
    assert replay([slow, ("answered", 9900, 1), ("look", 9900, 0)], 5, 1000)[-1][0] < 3
    assert replay([slow, ("answered", 0, 1)], 5, 1000)[-1][0] == pytest.approx(200 - 199 / 8)
    assert replay([("answered", 0, 1), ("answered", 0, 200)], 5, 1000)[-1][0] == 200, (
        "worse news counts at once"
    )


# ---- by key


def _keys(theatre, caller, stages, count=60):
    return [stages.index(call(theatre, caller, fields=[(b"x-user", b"user%d" % n)])) for n in range(count)]


def test_a_key_stays_where_it_is_and_few_move_when_one_leaves(theatre, three, start):
    origin = 'balance = "hash"\nhash_key = "x-user"'
    _, caller = start(origin)
    before = _keys(theatre, caller, three)
    assert before == _keys(theatre, caller, three)
    assert all(before.count(number) > 5 for number in range(3))
    rest = three[1:]
    _, other = start(origin, stages=rest, each=["", ""])
    after = [three.index(rest[place]) for place in _keys(theatre, other, rest)]
    assert [to for to, was in zip(after, before, strict=True) if was != 0] == [w for w in before if w != 0]
    _, turned = start(origin, stages=three[::-1])
    assert [2 - place for place in _keys(theatre, turned, three[::-1])] == before, "whatever their order"


def test_calls_without_the_key_go_anywhere_and_one_key_cannot_sink_an_endpoint(theatre, three, start):
    _, caller = start('balance = "hash"\nhash_key = "x-user"')
    assert min(share(theatre, caller, three, 60)) > 5
    before = [len(stage.attempts) for stage in three]
    held = [caller.open("hold", fields=[(b"x-user", b"one")]) for _ in range(60)]
    eventually(lambda: sum(len(stage.attempts) for stage in three) == 120)
    most = max(len(stage.attempts) - was for stage, was in zip(three, before, strict=True))
    assert most <= 60 / 3 * 1.25 + 2
    for stream_id in held:
        caller.cancel(stream_id)


# ---- who is left out


def test_failures_in_a_row_take_an_endpoint_out_and_it_returns_slowly(theatre, three, start):
    origin = 'eject_after = 3\neject_for = "400ms"\nslow_start = "1s"'
    house, caller = start(origin, each=["", ""], stages=three[:2])
    bad = three[0]
    bad.always = "down-late"
    for _ in range(40):
        call(theatre, caller)
    assert len(bad.attempts) == 3
    row = house.gateway.stats()["endpoints"][0]
    assert (row["ejected"], row["times_ejected"], row["calls_failed"]) == (True, 1, 3)
    bad.always = ""
    time.sleep(0.42)
    came = collections.Counter(call(theatre, caller) is bad for _ in range(40))
    assert 1 <= came[True] <= 14, "a tenth of its weight at first"
    assert not house.gateway.stats()["endpoints"][0]["ejected"]
    time.sleep(1)
    assert abs(share(theatre, caller, three[:2], 40)[0] - 20) <= 2


@pytest.mark.parametrize("act", ["down", "down-late", "internal", "refuse", "lose"])
def test_what_counts_as_a_failure(theatre, three, start, act):
    three[0].always = act
    _, caller = start('eject_after = 2\neject_for = "1h"', each=["", ""], stages=three[:2])
    for _ in range(12):
        call(theatre, caller)
    assert len(three[0].attempts) == 2


def test_a_good_call_breaks_the_row(theatre, three, start):
    house, caller = start("eject_after = 2", each=[""], stages=three[:1])
    for _ in range(5):
        call(theatre, caller, "down-late")
        call(theatre, caller)
    assert house.gateway.stats()["endpoints"][0]["times_ejected"] == 0


def test_failures_while_it_is_out_do_not_count_when_it_is_back():
    failed = [("failed", 0, 1)] * 20
    steps = [*failed, ("look", 1001, 0), ("failed", 1001, 1), ("failed", 1001, 1), ("failed", 1001, 1)]
    rows = replay(steps, 3, 1000)
    assert [row[1] for row in rows] == [True] * 2 + [False] * 18 + [True] * 3 + [False]
    assert rows[-1][3] == 2


@given(
    st.lists(
        st.tuples(st.sampled_from(["served", "failed", "unreachable"]), st.integers(0, 300)), max_size=40
    )
)
def test_ejection_is_the_model(steps):
    now, row, times, until, expected, played = 0, 0, 0, -1, [], []
    for what, passed in steps:
        now += passed
        played.append((what, now, 1))
        if what == "served":
            row = 0
            if until <= now:
                times = 0
        elif until <= now:
            row += 1
            if row == 3:
                times += 1
                row, until = 0, now + 100 * min(times, 10)
        expected.append((until <= now, row, times))
    assert [found[1:] for found in replay(played, 3, 100)] == expected


def test_a_higher_priority_serves_when_too_few_of_the_lower_are_available(theatre, three, start):
    origin = 'eject_after = 1\neject_for = "1h"\npanic_threshold = 60'
    first, _, spare = three
    house, caller = start(origin, each=["", "", "priority = 1"])
    assert share(theatre, caller, three, 10) == [5, 5, 0]
    first.always = "down"
    call(theatre, caller)
    call(theatre, caller)
    assert share(theatre, caller, three, 10) == [0, 0, 10]
    spare.always = "down"
    call(theatre, caller)
    first.always = spare.always = ""
    assert share(theatre, caller, three, 10) == [5, 5, 0], "nowhere are enough: all of the first are tried"
    assert [row["ejected"] for row in house.gateway.stats()["endpoints"]] == [True, False, True]


def test_without_a_panic_threshold_nobody_unavailable_is_tried(theatre, three, start):
    origin = 'eject_after = 1\neject_for = "1h"\npanic_threshold = 0'
    for stages in (three[:1], three[:2]):
        _, caller = start(origin, stages=stages, each=[""] * len(stages))
        for _ in stages:
            call(theatre, caller, "down")
        stream_id = caller.open(end=True)
        answer = caller.result(stream_id)
        assert answer.grpc_status == 14
        assert answer.trailers[b"fastgw-error"] == b"origin_unreachable; side=origin; phase=connect"
        assert not theatre.calls[caller.name(stream_id)]


def test_a_call_that_is_tried_again_waits_rather_than_go_where_nobody_is_well(theatre, three, start):
    _, caller = start('eject_after = 1\neject_for = "1h"')
    three[2].always = "down"
    while not three[2].attempts:
        call(theatre, caller)
    before = len(three[2].attempts)
    for _ in range(6):
        stream_id = caller.open("goaway", "goaway", end=True)
        assert caller.result(stream_id).grpc_status == 0
    assert len(three[2].attempts) == before


# ---- limits


def test_calls_beyond_the_limit_go_to_others_and_are_shed_at_last(theatre, three, start):
    house, caller = start("calls = 2", each=["", ""], stages=three[:2])
    held = [caller.open("hold") for _ in range(4)]
    eventually(lambda: sum(len(stage.attempts) for stage in three) == 4)
    assert [row["calls_running"] for row in house.gateway.stats()["endpoints"]] == [2, 2]
    answer = caller.result(caller.open(end=True))
    assert answer.grpc_status == 14
    assert answer.trailers[b"fastgw-error"] == b"overloaded; side=gateway; phase=policy"
    caller.cancel(held[0])
    caller.sync()
    assert caller.result(caller.open(end=True)).grpc_status == 0
    for stream_id in held[1:]:
        caller.cancel(stream_id)


def test_a_full_endpoint_does_not_send_calls_to_one_that_is_out(theatre, three, start):
    _, caller = start('calls = 1\neject_after = 1\neject_for = "1h"', each=["", ""], stages=three[:2])
    three[0].always = "down"
    call(theatre, caller)
    held = caller.open("hold")
    eventually(lambda: three[1].attempts)
    assert caller.result(caller.open(end=True)).trailers[b"fastgw-error"].startswith(b"overloaded")
    assert len(three[0].attempts) == 1
    caller.cancel(held)


def test_the_counts_of_endpoints_are_true(theatre, three, start):
    house, caller = start("eject_after = 0", each=["", ""], stages=three[:2])
    for act in ("ok", "down", "down-late", "internal", "refuse", "goaway", "lose", "ok"):
        call(theatre, caller, act)
    settles(house)
    rows = house.gateway.stats()["endpoints"]
    assert [row["calls_started"] for row in rows] == [len(stage.attempts) for stage in three[:2]]
    assert sum(row["calls_failed"] for row in rows) == 5, "all but two good ones and a GOAWAY"
    assert [row["connects_failed"] for row in rows] == [0, 0]
    assert total(house)["attempts_again"] == 2
    assert Code.CANCEL not in [attempt.reset for stage in three for attempt in stage.attempts]
