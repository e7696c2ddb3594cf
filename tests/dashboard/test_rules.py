"""Rules are written, moved and switched by forms, count real calls, and expressions can be tried."""

from __future__ import annotations

import re

import grpc

from tests.dashboard.scenes import EVIL, ask, caller

CUSTOM = "http_request_firewall_custom"


def _rules(api, zone: str, phase: str = CUSTOM) -> list[dict]:
    answer = api.http.get(f"/zones/{zone}/rulesets/phases/{phase}/entrypoint").json()
    return answer["result"]["rules"] if answer["result"] else []


def _add(visitor, zone: str, expression: str, action: str = "block", **more: str) -> str:
    said = {"phase": CUSTOM, "action": action, "expression": expression, "enabled": "on", **more}
    return visitor.send(f"/zones/{zone}/rules/do/add", **said)


def _ruleset(api, zone: str) -> str:
    return api.http.get(f"/zones/{zone}/rulesets/phases/{CUSTOM}/entrypoint").json()["result"]["id"]


def test_a_rule_is_written_and_its_counter_rises_with_real_calls(api, visitor):
    id_ = api.zone("shop.test")
    assert "There is no rule in this phase" in visitor.see(f"/zones/{id_}/rules")
    said = _add(visitor, id_, 'http.request.uri.path eq "/fastgw.test.Echo/Unary"', description="no echo")
    assert "The rule is there" in said
    (rule,) = _rules(api, id_)
    with caller(api, "shop.test") as opened:
        for _ in range(3):
            assert ask(opened, "/fastgw.test.Echo/Unary") is grpc.StatusCode.PERMISSION_DENIED
    visitor.see(f"/zones/{id_}/rules")
    for what in ("held", "denied"):
        assert re.search(rf'data-count="{what}-{rule["id"]}">3<', visitor.last.text)
    at = {"ruleset": _ruleset(api, id_), "id": rule["id"]}
    assert "not asked any more" in visitor.send(f"/zones/{id_}/rules/do/enable", enabled="off", **at)
    assert api.call("shop.test") == b"hello"
    assert "asked again" in visitor.send(f"/zones/{id_}/rules/do/enable", enabled="on", **at)
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    assert "The rule was removed" in visitor.send(f"/zones/{id_}/rules/do/remove", **at)
    assert api.call("shop.test") == b"hello"


def test_rules_are_moved_and_changed(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/rules")
    for name in ("a", "b"):
        _add(visitor, id_, f'http.host eq "{name}.shop.test"', description=name)
    ruleset, (first, second) = _ruleset(api, id_), _rules(api, id_)
    visitor.send(f"/zones/{id_}/rules/do/move", ruleset=ruleset, id=second["id"], place="1")
    assert [rule["description"] for rule in _rules(api, id_)] == ["b", "a"]
    assert "Change a rule" in visitor.see(f"/zones/{id_}/rules?edit={first['id']}")
    said = visitor.send(
        f"/zones/{id_}/rules/do/save", ruleset=ruleset, rule=first["id"], action="log", enabled="on",
        expression="http.host eq", description=EVIL,
    )  # fmt: skip
    assert "Nothing was changed" in said
    assert "<img" not in visitor.last.text
    said = visitor.send(
        f"/zones/{id_}/rules/do/save", ruleset=ruleset, rule=first["id"], action="log", enabled="on",
        expression='http.host eq "c.shop.test"', description=EVIL,
    )  # fmt: skip
    assert "The rule is changed" in said
    assert "<img" not in visitor.last.text
    assert [rule["action"] for rule in _rules(api, id_)] == ["block", "log"]


def test_a_rate_limit_parameters_and_managed_rules(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/rules")
    _add(
        visitor, id_, 'http.host eq "shop.test"', phase="http_ratelimit", requests="2", period="60",
        timeout="60", characteristics="ip.src",
    )  # fmt: skip
    (limit,) = _rules(api, id_, "http_ratelimit")
    assert limit["ratelimit"]["requests_per_period"] == 2
    parameters = '{"headers": {"x-tenant": {"operation": "set", "value": "a"}}}'
    said = _add(
        visitor,
        id_,
        'http.host eq "shop.test"',
        "rewrite",
        phase="http_request_late_transform",
        parameters=parameters,
    )
    assert "The rule is there" in said
    assert "not JSON" in _add(visitor, id_, "ip.src eq 192.0.2.1", parameters="{")
    assert "managed rules are on" in visitor.send(f"/zones/{id_}/rules/do/managed", enabled="on")
    assert len(_rules(api, id_, "http_request_firewall_managed")) == 1


def test_an_expression_is_tried_and_nothing_is_changed(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/rules")
    sample = {"path": "/shop.Cart/Add", "ip": "192.0.2.7", "metadata": "x-tenant: a"}
    at = f"/zones/{id_}/rules/do/test"
    for expression, said in (
        ('http.request.uri.path eq "/shop.Cart/Add" and ip.src in {192.0.2.0/24}', "is true for this call"),
        ('any(http.request.headers["x-tenant"][*] eq "a")', "is true for this call"),
        ('http.host eq "other.test"', "is false for this call"),
        ('http.hots eq "shop.test"', "hint: "),
        ("ip.src in $nobody", "no list $nobody"),
    ):
        assert said in visitor.send(at, tested=expression, **sample), expression
    visitor.send(at, tested='http.hots eq "shop.test"', **sample)
    assert "^~~~" in visitor.last.text
    assert "no IP address" in visitor.send(at, tested="ip.src eq 192.0.2.1", ip="nowhere")
    assert _rules(api, id_) == []
