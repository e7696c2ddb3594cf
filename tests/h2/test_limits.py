"""h2.limits: a budget refuses what is beyond it and nothing else, however the clocks wrap."""

from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastgw._core.h2.conn_door import ConnDoor
from fastgw._core.h2.limits import TABLE, replay
from fastgw._core.reasons import Reason

WRAP = 1 << 32
LARGEST = WRAP - 1
COUNTS = st.integers(0, 3000)
PASSED = st.integers(0, 5000) | st.integers(0, LARGEST) | st.sampled_from([LARGEST - 1, LARGEST, WRAP // 2])
RATES = st.integers(0, 300) | st.integers(0, LARGEST)
BEGINS = st.integers(0, LARGEST) | st.integers(LARGEST - 10000, LARGEST)
STEPS = st.lists(st.tuples(COUNTS, PASSED, PASSED), max_size=10)


def told(begin: tuple[int, int], steps: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(count, now, useful) from (count, ms that passed, useful frames that passed)."""
    times = list(accumulate((passed for _, passed, _ in steps), initial=begin[0]))[1:]
    useful = list(accumulate((passed for *_, passed in steps), initial=begin[1]))[1:]
    return [(step[0], now, use % WRAP) for step, now, use in zip(steps, times, useful, strict=True)]


def refusals(burst: int, per_second: int, per_useful: int, steps: list[tuple[int, int, int]]) -> list[bool]:
    return [reason != Reason.ACCEPTED for reason in replay(burst, per_second, per_useful, steps)]


@given(st.integers(0, 3000) | RATES, RATES, RATES, BEGINS, BEGINS, STEPS)
@example(1, LARGEST, 0, 0, 0, [(1, 0, 0), (2, LARGEST, 0)])
@example(1, 0, LARGEST, 0, 0, [(1, 0, 0), (1, 0, LARGEST), (1, 0, LARGEST)])
@example(1, 0, 10**9, 0, 0, [(1, 0, 0), (1, 0, 9_300_000), (1, 0, 9_300_000)])
def test_a_budget_in_numbers_without_end_agrees(burst, per_second, per_useful, now, useful, steps) -> None:
    """The same in integers that cannot overflow, and with clocks that never wrap."""
    spent, expected = 0, []
    for count, passed, used in steps:
        spent = max(0, spent - passed * per_second)
        spent = max(0, spent - used * per_useful * 1000) + count * 1000
        expected.append(spent > burst * 1000)
    assert refusals(burst, per_second, per_useful, told((now, useful), steps)) == expected


@given(RATES, RATES, BEGINS, BEGINS, STEPS)
def test_it_never_refuses_what_is_within_the_burst(per_second, per_useful, now, useful, steps) -> None:
    burst = sum(count for count, *_ in steps)
    assert not any(refusals(burst, per_second, per_useful, told((now, useful), steps)))


@given(st.integers(1, 3000), st.integers(1, 1000), BEGINS)
def test_time_gives_one_back_when_it_is_due_and_not_before(burst, per_second, now) -> None:
    due_ms = -(-1000 // per_second)
    for passed, refused in ((due_ms - 1, True), (due_ms, False)):
        steps = told((now, 0), [(burst, 0, 0), (1, passed, 0)])
        assert refusals(burst, per_second, 0, steps) == [False, refused]


@given(st.integers(1, 3000), st.integers(1, 10), BEGINS)
def test_useful_frames_give_back_what_they_are_worth(burst, per_useful, useful) -> None:
    steps = told((0, useful), [(burst, 0, 0), (per_useful, 0, 1), (1, 0, 0)])
    allowed = per_useful <= burst
    assert refusals(burst, 0, per_useful, steps) == [False, not allowed, True]


@given(st.integers(1, 100), STEPS, BEGINS)
def test_pauses_save_up_no_more_than_the_burst(burst, steps, now) -> None:
    rested = [*((0, passed, used) for _, passed, used in steps), (burst, 0, 0), (1, 0, 0)]
    assert refusals(burst, 1000, 1000, told((now, 0), rested))[-2:] == [False, True]


def test_an_empty_budget_allows_none() -> None:
    assert replay(0, 0, 0, [(0, 0, 0), (1, 0, 0)]) == [Reason.ACCEPTED, Reason.PING_FLOOD]


@pytest.mark.parametrize("name", TABLE)
def test_every_number_has_a_name(name: str) -> None:
    ConnDoor("client", limits={name: TABLE[name]})


def test_other_names_are_refused() -> None:
    for name in ("", "pings", "pings_burst_", "PINGS_BURST"):
        with pytest.raises(ValueError, match="no limit"):
            ConnDoor("client", limits={name: 1})
