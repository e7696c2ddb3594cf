"""Records in the file: types, what is kept, hosts of origins, names; what is refused, by its text."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.config import load
from fastgw.config.load import examine
from fastgw.policy.records import TARGETS, OtherType, Record

A = {"name": "a", "content": "10.0.0.1", "proxied": True}


def data(*records: dict[str, Any], **zone: Any) -> dict[str, Any]:
    return {
        "zone": [{"name": "gw.test", "grpc": "on", "dns": list(records), **zone}],
        "server": {"listen": ["h2c://[::1]:0"]},
    }


def said(*records: dict[str, Any], **zone: Any) -> str:
    return "\n".join(map(str, examine(data(*records, **zone)).problems))


@pytest.mark.parametrize("kind", OtherType.__args__)
def test_other_types_are_kept_and_never_served(kind):
    config = load(data(A, {"name": "a", "content": "some words", "type": kind, "priority": 10}))
    assert config.zones[0].records[1] == Record("a.gw.test", kind, "some words", priority=10)
    assert kind not in TARGETS
    text = said({"name": "b", "content": "x", "type": kind, "proxied": True})
    assert f"proxied: is true, but records of type {kind} are never proxied" in text
    assert "origin_port: has no effect on a record of type" in said(
        A, {"name": "b", "content": "x", "type": kind, "origin_port": 444}
    )


def test_what_is_kept_comes_back():
    more = {
        "ttl": 300,
        "comment": "für alle",
        "tags": ["team:pay", "x"],
        "settings": {"ipv4_only": True, "flatten_cname": True},
        "origin_host": "API.internal:8443",
    }
    assert load(data({**A, **more})).zones[0].records[0] == Record(
        "a.gw.test",
        "A",
        "10.0.0.1",
        True,
        origin_host="api.internal:8443",
        ttl=300,
        comment="für alle",
        tags=("team:pay", "x"),
        ipv4_only=True,
        flatten_cname=True,
    )


@pytest.mark.parametrize(
    ("ttl", "plan", "wanted"),
    [
        (1, "free", ""),
        (60, "free", ""),
        (86_400, "free", ""),
        (30, "enterprise", ""),
        (30, "business", "is 30; below 60 seconds the zone must be of the plan enterprise"),
        (29, "enterprise", "is 29; it must be 60 to 86400 seconds, or 1"),
        (86_401, "enterprise", "is 86401; it must be"),
        (0, "free", "is 0; it must be"),
        ("60", "free", "must be a whole number"),
        (True, "free", "must be a whole number"),
    ],
)
def test_ttl(ttl, plan, wanted):
    text = said({**A, "ttl": ttl}, plan=plan)
    assert ("ttl: " + wanted in text) if wanted else ("ttl" not in text)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("api.internal", "api.internal"),
        ("B\u00fccher.example", "xn--bcher-kva.example"),
        ("10.0.0.9:80", "10.0.0.9:80"),
        ("[::1]:443", "[::1]:443"),
        ("::1", "[::1]"),
    ],
)
def test_origin_host(written, kept):
    assert load(data({**A, "origin_host": written})).zones[0].records[0].origin_host == kept


@pytest.mark.parametrize("written", ["a b", "host:99999", "https://x", "a..b"])
def test_bad_origin_host(written):
    assert f"origin_host: is '{written}', which " in said({**A, "origin_host": written})


CASES = {
    "both families only": (
        {**A, "settings": {"ipv4_only": True, "ipv6_only": True}},
        "is both ipv4_only and",
    ),
    "unknown key of settings": ({**A, "settings": {"ipv5": True}}, "settings.ipv5: is not a known key"),
    "tags": ({**A, "tags": "x"}, "tags: must be an array"),
    "second star": ({**A, "name": "*.*"}, "is *.*.gw.test, which no call can name"),
    "self": ({**A, "content": "a.gw.test"}, "the record's own name"),
    "wildcard to below itself": (
        {"name": "*", "content": "q.gw.test", "proxied": True},
        "is a CNAME that leads back to itself",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sentences(case):
    record, wanted = CASES[case]
    assert wanted in said(record)


def test_international_names_are_shown_both_ways():
    twice = {"name": "b\u00fccher", "content": "10.0.0.1", "proxied": True}
    assert "repeats a record of b\u00fccher.gw.test (xn--bcher-kva.gw.test)" in said(twice, twice)


def test_a_chain_to_a_name_without_an_address():
    text = said(
        {"name": "a", "content": "t.gw.test", "proxied": True}, {"name": "t", "content": "x", "type": "TXT"}
    )
    assert "leads to t.gw.test, a name of ours that has no address" in text


def test_a_dns_only_cname_through_a_proxied_name_counts_as_served(tmp_path):
    config = examine(data(A, {"name": "b", "content": "a.gw.test"}))
    assert config.config is not None
    alone = said({"name": "b", "content": "a.gw.test"}, {"name": "b", "content": "10.0.0.2"})
    assert "in DNS a CNAME stands alone" in alone
    through = said(A, {"name": "b", "content": "a.gw.test"}, {"name": "b", "content": "10.0.0.2"})
    assert "stands alone" not in through


@pytest.mark.parametrize("plan", ["free", "pro", "business", "enterprise"])
def test_plans_and_paused(plan):
    zone = load(data(A, plan=plan, paused=True)).zones[0]
    assert (zone.plan, zone.paused) == (plan, True)


def test_equal_words_are_judged_once_and_belong_to_each_record():
    words = {"proxied": True, "origin_port": 50051, "origin_host": "inner", "comment": "c", "weight": 2}
    found = load(data(*({"name": "a", "content": f"10.0.0.{n}", **words} for n in range(3))))
    assert found.zones[0].records == tuple(
        Record("a.gw.test", "A", f"10.0.0.{n}", True, 50051, origin_host="inner", comment="c", weight=2)
        for n in range(3)
    )


@pytest.mark.parametrize(
    "other",
    [
        {"proxied": 1},
        {"name": ""},
        {"content": ""},
        {"name": True},
        {"content": 5},
        {"nane": "x"},
        {"weight": True},
        {"tags": [""]},
        {"settings": {"ipv4_only": 1}},
    ],
    ids=str,
)
def test_words_that_only_look_alike_are_judged_on_their_own(other):
    good = {"name": "b", "content": "10.0.0.1", "proxied": True, "weight": 1}
    alone = [str(one) for one in examine(data({**good, **other})).problems if not one.warning]
    assert alone
    both = [
        str(one)
        for one in examine(data({**good, "content": "10.0.0.9"}, {**good, **other})).problems
        if not one.warning
    ]
    assert [text.replace("dns[1]", "dns[0]") for text in both] == alone


def test_a_bad_table_is_named_each_time():
    record = {"name": "a", "content": "10.0.0.1", "weight": 0}
    text = said(record, {**record, "content": "10.0.0.2"})
    assert text.count("weight: ") == 2
    zones = [{"name": f"{name}.test", "plan": "gold", "dns": [A]} for name in "ab"]
    problems = examine({**data(), "zone": zones}).problems
    assert [one.field for one in problems if not one.warning] == ["zone[0].plan", "zone[1].plan"]


def test_zones_that_say_the_same_keep_their_names():
    zones = [{"name": f"{name}.test", "grpc": "on", "plan": "pro", "dns": [A]} for name in "ab"]
    config = load({**data(), "zone": zones})
    assert [(zone.name, zone.plan, zone.settings.grpc) for zone in config.zones] == [
        ("a.test", "pro", True),
        ("b.test", "pro", True),
    ]
