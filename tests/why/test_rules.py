"""What explain says about rules is what a gateway does, and it says what came of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fastgw.cli import explain as command
from fastgw.cli import group
from fastgw.policy.inspection import Inspection, Phase, Phased, Response, Rule, Skip
from fastgw.probe.message import percent_decode
from fastgw.why.steps import Request, answer, explain
from tests.support.grpc_echo import Origin
from tests.support.house import House


def phased(phase: Phase, *rules: Rule) -> Phased:
    return Phased(phase, rules, 3)


CUSTOM: Phase = "http_request_firewall_custom"
AGENT: Phase = "user_agent"
WALL = Rule("wall", 'grpc.method eq "B"', "block", description="not B")
OTHER = Rule("other", 'grpc.method eq "C"', "block")
SEEN = Rule("seen", "ssl", "log")
OFF = Rule("off", "ssl", "block", enabled=False)
LIFT = Rule("lift", 'http.request.headers["x-lift"][0] eq "1"', "skip", skip=Skip(products=("uaBlock",)))
CUT = Rule("cut", 'http.request.headers["x-cut"][0] eq "1"', "skip", skip=Skip(current=True))
SAYS = Rule("says", 'grpc.method eq "D"', "block", response=Response(451, "away: 5 %", "text/plain", 9))
NEAR = Rule("near", 'ip.src eq 127.0.0.1 and grpc.method eq "E"', "block")
AGENTS = Rule("agents", 'http.user_agent contains "bad"', "block")

ASKED = Inspection((phased(CUSTOM, SEEN, OFF, CUT, LIFT, WALL, OTHER, SAYS, NEAR), phased(AGENT, AGENTS)))

# path, fields, who denies it
CASES: dict[str, tuple[str, tuple[tuple[str, str], ...], str | None]] = {
    "nobody": ("/a/A", (), None),
    "custom": ("/a/B", (), "wall"),
    "the rest of the phase is cut": ("/a/B", (("x-cut", "1"),), None),
    "user agent": ("/a/A", (("user-agent", "bad"),), "agents"),
    "user agent, lifted": ("/a/A", (("user-agent", "bad"), ("x-lift", "1")), None),
    "user agent, lifted, then custom": ("/a/B", (("user-agent", "bad"), ("x-lift", "1")), "wall"),
    "custom response": ("/a/D", (), "says"),
    "by address": ("/a/E", (), "near"),
}


@pytest.fixture
def house(gateway: Callable[..., House], origin: Origin) -> House:
    return with_rules(gateway(origin))


def with_rules(house: House) -> House:
    config = house.gateway.config
    zones = tuple(dataclasses.replace(zone, inspection=ASKED) for zone in config.zones)
    house.gateway.publish(dataclasses.replace(config, zones=zones))
    return house


@pytest.mark.parametrize("case", CASES)
def test_a_gateway_does_the_same(house: House, case: str) -> None:
    path, fields, by = CASES[case]
    request = Request("gw.test", path, fields, address="127.0.0.1")
    steps = explain(house.gateway.config, request)
    denial = answer(steps)
    (step,) = [step for step in steps if step.id == "rules"]
    assert step.facts["denied_by"] == by
    with house.raw() as client:
        client.begin()
        client.head(1, [(name.encode(), value.encode()) for name, value in request.head], end=True)
        said = client.answer(1)
    if denial is None:
        assert b"fastgw-error" not in said.head
        return
    assert said.head[b"fastgw-error"].decode() == f"{denial.name}; side=gateway; phase=policy; rule={by}"
    assert said.grpc_status == denial.grpc_status
    assert percent_decode(said.head[b"grpc-message"].decode()) == denial.message


def came(house: House, path: str, *fields: tuple[str, str]) -> dict[str, Any]:
    steps = explain(house.gateway.config, Request("gw.test", path, fields))
    (step,) = [step for step in steps if step.id == "rules"]
    phases: Any = step.facts["phases"]
    assert [phase["version"] for phase in phases] == [3, 3]
    return {row["id"]: row["result"] for phase in phases for row in phase["rules"]}


def test_what_came_of_each_rule(house: House) -> None:
    assert came(house, "/a/B") == {
        "agents": "does not hold",
        "seen": "held",
        "off": "is off",
        "cut": "does not hold",
        "lift": "does not hold",
        "wall": "held, and denied the call",
        "other": "not asked",
        "says": "not asked",
        "near": "not asked",
    }
    cut = came(house, "/a/B", ("x-cut", "1"))
    assert (cut["cut"], cut["lift"], cut["wall"]) == ("held, and ended the phase", "not asked", "not asked")
    lifted = came(house, "/a/A", ("user-agent", "bad"), ("x-lift", "1"))
    assert (lifted["agents"], lifted["lift"]) == ("held; a skip rule lifts it", "held")


def test_a_phase_that_is_left_out(gateway: Callable[..., House], origin: Origin) -> None:
    config = gateway(origin).gateway.config
    pass_ = Rule("pass", "ssl", "skip", skip=Skip(phases=("http_request_firewall_managed",)))
    asked = Inspection((phased(CUSTOM, pass_), phased("http_request_firewall_managed", WALL)))
    zones = tuple(dataclasses.replace(zone, inspection=asked) for zone in config.zones)
    steps = explain(dataclasses.replace(config, zones=zones), Request("gw.test", "/a/B"))
    assert answer(steps) is None
    (step,) = [step for step in steps if step.id == "rules"]
    phases: Any = step.facts["phases"]
    assert phases[1]["rules"][0]["result"] == "left out"
    assert step.says == "2 rules of zone gw.test; held: pass"


def test_without_rules_there_is_no_step(gateway: Callable[..., House], origin: Origin) -> None:
    config = gateway(origin).gateway.config
    assert "rules" not in [step.id for step in explain(config, Request("gw.test", "/a/B"))]
    zones = tuple(dataclasses.replace(zone, inspection=ASKED, paused=True) for zone in config.zones)
    steps = explain(dataclasses.replace(config, zones=zones), Request("gw.test", "/a/B"))
    assert "rules" not in [step.id for step in steps]
    assert answer(steps) is None


@pytest.fixture
def told(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """What the command prints about a call."""
    config = house.gateway.config
    monkeypatch.setattr(command, "load", lambda _: config)

    def run(*words: str) -> str:
        return CliRunner().invoke(group, ["explain", "gw.test", *words]).output

    return run


def test_the_command_shows_rules_if_asked_to(told: Callable[..., str]) -> None:
    short = told("/a/B")
    assert "rules   zone gw.test: custom rule wall (not B) blocks this call\n" in short
    assert "not asked" not in short
    long = told("/a/B", "--rules")
    assert "        http_request_firewall_custom\n" in long
    assert "          wall   block: held, and denied the call (not B)\n" in long
    assert "          other  block: not asked\n" in long
    assert "denied_by" in told("/a/B", "--json")


def test_the_command_takes_an_address(told: Callable[..., str]) -> None:
    assert "near blocks this call" in told("/a/E", "--ip", "127.0.0.1")
    assert "near blocks this call" not in told("/a/E", "--ip", "127.0.0.2")
    assert "which is no IP address" in told("/a/E", "--ip", "localhost")


def test_octets_have_no_address() -> None:
    result = CliRunner().invoke(group, ["explain", "--ip", "127.0.0.1", "00"])
    assert result.exit_code == 2
    assert "--ip is about a call" in result.output


SCORED = Rule("robots", "cf.bot_management.score lt 60", "block")


@pytest.mark.parametrize(
    ("agent", "reason", "by"), [("curl/8", "agent_tool", "robots"), ("grpc-go/1.85.0", None, None)]
)
def test_the_score_and_its_reasons_are_told(gateway, origin, agent, reason, by) -> None:
    """A rule is judged by the score that is told."""
    config = gateway(origin).gateway.config
    zones = tuple(
        dataclasses.replace(zone, inspection=Inspection((phased(CUSTOM, SCORED),))) for zone in config.zones
    )
    config = dataclasses.replace(config, zones=zones)
    steps = explain(config, Request("gw.test", "/a/A", (("user-agent", agent),)))
    (step,) = [step for step in steps if step.id == "rules"]
    assert step.facts["denied_by"] == by
    assert f"bot score {step.facts['bot_score']} by the head alone" in step.says
    assert step.facts["bot_reasons"][:1] == ([] if reason is None else [reason])
    assert (reason or "nothing against it") in step.says
    denial = answer(steps)
    assert denial is None or "score" not in denial.message, "clients are not told"


def test_a_score_that_nobody_asks_for_is_not_told(house: House) -> None:
    steps = explain(house.gateway.config, Request("gw.test", "/a/A", ()))
    (step,) = [step for step in steps if step.id == "rules"]
    assert "bot_score" not in step.facts
