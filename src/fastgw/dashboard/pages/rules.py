"""The Rules page of a zone: what is asked of calls, phase by phase, with how often each rule has held."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from fastgw.admin.errors import INVALID, refuse
from fastgw.admin.rulerows import MANAGED_ID, MANAGED_PHASE
from fastgw.config.ruling import ACTIONS
from fastgw.dashboard.pages.certificates import int_of
from fastgw.dashboard.tester import tested
from fastgw.dashboard.visit import ZONE, Page, Visit

NAMES = {
    "http_request_firewall_custom": (
        "Custom rules",
        "Block, log or let pass what an expression is true for.",
    ),
    "http_ratelimit": (
        "Rate limits",
        "Refuse calls when there are too many of them, counted by client or by any value.",
    ),
    "http_request_late_transform": (
        "Metadata",
        "Set, add or remove metadata before a call goes to its origin.",
    ),
    "http_request_origin": ("Origin", "Send a call to another origin, or under another name."),
    "http_config_settings": ("Settings", "Another setting of the zone for some calls."),
}
_ALL = "/zones/{zone_id}/rulesets"
_RULES = _ALL + "/{ruleset_id}/rules"
_RULE = _RULES + "/{rule_id}"
_LIMIT = {"requests": "requests_per_period", "period": "period", "timeout": "mitigation_timeout"}


def show(visit: Visit) -> Response:
    """All phases, a form for one rule, and the tester."""
    sets = rulesets(visit)
    edited = visit.field("rule") or visit.query.get("edit", "")
    found = [
        (phase, rule)
        for phase, one in sets.items()
        if phase in NAMES
        for rule in one.rules
        if rule["id"] == edited
    ]
    phase, rule = found[0] if found else ("", None)
    return visit.render(
        "rules.html",
        names=NAMES,
        phases=[(key, words[0]) for key, words in NAMES.items()],
        sets=sets,
        rule=rule,
        phase=phase,
        managed=next(iter(sets[MANAGED_PHASE].rules), None) if MANAGED_PHASE in sets else None,
        counts=visit.site.admin.desk.gateway.stats()["rules"].get(visit.zone.name, {}),
        actions={key: list(words) for key, words in ACTIONS.items()},
        written=lambda value: json.dumps(value, indent=2, ensure_ascii=False) if value else "",
        result=tested(visit) if visit.field("tried") else None,
        recent=recent(visit),
        may_write=visit.token.may("rules:write", visit.path["zone_id"]) and visit.zone.source != "file",
    )


def rulesets(visit: Visit) -> dict[str, Any]:
    """Those that the zone has, by phase."""
    heads = visit.api.get(_ALL).rows
    return {
        head.phase: visit.api.get(_ALL + "/{ruleset_id}", ruleset_id=head.id)
        for head in heads
        if head.kind == "zone"
    }


def recent(visit: Visit) -> list[dict[str, Any]]:
    """Calls that were denied or have failed of late, as samples."""
    if not visit.token.may("gateway:read"):
        return []
    calls = visit.api.get("/fastgw/v1/failures", [("zone", visit.zone.name)])["calls"]
    found = {(call.get("authority", ""), call.get("path", "")): call for call in calls[:50]}
    return list(found.values())[:5]


def body_of(visit: Visit) -> dict[str, Any]:
    """A rule as the form says it. Raise ApiError."""
    body: dict[str, Any] = {
        "action": visit.field("action"),
        "expression": visit.field("expression"),
        "description": visit.field("description"),
        "enabled": visit.ticked("enabled"),
    }
    if visit.field("parameters"):
        try:
            body["action_parameters"] = json.loads(visit.field("parameters"))
        except (ValueError, RecursionError) as error:
            raise refuse(400, INVALID, f"the parameters are not JSON: {error}") from None
    if visit.field("requests"):
        limit: dict[str, Any] = {key: int_of(visit.field(name)) for name, key in _LIMIT.items()}
        limit["characteristics"] = visit.field("characteristics", "ip.src").replace(",", " ").split()
        body["ratelimit"] = limit
    return body


def add(visit: Visit) -> Response:
    """A new rule at the end of its phase."""
    phase, body = visit.field("phase"), body_of(visit)
    _append(visit, phase, body)
    return visit.done("The rule is there. It is asked from now on.")


def _append(visit: Visit, phase: str, body: dict[str, Any]) -> None:
    one = rulesets(visit).get(phase)
    if one is None:
        visit.api.post(_ALL, {"phase": phase, "kind": "zone", "name": "default", "rules": [body]})
    else:
        visit.api.post(_RULES, body, ruleset_id=one.id)


def _patch(visit: Visit, body: dict[str, Any]) -> None:
    visit.api.patch(_RULE, body, ruleset_id=visit.field("ruleset"), rule_id=visit.field("id"))


def save(visit: Visit) -> Response:
    """Another state of a rule."""
    body = body_of(visit)
    body.setdefault("action_parameters", None)
    visit.api.patch(_RULE, body, ruleset_id=visit.field("ruleset"), rule_id=visit.field("rule"))
    return visit.done("The rule is changed. This is in force now.")


def enable(visit: Visit) -> Response:
    """Ask a rule, or stop that."""
    on = visit.ticked("enabled")
    _patch(visit, {"enabled": on})
    return visit.done("The rule is asked again." if on else "The rule is not asked any more.")


def move(visit: Visit) -> Response:
    """Another place in its phase."""
    _patch(visit, {"position": {"index": int_of(visit.field("place"))}})
    return visit.done(f"The rule is number {visit.field('place')} of its phase now.")


def remove(visit: Visit) -> Response:
    """Let a rule go."""
    visit.api.delete(_RULE, ruleset_id=visit.field("ruleset"), rule_id=visit.field("id"))
    return visit.done("The rule was removed.")


def managed(visit: Visit) -> Response:
    """The rules of the package, all together."""
    on = visit.ticked("enabled")
    if visit.field("id"):
        _patch(visit, {"enabled": on})
    else:
        body = {
            "action": "execute",
            "expression": "true",
            "action_parameters": {"id": MANAGED_ID},
            "enabled": on,
        }
        _append(visit, MANAGED_PHASE, body)
    return visit.done(f"The managed rules are {'on' if on else 'off'}.")


def test(visit: Visit) -> Response:
    """What an expression says to a sample; nothing is changed."""
    visit.fields["tried"] = ["yes"]
    return show(visit)


PAGES = (
    Page(
        "/zones/{zone_id}/rules",
        "Rules",
        show,
        nav=ZONE,
        scope="rules:read",
        writes={
            "add": add,
            "save": save,
            "enable": enable,
            "move": move,
            "remove": remove,
            "managed": managed,
            "test": test,
        },
    ),
)
