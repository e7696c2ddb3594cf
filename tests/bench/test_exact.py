"""A rate limit that all calls share, under as much load as the machine makes: what passes is the limit."""

from __future__ import annotations

from bench import exact
from bench.load.workshop import MissingError
from tests.support.needs import missing


def test_two_workers_admit_the_limit_within_a_hundredth() -> None:
    """Within one period, so that time has no part in it. `python -m bench.exact` looks at many periods."""
    try:
        count = exact.measure(limit=10_000, period=60, seconds=1.5)
    except MissingError as error:
        missing(str(error))
    print(count)
    assert count.refused > count.limit, "there was not enough load"
    assert abs(count.error) <= exact.WITHIN, count
    assert abs(count.counted - count.limit) <= exact.WITHIN * count.limit, count
    assert all(calls > count.limit / 10 for calls in count.by_worker), "one worker had all the load"


def test_the_error_is_told_in_parts_of_the_limit() -> None:
    count = exact.Count(10.0, 1020, 980, 1020, (990.0, 1000.0), 1000, 0.1, (1500, 500))
    assert count.rate == 200
    assert count.error == 0.02 > exact.WITHIN
    assert "+2.00 % of the limit" in str(count)
