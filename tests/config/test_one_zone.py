"""One zone changed among many: judged alone, against the rest; and fast."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from fastgw.config import Config, load, with_zone, without_zone
from fastgw.errors import ConfigError


def table(name: str, *records: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "grpc": "on", "dns": list(records), **more}


def record(name: str, content: str = "10.0.0.1", **more: Any) -> dict[str, Any]:
    return {"name": name, "content": content, "proxied": True, **more}


TABLES = [
    table("a.test", record("@"), record("x.b"), record("to-b", "api.b.test")),
    table("b.test", record("api"), record("*")),
    table("b.a.test", record("y")),
]


def whole(*tables: dict[str, Any]) -> dict[str, Any]:
    return {"server": {"listen": ["h2c://127.0.0.1:0"]}, "zone": list(tables)}


@pytest.fixture(scope="module")
def config() -> Config:
    return load(whole(*TABLES))


def test_a_changed_zone_takes_its_place_and_the_others_stay(config):
    changed = with_zone(config, table("b.test", record("api", "10.0.0.2")))
    assert [zone.name for zone in changed.zones] == ["a.test", "b.test", "b.a.test"]
    assert changed.zones[0] is config.zones[0]
    assert changed.zones[2] is config.zones[2]
    assert changed.zones[1].records[0].content == "10.0.0.2"
    assert config.zones[1].records[0].content == "10.0.0.1"


def test_a_new_zone_comes_last_and_an_equal_one_changes_nothing(config):
    new = with_zone(config, table("New.test", record("@")))
    assert [zone.name for zone in new.zones][-1] == "new.test"
    assert new.zones[:3] == config.zones
    same = with_zone(config, TABLES[1])
    assert all(one is other for one, other in zip(same.zones, config.zones, strict=True))


def test_it_is_what_a_whole_load_makes_of_it(config):
    tables = [TABLES[0], table("b.test", record("api", "10.0.0.9"), settings={"ssl": "strict"}), TABLES[2]]
    assert with_zone(config, tables[1]).zones == load(whole(*tables)).zones


def test_without_a_zone(config):
    less = without_zone(config, "B.test.")
    assert [zone.name for zone in less.zones] == ["a.test", "b.a.test"]
    assert less.zones[0] is config.zones[0]
    with pytest.raises(ConfigError, match=re.escape("is 'c.test', but there is no such zone")):
        without_zone(config, "c.test")
    assert without_zone(without_zone(less, "a.test"), "b.a.test").zones == ()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (table("b.test", record("api", nonsense=1)), "dns[0].nonsense: is not a known key"),
        (table("b.test", record("api", "1.2.3.4.5")), "dns[0].content: is '1.2.3.4.5'"),
        (table("b..test"), "name: is 'b..test', which has an empty label"),
        (table("b.a.test", record("x")), "dns[0].name: is x.b.a.test, which another zone holds too"),
        (table("a.test", record("y.b")), "dns[0].name: is y.b.a.test, which another zone holds too"),
        (
            table("b.test", record("api", "to-b.a.test")),
            "dns[0].content: is a CNAME that leads back to itself",
        ),
        (table("b.test", record("q.a.test")), "belongs to the zone a.test, not to b.test"),
        (table("b.test", record("api"), ssl="flexible"), 'ssl: is "flexible", but gRPC is on'),
        ("b.test", "must be a table"),
    ],
)
def test_what_cannot_be_used(config, changed, sentence):
    with pytest.raises(ConfigError) as caught:
        with_zone(config, changed)
    assert sentence in str(caught.value)


LEADING = whole(
    table("z.test", record("y"), *(record("many", f"10.0.1.{index}") for index in range(60))),
    table("m.test", record("x", "y.z.test")),
    table("far.test", record("w", "x.m.test"), *(record("v", f"10.0.2.{index}") for index in range(5))),
    table("many.test", record("v", "many.z.test"), *(record("v", f"10.0.3.{index}") for index in range(4))),
)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            table("z.test", {"name": "y", "content": "words", "type": "TXT"}),
            "leaves x.m.test of the zone m.test, which leads here, without an address",
        ),
        (
            table("z.test", {"name": "y", "content": "words", "type": "TXT"}, record("many")),
            "leaves w.far.test of the zone far.test",
        ),
        (
            table("z.test", record("y"), *(record("many", f"10.0.1.{index}") for index in range(61))),
            "gives v.many.test of the zone many.test more than 64 targets",
        ),
    ],
)
def test_chains_of_other_zones_must_not_come_to_nothing(changed, sentence):
    config = load(LEADING)
    with pytest.raises(ConfigError) as caught:
        with_zone(config, changed)
    assert sentence in str(caught.value)
    with pytest.raises(ConfigError):  # as the whole would be refused
        load({**LEADING, "zone": [changed, *LEADING["zone"][1:]]})
    assert (
        with_zone(config, table("z.test", record("y", "::1"), record("many"))).zones[1:] == config.zones[1:]
    )


def test_warnings_are_those_of_the_zone(config):
    found = with_zone(config, {**table("b.test", record("api")), "grpc": "off"}).warnings
    assert ["has grpc and http off" in one.sentence for one in found] == [True]
    deep = with_zone(
        config, table("b.test", record("*"), record("api", origin_port=5), plan="pro"), deep=True
    ).warnings
    assert {one.rule for one in deep} == {"wildcard-stopped", "origin-port"}


def test_nothing_of_an_api_is_read_from_the_environment(config, monkeypatch):
    monkeypatch.setenv("ORIGIN", "10.0.0.3")
    with pytest.raises(ConfigError):
        with_zone(config, table("b.test", record("api", "${env:ORIGIN}")))
    with pytest.raises(ConfigError):
        load(whole(table("b.test", record("api", "${env:ORIGIN}"))))


def many(zones: int) -> dict[str, Any]:
    names = ("@", "api", "grpc", "eu.api", "us.api")
    return whole(
        *(
            table(
                f"zone{index}.example", *(record(name, f"10.0.{index & 255}.{len(name)}") for name in names)
            )
            for index in range(zones)
        )
    )


def spent(run: Any) -> float:
    """The least CPU seconds of three runs."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def test_time_grows_with_the_number_of_zones_and_no_faster():
    few, more = many(200), many(1600)
    assert spent(lambda: load(more)) < 8 * 2.5 * spent(lambda: load(few)) + 0.05


def test_one_zone_among_many_is_a_matter_of_milliseconds():
    config = load(many(3000))
    changed = table("zone7.example", record("new"))
    assert spent(lambda: with_zone(config, changed)) < 0.03
    assert spent(lambda: without_zone(config, "zone7.example")) < 0.03
