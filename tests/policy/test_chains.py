"""Names as a routing table (reference section 3): wildcards, what stops them, chains, one proxied is all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.policy.chains import ZoneNames, answering, by_name, follow, is_served, leads_back
from fastgw.policy.compile import compile_zones
from fastgw.policy.names import HostnameError, hostname, parents, readable, record_name
from fastgw.policy.records import Record
from fastgw.policy.zone import Zone


def a(name: str, content: str = "10.0.0.1", proxied: bool = True) -> Record:
    return Record(name, "A", content, proxied)


def cname(name: str, content: str, proxied: bool = False) -> Record:
    return Record(name, "CNAME", content, proxied)


def txt(name: str) -> Record:
    return Record(name, "TXT", "words")


def known(*records: Record) -> dict[str, list[Record]]:
    return by_name(records)


NAMES = known(
    a("x.test", "10.0.0.1"),
    a("*.x.test", "10.0.0.2"),
    a("*.a.x.test", "10.0.0.3"),
    a("b.a.x.test", "10.0.0.4"),
    txt("t.x.test"),
    a("only.x.test", "10.0.0.5", proxied=False),
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.test", "10.0.0.1"),
        ("y.x.test", "10.0.0.2"),
        ("very.deep.y.x.test", "10.0.0.2"),  # a wildcard covers any depth
        ("c.a.x.test", "10.0.0.3"),  # the longest wildcard decides
        ("d.c.a.x.test", "10.0.0.3"),
        ("b.a.x.test", "10.0.0.4"),  # exact before wildcard
        ("c.b.a.x.test", None),  # a record stops the wildcard for all below it
        ("t.x.test", "words"),  # a record of any type does, here it is all there is
        ("below.t.x.test", None),
        ("below.only.x.test", None),
        ("elsewhere.test", None),
        ("test", None),
    ],
)
def test_who_answers(name, content):
    found = answering(name, NAMES)
    assert (found[0].content if found else None) == content


def test_what_is_compiled_answers_the_same():
    zone = Zone("x.test", records=tuple(record for records in NAMES.values() for record in records))
    hosts = {row.hostname: row for row in compile_zones([zone])[0].hosts}
    assert not hosts["t.x.test"].proxied
    assert not hosts["only.x.test"].proxied
    assert hosts["*.x.test"].proxied


def test_one_proxied_makes_all_of_a_name_proxied_and_other_types_are_no_targets():
    zone = Zone("x.test", records=(a("x.test", "10.0.0.1", False), a("x.test", "10.0.0.2"), txt("x.test")))
    found = compile_zones([zone])[0]
    assert found.hosts[0].proxied
    assert [target.host for target in found.origins[0].targets] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("records", "served"),
    [
        ([cname("a.x.test", "b.x.test"), a("b.x.test")], True),
        ([cname("a.x.test", "b.x.test"), a("b.x.test", proxied=False)], False),
        ([cname("a.x.test", "b.x.test"), cname("b.x.test", "c.y.test"), a("c.y.test")], True),
        ([cname("a.x.test", "b.x.test"), cname("b.x.test", "out.example", proxied=True)], True),
        ([cname("a.x.test", "out.example")], False),
        ([cname("a.x.test", "q.y.test"), a("*.y.test")], True),  # through a wildcard
        ([cname("a.x.test", "q.y.test"), a("*.y.test"), txt("q.y.test")], False),  # which a record stops
        ([cname("a.x.test", "b.x.test"), cname("b.x.test", "a.x.test")], False),
    ],
)
def test_a_chain_through_a_proxied_name_is_proxied_too(records, served):
    table = known(*records)
    assert is_served(table["a.x.test"], table) == served
    zones = [
        Zone(name, records=tuple(one for one in records if one.name.endswith(name)))
        for name in ("x.test", "y.test")
    ]
    hosts = {row.hostname: row.proxied for rows in compile_zones(zones) for row in rows.hosts}
    assert hosts["a.x.test"] == served


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([cname("a.x.test", "q.y.test"), a("*.y.test", "10.0.0.9")], ["10.0.0.9"]),
        ([cname("a.x.test", "b.x.test"), txt("b.x.test")], [""]),
        ([cname("a.x.test", "b.x.test"), cname("b.x.test", "a.x.test")], [""]),
        ([cname("a.x.test", "b.x.test"), a("b.x.test"), cname("b.x.test", "a.x.test")], ["10.0.0.1"]),
        ([cname("a.x.test", "far.example")], ["far.example"]),
    ],
)
def test_where_a_chain_leads(records, found):
    assert follow(records[0], known(*records)) == found


def test_chains_that_come_back():
    loop = [cname("a.x.test", "b.x.test"), cname("b.x.test", "a.x.test")]
    assert leads_back(loop[0], known(*loop))
    into = [cname("c.x.test", "a.x.test"), *loop]
    assert not leads_back(into[0], known(*into))
    wild = cname("*.x.test", "q.x.test", proxied=True)
    assert leads_back(wild, known(wild))  # q.x.test is answered by the wildcard itself
    assert not leads_back(a("x.test"), known(a("x.test")))


def test_a_second_star_is_literal_and_cannot_be_called():
    assert record_name("*.*", "x.test") == "*.*.x.test"
    assert record_name("*.*.a", "x.test") == "*.*.a.x.test"
    assert not a("*.*.x.test").callable
    assert a("*.x.test").callable
    (found,) = compile_zones([Zone("x.test", records=(a("*.*.x.test"), a("x.test")))])
    assert [row.hostname for row in found.hosts] == ["x.test"]
    with pytest.raises(HostnameError, match="not the whole first label"):
        record_name("a.*", "x.test")


def test_the_names_of_zones_are_found_by_their_end():
    zones = [
        Zone("x.test", records=(a("x.test"), a("a.b.x.test"))),
        Zone("b.x.test", records=(a("c.b.x.test"), a("*.b.x.test"))),
    ]
    names = ZoneNames(zones)
    whole = by_name(record for zone in zones for record in zone.records)
    assert dict(names) == whole
    assert len(names) == 4
    assert "a.b.x.test" in names  # held by the zone above
    assert "d.b.x.test" not in names
    assert names.elsewhere("a.b.x.test", "b.x.test")
    assert not names.elsewhere("a.b.x.test", "x.test")
    names.put(Zone("b.x.test", records=(a("d.b.x.test"),)))
    assert "d.b.x.test" in names
    assert "c.b.x.test" not in names
    assert (names.place("b.x.test"), names.place("new.test")) == (1, None)


LABELS = st.sampled_from(["a", "b", "_c", "d-e"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "x.test"]))


@given(st.lists(HOSTS | HOSTS.map(lambda name: f"*.{name}") | st.just("*.x.test"), max_size=6), HOSTS)
def test_both_tables_answer_alike(names, asked):
    records = tuple(a(name, f"10.0.0.{index}") for index, name in enumerate(dict.fromkeys(names)))
    zones = ZoneNames([Zone("x.test", records=records)])
    assert answering(asked, zones) == answering(asked, by_name(records))


@given(HOSTS)
def test_the_quick_way_to_a_name_is_the_slow_one(name):
    assert hostname(name.upper()) == hostname(name) == name
    assert record_name(name, "x.test") == name
    assert record_name(name.removesuffix(".x.test"), "x.test") == name
    assert list(parents(name))[-1] == "test"


@pytest.mark.parametrize(
    "text", ["a" * 64, "-a", "a-", "a..b", ".a", "a b", "a\nb", "xn--\u00e9-", ".".join(["abc"] * 64)]
)
def test_what_is_no_name(text):
    with pytest.raises(HostnameError):
        hostname(text)


def test_names_for_people():
    assert readable("xn--bcher-kva.x.test") == "b\u00fccher.x.test (xn--bcher-kva.x.test)"
    assert readable("plain.x.test") == "plain.x.test"
    assert readable("xn--\u00e9") == "xn--\u00e9"
