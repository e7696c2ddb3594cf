"""[rate_limits]: what may be written, and what is said about what may not."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.config import sharing
from fastgw.config.load import load
from fastgw.errors import ConfigError
from fastgw.policy.sharing import SharedLimits

ZONE = {
    "name": "example.com",
    "grpc": "on",
    "dns": [{"name": "@", "content": "10.0.0.7", "proxied": True, "origin_protocol": "h2c"}],
}
FILE: dict[str, Any] = {"server": {"listen": ["h2c://127.0.0.1:8080"]}, "zone": [ZONE]}


def take(**keys: Any) -> SharedLimits | None:
    return load({**FILE, "rate_limits": keys}).sharing


def refusal(**keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        take(**keys)
    return "\n".join(str(one) for one in caught.value.problems)


def test_what_is_written_and_what_is_not() -> None:
    assert take() is None
    assert load(FILE).sharing is None
    found = take(redis="rediss://redis.internal:6380/2", redis_on_loss="deny", redis_lease="100ms")
    assert found is not None
    assert (found.on_loss, found.lease_ms, found.prefix) == ("deny", 100, "fastgw")
    default = take(redis="unix:///run/redis.sock?db=1")
    assert default is not None
    assert (default.on_loss, default.lease_ms) == ("local", 50)


@pytest.mark.parametrize(
    "place",
    [
        "redis:6379",
        "http://redis",
        "redis://",
        "unix://",
        "redis://h:99999",
        "redis://h/x",
        "redis://h?retry=1",
    ],
)
def test_places_that_cannot_be(place: str) -> None:
    assert "redis://HOST:PORT/0" in refusal(redis=place)


def test_a_password_is_never_repeated() -> None:
    assert "hunter2" not in refusal(redis="redis://:hunter2@h:99999")
    found = take(redis="redis://u:hunter2@h", redis_password="hunter2", redis_secret="hunter2")
    assert "hunter2" not in repr(found)


def test_ranges_and_words() -> None:
    assert '"10ms" to "1s"' in refusal(redis="redis://h", redis_lease="2s")
    assert "redis_prefix" in refusal(redis="redis://h", redis_prefix="a b")
    assert "has no effect without redis" in refusal(redis_on_loss="deny")
    assert "redis_on_loss" in refusal(redis="redis://h", redis_on_loss="never")


def test_without_the_package_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "find_spec", lambda name: None)
    said = refusal(redis="redis://h")
    assert "needs the package redis, which is not installed" in said
    assert "fastgw[redis]" in said
