"""What a zone asks of heads, judged: rules, lists, managed rules, bots, and with them who may call."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, get_args

from fastgw.config.access import take_access
from fastgw.config.expressions import Lists, lists_of
from fastgw.config.fields import kind_of
from fastgw.config.firewall import Made, take_ip_access, take_lockdowns, take_user_agents
from fastgw.config.lines import Path
from fastgw.config.report import Report, did_you_mean
from fastgw.config.ruletables import BotsTable, ManagedTable
from fastgw.config.ruling import Ground, take_rules
from fastgw.config.settings import take_settings
from fastgw.config.tables import ZoneParts, zone_parts
from fastgw.managed import GROUPS, RULES, unknown
from fastgw.policy.inspection import NOTHING, Inspection, Managed, Phase, Phased, Rule
from fastgw.policy.names import HostnameError, record_name
from fastgw.policy.settings import Settings

LISTS_MOST = 100
ITEMS_MOST = 100_000
ITEM_MOST = 512

_NAME = re.compile(r"[a-z0-9_]{1,50}")


def take_lists(report: Report, data: object, path: Path) -> dict[str, tuple[str, ...]]:
    """[lists] or [zone.lists] as values."""
    if not isinstance(data, Mapping):
        report.error(path, f"must be a table, not {kind_of(data)}", 'write office = ["192.0.2.0/24"] in it')
        return {}
    if len(data) > LISTS_MOST:
        report.error(path, f"has {len(data)} lists; at most {LISTS_MOST} are allowed")
        return {}
    found = {}
    for name, items in data.items():
        where = (*path, name)
        if not _NAME.fullmatch(name):
            report.error(where, "is no name of a list", "1 to 50 lower-case letters, digits and underscores")
        elif not isinstance(items, list):
            report.error(where, f"must be an array, not {kind_of(items)}", "put it in [ ]")
        elif len(items) > ITEMS_MOST:
            report.error(where, f"has {len(items)} items; at most {ITEMS_MOST} are allowed")
        else:
            members = [_item(report, (*where, index), item) for index, item in enumerate(items)]
            if len(set(members)) < len(members):
                report.warning(where, f"has {len(members) - len(set(members))} items more than once")
            found[name] = tuple(dict.fromkeys(members))
    return found


def _item(report: Report, path: Path, item: object) -> str:
    if isinstance(item, int) and not isinstance(item, bool):
        return str(item)
    if not isinstance(item, str):
        report.error(path, f"must be text in quotes or a whole number, not {kind_of(item)}")
        return ""
    if len(item) > ITEM_MOST:
        report.error(path, f"has {len(item)} characters; at most {ITEM_MOST} are allowed")
    return item


def take_inspection(
    report: Report, part: ZoneParts, zone: str, settings: Settings, served: frozenset[str], base: FilePath
) -> Inspection:
    """All that a zone asks of heads. Equal words are judged once, and become one object.

    `served` are the names of its proxied records; paths are relative to `base`.
    """
    if not part.asked:
        return NOTHING
    words = {key: value for key, value in part.asked.items() if key != "access"}
    found = NOTHING
    lists = report.lists
    if words:
        versions = _versions(part.table.api)
        key = _key(words, settings, zone, served, versions)
        kept = report.inspections.get(key)
        if kept is None:
            before = report.count
            own = take_lists(report, words["lists"], (*part.path, "lists")) if "lists" in words else {}
            lists = {**report.lists, **own} if own else report.lists
            ground = Ground(report, zone, settings.grpc, served, lists)
            kept = _take(ground, words, part.path, versions)
            if key and report.count == before:
                report.inspections[key] = kept
        found = kept
        if "access" in part.asked and "lists" in words:
            own = take_lists(Report("lists"), words["lists"], ())
            lists = {**report.lists, **own}
    if "access" in part.asked:
        where = (*part.path, "access")
        access = take_access(report, part.asked["access"], where, zone, settings, served, lists, base)
        found = replace(found, access=access)
    return found


def _versions(api: Mapping[str, Any]) -> dict[str, int]:
    """How often the rules of phases have been changed, as far as that was counted."""
    kept = api.get("rulesets")
    found = {}
    for phase, row in kept.items() if isinstance(kept, dict) else ():
        version = row.get("version") if isinstance(row, dict) else None
        if type(version) is int and 0 < version < 1 << 31:
            found[phase] = version
    return found


def _key(
    words: Mapping[str, Any], settings: Settings, zone: str, served: frozenset[str], versions: dict[str, int]
) -> str:
    """What decides about these words, the zone too if names of it are there; empty: they are not kept."""
    bound = "lockdown" in words or any(
        isinstance(rule, dict) and "route" in rule for rule in _list(words.get("rule"))
    )
    try:
        told = [words, settings.grpc, [zone, sorted(served)] if bound else None, versions]
        return json.dumps(told, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _take(ground: Ground, words: Mapping[str, Any], path: Path, versions: Mapping[str, int]) -> Inspection:
    report, made = ground.report, Made()
    phased: dict[Phase, list[Rule]] = {}
    if "ip_access" in words:
        phased["ip_access"] = take_ip_access(ground, words["ip_access"], (*path, "ip_access"), made)
    if "lockdown" in words:
        phased["zone_lockdown"] = take_lockdowns(ground, words["lockdown"], (*path, "lockdown"), made)
    if "user_agent" in words:
        phased["user_agent"] = take_user_agents(ground, words["user_agent"], (*path, "user_agent"))
    if "rule" in words:
        phased.update(take_rules(ground, words["rule"], (*path, "rule")))
    managed = _managed(report, words["managed"], (*path, "managed")) if "managed" in words else Managed()
    bots = report.table(BotsTable, words["bots"], (*path, "bots")) if "bots" in words else None
    phases = tuple(
        Phased(phase, tuple(phased[phase]), versions.get(phase, 1))
        for phase in get_args(Phase)
        if phased.get(phase)
    )
    return Inspection(
        phases=phases,
        lists=_used(phases, _with(ground.lists, made)),
        managed=managed,
        bots=bots is not None and bots.enabled,
    )


def _with(lists: Lists, made: Made) -> Lists:
    if not made:
        return lists
    both = dict(lists) if type(lists) is dict else _AnyList(lists)
    both.update(made)
    return both


def _used(phases: Sequence[Phased], lists: Lists) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lists that rules name, so that a zone does not change with lists of others."""
    names: set[str] = set()
    for phase in phases:
        for rule in phase.rules:
            limits = rule.ratelimit
            names.update(lists_of(rule.expression))
            if limits is not None:
                names.update(lists_of(limits.counting_expression))
                names.update(*[lists_of(text, value=True) for text in limits.characteristics])
            names.update(*[lists_of(change.expression, value=True) for change in rule.changes])
    return tuple((name, lists[name]) for name in sorted(names))


