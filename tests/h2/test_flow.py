"""h2.flow: what a receive window takes, owes and announces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.h2.flow import replay


@pytest.mark.rfc("9113 6.9.1")
@given(st.integers(2, 1 << 20), st.integers(0, 1 << 24), st.lists(st.integers(0, 70000), max_size=50))
def test_credit_is_neither_lost_nor_made(full: int, grow_to: int, steps: list[int]) -> None:
    left, owed, now = full, 0, full
    for size, (increment, said_left, said_full) in zip(steps, replay(full, grow_to, steps), strict=True):
        if size > left:
            assert increment == -1
            continue
        owed += size
        left += increment - size
        if increment > 0:
            owed -= increment - (said_full - now)
        assert (left, owed) == (said_left, said_full - said_left)
        assert now <= said_full <= max(full, grow_to)
        assert increment > 0 or owed < max(1, said_full // 2) or size == 0
        now = said_full


@pytest.mark.rfc("9113 6.9.1")
def test_a_window_grows_by_doubling_until_it_is_large_enough() -> None:
    steps = replay(100, 500, [50, 100, 200, 250, 250])
    assert [full for _, _, full in steps] == [200, 400, 500, 500, 500]
    assert [increment for increment, _, _ in steps] == [150, 300, 300, 250, 250]


@pytest.mark.rfc("9113 6.9.1")
def test_the_window_exactly_and_one_more() -> None:
    assert replay(100, 100, [100])[0][0] == 100
    assert replay(100, 100, [101])[0][0] == -1
