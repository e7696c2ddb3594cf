"""The rulesets of a zone: one for each phase, with its rules, and a new version with each change."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Call, Document
from fastgw.admin.errors import Coded, Complaint, pointer_of, refuse, sentence_of, translated
from fastgw.admin.rulerows import MANAGED_PHASE, RULE_INVALID, Row, as_said, row_of
from fastgw.admin.shared import LISTS, lists_by_name, supply
from fastgw.config.load import with_zone
from fastgw.config.ruletables import SHORT_PHASES
from fastgw.config.ruling import ACTIONS
from fastgw.errors import FastgwError, Problem
from fastgw.store.base import Edit
from fastgw.store.ids import fixed_id, fresh_id
from fastgw.store.tokens import time_text

PHASES = (*ACTIONS, MANAGED_PHASE)
VERSIONS = "ruleset-versions"
VERSIONS_MOST = 100
"""Older ones than so many are let go."""
_OF_ROW = {"response", "skip", "headers", "config"}
_ROUTED = {"host": "host_header", "server_name": "sni/value", "origin": "origin/host", "port": "origin/port"}


@dataclass(slots=True)
class Entry:
    """One rule: its row, and what is remembered of it."""

    row: Row
    ref: str
    version: int
    last_updated: str
    said: dict[str, Any] | None = None

    @property
    def view(self) -> dict[str, Any]:
        """As an answer has it."""
        row = self.row
        found: dict[str, Any] = {
            "id": row["id"],
            "version": str(self.version),
            "action": row["action"],
            "expression": row["expression"],
            "description": row.get("description", ""),
            "last_updated": self.last_updated,
            "ref": self.ref,
            "enabled": row.get("enabled", True),
        }
        parameters = as_said(row, self.said)
        if parameters:
            found["action_parameters"] = parameters
        if "ratelimit" in row:
            found["ratelimit"] = dict(row["ratelimit"])
        if row["action"] == "skip" or "logging" in row:
            found["logging"] = {"enabled": row.get("logging", True)}
        return found


@dataclass(slots=True)
class State:
    """The ruleset of one phase. `there` False: the phase has none."""

    zone: str
    phase: str
    there: bool
    version: int
    last_updated: str
    name: str = "default"
    description: str = ""
    entries: list[Entry] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The same as long as the zone keeps its name."""
        return ruleset_id(self.zone, self.phase)

    @property
    def head(self) -> dict[str, Any]:
        """What lists show of it."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "kind": "zone",
            "version": str(self.version),
            "last_updated": self.last_updated,
            "phase": self.phase,
        }

    @property
    def view(self) -> dict[str, Any]:
        """All of it."""
        return {**self.head, "rules": [entry.view for entry in self.entries]}

    def place(self, id_: str) -> int:
        """Where the rule of this id stands. Raise ApiError."""
        for index, entry in enumerate(self.entries):
            if entry.row["id"] == id_:
                return index
        raise refuse(404, RULE_INVALID, f"there is no rule {id_[:64]} in this ruleset")


def ruleset_id(zone: str, phase: str) -> str:
    """That of the ruleset of a phase."""
    return fixed_id("fastgw ruleset", zone, phase)


def rows(document: Mapping[str, Any], phase: str) -> list[Row]:
    """The rules of a phase as they are written; the managed phase has one, if its rules are on."""
    if phase == MANAGED_PHASE:
        managed = document.get("managed", {})
        if not managed.get("enabled"):
            return []
        row = {"phase": phase, "action": "execute", "expression": "true"}
        return [{**row, "overrides": dict(managed.get("overrides", {}))}]
    return [
        {**row, "phase": phase, "action": row.get("action") or ACTIONS[phase][0]}
        for row in document.get("rule", ())
        if SHORT_PHASES.get(row.get("phase", "custom"), row.get("phase")) == phase
    ]


def state(call: Call, document: Mapping[str, Any], phase: str) -> State:
    """The ruleset of a phase in a document of the call's zone."""
    found = call.zone
    kept: dict[str, Any] = document.get("api", {}).get("rulesets", {}).get(phase, {})
    written = rows(document, phase)
    off = phase == MANAGED_PHASE and kept.get("off")
    if off:
        written = [{"phase": phase, "action": "execute", "expression": "true", "overrides": off["overrides"]}]
    at = kept.get("last_updated") or time_text(call.desk.span(found).modified)
    there = bool(written) or (bool(kept) and not kept.get("deleted"))
    made = State(found.name, phase, there, kept.get("version", 1), at)
    made.name, made.description = kept.get("name", "default"), kept.get("description", "")
    judged = [] if found.judged is None else [
        rule.id for one in found.judged.inspection.phases if one.phase == phase for rule in one.rules
    ]  # fmt: skip
    memory: dict[str, Any] = kept.get("rules", {})
    for index, row in enumerate(written):
        if phase == MANAGED_PHASE:
            id_ = next(iter(memory), None) or fixed_id("fastgw managed rule", found.name)
            known = memory.get(id_, {})
            row.update({key: known[key] for key in ("description",) if known.get(key)})
            if off:
                row["enabled"] = False
        else:
            id_ = row.get("id") or (judged[index] if len(judged) == len(written) else f"rule-{index}")
            known = memory.get(id_, {})
        row["id"] = id_
        entry = Entry(row, known.get("ref", id_), known.get("version", 1), known.get("last_updated", at))
        entry.said = known.get("said")
        made.entries.append(entry)
    return made


