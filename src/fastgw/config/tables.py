"""A [[zone]] taken apart: its fields, settings, certificate and records, judged one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastgw.config.fields import kind_of
from fastgw.config.lines import Path
from fastgw.config.model import CertTable, RecordTable, SettingsTable, ZoneTable
from fastgw.config.report import Report

# Settings that may also stand directly in the zone.
SHORTCUTS = ("grpc", "http", "ssl")


@dataclass(frozen=True, slots=True)
class ZoneParts:
    """What of a zone could be read; `records` keeps the place of each record in the file."""

    path: Path
    table: ZoneTable
    settings: SettingsTable
    settings_known: bool
    cert: CertTable | None
    cert_given: bool
    records: tuple[tuple[Path, RecordTable], ...]


def zone_parts(report: Report, data: object, path: Path) -> ZoneParts | None:
    """Read one zone and report what is wrong with its single fields."""
    if not isinstance(data, Mapping):
        report.error(path, f"must be a table, not {kind_of(data)}", "write [[zone]]")
        return None
    before = len(report.problems)
    shallow = {key: value for key, value in data.items() if key not in ("dns", "cert", "settings")}
    table = report.table(ZoneTable, shallow, path)
    settings = report.table(SettingsTable, data.get("settings", {}), (*path, "settings"))
    settings_known = settings is not None and len(report.problems) == before
    cert = report.table(CertTable, data["cert"], (*path, "cert")) if "cert" in data else None
    records = _records(report, data.get("dns", []), (*path, "dns"))
    if table is None:
        # The name is unusable; the rest is judged under one that can belong to nobody.
        table = ZoneTable(name=f"zone-{path[-1]}.invalid")
    merged = _merge(report, data, table, settings or SettingsTable(), path)
    return ZoneParts(path, table, merged, settings_known, cert, "cert" in data, records)


def _records(report: Report, data: object, path: Path) -> tuple[tuple[Path, RecordTable], ...]:
    if not isinstance(data, list):
        report.error(path, f"must be an array of records, not {kind_of(data)}", "put the records in [ ]")
        return ()
    found = []
    for index, entry in enumerate(data):
        record = report.table(RecordTable, entry, (*path, index))
        if record is not None:
            found.append(((*path, index), record))
    return tuple(found)


def _merge(
    report: Report, data: Mapping[str, object], table: ZoneTable, settings: SettingsTable, path: Path
) -> SettingsTable:
    inner = data.get("settings", {})
    update: dict[str, object] = {}
    for key in SHORTCUTS:
        value = getattr(table, key)
        if value is None:
            continue
        if isinstance(inner, Mapping) and key in inner:
            report.error((*path, key), "is given twice, here and in settings", "keep one of the two")
        update[key] = value
    return settings.model_copy(update=update)
