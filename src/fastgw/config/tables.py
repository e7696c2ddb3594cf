"""A [[zone]] taken apart: its fields, settings, certificate and records, judged one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fastgw.config.fields import Table, kind_of
from fastgw.config.lines import Path
from fastgw.config.model import RecordTable, ZoneTable
from fastgw.config.report import Report
from fastgw.config.routing import HealthTable, MatchTable, OriginTable, OriginWords, RetryTable, RouteTable
from fastgw.config.settings import SettingsTable
from fastgw.config.tls import CertTable
from fastgw.policy.routes import MATCHES_MAX

# Settings that may also stand directly in the zone.
SHORTCUTS = ("grpc", "http", "ssl")


_RECORDS = TypeAdapter(list[RecordTable])
_ASKED = ("rule", "ip_access", "lockdown", "user_agent", "lists", "managed", "bots", "access")
_APART = ("dns", "cert", "settings", "origin", "route", "retry", *_ASKED)


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What of a route could be read; `matches` keeps the place of each match in the file."""

    path: Path
    table: RouteTable
    matches: tuple[tuple[Path, MatchTable], ...]
    retry: RetryTable | None


@dataclass(frozen=True, slots=True)
class ZoneParts:
    """What of a zone could be read; `records` keeps the place of each record in the file."""

    path: Path
    table: ZoneTable
    settings: Table
    settings_known: bool
    cert: CertTable | None
    cert_given: bool
    records: tuple[tuple[Path, RecordTable], ...]
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
    table = report.table(ZoneTable, shallow, path)
    settings = _SETTINGS
    if "settings" in data:
        settings = _settings(report, data["settings"], (*path, "settings")) or settings
    settings_known = report.count == before
    cert = report.table(CertTable, data["cert"], (*path, "cert")) if "cert" in data else None
    records = _records(report, data.get("dns", []), (*path, "dns"))
    origin = _origin(report, data["origin"], (*path, "origin")) if "origin" in data else _ORIGIN
    routes = _routes(report, data["route"], (*path, "route")) if "route" in data else ()
    retry = report.table(RetryTable, data["retry"], (*path, "retry")) if "retry" in data else None
    if table is None:
        # The name is unusable; the rest is judged under one that can belong to nobody.
        table = ZoneTable(name=f"zone-{path[-1] if path else 0}.invalid")
    merged = _merge(report, data, table, settings, path)
    return ZoneParts(
        path=path,
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


def _settings(report: Report, data: object, path: Path) -> Table | None:
    """Most zones of a big configuration say the same: equal words are judged once."""
    key = None
    if isinstance(data, Mapping) and all(type(value) is str for value in data.values()):
        key = tuple(data.items())
        known = report.settings.get(key)
        if known is not None:
            return known
    before = report.count
    table = report.table(SettingsTable, data, path)
    if key is not None and table is not None and report.count == before:
        report.settings[key] = table
    return table


def _records(report: Report, data: object, path: Path) -> tuple[tuple[Path, RecordTable], ...]:
    if not isinstance(data, list):
        report.error(path, f"must be an array of records, not {kind_of(data)}", "put the records in [ ]")
        return ()
    try:
        tables = _RECORDS.validate_python(data)
    except ValidationError:
        pass  # one by one, so that one bad record hides no other
    else:
        return tuple([((*path, index), record) for index, record in enumerate(tables)])
    found = []
    for index, entry in enumerate(data):
        record = report.table(RecordTable, entry, (*path, index))
        if record is not None:
            found.append(((*path, index), record))
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
    report: Report, data: Mapping[str, object], table: ZoneTable, settings: Table, path: Path
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