def put(document: Document, made: State) -> None:
    """Write the ruleset into the document."""
    api = document.setdefault("api", {}).setdefault("rulesets", {})
    if made.phase == MANAGED_PHASE:
        document.pop("managed", None)
        for entry in made.entries:
            if entry.row.get("enabled", True):
                document["managed"] = {"enabled": True, "overrides": entry.row["overrides"]}
    else:
        others = [
            row
            for row in document.get("rule", ())
            if SHORT_PHASES.get(row.get("phase", "custom"), row.get("phase")) != made.phase
        ]
        document.pop("rule", None)
        if others or made.entries:
            document["rule"] = [*others, *(entry.row for entry in made.entries)]
    if not made.there:
        api[made.phase] = {"version": made.version, "deleted": True}
        return
    kept: dict[str, Any] = {
        "version": made.version,
        "last_updated": made.last_updated,
        "name": made.name,
        "description": made.description,
        "rules": {entry.row["id"]: _memory(entry) for entry in made.entries},
    }
    for entry in made.entries:
        if made.phase == MANAGED_PHASE and not entry.row.get("enabled", True):
            kept["off"] = {"overrides": entry.row["overrides"]}
    api[made.phase] = kept


def _memory(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ref": entry.ref,
        "version": entry.version,
        "last_updated": entry.last_updated,
    }
    if entry.said is not None:
        found["said"] = entry.said
    if entry.row["action"] == "execute" and entry.row.get("description"):
        found["description"] = entry.row["description"]
    return found


def entry_of(
    phase: str, rule: Mapping[str, Any], before: Entry | None, pointer: str, ids: set[str] | None = None
) -> Entry:
    """A rule of a request; `before` is what it was. Raise ApiError."""
    id_ = before.row["id"] if before is not None else fresh_id()
    row = row_of(phase, {**rule, "id": id_}, pointer)
    made = Entry(row, rule.get("ref") or (before.ref if before else id_), 1, now_text())
    made.said = copy.deepcopy(rule.get("action_parameters"))
    if before is not None:
        same = (row, made.ref, made.said) == (before.row, before.ref, before.said)
        if same or (
            row == before.row and made.view["action"] == before.view["action"] and _alike(made, before)
        ):
            made.version, made.last_updated = before.version, before.last_updated
        else:
            made.version = before.version + 1
    return made


def _alike(one: Entry, other: Entry) -> bool:
    differ = ("version", "last_updated")
    mine, theirs = one.view, other.view
    return all(mine.get(key) == theirs.get(key) for key in {*mine, *theirs} if key not in differ)


def entries_of(made: State, rules: list[dict[str, Any]]) -> list[Entry]:
    """The rules of a whole ruleset: who was there before keeps its id. Raise ApiError."""
    if made.phase == MANAGED_PHASE and len(rules) > 1:
        raise refuse(
            400, RULE_INVALID, "the managed phase has one rule, which runs the managed ruleset", "/rules"
        )
    left = list(made.entries)
    known: dict[int, Entry] = {}

    def match(fits: Callable[[dict[str, Any], Entry], bool]) -> None:
        for index, rule in enumerate(rules):
            found = None if index in known else next((one for one in left if fits(rule, one)), None)
            if found is not None:
                known[index] = found
                left.remove(found)

    match(lambda rule, one: bool(rule.get("id")) and rule["id"] == one.row["id"])
    match(lambda rule, one: bool(rule.get("ref")) and rule["ref"] == one.ref)
    match(
        lambda rule, one: (
            not rule.get("id")
            and not rule.get("ref")
            and (rule.get("expression"), rule.get("action")) == (one.row["expression"], one.row["action"])
        )
    )
    if made.phase == MANAGED_PHASE and rules and left and not known:
        known[0] = left[0]
    found = [entry_of(made.phase, rule, known.get(n), f"/rules/{n}") for n, rule in enumerate(rules)]
    refs = [entry.ref for entry in found]
    for index, ref in enumerate(refs):
        if ref in refs[:index]:
            raise refuse(400, RULE_INVALID, f"another rule has the ref {ref[:64]!r}", f"/rules/{index}/ref")
    return found


