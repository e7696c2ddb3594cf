"""Which calls share a counter: values are told apart by kind, length and place; a missing one is a value."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.inspect.counters import Counters
from fastgw._core.inspect.limits import Limiter, Values
from fastgw.policy.inspection import RateLimit

LIMIT = RateLimit(characteristics=("ip.src",), period=10, requests_per_period=3)
COUNTERS = Counters(1 << 20)
BEGIN = 5_000_000

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=20),
    st.ip_addresses(),
)
VALUE = st.one_of(PLAIN, st.lists(PLAIN, max_size=4), st.lists(st.lists(PLAIN, max_size=2), max_size=3))


def limiter(count: int, limit: RateLimit = LIMIT, rule: int = 1) -> Limiter:
    return Limiter(COUNTERS, rule, count, limit)


def shape(value: Any) -> Any:
    """Equal only for values of one kind: True is not 1 here."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__, value


@settings(deadline=None)
@given(st.lists(VALUE, max_size=4), st.lists(VALUE, max_size=4))
def test_two_lists_of_values_share_a_counter_only_if_they_are_equal(
    first: list[Any], second: list[Any]
) -> None:
    keys = [limiter(len(values)).key(Values(values)) for values in (first, second)]
    assert (keys[0] == keys[1]) == (shape(first) == shape(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([b"ab", b"c"], [b"a", b"bc"]),
        ([b"", b"a"], [b"a", b""]),
        ([None, b"a"], [b"a", None]),
        ([None], [b""]),
        ([0], [None]),
        ([1], [True]),
        ([b"a"], [b"a\0"]),
        ([b"\0" * 8], [0]),
        ([IPv4Address("1.2.3.4")], [IPv4Address("1.2.3.4").packed]),
        ([IPv6Address("::1")], [ip_address("0.0.0.1")]),
        ([[b"a", b"b"]], [[b"a"], b"b"]),
        ([[], b"a"], [[b"a"], None]),
        ([[b"a"]], [b"a"]),
    ],
)
def test_values_that_look_alike(first: list[Any], second: list[Any]) -> None:
    assert limiter(len(first)).key(Values(first)) != limiter(len(second)).key(Values(second))


def test_rules_and_processes_have_keys_of_their_own() -> None:
    values = Values([b"a"])
    here = limiter(1).key(values)
    assert here == limiter(1, replace(LIMIT, requests_per_period=9)).key(values)
    assert here != limiter(1, rule=2).key(values)
    assert here != Limiter(Counters(4096), 1, 1, LIMIT).key(values)


def test_a_limit_counts_by_its_values() -> None:
    one, other = Values([ip_address("192.0.2.1")]), Values([ip_address("192.0.2.2")])
    limit = limiter(1, rule=3)
    assert [limit.take(one, BEGIN + at) for at in range(4)] == [(True, 0)] * 3 + [(False, PERIOD_LEFT)]
    assert limit.take(other, BEGIN)[0]


PERIOD_LEFT = 10_000 - 3 + 1  # of the first window, and a moment of the next


def test_a_limit_stays_what_it_is_when_its_rule_is_compiled_anew() -> None:
    values = Values([b"key"])
    assert [limiter(1, rule=4).take(values, BEGIN)[0] for _ in range(4)] == [True, True, True, False]


def test_a_limit_without_characteristics_is_one_for_all() -> None:
    limit = limiter(0, rule=5)
    assert [limit.take(Values([]), BEGIN)[0] for _ in range(4)] == [True, True, True, False]


def test_mitigation() -> None:
    limit = limiter(1, replace(LIMIT, mitigation_timeout=60), rule=6)
    values = Values([b"key"])
    assert [limit.take(values, BEGIN) for _ in range(4)][-1] == (False, 60_000)
    assert limit.take(values, BEGIN + 59_999) == (False, 1)
    assert limit.take(values, BEGIN + 60_000) == (True, 0)


def test_calls_counted_by_a_condition_apart() -> None:
    limit = limiter(1, replace(LIMIT, counting_expression='http.host eq "a"'), rule=7)
    values = Values([b"key"])
    assert all(limit.take(values, BEGIN)[0] for _ in range(10))
    for _ in range(3):
        assert limit.take(values, BEGIN)[0]
        limit.count(values, BEGIN)
    assert not limit.take(values, BEGIN)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"period": 0}, "1 to 4095 seconds, not 0"),
        ({"period": 4096}, "not 4096"),
        ({"requests_per_period": 1 << 28}, "at most 268435455 calls, not 268435456"),
        ({"mitigation_timeout": 86_401}, "at most 86400 seconds"),
        ({"messages_per_period": -1}, "the most for a stream"),
        ({"octets_per_period": (1 << 40) + 1}, "the most for a stream"),
    ],
)
def test_terms_that_the_core_cannot_hold_are_refused(change: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        limiter(1, replace(LIMIT, **change))


def test_too_many_characteristics_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 16 characteristics, not 17"):
        limiter(17)


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ([(10, 1_000, 10), (20, 500, 10)], ((10, 10_000), (500, 10_000))),
        ([(10, 0, 10), (0, 500, 60)], ((10, 10_000), (500, 60_000))),
        ([(10, 100, 1), (50, 500, 10)], ((50, 10_000), (500, 10_000))),
        ([(0, 1 << 40, 4_095), (0, (1 << 40) - 1, 4_095)], ((0, 0), ((1 << 40) - 1, 4_095_000))),
    ],
)
def test_of_several_limits_of_a_stream_the_slower_one_counts(
    limits: list[tuple[int, int, int]], most: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    made = [
        limiter(0, RateLimit((), period, 0, messages_per_period=messages, octets_per_period=octets))
        for messages, octets, period in limits
    ]
    assert made[0].stream(*made[1:]) == most
    assert made[1].stream(made[0]) == most
    assert all(made[0].take(Values([]), BEGIN)[0] for _ in range(100)), "calls are not counted"
