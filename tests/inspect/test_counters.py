"""Counters of calls against a model, two threads at once, and against more keys than there is memory for."""

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.inspect.counters import Caller, Counters

PERIOD = 10_000  # ms
BEGIN = 5_000_000  # ms on a clock that has run for a while
MIB = 1 << 20


class Model:
    """What the counter of one key is to say, without words of 64 bits."""

    def __init__(self, period: int, most: int, mitigation: int = 0) -> None:
        self.period, self.most, self.mitigation = period, most, mitigation
        self.start: int | None = None
        self.now = self.before = 0
        self.until = 0

    def call(self, now: int) -> bool:
        if self.mitigation and now < self.until:
            return False
        start, calls, before = now, 0, 0
        if self.start is not None and now < self.start + 2 * self.period:
            start, calls, before = self.start, self.now, self.before
            if now >= start + self.period:
                start, calls, before = start + self.period, 0, calls
        if calls + before * (1 - Fraction(max(now - start, 0), self.period)) >= self.most:
            self.until = now + self.mitigation
            return False
        self.start, self.now, self.before = start, calls + 1, before
        return True


STEPS = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 15_000), st.integers(0, 60_000)), max_size=80)


@settings(deadline=None)
@given(STEPS, st.integers(1, 12), st.sampled_from([0, 3_000, 10_000, 60_000]))
def test_a_counter_is_what_the_model_says(steps: list[int], most: int, mitigation: int) -> None:
    caller, model = Caller(Counters(4096), PERIOD, most, mitigation), Model(PERIOD, most, mitigation)
    now = BEGIN
    for step in steps:
        now += step
        passes, retry = caller.call(7, now)
        assert passes == model.call(now)
        assert (retry == 0) == passes


@settings(deadline=None)
@given(STEPS, st.integers(1, 12), st.sampled_from([0, 3_000, 60_000]))
def test_a_call_passes_when_it_was_told_and_not_before(steps: list[int], most: int, mitigation: int) -> None:
    caller = Caller(Counters(4096), PERIOD, most, mitigation)
    now = BEGIN
    for step in steps:
        now += step
        passes, retry = caller.call(7, now)
        if passes:
            continue
        if mitigation:
            assert retry <= mitigation
            assert not caller.call(7, now + retry - 1, "judge_only")[0]
        elif caller.call(7, now + retry - 1, "judge_only")[0]:
            pytest.fail(f"{retry} ms were too many")
        else:
            assert caller.call(7, now + retry, "judge_only") == (True, 0)


@settings(deadline=None)
@given(STEPS, st.integers(1, 12))
def test_no_span_has_more_than_the_limit_and_its_part_of_it(steps: list[int], most: int) -> None:
    caller = Caller(Counters(4096), PERIOD, most)
    now, passed = BEGIN, []
    for step in steps:
        now += step
        passed += [now for _ in range(3) if caller.call(7, now)[0]]
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            span = passed[last] - passed[first]
            if span <= PERIOD:
                assert last - first + 1 <= most + most * Fraction(span, PERIOD) + 1