def coded(document: Callable[[], Mapping[str, Any]], made: Callable[[], State], one: int | None) -> Coded:
    """Complaints about rules; `one`: the request is about the rule at this place, not about all."""

    def complaint(problem: Problem) -> Complaint:
        head, _, rest = problem.field.partition("]")
        if not head.startswith("rule["):
            return Complaint(RULE_INVALID, sentence_of(problem), pointer_of(problem.field))
        place = int(head.removeprefix("rule[")) + len(made().entries) - len(document().get("rule", ()))
        key = rest.removeprefix(".")
        said = f"{key} {problem.sentence}".strip() + (f" (hint: {problem.hint})" if problem.hint else "")
        prefix = "" if place == one else f"/rules/{place}" if place >= 0 else "/rules"
        return Complaint(RULE_INVALID, said, prefix + _pointer(key))

    return complaint


def _pointer(key: str) -> str:
    top, _, rest = key.partition(".")
    if top in _OF_ROW:
        inside = {"skip": rest, "config": rest}.get(top, key)
        return f"/action_parameters{pointer_of(inside)}"
    if top == "route":
        return f"/action_parameters/{_ROUTED.get(rest, rest)}".rstrip("/")
    return pointer_of(key)


def change(
    call: Call, phase: str, edit: Callable[[State], Any], *, one: int | None = None, dry: bool = False
) -> State:
    """Let `edit` change the ruleset of a phase, count its version and keep the one before. Raise ApiError."""
    last: dict[str, Any] = {}

    def apply(document: Document) -> None:
        made = state(call, document, phase)
        before = copy.deepcopy(made)
        last["edits"] = []
        place = edit(made)
        last["place"] = place if isinstance(place, int) else one
        last.update(state=made, document=document)
        if made != before or made.there != before.there:
            kept = _versions(call, made.id)
            made.version = max([before.version, *kept]) + 1 if before.there or kept else before.version
            if not before.there and not kept:
                tomb = document.get("api", {}).get("rulesets", {}).get(phase, {})
                made.version = tomb["version"] + 1 if tomb.get("deleted") else 1
            made.last_updated = now_text()
            put(document, made)
            supply(document, lists_by_name(call.desk.objects(LISTS)))
            last["edits"] = _kept(call, before, made, kept)

    def complaint(problem: Problem) -> Complaint:
        return coded(lambda: last["document"], lambda: last["state"], last.get("place"))(problem)

    if dry:
        document = copy.deepcopy(dict(call.zone.document))
        apply(document)
        try:
            with_zone(call.desk.zones.config, document)
        except FastgwError as error:
            raise translated(error, complaint) from None
    else:
        call.change(apply, complaint, lambda: last["edits"])
    found: State = last["state"]
    return found


def _name(id_: str, version: int) -> str:
    return f"@{VERSIONS}/{id_}.{version:010d}"


def _versions(call: Call, id_: str) -> list[int]:
    """The versions that are kept, in order."""
    return [int(one.name.rpartition(".")[2]) for one in call.desk.store.objects(f"@{VERSIONS}/{id_}.")]


def _kept(call: Call, before: State, made: State, kept: list[int]) -> list[Edit]:
    """Keep the version that was before, if it is not yet, and this one; let go of the oldest."""
    if not made.there:
        return [Edit(_name(made.id, version), None, None, "delete") for version in kept]
    edits = [Edit(_name(made.id, made.version), made.view, 0)]
    if before.there and before.version not in kept:
        edits.insert(0, Edit(_name(made.id, before.version), before.view, 0))
    old = kept[: max(0, len(kept) + len(edits) - VERSIONS_MOST)]
    return [*edits, *(Edit(_name(made.id, version), None, None, "delete") for version in old)]


def versions(call: Call, made: State) -> list[dict[str, Any]]:
    """All versions that can be read, the newest first."""
    if call.desk.zones.store is None:
        return [made.view]
    found = {made.version: made.view}
    for one in call.desk.store.objects(f"@{VERSIONS}/{made.id}."):
        found.setdefault(int(one.name.rpartition(".")[2]), dict(one.document))
    return [found[version] for version in sorted(found, reverse=True)]


def forget(call: Call, made: State, version: int) -> None:
    """Let go of an old version."""
    name = _name(made.id, version)
    call.desk.write(lambda: (None, [Edit(name, None, None, "delete")]), call.actor)
