"""Rate limits of several gateways together: two gateways, one origin, and a real Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import house_toml
from tests.inspect.redis_server import RedisServer
from tests.inspect.test_rate import passes
from tests.support.grpc_echo import Echo, Origin
from tests.support.house import House

LIMIT = 40
RULE = """
[[zone.rule]]
id = "few"
phase = "ratelimit"
expression = 'grpc.method eq "Unary"'

[zone.rule.ratelimit]
characteristics = ['http.request.headers["x-key"]']
period = {period}
requests_per_period = {most}
"""
Pair = Callable[..., list[House]]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def pair(gateway: Callable[..., House], origin: Origin, redis: RedisServer) -> Pair:
    """`pair(on_loss="local", most=40, period=60)`: two gateways that know of each other."""

    def start(on_loss: str = "local", most: int = LIMIT, period: int = 3600, count: int = 2) -> list[House]:
        text = house_toml(origin) + RULE.format(most=most, period=period)
        text += f'\n[rate_limits]\nredis = "{redis.url}"\nredis_on_loss = "{on_loss}"\n'
        houses = [gateway(toml=text) for _ in range(count)]
        until(lambda: all(shared(one)["gateways"] == count for one in houses))
        return houses

    return start


def shared(house: House) -> dict:
    return house.gateway.stats()["rate_limit_shared"]


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)


def flood(echoes: list[Echo], key: str, seconds: float) -> int:
    """Calls by all gateways at once; how many pass."""
    admitted: list[bool] = []

    def one(echo: Echo) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            admitted.extend(passes(echo, 5, **{"x-key": key}))

    threads = [threading.Thread(target=one, args=(echo,)) for echo in echoes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(admitted)


def test_two_gateways_admit_what_the_bound_says(pair: Pair, open_channel) -> None:
    houses = pair()
    admitted = flood([Echo(open_channel(one.address)) for one in houses], "k", 1.5)
    # The limit, and the lease of the other one: half of the limit. Alone they would let twice the limit pass.
    assert LIMIT - 2 <= admitted <= LIMIT + LIMIT // 2
    assert passes(Echo(open_channel(houses[0].address)), 2, **{"x-key": "other"}) == [True, True]


def test_what_one_has_admitted_the_other_does_not(pair: Pair, open_channel) -> None:
    first, second = (Echo(open_channel(one.address)) for one in pair())
    used = flood([first], "k", 1.0)
    assert used == LIMIT, "one alone gets all of it, in leases"
    # It has not heard of the key, so its first lease is its half; then it knows.
    assert sum(passes(second, LIMIT, **{"x-key": "k"})) <= LIMIT // 2
    time.sleep(0.3)
    assert passes(second, 3, **{"x-key": "k"}) == [False] * 3


def test_redis_has_hashes_and_no_values(pair: Pair, redis: RedisServer, open_channel) -> None:
    houses = pair()
    passes(Echo(open_channel(houses[0].address)), 3, **{"x-key": "my-secret-key"})
    until(lambda: len(list(redis.client.scan_iter())) > 1)
    names = list(redis.client.scan_iter())
    assert all(name.startswith(b"fastgw:") for name in names)
    for name in names:
        held = name + (redis.client.get(name) or b"" if name != b"fastgw:gateways" else b"")
        assert b"secret" not in held
        assert b"few" not in held
        assert redis.client.pttl(name) > 0, "nothing stays for ever"


@pytest.mark.parametrize(
    ("on_loss", "least", "most"), [("local", LIMIT, LIMIT), ("deny", 0, 0), ("allow", 60, 60)]
)
def test_what_holds_while_redis_is_away(
    pair: Pair, redis: RedisServer, open_channel, caplog, on_loss: str, least: int, most: int
) -> None:
    houses = pair(on_loss)
    echo = Echo(open_channel(houses[0].address))
    redis.kill()
    until(lambda: not any(shared(one)["up"] for one in houses))
    assert least <= sum(passes(echo, 60, **{"x-key": "k"})) <= most
    assert shared(houses[0])["errors"] > 0
    said = [one.getMessage() for one in caplog.records if "Redis is away" in one.getMessage()]
    assert len(said) == 2, "once for each gateway"
    caplog.set_level(logging.WARNING)
    redis.start()
    until(lambda: all(shared(one)["up"] and shared(one)["gateways"] == 2 for one in houses), 15)
    assert any("Redis is back" in one.getMessage() for one in caplog.records)
    fresh = flood([Echo(open_channel(one.address)) for one in houses], "fresh", 1.0)
    assert LIMIT - 2 <= fresh <= LIMIT + LIMIT // 2


@pytest.mark.parametrize("how", ["freeze", "kill"])
def test_no_call_waits_for_a_redis_that_goes_away(
    pair: Pair, redis: RedisServer, open_channel, how: str
) -> None:
    echo = Echo(open_channel(pair(most=1_000_000)[0].address))
    passes(echo, 20, **{"x-key": "k"})
    took = []
    for number in range(300):
        if number == 50:
            getattr(redis, how)()
        begun = time.monotonic()
        assert passes(echo, 1, **{"x-key": str(number % 7)}) == [True]
        took.append(time.monotonic() - begun)
    if how == "freeze":
        redis.thaw()
    assert sorted(took)[len(took) * 98 // 100] < 0.1
    assert max(took) < 0.5


def test_a_gateway_starts_without_redis(
    gateway: Callable[..., House], origin: Origin, tmp_path: Path, open_channel
) -> None:
    text = house_toml(origin) + RULE.format(most=3, period=60)
    house = gateway(toml=text + f'\n[rate_limits]\nredis = "unix://{tmp_path}/none.sock"\n')
    assert sum(passes(Echo(open_channel(house.address)), 6)) == 3
    assert shared(house)["up"] == 0
