"""A [[zone]] taken apart: its fields, settings, certificate and records, judged one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastgw.config.fields import Table, kind_of
from fastgw.config.lines import Path
from fastgw.config.model import RecordTable, RecordWords, ZoneTable, ZoneWords
from fastgw.config.report import Model, Report
from fastgw.config.routing import HealthTable, MatchTable, OriginTable, OriginWords, RetryTable, RouteTable
from fastgw.config.settings import SettingsTable
from fastgw.config.tls import CertTable
from fastgw.policy.routes import MATCHES_MAX

# Settings that may also stand directly in the zone.
SHORTCUTS = ("grpc", "http", "ssl")

_ASKED = ("rule", "ip_access", "lockdown", "user_agent", "lists", "managed", "bots", "access")
_APART = ("dns", "cert", "settings", "origin", "route", "retry", *_ASKED)


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What of a route could be read; `matches` keeps the place of each match in the file."""

    path: Path
    table: RouteTable
    matches: tuple[tuple[Path, MatchTable], ...]
    retry: RetryTable | None


class RecordParts(NamedTuple):
    """A record that could be read, and its place in the file; `words` may belong to many records."""

    path: Path
    name: str
    content: str
    words: RecordWords


class ZoneParts(NamedTuple):
    """What of a zone could be read."""

    path: Path
    name: str
    table: ZoneWords
    settings: Table
    settings_known: bool
    cert: CertTable | None
    cert_given: bool
    records: tuple[RecordParts, ...]
    origin: OriginWords
    routes: tuple[RouteParts, ...]
    retry: RetryTable
    asked: Mapping[str, Any]
    """What is asked of heads, as it is written: it is judged as a whole, equal words once."""


# One of each, for all zones that say nothing.
_SETTINGS: Table = SettingsTable()
_ORIGIN: OriginWords = OriginTable()
_RETRY = RetryTable()
_NOTHING: Mapping[str, Any] = {}


def zone_parts(report: Report, data: object, path: Path) -> ZoneParts | None:
    """Read one zone and report what is wrong with its single fields."""
    if not isinstance(data, Mapping):
        report.error(path, f"must be a table, not {kind_of(data)}", "write [[zone]]")
        return None
    before = report.count
    shallow = {key: value for key, value in data.items() if key not in _APART}
    table: ZoneWords | None = _table(report, ZoneTable, shallow, path, "name")
    # Under an unusable name the rest is judged all the same; this one can belong to nobody.
    name = f"zone-{path[-1] if path else 0}.invalid" if table is None else str(data["name"])
    settings = _SETTINGS
    if "settings" in data:
        settings = _table(report, SettingsTable, data["settings"], (*path, "settings")) or settings
    settings_known = report.count == before
    cert = report.table(CertTable, data["cert"], (*path, "cert")) if "cert" in data else None
    records = _records(report, data.get("dns", []), (*path, "dns"))
    origin = _origin(report, data["origin"], (*path, "origin")) if "origin" in data else _ORIGIN
    routes = _routes(report, data["route"], (*path, "route")) if "route" in data else ()
    retry = report.table(RetryTable, data["retry"], (*path, "retry")) if "retry" in data else None
    table = table or ZoneTable(name=name)
    merged = _merge(report, data, table, settings, path)
    return ZoneParts(
        path=path,
        name=name,
        table=table,
        settings=merged,
        settings_known=settings_known,
        cert=cert,
        cert_given="cert" in data,
        records=records,
        origin=origin,
        routes=routes,
        retry=retry or _RETRY,
        asked={key: data[key] for key in _ASKED if key in data}
        if not data.keys().isdisjoint(_ASKED)
        else _NOTHING,
    )


def _table(report: Report, model: type[Model], data: object, path: Path, *own: str) -> Model | None:
    """`data` as a `model`, as Report.table has it; but what many tables say alike is judged once.

    Keys in `own` tell such tables apart: they are texts, and must not be empty. The result may have those of
    another table.
    """
    if type(data) is not dict:
        return report.table(model, data, path)
    words = data.copy()
    told = [bool(words.pop(key, "")) for key in own]
    key = (model, *told, *map(type, data.values()), *words.items())  # the types, as 1 == True
    try:
        known: Model | None = report.known.get(key)
    except TypeError:  # a list or a table is among the words
        return report.table(model, data, path)
    if known is None:
        before = report.count
        known = report.table(model, data, path)
        if known is not None and report.count == before:
            report.known[key] = known
    return known


def _records(report: Report, data: object, path: Path) -> tuple[RecordParts, ...]:
    if not isinstance(data, list):
        report.error(path, f"must be an array of records, not {kind_of(data)}", "put the records in [ ]")
        return ()
    found = []
    for index, entry in enumerate(data):
        where = (*path, index)
        words = _table(report, RecordTable, entry, where, "name", "content")
        if words is not None:
            found.append(RecordParts(where, entry["name"], entry["content"], words))
    return tuple(found)


def _origin(report: Report, data: object, path: Path) -> OriginWords:
    words = data
    health = None
    if isinstance(data, Mapping):
        words = {key: value for key, value in data.items() if key != "health"}
        health = report.table(HealthTable, data.get("health", {}), (*path, "health"))
    origin = report.table(OriginTable, words, path) or OriginTable()
    return origin.model_copy(update={"health": health or HealthTable()})


def _routes(report: Report, data: object, path: Path) -> tuple[RouteParts, ...]:
    if not isinstance(data, list):
        report.error(path, "must be an array of tables", "write [[zone.route]] with two brackets")
        return ()
    found = []
    for index, entry in enumerate(data):
        where = (*path, index)
        if not isinstance(entry, Mapping):
            report.error(where, f"must be a table, not {kind_of(entry)}", "write [[zone.route]]")
            continue
        shallow = {key: value for key, value in entry.items() if key not in ("match", "retry")}
        table = report.table(RouteTable, {**shallow, "match": [{}]}, where)
        matches = _matches(report, entry, where)
        retry = report.table(RetryTable, entry["retry"], (*where, "retry")) if "retry" in entry else None
        if table is not None:
            found.append(RouteParts(where, table, matches, retry))
    return tuple(found)


def _matches(report: Report, entry: Mapping[str, object], where: Path) -> tuple[tuple[Path, MatchTable], ...]:
    path = (*where, "match")
    hint = 'name calls, as in match = [{ service = "pkg.Service" }]; what holds for all calls is in the zone'
    data = entry.get("match")
    if data is None:
        report.error(where, "has no match", hint)
        return ()
    if not isinstance(data, list):
        report.error(path, f"must be an array of tables, not {kind_of(data)}", "put it in [ ]")
        return ()
    if not data:
        report.error(path, "is empty", hint)
    if len(data) > MATCHES_MAX:
        report.error(path, f"has {len(data)} entries; at most {MATCHES_MAX} are allowed", "write two routes")
    found = []
    for index, one in enumerate(data):
        match = report.table(MatchTable, one, (*path, index))
        if match is not None:
            found.append(((*path, index), match))
    return tuple(found)


def _merge(
    report: Report, data: Mapping[str, object], table: ZoneWords, settings: Table, path: Path
) -> Table:
    inner = data.get("settings", {})
    update: dict[str, object] = {}
    for key in SHORTCUTS:
        value = getattr(table, key)
        if value is None:
            continue
        if isinstance(inner, Mapping) and key in inner:
            report.error((*path, key), "is given twice, here and in settings", "keep one of the two")
        update[key] = value
    return settings.model_copy(update=update) if update else settings
