"""Phases in their order, what ends them, and what a skip leaves out: asked without a gateway."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from fastgw._core.inspect.door import Trial
from fastgw._core.inspect.rows import InspectPhase
from fastgw._core.rules.door import Head
from fastgw.inspected import PHASES, Inspections
from fastgw.policy.inspection import HeaderChange, Inspection, Managed, Rule
from fastgw.rules.errors import RuleError
from tests.inspect.words import allow, asking, block, log, skip

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/shop.Cart/Add"),
    (b":authority", b"gw.test"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"grpc-go/1.71"),
]
YES, NO = "ssl", "not ssl"


@dataclasses.dataclass(frozen=True)
class Row:
    """A rule of a managed set."""

    id: str
    group: str
    expression: str
    action: str = "block"
    description: str = ""


MANAGED = (Row("m-one", "first", YES), Row("m-two", "first", YES, "log"), Row("m-three", "second", YES))


def head(**more: Any) -> Head:
    return Head(HEAD, b"gw.test", "192.0.2.7", secure=True, **more)


class Asked:
    """One head, asked once: `held` are (id, what came of it), in order."""

    def __init__(self, inspection: Inspection, managed: tuple[Row, ...] = MANAGED) -> None:
        made = Inspections(managed).of(inspection)
        assert made is not None
        self.trial = Trial(made.core, "gw.test")
        self.outcome, held, self.verdict = self.trial.ask(head())
        self.held = [((made.managed if theirs else made.rules)[n].id, came) for n, theirs, came in held]
        self.names = [name for name, _ in self.held]
        self.effects = [made.rules[number].id for number in self.verdict["effects"]]


def test_the_core_and_the_policy_have_the_same_phases() -> None:
    assert len(PHASES) == InspectPhase.PHASE_COUNT
    short = [name.removeprefix("http_request_").removeprefix("http_") for name in PHASES]
    core = [phase.name.lower() for phase in InspectPhase][:-1]
    words = {"firewall_custom": "custom", "ratelimit": "rate_limit", "firewall_managed": "managed"}
    assert [words.get(name, name) for name in short] == core


def everything(*but: str) -> dict[str, Any]:
    """A rule in each phase that holds and lets the call go on."""
    rules = {
        "access": [log("access", YES)],
        "lockdown": [log("lockdown", YES)],
        "agent": [log("agent", YES)],
        "custom": [log("custom", YES)],
        "managed": [log("managed", YES)],
        "transform": [Rule("transform", YES, "rewrite", changes=(HeaderChange("x-a", "set", "1"),))],
        "origin": [Rule("origin", YES, "route")],
        "config": [Rule("config", YES, "set_config", config=(("ssl", "strict"),))],
    }
    return {name: rule for name, rule in rules.items() if name not in but}


ORDER = ["access", "lockdown", "agent", "custom", "managed", "transform", "origin", "config"]


def test_phases_are_gone_through_in_order() -> None:
    turned = dict(reversed(everything().items()))
    asked = Asked(asking(**turned))
    assert asked.outcome == "passed"
    assert asked.names == ORDER
    assert asked.effects == ["transform", "origin", "config"]
    assert asked.verdict["rule"] == "config"


@pytest.mark.parametrize("at", ORDER[:5])
def test_a_block_is_the_last_that_is_asked(at: str) -> None:
    asked = Asked(asking(**{**everything(), at: [log("before", YES), block("wall", YES), log("after", YES)]}))
    assert asked.outcome == "blocked"
    assert asked.names == [*ORDER[: ORDER.index(at)], "before", "wall"]
    assert asked.verdict["rule"] == "wall"
    assert asked.verdict["text"].startswith("zone gw.test: ")
    assert asked.verdict["text"].endswith(" wall blocks this call")
    assert asked.effects == []


def test_what_does_not_hold_blocks_nothing() -> None:
    asked = Asked(asking(**{**everything(), "custom": [block("wall", NO), log("custom", YES)]}))
    assert (asked.outcome, asked.names) == ("passed", ORDER)


def test_a_rule_that_is_off_is_not_there() -> None:
    asked = Asked(asking(custom=[block("wall", YES, enabled=False), log("custom", YES)]))
    assert (asked.outcome, asked.names) == ("passed", ["custom"])


def test_an_allowed_address_passes_custom_rate_and_managed_rules() -> None:
    walls = {name: [block(name, YES)] for name in ("custom", "managed")}
    asked = Asked(asking(access=[allow("friend", YES), block("wall", YES)], **walls))
    assert (asked.outcome, asked.names) == ("passed", ["friend"])
    for phase in ("lockdown", "agent"):
        asked = Asked(asking(access=[allow("friend", YES)], **{phase: [block("wall", YES)]}))
        assert (asked.outcome, asked.names) == ("blocked", ["friend", "wall"])


# phase that is skipped, by what; is it left out?
PHASE_OF_PRODUCT = {"rateLimit": "rate", "waf": "managed", "zoneLockdown": "lockdown", "uaBlock": "agent"}


@pytest.mark.parametrize("product", [*PHASE_OF_PRODUCT, "bic", "hot", "securityLevel"])
@pytest.mark.parametrize("phase", ["lockdown", "agent", "managed"])
def test_products_that_a_custom_rule_skips(product: str, phase: str) -> None:
    """Zone lockdown and user agents come before, and are left out all the same."""
    rules = {"custom": [skip("pass", YES, products=(product,))], phase: [block("wall", YES)]}
    asked = Asked(asking(**rules))
    passes = PHASE_OF_PRODUCT.get(product) == phase
    assert asked.outcome == ("passed" if passes else "blocked")
    before = phase != "managed"
    fate = [("wall", "lifted" if passes else "denied")]
    held = [("pass", "went_on")]
    if before:
        assert asked.held == (fate + held if passes else fate)
    else:
        assert asked.held == (held if passes else held + fate)


@pytest.mark.parametrize(
    ("custom", "lifts"),
    [
        ([skip("pass", YES, products=("uaBlock",))], True),
        ([skip("pass", NO, products=("uaBlock",))], False),
        ([log("seen", YES), skip("pass", YES, products=("uaBlock",))], True),
        ([block("first", YES), skip("pass", YES, products=("uaBlock",))], False),
        ([skip("enough", YES, current=True), skip("pass", YES, products=("uaBlock",))], False),
        ([skip("more", YES, "managed"), skip("pass", YES, products=("uaBlock",))], True),
        ([skip("pass", YES, "agent")], True),
    ],
)
def test_a_denial_is_lifted_only_by_a_skip_that_would_be_reached(custom: list[Rule], lifts: bool) -> None:
    asked = Asked(asking(agent=[block("wall", YES)], custom=custom))
    assert asked.outcome == ("passed" if lifts else "blocked")
    counted = asked.trial.tallies()
    assert counted[0] == (1, 0 if lifts else 1)
    assert len(counted) == (len(asked.names) if lifts else 1), "looking ahead counts nothing"


@pytest.mark.parametrize(
    "phases", [(), *itertools.combinations(("managed", "transform", "origin", "config"), 2)]
)
@pytest.mark.parametrize("current", [False, True])
def test_skip_leaves_out_phases_and_the_rest_of_its_own(phases: tuple[str, ...], current: bool) -> None:
    custom = [skip("pass", YES, *phases, current=current), log("rest", YES)]
    asked = Asked(asking(**{**everything(), "custom": custom}))
    rest = [] if current else ["rest"]
    later = [name for name in ORDER[4:] if name not in phases]
    assert asked.names == [*ORDER[:3], "pass", *rest, *later]


def test_a_skip_does_not_reach_back_into_phases_that_are_over() -> None:
    asked = Asked(asking(access=[block("wall", YES)], custom=[skip("pass", YES, "access")]))
    assert asked.outcome == "blocked"


def managed(*overrides: tuple[str, str]) -> Managed:
    return Managed(True, overrides)


def test_the_managed_set_comes_behind_the_zones_own_rules() -> None:
    asked = Asked(dataclasses.replace(asking(custom=[log("own", YES)]), managed=managed()))
    assert (asked.outcome, asked.held) == ("blocked", [("own", "went_on"), ("m-one", "denied")])
    assert asked.verdict["text"] == "zone gw.test: managed rule m-one blocks this call"


@pytest.mark.parametrize(
    ("overrides", "held"),
    [
        ((("first", "log"),), ["m-one went_on", "m-two went_on", "m-three denied"]),
        ((("first", "off"),), ["m-one spared", "m-two spared", "m-three denied"]),
        ((("m-one", "log"), ("first", "off")), ["m-one went_on", "m-two spared", "m-three denied"]),
        (
            (("first", "off"), ("first", "log"), ("second", "log")),
            ["m-one went_on", "m-two went_on", "m-three went_on"],
        ),
        ((("m-one", "off"), ("m-two", "block")), ["m-one spared", "m-two denied"]),
    ],
)
def test_overrides_by_group_and_by_id(overrides: tuple[tuple[str, str], ...], held: list[str]) -> None:
    asked = Asked(Inspection(managed=managed(*overrides)))
    assert [" ".join(pair) for pair in asked.held] == held


def test_single_managed_rules_and_all_of_them_are_left_out() -> None:
    inspection = dataclasses.replace(
        asking(custom=[skip("pass", YES, rules=("m-one", "nobody"))]), managed=managed(("m-two", "off"))
    )
    asked = Asked(inspection)
    assert asked.held == [
        ("pass", "went_on"),
        ("m-one", "spared"),
        ("m-two", "spared"),
        ("m-three", "denied"),
    ]
    everyone = dataclasses.replace(asking(custom=[skip("pass", YES, "managed")]), managed=managed())
    assert Asked(everyone).names == ["pass"]


def test_an_empty_managed_set_asks_nothing() -> None:
    assert Asked(Inspection(managed=managed()), ()).outcome == "passed"


def test_the_verdict_names_the_rule_and_never_what_the_client_sent() -> None:
    asked = Asked(
        asking(custom=[block("a<b", 'http.host eq "gw.test"', description='says "no" & more\n' + "x" * 200)])
    )
    text = asked.verdict["text"]
    assert text.startswith("zone gw.test: custom rule a?b (says ?no? ? more?xxx")
    assert len(text) < 200


def test_counters_are_those_of_the_rules() -> None:
    made = Inspections().of(asking(custom=[log("one", YES), log("two", NO), block("three", YES)]))
    assert made is not None
    trial = Trial(made.core)
    for _ in range(5):
        trial.ask(head())
    assert trial.tallies() == {0: (5, 0), 2: (5, 5)}


def test_without_memory_the_call_is_denied() -> None:
    made = Inspections().of(asking(custom=[log("one", YES)]))
    assert made is not None
    outcome, held, verdict = Trial(made.core, "gw.test", memory=False).ask(head())
    assert (outcome, held, verdict["rule"]) == ("no_memory", [], None)
    assert verdict["text"] == "zone gw.test: the gateway has no memory to ask its rules"


def test_equal_inspections_are_made_once_and_patterns_are_shared() -> None:
    made = Inspections()

    def fresh() -> Inspection:
        return asking(custom=[block("one", 'http.host matches "^a+$"')])

    first = made.of(fresh())
    assert first is made.of(fresh())
    assert first is not made.of(asking(custom=[block("two", 'http.host matches "^a+$"')]))
    assert made.of(Inspection()) is None


def test_a_pattern_that_is_refused_is_shown_where_it_stands() -> None:
    for text in (r'ssl and http.host matches "ab(+c"', r'ssl and http.host matches r##"ab(+c"##'):
        with pytest.raises(RuleError) as raised:
            Inspections().of(asking(custom=[block("one", text)]))
        error = raised.value
        assert error.expression[error.start : error.end] == "+"
        assert error.sentence == "there is nothing to repeat"
    with pytest.raises(RuleError) as raised:
        Inspections().of(asking(custom=[block("one", r'http.host matches "a\"[\d\"](?P<1>x)"')]))
    assert raised.value.expression[raised.value.start] == "1"


def test_too_many_rules_that_change_calls_are_refused() -> None:
    rules = [Rule(f"r{number}", YES, "route") for number in range(128)]
    assert len(Asked(asking(origin=rules)).effects) == 128
    with pytest.raises(OverflowError, match="129 rules change calls, at most are 128"):
        Inspections().of(asking(origin=[*rules, Rule("more", YES, "route")]))


def test_a_hundred_rules_and_more_than_are_remembered() -> None:
    asked = Asked(asking(custom=[*[log(f"r{number}", YES) for number in range(100)], block("end", YES)]))
    assert len(asked.names) == 101
    assert asked.outcome == "blocked"
    assert asked.trial.tallies()[99] == (1, 0)