def test_steady_excess_passes_exactly_the_limit_in_each_period() -> None:
    """20,000 calls in a second, in the order in which two workers would make them."""
    for most in (1, 2, 7, 1_000, 50_000):
        caller = Caller(Counters(4096), PERIOD, most)
        for period in range(4):
            begin = (BEGIN + period * PERIOD) * 1_000_000
            passed = caller.many(1, 200_000, 1, begin, 50_000)
            assert abs(passed - most) <= max(most // 100, 1 if period else 0), (most, period)


def in_two_threads(work: Callable[[], int]) -> int:
    passed: list[int] = []
    threads = [threading.Thread(target=lambda: passed.append(work())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(passed)


def test_two_threads_that_hammer_one_key_pass_exactly_the_limit() -> None:
    for most in (1, 10, 5_000, 400_000):
        caller = Caller(Counters(MIB), 3_600_000, most)
        assert in_two_threads(lambda caller=caller: caller.many(3, 300_000, 1, 0, 0)) == most


def test_two_threads_that_bring_new_keys_make_each_counter_once() -> None:
    for round_ in range(10):
        counters = Counters(8 * MIB)
        caller = Caller(counters, 3_600_000, 1)
        passed = in_two_threads(lambda caller=caller: caller.many(0, 100_000, 20_000, 0, 0))
        stats = counters.stats()
        assert 20_000 <= passed <= 20_000 + stats["uncounted"] + stats["displaced"], round_
        assert stats["used"] <= 20_000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_ten_million_keys_stay_in_the_memory_and_those_near_their_limit_keep_their_counters() -> None:
    before = resident()
    counters = Counters(64 * MIB)
    caller = Caller(counters, 60_000, 100)
    near = range(10**9, 10**9 + 2_000)
    for key in near:
        caller.many(key, 95, 1, BEGIN * 1_000_000, 0)
    flood = caller.many(0, 10_000_000, 10_000_000, BEGIN * 1_000_000, 100)
    assert flood == 10_000_000
    kept = sum(caller.many(key, 10, 1, (BEGIN + 1000) * 1_000_000, 0) == 5 for key in near)
    assert kept == len(near)
    stats = counters.stats()
    assert stats["used"] <= stats["counters"] == 2 * MIB
    assert stats["displaced"] + stats["uncounted"] >= 10_000_000 - stats["counters"]
    assert resident() - before < 64 * MIB + 8 * MIB


def test_a_key_that_calls_often_is_found_out_in_a_full_table() -> None:
    counters = Counters(4096)
    caller = Caller(counters, 60_000, 100)
    caller.many(0, 100_000, 100_000, BEGIN * 1_000_000, 0)
    passed = caller.many(10**9, 1_000, 1, (BEGIN + 1) * 1_000_000, 0)
    assert 100 <= passed < 130


def test_counters_that_have_run_out_go_first() -> None:
    counters = Counters(128)  # one bucket
    caller = Caller(counters, PERIOD, 100)
    for key in range(3):
        caller.many(key, 99, 1, BEGIN * 1_000_000, 0)
    caller.call(3, BEGIN - PERIOD)
    assert caller.call(4, BEGIN + PERIOD)[0]
    assert counters.stats() == {"octets": 128, "counters": 4, "used": 4, "displaced": 0, "uncounted": 0}
    assert [caller.many(key, 10, 1, (BEGIN + 10) * 1_000_000, 0) for key in range(3)] == [1, 1, 1]


def test_a_blocked_key_keeps_its_counter() -> None:
    counters = Counters(128)
    blocked = Caller(counters, PERIOD, 1000, 86_400_000)
    blocked.many(1, 1001, 1, BEGIN * 1_000_000, 0)
    others = Caller(counters, PERIOD, 1000)
    others.many(100, 900, 900, (BEGIN + 80_000_000) * 1_000_000, 0)
    assert blocked.call(1, BEGIN + 86_000_000) == (False, 400_000)
    assert blocked.call(1, BEGIN + 86_400_000) == (True, 0)


def test_a_clock_that_jumps_costs_at_most_a_period() -> None:
    chance = Random(1)
    caller = Caller(Counters(4096), PERIOD, 5, 60_000)
    for _ in range(200):
        now = chance.randrange(1 << 40)
        caller.many(7, 20, 1, now * 1_000_000, 0)
        assert caller.call(7, now + 60_000 + 2 * PERIOD)[0]


def test_a_worker_whose_clock_is_behind_counts_in_the_same_window() -> None:
    caller = Caller(Counters(4096), PERIOD, 10)
    passed = [caller.call(7, BEGIN + offset)[0] for offset in (9, 0, 5, 2, 9, 1, 0, 0, 4, 9, 9, 0)]
    assert passed == [True] * 10 + [False] * 2


def test_counting_apart_from_judging() -> None:
    caller = Caller(Counters(4096), PERIOD, 3)
    assert [caller.call(7, BEGIN, "judge_only")[0] for _ in range(10)] == [True] * 10
    for _ in range(3):
        caller.call(7, BEGIN, "count_only")
    assert caller.call(7, BEGIN, "judge_only") == (False, PERIOD + 1)
    assert caller.call(7, BEGIN + PERIOD + 1, "judge_only") == (True, 0)


def test_new_terms_take_over_what_was_counted() -> None:
    counters = Counters(4096)
    Caller(counters, PERIOD, 100, 60_000).many(7, 200, 1, BEGIN * 1_000_000, 0)
    wider = Caller(counters, PERIOD, 300)
    assert wider.many(7, 1000, 1, (BEGIN + 1) * 1_000_000, 0) == 200


def test_keys_do_not_share_counters() -> None:
    counters = Counters(8 * MIB)
    caller = Caller(counters, 60_000, 3)
    passed = caller.many(0, 100_000, 20_000, BEGIN * 1_000_000, 0)
    stats = counters.stats()
    assert 60_000 <= passed <= 60_000 + stats["uncounted"] + stats["displaced"]


def test_a_table_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 128 octets"):
        Counters(127)


def test_the_lot_is_fair() -> None:
    """A new key takes the counter of one with n calls once in n + 1 times."""
    taken = 0
    for trial in range(2_000):
        counters = Counters(128)
        caller = Caller(counters, 60_000, 1000)
        for key in range(4):
            caller.many(key, 9, 1, BEGIN * 1_000_000, 0)
        caller.call(1000 + trial, BEGIN + 1 + trial)
        taken += counters.stats()["displaced"]
    assert 120 < taken < 290
