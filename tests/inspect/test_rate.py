"""Rate limits on real calls: what passes, what is said, who shares a counter, how fast a stream may send."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc

from fastgw.policy.inspection import RateLimit, Rule
from tests.inspect.conftest import Ask, put
from tests.inspect.words import asking
from tests.support.calls import Refused, record, toml
from tests.support.grpc_echo import Echo

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def limit(
    id_: str, expression: str = "ssl", action: Any = "block", by: tuple[str, ...] = (), **terms: Any
) -> Rule:
    known = {"period": 60, "requests_per_period": 3} | terms
    return Rule(id_, expression, action, ratelimit=RateLimit(characteristics=by, **known))


def passes(echo: Echo, count: int, **metadata: str) -> list[bool]:
    said = []
    for _ in range(count):
        try:
            echo.unary(b"x", timeout=5, metadata=list(metadata.items()))
        except grpc.RpcError as error:
            if error.code() is not EXHAUSTED:
                raise
            said.append(False)
        else:
            said.append(True)
    return said


def test_what_is_too_much_is_told_so_and_when_to_come_back(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("few", 'grpc.method eq "Unary"')])
    echo = Echo(open_channel(house.address))
    assert passes(echo, 3) == [True] * 3
    refused = Refused(lambda: echo.unary(b"x", timeout=5))
    assert refused.code is EXHAUSTED
    assert refused.fastgw_error == "rate_limited; side=gateway; phase=policy; rule=few"
    assert refused.message.startswith("zone gw.test: rate limit few admits no more of these calls for ")
    trailers = dict(refused.error.trailing_metadata() or ())
    assert 50_000 < int(trailers["grpc-retry-pushback-ms"]) <= 60_001
    assert 50 <= int(trailers["retry-after"]) <= 61
    assert echo.collect(iter([b"x"]), timeout=5) == b"x"
    stats = house.gateway.stats()
    assert stats["rules"] == {"gw.test": {"few": {"held": 4, "denied": 1}}}
    assert stats["total"]["counters_used"] == 1
    assert stats["total"]["counters"] == 2 * 1024 * 1024


def test_each_value_has_a_counter_of_its_own(ask: Ask, open_channel) -> None:
    by = ('http.request.headers["x-key"]', "lower(http.host)")
    house = ask(rate=[limit("by-key", by=by)])
    echo = Echo(open_channel(house.address))
    for key in ("a", "b", "A"):
        assert passes(echo, 4, **{"x-key": key}) == [True, True, True, False]
    assert passes(echo, 4) == [True, True, True, False], "no value is a value too"


def test_a_limit_goes_on_when_its_zone_is_published_again(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("stays")])
    echo = Echo(open_channel(house.address))
    assert passes(echo, 2) == [True] * 2
    ask(rate=[limit("other", 'grpc.method eq "Fail"'), limit("stays")])
    assert passes(echo, 2) == [True, False]


def test_all_calls_are_too_many_for_the_time_of_mitigation(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("hard", period=1, requests_per_period=2, mitigation_timeout=3600)])
    echo = Echo(open_channel(house.address))
    assert passes(echo, 3) == [True, True, False]
    time.sleep(2.1)
    assert passes(echo, 1) == [False]
    trailers = dict(Refused(lambda: echo.unary(b"x", timeout=5)).error.trailing_metadata() or ())
    assert 3_500_000 < int(trailers["grpc-retry-pushback-ms"]) < 3_600_000


def test_only_what_is_too_much_is_refused_without_mitigation(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("soft", period=1, requests_per_period=2)])
    echo = Echo(open_channel(house.address))
    assert passes(echo, 3) == [True, True, False]
    time.sleep(2.1)
    assert passes(echo, 3) == [True, True, False]


def test_calls_counted_by_a_condition_apart(ask: Ask, open_channel) -> None:
    """Calls with x-bad are counted; when there were three of them, Unary is refused."""
    counted = 'http.request.headers["x-bad"][0] eq "1"'
    house = ask(rate=[limit("apart", 'grpc.method eq "Unary"', counting_expression=counted)])
    echo = Echo(open_channel(house.address))
    assert passes(echo, 5) == [True] * 5
    assert passes(echo, 4, **{"x-bad": "1"}) == [True, True, True, False]
    assert passes(echo, 1) == [False]
    assert echo.collect(iter([b"x"]), timeout=5) == b"x"


def test_a_limit_that_only_logs(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("noted", action="log")])
    assert passes(Echo(open_channel(house.address)), 5) == [True] * 5
    assert house.gateway.stats()["rules"] == {"gw.test": {"noted": {"held": 5, "denied": 0}}}


def test_workers_share_one_count(gateway, origin, open_channel) -> None:
    """Calls from many connections to two workers: exactly the limit passes."""
    house = gateway(toml=toml(record("@", origin.port), workers=2))
    put(house, asking(rate=[limit("shared", period=3600, requests_per_period=300)]))
    passed: list[int] = []

    def client() -> None:
        passed.append(sum(passes(Echo(open_channel(house.address)), 100)))

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 300
    assert all(worker["exchanges_finished"] > 0 for worker in house.gateway.stats()["workers"])


def slowly(messages: int, size: int, pause: float = 0.0) -> Iterator[bytes]:
    for _ in range(messages):
        yield b"x" * size
        time.sleep(pause)


def test_a_stream_that_sends_twice_its_messages_at_once_ends(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("stream", requests_per_period=0, messages_per_period=10)])
    echo = Echo(open_channel(house.address))
    assert echo.collect(slowly(20, 1), timeout=5) == b"x" * 20
    refused = Refused(lambda: echo.collect(slowly(30, 1, 0.001), timeout=5))
    assert refused.code is EXHAUSTED
    assert refused.fastgw_error.startswith("rate_limited; side=client; phase=stream")
    assert refused.message == (
        "zone gw.test: the stream has sent more than twice the 10 messages it may send in 60 s"
    )
    assert echo.collect(slowly(20, 1), timeout=5) == b"x" * 20, "each stream has a budget of its own"


def test_a_stream_that_sends_too_many_octets_is_slowed_and_goes_on(ask: Ask, open_channel) -> None:
    """2 MiB each second, and as much at once: 7 MiB take about two seconds, and nothing is lost."""
    size, most = 7 << 20, 2 << 20
    house = ask(rate=[limit("octets", requests_per_period=0, period=1, octets_per_period=most)])
    echo = Echo(open_channel(house.address))
    begun = time.monotonic()
    assert len(echo.collect(slowly(size >> 16, 1 << 16), timeout=30)) == size
    assert 1.2 < time.monotonic() - begun < 10
    assert house.gateway.stats()["total"]["streams_slowed"] == 1


def test_a_window_larger_than_twice_the_octets_is_used_up_in_vain(ask: Ask, open_channel) -> None:
    house = ask(rate=[limit("octets", requests_per_period=0, octets_per_period=100_000)])
    echo = Echo(open_channel(house.address))
    assert len(echo.collect(slowly(10, 10_000), timeout=5)) == 100_000
    refused = Refused(lambda: echo.collect(slowly(50, 10_000), timeout=5))
    assert refused.message == (
        "zone gw.test: the stream has sent more than twice the 100000 octets it may send in 60 s"
    )


def test_a_small_budget_gives_credit_in_small_pieces(gateway, origin, open_channel) -> None:
    """Half of the window would be more than is ever owed."""
    limits = "[limits]\nstream_window = 65535\n"
    house = gateway(toml=limits + toml(record("@", origin.port)))
    put(house, asking(rate=[limit("small", requests_per_period=0, period=1, octets_per_period=50_000)]))
    echo = Echo(open_channel(house.address))
    begun = time.monotonic()
    assert len(echo.collect(slowly(25, 8_000), timeout=30)) == 200_000
    assert 1.5 < time.monotonic() - begun < 10
