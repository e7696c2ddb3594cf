"""Rules as clients of the reference product write them, and as the document of a zone has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgw.admin.errors import ApiError, refuse
from fastgw.config.ruletables import SHORT_PHASES
from fastgw.managed import GROUPS, RULES
from fastgw.store.ids import fixed_id

RULE_INVALID = 20127
MANAGED_PHASE = "http_request_firewall_managed"
MANAGED_ID = fixed_id("fastgw managed ruleset")
"""The ruleset of the package, which `execute` names."""

Row = dict[str, Any]
_ROUTE = {"host_header": "host", "sni": "server_name", "origin": "origin"}
_MODES = ("block", "log")


def row_of(phase: str, rule: Mapping[str, Any], pointer: str) -> Row:
    """A rule of a request as a row of `[[zone.rule]]`; the file's judge says the rest. Raise ApiError."""
    action = rule.get("action")
    if phase == MANAGED_PHASE:
        return _managed_row(rule, pointer)
    if not isinstance(action, str):
        raise refuse(400, RULE_INVALID, "a rule needs an action", f"{pointer}/action")
    if action == "execute":
        said = f"execute is of the phase {MANAGED_PHASE} only"
        raise refuse(400, RULE_INVALID, said, f"{pointer}/action")
    if not rule.get("expression"):
        raise refuse(400, RULE_INVALID, "a rule needs an expression", f"{pointer}/expression")
    row: Row = {"id": rule["id"], "phase": phase, "action": action, "expression": rule["expression"]}
    _common(row, rule)
    row.update(parameters_row(action, rule.get("action_parameters") or {}, pointer))
    if rule.get("ratelimit") is not None:
        row["ratelimit"] = {
            key: value
            for key, value in dict(rule["ratelimit"]).items()
            if value is not None and (key, value) != ("requests_to_origin", False)
        }
    return row


def _common(row: Row, rule: Mapping[str, Any]) -> None:
    if rule.get("description"):
        row["description"] = rule["description"]
    if rule.get("enabled") is False:
        row["enabled"] = False
    if (rule.get("logging") or {}).get("enabled") is False:
        row["logging"] = False


