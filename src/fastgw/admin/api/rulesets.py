"""Rulesets: what is asked of heads, phase by phase, rule by rule, version by version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from fastgw.admin.call import Body, Call, Reply, Route, View
from fastgw.admin.errors import refuse
from fastgw.admin.query import CURSORING, Cursor, Param
from fastgw.admin.rulerows import MANAGED_ID, MANAGED_PHASE, RULE_INVALID
from fastgw.admin.rulestate import (
    PHASES,
    State,
    change,
    entries_of,
    entry_of,
    forget,
    ruleset_id,
    state,
    versions,
)
from fastgw.managed import DATE, GROUPS, RULES, VERSION

NO_ENTRYPOINT = 10003
_Text = Annotated[str, Field(max_length=500)]
_Expression = Annotated[str, Field(max_length=65_536)]


class LoggingBody(Body):
    """Is a hit written to the log?"""

    enabled: bool | None = None


class PositionBody(Body):
    """Where a rule goes: one of three; before and after name a rule, empty is the end and the beginning."""

    before: str | None = None
    after: str | None = None
    index: Annotated[int | None, Field(ge=1, description="from 1 up")] = None


class RulesetRule(Body):
    """A rule as it is to be."""

    id: Annotated[str | None, Field(description="of the rule that this one was before")] = None
    ref: Annotated[str | None, Field(max_length=200, description="a name of the caller's own")] = None
    action: str | None = None
    action_parameters: dict[str, Any] | None = None
    expression: _Expression | None = None
    description: _Text | None = None
    enabled: bool | None = None
    logging: LoggingBody | None = None
    ratelimit: dict[str, Any] | None = None


class RuleBody(RulesetRule):
    """A rule, and where it goes; of a change, the keys that change."""

    position: PositionBody | None = None


class RulesetBody(Body):
    """A ruleset as it is to be."""

    name: Annotated[str | None, Field(max_length=200)] = None
    description: _Text | None = None
    kind: str | None = None
    phase: str | None = None
    rules: Annotated[list[RulesetRule] | None, Field(max_length=1001)] = None


class RulesetHead(View):
    """A ruleset without its rules."""

    id: str
    name: str
    description: str
    kind: str
    version: str
    last_updated: str
    phase: str


class RulesetView(RulesetHead):
    """A ruleset."""

    rules: list[dict[str, Any]]


def _managed() -> dict[str, Any]:
    """The ruleset of the package."""
    at = f"{DATE}T00:00:00Z"
    rules = [
        {
            "id": rule.id,
            "version": VERSION,
            "action": rule.action,
            "expression": rule.expression,
            "categories": [rule.group],
            "description": rule.description,
            "enabled": True,
            "last_updated": at,
            "ref": rule.id,
        }
        for rule in RULES
    ]
    about = "; ".join(f"{name}: {what}" for name, what in GROUPS.items())
    head = {"id": MANAGED_ID, "name": "fastgw managed ruleset", "description": about, "kind": "managed"}
    return {**head, "version": VERSION, "last_updated": at, "phase": MANAGED_PHASE, "rules": rules}


def _head(view: Mapping[str, Any]) -> RulesetHead:
    return RulesetHead(**{key: value for key, value in view.items() if key != "rules"})


def _view(made: State) -> RulesetView:
    return RulesetView(**made.view)


def _phase(call: Call) -> str:
    phase = call.path["ruleset_phase"]
    if phase not in PHASES:
        said = f"there is no phase {phase[:64]} here; there are {', '.join(PHASES)}"
        raise refuse(404, RULE_INVALID, said)
    return phase


def _found(call: Call) -> State:
    """The ruleset that the path names. Raise ApiError."""
    if "ruleset_phase" in call.path:
        phase = _phase(call)
        made = state(call, call.zone.document, phase)
        if not made.there:
            said = f"could not find entrypoint ruleset in the {phase} phase"
            raise refuse(404, NO_ENTRYPOINT, said)
        return made
    id_ = call.path["ruleset_id"]
    if id_ == MANAGED_ID:
        raise refuse(403, RULE_INVALID, "the managed ruleset comes with the package and is not changed here")
    for phase in PHASES:
        if ruleset_id(call.zone.name, phase) == id_:
            made = state(call, call.zone.document, phase)
            if made.there:
                return made
    raise refuse(404, NO_ENTRYPOINT, "could not find ruleset")


def list_rulesets(call: Call) -> Cursor:
    """Those of a zone, and the managed one."""
    heads = [_head(_managed())]
    if "zone_id" in call.path:
        found = [state(call, call.zone.document, phase) for phase in PHASES]
        heads += [_head(made.view) for made in found if made.there]
    most = call.query.number("per_page", 50, 1, 1000)
    first = call.query.number("cursor", 0, 0, 10_000)
    after = first + most
    return Cursor(heads[first:after], str(after) if after < len(heads) else "")


def add_ruleset(call: Call) -> RulesetView:
    """That of a phase which has none."""
    body: RulesetBody = call.body
    if body.kind not in (None, "zone"):
        said = (
            f"rulesets of the kind {body.kind[:40]} do not exist here; write the rules into that of the phase"
        )
        raise refuse(400, RULE_INVALID, said, "/kind")
    if body.phase not in PHASES:
        said = f"there is no phase {str(body.phase)[:64]} here; there are {', '.join(PHASES)}"
        raise refuse(400, RULE_INVALID, said, "/phase")

    def edit(made: State) -> None:
        if made.there:
            said = f"the phase {made.phase} has its ruleset, {made.id}"
            raise refuse(400, RULE_INVALID, said, "/phase")
        _whole(made, body)

    return _view(change(call, body.phase, edit))


def _whole(made: State, body: RulesetBody) -> None:
    made.there = True
    if body.name is not None:
        made.name = body.name
    if body.description is not None:
        made.description = body.description
    if body.rules is not None:
        made.entries = entries_of(made, [_said(rule) for rule in body.rules])


def _said(rule: RulesetRule) -> dict[str, Any]:
    return {
        key: value
        for key, value in rule.model_dump(exclude={"position"}, exclude_unset=True).items()
        if key in RulesetRule.model_fields
    }


def get_ruleset(call: Call) -> RulesetView:
    """One of them."""
    if call.path.get("ruleset_id") == MANAGED_ID:
        return RulesetView(**_managed())
    return _view(_found(call))


def get_account_ruleset(call: Call) -> RulesetView:
    """The managed one: the account has no other."""
    if call.path["ruleset_id"] != MANAGED_ID:
        raise refuse(404, NO_ENTRYPOINT, "could not find ruleset")
    return RulesetView(**_managed())


def replace_ruleset(call: Call) -> RulesetView:
    """All rules at once; a rule that names its id or ref stays the one it was."""
    body: RulesetBody = call.body
    found = _found(call)
    _same(body, found.phase)
    return _view(change(call, found.phase, lambda made: _whole(made, body)))


def _same(body: RulesetBody, phase: str) -> None:
    if body.phase not in (None, phase):
        raise refuse(400, RULE_INVALID, f"the phase of this ruleset is {phase} and stays it", "/phase")
    if body.kind not in (None, "zone"):
        raise refuse(400, RULE_INVALID, "the kind of this ruleset is zone and stays it", "/kind")


def replace_entrypoint(call: Call) -> RulesetView:
    """The same by phase; the ruleset is made if there is none."""
    phase, body = _phase(call), call.body
    _same(body, phase)
    return _view(
        change(call, phase, lambda made: _whole(made, body), dry=call.query.truth("dry_run") is True)
    )


def remove_ruleset(call: Call) -> Reply:
    """With its rules and its versions."""

    def edit(made: State) -> None:
        made.there = False
        made.entries.clear()

    change(call, _found(call).phase, edit)
    return Reply("", 204)


def add_rule(call: Call) -> RulesetView:
    """At the end, or where `position` says."""
    body: RuleBody = call.body

    def edit(made: State) -> int:
        if made.phase == MANAGED_PHASE and made.entries:
            raise refuse(400, RULE_INVALID, "the managed phase has one rule: change it")
        if body.ref and any(entry.ref == body.ref for entry in made.entries):
            raise refuse(400, RULE_INVALID, f"another rule has the ref {body.ref[:64]!r}", "/ref")
        made.entries.append(entry_of(made.phase, _said(body), None, ""))
        return _move(made, len(made.entries) - 1, body.position)

    return _view(change(call, _found(call).phase, edit))


def _move(made: State, place: int, position: PositionBody | None) -> int:
    """Put a rule where it is wanted; where that is. Raise ApiError."""
    if position is None:
        return place
    given = [key for key in ("before", "after", "index") if getattr(position, key) is not None]
    if len(given) != 1:
        raise refuse(400, RULE_INVALID, "a position is one of before, after and index", "/position")
    entry = made.entries.pop(place)
    if position.index is not None:
        if position.index > len(made.entries) + 1:
            said = f"there are {len(made.entries) + 1} places, from 1 up"
            raise refuse(400, RULE_INVALID, said, "/position/index")
        goal = position.index - 1
    elif position.before is not None:
        goal = made.place(position.before) if position.before else 0
    else:
        goal = made.place(position.after) + 1 if position.after else len(made.entries)
    made.entries.insert(goal, entry)
    return goal


def change_rule(call: Call) -> RulesetView:
    """The keys that are given, and the place."""
    body: RuleBody = call.body

    def edit(made: State) -> int:
        place = made.place(call.path["rule_id"])
        before = made.entries[place]
        said = _said(body)
        was = before.view
        if "action" in said and said["action"] != was["action"]:
            was.pop("action_parameters", None)
        made.entries[place] = entry_of(made.phase, {**was, **said}, before, "")
        return _move(made, place, body.position)

    return _view(change(call, _found(call).phase, edit))


def remove_rule(call: Call) -> RulesetView:
    """Let it go."""

    def edit(made: State) -> None:
        made.entries.pop(made.place(call.path["rule_id"]))

    return _view(change(call, _found(call).phase, edit))


def _by_version(call: Call) -> tuple[State, dict[str, Any]]:
    made = _found(call)
    wanted = call.path["ruleset_version"]
    for one in versions(call, made):
        if one["version"] == wanted or (wanted == "latest" and one["version"] == str(made.version)):
            return made, one
    raise refuse(404, NO_ENTRYPOINT, f"there is no version {wanted[:20]} of this ruleset")


def list_versions(call: Call) -> list[RulesetHead]:
    """The newest first."""
    return [_head(one) for one in versions(call, _found(call))]


def get_version(call: Call) -> RulesetView:
    """As the ruleset was."""
    return RulesetView(**_by_version(call)[1])


def remove_version(call: Call) -> Reply:
    """An old one; the one in force stays."""
    made, one = _by_version(call)
    if one["version"] == str(made.version):
        raise refuse(400, RULE_INVALID, f"version {made.version} is in force; older ones can be removed")
    forget(call, made, int(one["version"]))
    return Reply("", 204)


def _account_only_managed(call: Call) -> RulesetView:
    """Refused: rules belong to a zone."""
    raise refuse(400, RULE_INVALID, "rulesets of the account do not exist here: write them into a zone's")


_Do = Callable[[Call], Any]
_Z = "/zones/{zone_id}/rulesets"
_A = "/accounts/{account_id}/rulesets"
_E = _Z + "/phases/{ruleset_phase}/entrypoint"
_ONE, _RULE = _Z + "/{ruleset_id}", _Z + "/{ruleset_id}/rules/{rule_id}"
_R, _W = "rules:read", "rules:write"
_DRY = (Param("dry_run", "judge it and change nothing", {"type": "boolean"}),)
_HEADS: Any = list[RulesetHead]
ROUTES = (
    Route("GET", _E, get_ruleset, _R, "Get the ruleset of a phase", RulesetView),
    Route(
        "PUT", _E, replace_entrypoint, _W, "Replace the ruleset of a phase", RulesetView, RulesetBody, _DRY
    ),
    Route("GET", _E + "/versions", list_versions, _R, "Versions of the ruleset of a phase", _HEADS),
    Route("GET", _E + "/versions/{ruleset_version}", get_version, _R, "One of them", RulesetView),
    Route("GET", _Z, list_rulesets, _R, "List rulesets", _HEADS, query=CURSORING, paging="cursor"),
    Route("POST", _Z, add_ruleset, _W, "Add the ruleset of a phase", RulesetView, RulesetBody),
    Route("GET", _ONE, get_ruleset, _R, "Get a ruleset", RulesetView),
    Route("PUT", _ONE, replace_ruleset, _W, "Replace a ruleset", RulesetView, RulesetBody),
    Route("DELETE", _ONE, remove_ruleset, _W, "Remove a ruleset", enveloped=False),
    Route("POST", _ONE + "/rules", add_rule, _W, "Add a rule", RulesetView, RuleBody),
    Route("PATCH", _RULE, change_rule, _W, "Change a rule", RulesetView, RuleBody),
    Route("DELETE", _RULE, remove_rule, _W, "Remove a rule", RulesetView),
    Route("GET", _ONE + "/versions", list_versions, _R, "Versions of a ruleset", _HEADS),
    Route("GET", _ONE + "/versions/{ruleset_version}", get_version, _R, "A version", RulesetView),
    Route(
        "DELETE",
        _ONE + "/versions/{ruleset_version}",
        remove_version,
        _W,
        "Remove a version",
        enveloped=False,
    ),
    Route("GET", _A, list_rulesets, _R, "The managed ruleset", _HEADS, query=CURSORING, paging="cursor"),
    Route("POST", _A, _account_only_managed, _W, "Refused", RulesetView, RulesetBody),
    Route("GET", _A + "/{ruleset_id}", get_account_ruleset, _R, "Get the managed ruleset", RulesetView),
)
