"""A [[zone]] taken apart: its fields, settings, certificate and records, judged one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fastgw.config.fields import Table, kind_of
from fastgw.config.lines import Path
from fastgw.config.model import RecordTable, RecordWords, ZoneTable
from fastgw.config.report import Report
from fastgw.config.routing import HealthTable, MatchTable, OriginTable, OriginWords, RetryTable, RouteTable
from fastgw.config.settings import SettingsTable
from fastgw.config.tls import CertTable
from fastgw.policy.routes import MATCHES_MAX

# Settings that may also stand directly in the zone.
SHORTCUTS = ("grpc", "http", "ssl")

_APART = ("dns", "cert", "settings", "origin", "route", "retry")


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
    table: ZoneTable
    settings: Table
    settings_known: bool
    cert: CertTable | None
    cert_given: bool
    records: tuple[RecordParts, ...]
    origin: OriginWords
    routes: tuple[RouteParts, ...]
    retry: RetryTable


# One of each, for all zones that say nothing.
_SETTINGS: Table = SettingsTable()
_ORIGIN: OriginWords = OriginTable()
_RETRY = RetryTable()


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
    )


def _settings(report: Report, data: object, path: Path) -> Table | None:
    """Most zones of a big configuration say the same: equal words are judged once."""
    key = _key(SettingsTable, data) if isinstance(data, Mapping) else None
    known: Table | None = report.known.get(key)
    if known is not None:
        return known
    before = report.count
    table = report.table(SettingsTable, data, path)
    if key is not None and table is not None and report.count == before:
        report.known[key] = table
    return table


_SIMPLE = frozenset({str, bool, int})


def _key(model: type[Table], words: Mapping[str, object]) -> tuple[object, ...] | None:
    """Equal for words that are judged alike; None for those that are not worth a comparison."""
    types = tuple(map(type, words.values()))  # as 1 == True
    return (model, types, *words.items()) if _SIMPLE.issuperset(types) else None


def _records(report: Report, data: object, path: Path) -> tuple[RecordParts, ...]:
    if not isinstance(data, list):
        report.error(path, f"must be an array of records, not {kind_of(data)}", "put the records in [ ]")
        return ()
    found = [_record(report, entry, (*path, index)) for index, entry in enumerate(data)]
    return tuple([record for record in found if record is not None])


def _record(report: Report, data: object, path: Path) -> RecordParts | None:
    """Many records differ in name and content only: equal words beside these are judged once."""
    key = None
    if type(data) is dict:
        words = data.copy()
        name, content = words.pop("name", None), words.pop("content", None)
        if name and content and type(name) is str and type(content) is str:
            key = _key(RecordTable, words)
            known = report.known.get(key)
            if known is not None:
                return RecordParts(path, name, content, known)
    before = report.count
    table = report.table(RecordTable, data, path)
    if table is None:
        return None
    if key is not None and report.count == before:
        report.known[key] = table
    return RecordParts(path, table.name, table.content, table)


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