def _object(value: Any, pointer: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise refuse(400, RULE_INVALID, "this must be an object", pointer)
    return {key: inner for key, inner in value.items() if inner is not None}


def _list(value: Any, pointer: str) -> list[Any]:
    if not isinstance(value, list):
        raise refuse(400, RULE_INVALID, "this must be an array", pointer)
    return value


def parameters_row(action: str, parameters: Mapping[str, Any], pointer: str) -> Row:
    """`action_parameters` as keys of a row. Raise ApiError for what nothing is done with."""
    at = f"{pointer}/action_parameters"
    said = _object(parameters, at)
    make = {"block": _block, "skip": _skip, "rewrite": _rewrite, "route": _route, "set_config": _config}
    if not said:
        return {}
    if action not in make:
        raise refuse(400, RULE_INVALID, f"the action {action[:40]} has no action_parameters", at)
    return make[action](said, at)


def _unknown(said: Mapping[str, Any], known: tuple[str, ...], at: str) -> None:
    for key in said:
        if key not in known:
            raise refuse(400, RULE_INVALID, f"{key[:64]} is not something a rule does here", f"{at}/{key}")


def _block(said: dict[str, Any], at: str) -> Row:
    _unknown(said, ("response",), at)
    return {"response": _object(said["response"], f"{at}/response")} if "response" in said else {}


def _skip(said: dict[str, Any], at: str) -> Row:
    _unknown(said, ("ruleset", "phase", "phases", "products", "rules", "rulesets"), at)
    skip = {key: value for key, value in said.items() if key not in ("rules", "rulesets")}
    if "rules" in said:
        found: list[Any] = []
        for ruleset, ids in _object(said["rules"], f"{at}/rules").items():
            if ruleset != MANAGED_ID:
                text = f"only rules of the managed ruleset {MANAGED_ID} can be left out one by one"
                raise refuse(400, RULE_INVALID, text, f"{at}/rules/{ruleset}")
            found += _list(ids, f"{at}/rules/{ruleset}")
        skip["rules"] = found
    if "rulesets" in said:
        if _list(said["rulesets"], f"{at}/rulesets") != [MANAGED_ID]:
            text = f"only the managed ruleset {MANAGED_ID} can be left out"
            raise refuse(400, RULE_INVALID, text, f"{at}/rulesets")
        phases = _list(skip.get("phases", []), f"{at}/phases")
        skip["phases"] = phases if MANAGED_PHASE in phases else [*phases, MANAGED_PHASE]
    return {"skip": skip}


def _rewrite(said: dict[str, Any], at: str) -> Row:
    _unknown(said, ("headers",), at)
    found = {}
    for name, change in _object(said.get("headers", {}), f"{at}/headers").items():
        found[name.lower()] = _object(change, f"{at}/headers/{name}")
    return {"headers": found}


def _route(said: dict[str, Any], at: str) -> Row:
    _unknown(said, tuple(_ROUTE), at)
    route: Row = {}
    if "host_header" in said:
        route["host"] = said["host_header"]
    if "sni" in said:
        sni = _object(said["sni"], f"{at}/sni")
        _unknown(sni, ("value",), f"{at}/sni")
        route["server_name"] = sni.get("value")
    if "origin" in said:
        origin = _object(said["origin"], f"{at}/origin")
        _unknown(origin, ("host", "port"), f"{at}/origin")
        if "host" in origin:
            route["origin"] = origin["host"]
        if "port" in origin:
            route["port"] = origin["port"]
    return {"route": route}


def _config(said: dict[str, Any], at: str) -> Row:
    return {"config": said}


def parameters_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The `action_parameters` of a row, for one that no request has written."""
    if row["action"] == "execute":
        return _overrides(row["overrides"])
    if "response" in row:
        return {"response": dict(row["response"])}
    if "skip" in row:
        skip = dict(row["skip"])
        if "phases" in skip:
            skip["phases"] = [SHORT_PHASES.get(one, one) for one in skip["phases"]]
        if "rules" in skip:
            skip["rules"] = {MANAGED_ID: list(skip["rules"])}
        return skip
    if "headers" in row:
        return {"headers": {name: dict(change) for name, change in row["headers"].items()}}
    if "route" in row:
        route, found = row["route"], {}
        if "host" in route:
            found["host_header"] = route["host"]
        if "server_name" in route:
            found["sni"] = {"value": route["server_name"]}
        origin = {at: route[key] for key, at in (("origin", "host"), ("port", "port")) if key in route}
        return {**found, "origin": origin} if origin else found
    return dict(row.get("config", {}))


# the managed phase: one rule, which runs the set of the package


def _managed_row(rule: Mapping[str, Any], pointer: str) -> Row:
    if rule.get("action") != "execute":
        text = "the managed phase has one action, execute; exceptions are skip rules of the custom phase"
        raise refuse(400, RULE_INVALID, text, f"{pointer}/action")
    if str(rule.get("expression", "true")).strip() not in ("true", "(true)"):
        text = "managed rules are asked of all calls: the expression is true; make exceptions with skip"
        raise refuse(400, RULE_INVALID, text, f"{pointer}/expression")
    at = f"{pointer}/action_parameters"
    said = _object(rule.get("action_parameters") or {}, at)
    row: Row = {"id": rule["id"], "phase": MANAGED_PHASE, "action": "execute", "expression": "true"}
    _common(row, rule)
    row["overrides"] = managed_overrides(said, at)
    return row


def managed_overrides(said: Mapping[str, Any], at: str) -> dict[str, str]:
    """`action_parameters` of execute as overrides by group and id. Raise ApiError."""
    _unknown(said, ("id", "version", "overrides"), at)
    if said.get("id") != MANAGED_ID:
        text = f"there is one managed ruleset, {MANAGED_ID}"
        raise refuse(400, RULE_INVALID, text, f"{at}/id")
    overrides = _object(said.get("overrides") or {}, f"{at}/overrides")
    at += "/overrides"
    _unknown(overrides, ("action", "enabled", "categories", "rules"), at)
    found: dict[str, str] = {}
    whole = _mode(overrides, at)
    if whole is not None:
        found.update(dict.fromkeys(GROUPS, whole))
    for key, name, known in (
        ("categories", "category", set(GROUPS)),
        ("rules", "id", {rule.id for rule in RULES}),
    ):
        for index, entry in enumerate(_list(overrides.get(key, []), f"{at}/{key}")):
            where = f"{at}/{key}/{index}"
            one = _object(entry, where)
            _unknown(one, (name, "action", "enabled"), where)
            if one.get(name) not in known:
                text = f"{str(one.get(name))[:64]!r} is no {name} of the managed ruleset"
                raise refuse(400, RULE_INVALID, text, f"{where}/{name}")
            mode = _mode(one, where)
            if mode is not None:
                found[one[name]] = mode
    return found


def _mode(said: Mapping[str, Any], at: str) -> str | None:
    if said.get("enabled") is False:
        return "off"
    action = said.get("action")
    if action is None:
        return None
    if action not in _MODES:
        text = f"the action {str(action)[:40]!r} is not there for managed rules; there are block and log"
        raise refuse(400, RULE_INVALID, text, f"{at}/action")
    return str(action)


def _overrides(kept: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": MANAGED_ID, "version": "latest"}
    parts: dict[str, list[dict[str, Any]]] = {"categories": [], "rules": []}
    for name, mode in kept.items():
        what = {"enabled": False} if mode == "off" else {"action": mode}
        key, at = ("categories", "category") if name in GROUPS else ("rules", "id")
        parts[key].append({at: name, **what})
    overrides = {key: value for key, value in parts.items() if value}
    return {**found, "overrides": overrides} if overrides else found


def as_said(row: Mapping[str, Any], said: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a request has said if the row is still that, else what the row says."""
    if said is not None:
        try:
            if row["action"] == "execute":
                same = managed_overrides(said, "") == row["overrides"]
            else:
                made = parameters_row(row["action"], said, "")
                same = made == {key: row[key] for key in made}
        except (ApiError, KeyError):
            same = False
        if same:
            return dict(said)
    return parameters_of(row)