def _managed(report: Report, data: object, path: Path) -> Managed:
    table = report.table(ManagedTable, data, path)
    if table is None:
        return Managed()
    if table.overrides and not table.enabled:
        report.warning((*path, "overrides"), "has no effect, as enabled is false", "write enabled = true")
    managed = Managed(table.enabled, tuple(table.overrides.items()))
    for name in unknown(managed):
        report.error(
            (*path, "overrides", name),
            "is neither a managed rule nor a group of them",
            did_you_mean(name, [*GROUPS, *(rule.id for rule in RULES)]) or "see docs/managed.md",
        )
    return managed


class _AnyList(dict[str, tuple[str, ...]]):
    """Lists that are elsewhere: whatever is asked for is there."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> tuple[str, ...]:
        return ()


def outline(document: Mapping[str, Any]) -> Inspection:
    """The rules of a zone that is in force, without its access policies and shared lists."""
    report = Report("zone")
    report.lists = _AnyList()
    words = {key: value for key, value in document.items() if key not in ("access", "lists")}
    part = zone_parts(report, words, ())
    if part is None:
        return NOTHING
    served = set()
    for record in part.records:
        if record.words.proxied:
            with contextlib.suppress(HostnameError):
                served.add(record_name(record.name, part.name))
    zone, settings = part.name, take_settings(part.settings)
    return take_inspection(report, part, zone, settings, frozenset(served), FilePath())
