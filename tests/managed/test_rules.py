"""The managed rules: each hits what it is about, and none of them an ordinary call."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.managed.row import Example, ManagedRule
from fastgw.managed.rules import DATE, GROUPS, RULES, SET, SPARE_QUIET, VERSION, unknown
from fastgw.policy.inspection import Managed
from tests.managed.cases import Fields, fields, hits, is_quiet, recorded

HITS = [(rule, at) for rule in RULES for at in range(len(rule.hits))]
NEAR = [(rule, at) for rule in RULES for at in range(len(rule.near))]


def named(value: object) -> str:
    return value.id if isinstance(value, ManagedRule) else str(value)


@pytest.mark.parametrize(("rule", "at"), HITS, ids=named)
def test_a_hit(rule: ManagedRule, at: int) -> None:
    assert rule.id in hits(fields(rule.hits[at]))


@pytest.mark.parametrize(("rule", "at"), NEAR, ids=named)
def test_a_near_miss(rule: ManagedRule, at: int) -> None:
    assert rule.id not in hits(fields(rule.near[at]))


@pytest.mark.parametrize(
    ("name", "known"), list(recorded()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_recorded_head_is_hit(name: str, known: Fields) -> None:
    assert hits(known, quiet=False) == set()


def test_an_ordinary_call_is_not_hit() -> None:
    assert hits(fields(Example())) == set()


PIECES = sorted(
    {
        piece
        for rule in RULES
        for example in (*rule.hits, *rule.near)
        for text in (example.path, *(value for _, value in example.fields if len(value) < 200))
        for piece in (text, *re.findall(r"[A-Za-z0-9_]+|[^A-Za-z0-9_]+", text))
    }
)
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)


@st.composite
def encoded(draw: st.DrawFn) -> str:
    """Pieces of attacks and of ordinary texts, some of their characters encoded, some letters large."""
    text = draw(TEXTS)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        if text[at : at + 1].isascii():
            changed = draw(st.sampled_from([str.upper, str.lower, lambda c: "+", lambda c: f"%{ord(c):02x}"]))
            text = text[:at] + "".join(map(changed, text[at : at + 1])) + text[at + 1 :]
    return text


@settings(max_examples=1500)
@given(st.lists(encoded(), max_size=3), st.sampled_from(PIECES), st.booleans())
def test_quiet_heads_are_spared_nothing(values: list[str], path: str, odd_path: bool) -> None:
    """Where the set ends early, the rest of it would have found nothing."""
    extra = tuple((f"x-{number}", value) for number, value in enumerate(values))
    known = fields(Example(path if odd_path and path.startswith("/") else "/shop.v1.Orders/Get", extra))
    late = {rule.id for rule in RULES if not rule.early}
    if is_quiet(known):
        assert hits(known, quiet=False) & late == set()


def test_the_set_is_what_it_says() -> None:
    assert len(RULES) >= 40
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert set(Counter(rule.group for rule in RULES)) == set(GROUPS)
    assert len(GROUPS) >= 6
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", DATE)


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_each_rule_says_what_it_is(rule: ManagedRule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", rule.id)
    assert rule.description.endswith(".")
    assert rule.references
    assert rule.hits
    assert rule.near
    for reference in rule.references:
        assert re.match(r"(CVE-\d{4}-\d{4,}|CWE-\d+|RFC \d+ [\d.]+|gRPC over HTTP/2: )", reference) or (
            reference == "RFC 2152"
        )


def test_what_nobody_knows_is_named() -> None:
    overrides = (("scanners-names", "log"), ("scanners", "off"), ("path", "log"), ("paths", "log"))
    assert unknown(Managed(True, overrides)) == ("paths",)


def test_the_set_runs_every_rule_once() -> None:
    assert set(SET) == {*RULES, SPARE_QUIET}
    assert len(SET) == len(RULES) + 1
    before = SET[: SET.index(SPARE_QUIET)]
    assert {rule.id for rule in before} == {rule.id for rule in RULES if rule.early}
