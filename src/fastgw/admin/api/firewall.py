"""Access rules, user agent rules and lockdowns: who is kept out, or let through, before any rule is asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from fastgw.admin.api.settings import now_text
from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import Complaint, missing, pointer_of, refuse
from fastgw.admin.query import DIRECTION, MATCH, PAGING, Page, Param, words_param
from fastgw.errors import Problem
from fastgw.store.ids import fixed_id, fresh_id
from fastgw.store.tokens import time_text

RULE_INVALID = 10001
RULE_TWICE = 10009
_MODES = ["block", "whitelist"]
_Notes = Annotated[str, Field(max_length=500)]
_Row = dict[str, Any]


class Origin(Body):
    """Where from: an address, a network, an AS number or a country; or a user agent."""

    target: str | None = None
    value: Annotated[str, Field(min_length=1, max_length=512)]


class AccessRuleBody(Body):
    """Clients that are let through or kept out by where they come from."""

    configuration: Origin
    mode: str
    notes: _Notes = ""


class AccessRuleChange(Body):
    """What of it is to change."""

    configuration: Origin | None = None
    mode: str | None = None
    notes: _Notes | None = None


class AccessRuleView(View):
    """One of them."""

    id: str
    mode: str
    notes: str
    configuration: dict[str, str]
    allowed_modes: list[str]
    scope: dict[str, str]
    created_on: str
    modified_on: str


class AgentBody(Body):
    """Clients that are kept out by what they call themselves; * is anything."""

    configuration: Origin
    mode: str = "block"
    description: _Notes = ""
    paused: bool = False


class AgentView(View):
    """One of them."""

    id: str
    configuration: dict[str, str]
    mode: str
    description: str
    paused: bool


class LockdownBody(Body):
    """Hosts and paths that only some addresses may call."""

    urls: Annotated[list[str], Field(min_length=1, max_length=100)]
    configurations: Annotated[list[Origin], Field(min_length=1, max_length=10_000)]
    description: _Notes = ""
    paused: bool = False


class LockdownView(View):
    """One of them."""

    id: str
    urls: list[str]
    configurations: list[dict[str, str]]
    description: str
    paused: bool
    created_on: str
    modified_on: str


# what the three have in common


def _ids(zone: str, key: str, rows: list[_Row]) -> list[str]:
    """The ids of rows, in order; those that have none have one that follows from what they say."""
    if key == "ip_access":
        return [fixed_id("fastgw ip_access", zone, _plain(row["value"])) for row in rows]
    return [row.get("id") or fixed_id(f"fastgw {key}", zone, str(sorted(row.items()))) for row in rows]


def _plain(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip()))
    except ValueError:
        return value.strip().upper()


def _rows(call: Call, key: str) -> dict[str, _Row]:
    rows = [dict(row) for row in call.zone.document.get(key, ())]
    return dict(zip(_ids(call.zone.name, key, rows), rows, strict=True))


def _times(call: Call, id_: str) -> dict[str, str]:
    kept = dict(call.zone.document).get("api", {}).get("firewall", {}).get(id_)
    at = time_text(call.desk.span(call.zone).created)
    return dict(kept) if kept else {"created_on": at, "modified_on": at}


def _complaint(problem: Problem) -> Complaint:
    """What is wrong, by the keys of the request."""
    rest = problem.field.partition("]")[2].removeprefix(".")
    where = "configuration.value" if rest in ("value", "target") else rest
    said = f"{rest} {problem.sentence}".strip() + (f" ({problem.hint})" if problem.hint else "")
    code = RULE_TWICE if "stands further up" in problem.sentence else RULE_INVALID
    return Complaint(code, said, pointer_of(where))


def _write(call: Call, key: str, id_: str, change: Callable[[_Row | None], _Row | None], what: str) -> str:
    """Make, change or remove (None) the row of this id; its id afterwards. Raise ApiError."""
    zone, new = call.zone.name, id_ == ""

    def edit(document: Document) -> str:
        rows = [dict(row) for row in document.get(key, ())]
        ids = _ids(zone, key, rows)
        if not new and id_ not in ids:
            raise missing(what, RULE_INVALID)
        place = len(rows) if new else ids.index(id_)
        before = None if new else rows[place]
        after = change(None if before is None else dict(before))
        rows[place : place + 1] = [] if after is None else [after]
        document.pop(key, None)
        if rows:
            document[key] = rows
        api = document.setdefault("api", {})
        times = api.setdefault("firewall", {})
        kept = times.pop(id_, None) or {"created_on": now_text()}
        if after is None:
            if not times:
                api.pop("firewall")
            return id_
        found = _ids(zone, key, rows)[place]
        times[found] = {**kept, "modified_on": now_text()}
        return found

    return call.change(edit, _complaint)


def _remove(key: str, name: str, what: str) -> Callable[[Call], Id]:
    def remove(call: Call) -> Id:
        """Let it go."""
        _write(call, key, call.path[name], lambda before: None, what)
        return Id(id=call.path[name])

    return remove


def _one(call: Call, key: str, id_: str, what: str) -> _Row:
    row = _rows(call, key).get(id_)
    if row is None:
        raise missing(what, RULE_INVALID)
    return row


# access rules


def _target(row: _Row) -> str:
    if row.get("target"):
        return str(row["target"])
    value = row["value"].strip()
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return "country" if len(value) == 2 and value.isalpha() else "asn"
    if network.num_addresses > 1:
        return "ip_range"
    return "ip" if network.version == 4 else "ip6"


def _access_view(call: Call, id_: str, row: _Row) -> AccessRuleView:
    return AccessRuleView(
        id=id_,
        mode="block" if row["mode"] == "block" else "whitelist",
        notes=row.get("notes", ""),
        configuration={"target": _target(row), "value": row["value"]},
        allowed_modes=_MODES,
        scope={"id": call.path["zone_id"], "name": call.zone.name, "type": "zone"},
        **_times(call, id_),
    )


def list_access(call: Call) -> Page:
    """Those of a zone that fit."""
    found = [_access_view(call, id_, row) for id_, row in _rows(call, "ip_access").items()]
    query = call.query
    notes = query.text("notes").lower()
    if notes and query.text("match") != "any":
        found = [one for one in found if notes in one.notes.lower()]
    fields: dict[str, Callable[[AccessRuleView], str]] = {
        "mode": lambda one: one.mode,
        "configuration.target": lambda one: one.configuration["target"],
        "configuration.value": lambda one: one.configuration["value"],
    }
    if notes and query.text("match") == "any":
        kept = [one for one in found if notes in one.notes.lower()]
        if any(query.given(name) for name in fields):
            kept += [one for one in query.filtered(found, fields) if one not in kept]
        found = kept
    else:
        found = query.filtered(found, fields)
    return query.paged(query.ordered(found, {"created_on": lambda one: one.created_on, **fields}))


def _access_row(body: AccessRuleBody | AccessRuleChange, before: _Row | None) -> _Row:
    row = {} if before is None else before
    if body.configuration is not None:
        row.pop("target", None)
        row["value"] = body.configuration.value
        if body.configuration.target:
            row["target"] = body.configuration.target
    if body.mode is not None:
        row["mode"] = "allow" if body.mode == "whitelist" else body.mode
    if body.notes is not None:
        row.pop("notes", None)
        if body.notes:
            row["notes"] = body.notes
    return row


def add_access(call: Call) -> AccessRuleView:
    """It decides about the next call."""
    id_ = _write(call, "ip_access", "", lambda before: _access_row(call.body, before), "access rule")
    return _access_view(call, id_, _rows(call, "ip_access")[id_])


def get_access(call: Call) -> AccessRuleView:
    """One of them."""
    id_ = call.path["rule_id"]
    return _access_view(call, id_, _one(call, "ip_access", id_, "access rule"))


def change_access(call: Call) -> AccessRuleView:
    """What is given; with another value it has another id."""
    id_ = call.path["rule_id"]
    id_ = _write(call, "ip_access", id_, lambda before: _access_row(call.body, before), "access rule")
    return _access_view(call, id_, _rows(call, "ip_access")[id_])


def none_here(call: Call) -> Page:
    """None: access rules belong to zones."""
    return call.query.paged([])


def refuse_here(call: Call) -> AccessRuleView:
    """Refused: access rules belong to zones."""
    raise refuse(
        400, RULE_INVALID, "access rules belong to a zone here: /zones/{zone_id}/firewall/access_rules"
    )


# user agents


def _agent_view(id_: str, row: _Row) -> AgentView:
    return AgentView(
        id=id_,
        configuration={"target": "ua", "value": row["value"]},
        mode=row.get("mode", "block"),
        description=row.get("description", ""),
        paused=not row.get("enabled", True),
    )


def _common(row: _Row, body: AgentBody | LockdownBody) -> _Row:
    if body.description:
        row["description"] = body.description
    if body.paused:
        row["enabled"] = False
    return row


def _agent_row(body: AgentBody, id_: str) -> _Row:
    if body.configuration.target not in (None, "ua"):
        raise refuse(400, RULE_INVALID, "the target of a user agent rule is ua", "/configuration/target")
    return _common({"id": id_, "value": body.configuration.value, "mode": body.mode}, body)


def list_agents(call: Call) -> Page:
    """Those of a zone that fit."""
    found = [_agent_view(id_, row) for id_, row in _rows(call, "user_agent").items()]
    query = call.query
    paused = query.truth("paused")
    said, agent = query.text("description").lower(), query.text("user_agent").lower()
    found = [
        one
        for one in found
        if paused in (None, one.paused)
        and said in one.description.lower()
        and agent in one.configuration["value"].lower()
    ]
    return query.paged(found)


def add_agent(call: Call) -> AgentView:
    """It decides about the next call."""
    id_ = _write(call, "user_agent", "", lambda before: _agent_row(call.body, fresh_id()), "rule")
    return _agent_view(id_, _rows(call, "user_agent")[id_])


def get_agent(call: Call) -> AgentView:
    """One of them."""
    id_ = call.path["ua_rule_id"]
    return _agent_view(id_, _one(call, "user_agent", id_, "user agent rule"))


def replace_agent(call: Call) -> AgentView:
    """What is not given has its default."""
    id_ = call.path["ua_rule_id"]
    _write(call, "user_agent", id_, lambda before: _agent_row(call.body, id_), "user agent rule")
    return get_agent(call)


# lockdowns


def _lockdown_view(call: Call, id_: str, row: _Row) -> LockdownView:
    return LockdownView(
        id=id_,
        urls=row["urls"],
        configurations=[
            {"target": "ip_range" if "/" in one else "ip", "value": one} for one in row["configurations"]
        ],
        description=row.get("description", ""),
        paused=not row.get("enabled", True),
        **_times(call, id_),
    )


def _lockdown_row(body: LockdownBody, id_: str) -> _Row:
    row = {"id": id_, "urls": body.urls, "configurations": [one.value for one in body.configurations]}
    return _common(row, body)


def list_lockdowns(call: Call) -> Page:
    """Those of a zone that fit."""
    found = [_lockdown_view(call, id_, row) for id_, row in _rows(call, "lockdown").items()]
    query = call.query
    for name in ("description", "description_search"):
        said = query.text(name).lower()
        found = [one for one in found if said in one.description.lower()]
    for name in ("ip", "ip_search", "ip_range_search"):
        value = query.text(name)
        if value:
            found = [one for one in found if any(value in row["value"] for row in one.configurations)]
    url = query.text("uri_search")
    return query.paged([one for one in found if not url or any(url in text for text in one.urls)])


def add_lockdown(call: Call) -> LockdownView:
    """It decides about the next call."""
    id_ = _write(call, "lockdown", "", lambda before: _lockdown_row(call.body, fresh_id()), "lockdown")
    return _lockdown_view(call, id_, _rows(call, "lockdown")[id_])


def get_lockdown(call: Call) -> LockdownView:
    """One of them."""
    id_ = call.path["lock_downs_id"]
    return _lockdown_view(call, id_, _one(call, "lockdown", id_, "lockdown"))


def replace_lockdown(call: Call) -> LockdownView:
    """What is not given has its default."""
    id_ = call.path["lock_downs_id"]
    _write(call, "lockdown", id_, lambda before: _lockdown_row(call.body, id_), "lockdown")
    return get_lockdown(call)


_R, _W = "rules:read", "rules:write"
_RULES = "/firewall/access_rules/rules"
_A, _U, _L = (
    "/zones/{zone_id}" + _RULES,
    "/zones/{zone_id}/firewall/ua_rules",
    "/zones/{zone_id}/firewall/lockdowns",
)
_ORDER = ("created_on", "configuration.target", "configuration.value", "mode")
_FIND = (
    words_param("mode", _MODES, "what becomes of the client"),
    Param("notes", "part of the notes"),
    Param("configuration.target", "kind of where from"),
    Param("configuration.value", "where from"),
    MATCH, words_param("order", _ORDER, "by what"), DIRECTION, *PAGING,
)  # fmt: skip
_FIND_AGENTS = (
    Param("description", "part of it"), Param("user_agent", "part of it"),
    Param("paused", "is it off", {"type": "boolean"}), *PAGING,
)  # fmt: skip
_FIND_LOCKDOWNS = (
    Param("description", "part of it"), Param("ip", "part of an address"),
    Param("uri_search", "part of a URL"),
    *PAGING,
)  # fmt: skip
_AV, _UV, _LV = AccessRuleView, AgentView, LockdownView
_AVS: Any = list[AccessRuleView]
_UVS: Any = list[AgentView]
_LVS: Any = list[LockdownView]
ROUTES = (
    Route("GET", _A, list_access, _R, "List access rules", _AVS, query=_FIND, paging="page"),
    Route("POST", _A, add_access, _W, "Add an access rule", _AV, AccessRuleBody),
    Route("GET", _A + "/{rule_id}", get_access, _R, "Get an access rule", _AV),
    Route("PATCH", _A + "/{rule_id}", change_access, _W, "Change an access rule", _AV, AccessRuleChange),
    Route(
        "DELETE", _A + "/{rule_id}", _remove("ip_access", "rule_id", "access rule"), _W,
        "Remove an access rule", Id,
    ),
    *(
        route
        for at in ("/accounts/{account_id}" + _RULES, "/user" + _RULES)
        for route in (
            Route("GET", at, none_here, _R, "None here", _AVS, query=PAGING, paging="page"),
            Route("POST", at, refuse_here, _W, "Refused", _AV, AccessRuleBody),
        )
    ),
    Route("GET", _U, list_agents, _R, "List user agent rules", _UVS, query=_FIND_AGENTS, paging="page"),
    Route("POST", _U, add_agent, _W, "Add a user agent rule", _UV, AgentBody),
    Route("GET", _U + "/{ua_rule_id}", get_agent, _R, "Get a user agent rule", _UV),
    Route("PUT", _U + "/{ua_rule_id}", replace_agent, _W, "Replace a user agent rule", _UV, AgentBody),
    Route(
        "DELETE", _U + "/{ua_rule_id}", _remove("user_agent", "ua_rule_id", "user agent rule"), _W,
        "Remove a user agent rule", Id,
    ),
    Route("GET", _L, list_lockdowns, _R, "List lockdowns", _LVS, query=_FIND_LOCKDOWNS, paging="page"),
    Route("POST", _L, add_lockdown, _W, "Add a lockdown", _LV, LockdownBody),
    Route("GET", _L + "/{lock_downs_id}", get_lockdown, _R, "Get a lockdown", _LV),
    Route("PUT", _L + "/{lock_downs_id}", replace_lockdown, _W, "Replace a lockdown", _LV, LockdownBody),
    Route(
        "DELETE", _L + "/{lock_downs_id}", _remove("lockdown", "lock_downs_id", "lockdown"), _W,
        "Remove a lockdown", Id,
    ),
)  # fmt: skip
