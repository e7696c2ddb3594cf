"""Rulesets through the SDK: what is written decides about the next call, and each change is a version."""

import cloudflare
import grpc
import pytest
from cloudflare.types.rulesets.phase_update_response import Ruleset

from fastgw.admin.rulerows import MANAGED_ID

CUSTOM = "http_request_firewall_custom"
ALL = 'http.host eq "shop.test"'
BLOCK = {"action": "block", "expression": ALL, "description": "closed"}


def typed(found):
    """What the client makes of an answer depends on the call; it is always a good ruleset."""
    return Ruleset.model_validate(found if isinstance(found, dict) else found.to_dict())


def entrypoint(api, zone, *rules, phase=CUSTOM, **more):
    return typed(api.sdk.rulesets.phases.update(phase, zone_id=zone, rules=list(rules), **more))


def get(api, zone, phase=CUSTOM):
    return typed(api.sdk.rulesets.phases.get(phase, zone_id=zone))


def test_a_rule_blocks_from_the_answer_on(api):
    zone = api.zone()
    assert api.call("shop.test") == b"hello"
    made = entrypoint(api, zone, BLOCK)
    assert (made.kind, made.phase, made.version, len(made.rules)) == ("zone", CUSTOM, "1", 1)
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    assert made.to_dict() == get(api, zone).to_dict()
    assert made.to_dict() == typed(api.sdk.rulesets.get(made.id, zone_id=zone)).to_dict()
    off = typed(
        api.sdk.rulesets.rules.edit(made.rules[0].id, ruleset_id=made.id, zone_id=zone, enabled=False)
    )
    assert (off.version, off.rules[0].enabled, off.rules[0].id) == ("2", False, made.rules[0].id)
    assert off.rules[0].description == "closed"
    assert api.call("shop.test") == b"hello"
    api.sdk.rulesets.delete(made.id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        api.sdk.rulesets.phases.get(CUSTOM, zone_id=zone)
    assert "rule" not in api.zones.get("shop.test")[0].document
    assert entrypoint(api, zone, BLOCK).version == "4", "a number is not given twice"


def test_versions_can_be_listed_read_and_removed_and_outlive_a_restart(api):
    zone = api.zone()
    for number in range(3):
        made = entrypoint(api, zone, {**BLOCK, "description": f"{number}"})
    again = entrypoint(api, zone, {**BLOCK, "description": "2"})
    assert again.version == made.version == "3", "what changes nothing is no version"
    listed = [one.version for one in api.sdk.rulesets.versions.list(made.id, zone_id=zone)]
    assert listed == ["3", "2", "1"]
    first = typed(api.sdk.rulesets.versions.get("1", zone_id=zone, ruleset_id=made.id))
    assert first.rules[0].description == "0"
    api.sdk.rulesets.versions.delete("1", zone_id=zone, ruleset_id=made.id)
    with pytest.raises(cloudflare.NotFoundError):
        api.sdk.rulesets.versions.get("1", zone_id=zone, ruleset_id=made.id)
    with pytest.raises(cloudflare.BadRequestError, match="in force"):
        api.sdk.rulesets.versions.delete("3", zone_id=zone, ruleset_id=made.id)
    api.zones.load()
    phased = api.sdk.rulesets.phases.versions.list(CUSTOM, zone_id=zone)
    assert [one.version for one in phased] == ["3", "2"]
    second = typed(api.sdk.rulesets.phases.versions.get("2", ruleset_phase=CUSTOM, zone_id=zone))
    assert second.rules[0].description == "1"
    (asked,) = api.zones.config.zones[0].inspection.phases
    assert asked.version == 3, "what the log and explain name"


def test_places(api):
    zone = api.zone()
    log = {"action": "log", "expression": ALL}
    made = entrypoint(api, zone, {**log, "ref": "a"}, {**log, "ref": "b"})
    a, b = (rule.id for rule in made.rules)

    def add(ref, position=None):
        said = {"position": position} if position else {}
        done = typed(api.sdk.rulesets.rules.create(made.id, zone_id=zone, ref=ref, **log, **said))
        return [rule.ref for rule in done.rules]

    assert add("c") == ["a", "b", "c"]
    assert add("d", {"index": 1}) == ["d", "a", "b", "c"]
    assert add("e", {"before": b}) == ["d", "a", "e", "b", "c"]
    assert add("f", {"after": a}) == ["d", "a", "f", "e", "b", "c"]
    moved = typed(api.sdk.rulesets.rules.edit(a, ruleset_id=made.id, zone_id=zone, position={"after": ""}))
    assert [rule.ref for rule in moved.rules] == ["d", "f", "e", "b", "c", "a"]
    assert moved.rules[-1].id == a
    assert moved.rules[-1].version == "1", "the rule itself has not changed"
    for wrong in ({"index": 9}, {"before": "nobody"}, {"index": 1, "after": a}):
        with pytest.raises((cloudflare.BadRequestError, cloudflare.NotFoundError)):
            add("x", wrong)
    left = typed(api.sdk.rulesets.rules.delete(b, ruleset_id=made.id, zone_id=zone))
    assert [rule.ref for rule in left.rules] == ["d", "f", "e", "c", "a"]
    with pytest.raises(cloudflare.NotFoundError):
        api.sdk.rulesets.rules.delete(b, ruleset_id=made.id, zone_id=zone)
    with pytest.raises(cloudflare.BadRequestError, match="ref"):
        add("a")


def test_terraform_puts_the_whole_and_reads_the_same(api):
    zone = api.zone()
    rules = [
        {"ref": "x", "action": "log", "expression": "ssl", "description": "", "enabled": True},
        {
            "ref": "y",
            "action": "block",
            "expression": ALL,
            "enabled": True,
            "action_parameters": {
                "response": {"status_code": 403, "content": "no", "content_type": "text/plain"}
            },
        },
        {
            "ref": "z",
            "action": "skip",
            "expression": "ssl",
            "action_parameters": {"ruleset": "current"},
            "logging": {"enabled": False},
        },
    ]
    said = {"name": "mine", "description": "d", "kind": "zone", "phase": CUSTOM, "rules": rules}
    made = typed(api.sdk.rulesets.create(zone_id=zone, **said))
    kept = {rule.ref: rule.id for rule in made.rules}
    turned = typed(api.sdk.rulesets.update(made.id, zone_id=zone, **{**said, "rules": rules[::-1]}))
    assert {rule.ref: rule.id for rule in turned.rules} == kept
    for rule, wanted in zip(turned.rules, rules[::-1], strict=True):
        shown = rule.to_dict()
        assert {key: shown[key] for key in wanted} == wanted
    assert (turned.name, turned.version) == ("mine", "2")
    assert turned.to_dict() == typed(api.sdk.rulesets.get(made.id, zone_id=zone)).to_dict()
    with pytest.raises(cloudflare.BadRequestError, match="has its ruleset"):
        api.sdk.rulesets.create(zone_id=zone, **said)
    with pytest.raises(cloudflare.BadRequestError, match="kind"):
        api.sdk.rulesets.create(zone_id=zone, **{**said, "kind": "custom"})
    heads = {one.phase: one for one in api.sdk.rulesets.list(zone_id=zone)}
    assert set(heads) == {CUSTOM, "http_request_firewall_managed"}
    assert heads[CUSTOM].id == made.id


def test_what_is_wrong_is_shown_with_a_caret_and_nothing_has_happened(api):
    zone = api.zone()
    entrypoint(api, zone, BLOCK)
    with pytest.raises(cloudflare.BadRequestError) as caught:
        entrypoint(api, zone, BLOCK, {"action": "log", "expression": "ip.src eq eq"})
    (error,) = caught.value.errors
    assert "^" in error.message
    assert error.source.pointer == "/rules/1/expression"
    assert error.code == 20127
    for rule, pointer in (
        ({"action": "managed_challenge", "expression": ALL}, "/rules/0/action"),
        ({"action": "execute", "expression": ALL}, "/rules/0/action"),
        ({"action": "log"}, "/rules/0/expression"),
        (
            {"action": "block", "expression": ALL, "action_parameters": {"response": {"status_code": 200}}},
            "/rules/0/action_parameters/response/status_code",
        ),
        (
            {"action": "block", "expression": ALL, "action_parameters": {"uri": {}}},
            "/rules/0/action_parameters/uri",
        ),
    ):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            entrypoint(api, zone, rule)
        assert caught.value.errors[0].source.pointer == pointer
    found = get(api, zone)
    assert (found.version, len(found.rules)) == ("1", 1)
    with pytest.raises(cloudflare.BadRequestError) as caught:
        api.sdk.rulesets.rules.create(found.id, zone_id=zone, action="log", expression="nonsense")
    assert caught.value.errors[0].source.pointer == "/expression"
    with pytest.raises(cloudflare.NotFoundError):
        api.sdk.rulesets.phases.get("http_response_compression", zone_id=zone)
    dry = entrypoint(api, zone, {"action": "log", "expression": ALL}, dry_run=True)
    assert dry.rules[0].action == "log"
    assert get(api, zone).version == "1"


def test_the_other_phases(api):
    zone = api.zone()
    limit = {"characteristics": ["ip.src"], "period": 60, "requests_per_period": 2, "mitigation_timeout": 60}
    rate = {"action": "block", "expression": ALL, "ratelimit": {**limit, "requests_to_origin": False}}
    made = entrypoint(api, zone, rate, phase="http_ratelimit")
    assert made.rules[0].to_dict()["ratelimit"] == limit
    assert [api.call("shop.test"), api.call("shop.test")] == [b"hello"] * 2
    assert api.refused("shop.test") is grpc.StatusCode.RESOURCE_EXHAUSTED
    headers = {"x-from": {"operation": "set", "value": "gateway"}}
    transform = {"action": "rewrite", "expression": ALL, "action_parameters": {"headers": headers}}
    made = entrypoint(api, zone, transform, phase="http_request_late_transform")
    assert made.rules[0].to_dict()["action_parameters"] == {"headers": headers}
    route = {"host_header": "inner.test", "sni": {"value": "inner.test"}, "origin": {"port": 8443}}
    moved = {"action": "route", "expression": "not ssl", "action_parameters": route}
    made = entrypoint(api, zone, moved, phase="http_request_origin")
    assert made.rules[0].to_dict()["action_parameters"] == route
    config = {"action": "set_config", "expression": ALL, "action_parameters": {"ssl": "full"}}
    entrypoint(api, zone, config, phase="http_config_settings")
    phases = {one.phase: one.version for one in api.zones.config.zones[0].inspection.phases}
    assert len(phases) == 4
    assert set(phases.values()) == {1}


def test_managed_rules(api):
    zone, phase = api.zone(), "http_request_firewall_managed"
    ruleset = typed(api.sdk.rulesets.get(MANAGED_ID, account_id=api.account))
    assert ruleset.kind == "managed"
    one = ruleset.rules[0]
    overrides = {
        "categories": [{"category": "path", "action": "log"}],
        "rules": [{"id": one.id, "enabled": False}],
    }
    said = {"id": MANAGED_ID, "overrides": overrides}
    made = entrypoint(
        api, zone, {"action": "execute", "expression": "true", "action_parameters": said}, phase=phase
    )
    assert made.rules[0].to_dict()["action_parameters"] == said
    managed = api.zones.config.zones[0].inspection.managed
    assert (managed.enabled, dict(managed.overrides)) == (True, {"path": "log", one.id: "off"})
    off = typed(
        api.sdk.rulesets.rules.edit(made.rules[0].id, ruleset_id=made.id, zone_id=zone, enabled=False)
    )
    assert (off.rules[0].enabled, off.rules[0].to_dict()["action_parameters"]) == (False, said)
    assert not api.zones.config.zones[0].inspection.managed.enabled
    for wrong in (
        {"action": "execute", "expression": "true", "action_parameters": {"id": "f" * 32}},
        {"action": "execute", "expression": "ssl", "action_parameters": {"id": MANAGED_ID}},
        {
            "action": "execute",
            "expression": "true",
            "action_parameters": {"id": MANAGED_ID, "overrides": {"rules": [{"id": "none"}]}},
        },
    ):
        with pytest.raises(cloudflare.BadRequestError):
            entrypoint(api, zone, wrong, phase=phase)
    with pytest.raises(cloudflare.PermissionDeniedError):
        api.sdk.rulesets.delete(MANAGED_ID, zone_id=zone)


async def test_the_async_client(api):
    zone = api.zone()
    async with cloudflare.AsyncCloudflare(api_token=api.token, base_url=api.url, max_retries=0) as client:
        made = typed(await client.rulesets.phases.update(CUSTOM, zone_id=zone, rules=[BLOCK]))
        assert [
            one.id async for one in client.rulesets.list(zone_id=zone, extra_query={"per_page": "1"})
        ] == [
            MANAGED_ID,
            made.id,
        ]
        changed = typed(
            await client.rulesets.rules.create(made.id, zone_id=zone, action="log", expression="ssl")
        )
        assert changed.version == "2"
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED


def test_who_may_not(api):
    zone = api.zone()
    reader = api.client(api.new_token("rules:read"))
    entrypoint(api, zone, BLOCK)
    assert typed(reader.rulesets.phases.get(CUSTOM, zone_id=zone)).version == "1"
    with pytest.raises(cloudflare.PermissionDeniedError):
        reader.rulesets.phases.update(CUSTOM, zone_id=zone, rules=[])
    with pytest.raises(cloudflare.PermissionDeniedError):
        api.client(api.new_token("dns:write")).rulesets.phases.get(CUSTOM, zone_id=zone)
