"""[store]: which database holds zones besides the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastgw.config.model import STORE_NAME, USAGE_DAYS, StoreTable
from fastgw.config.report import Report


def take_store(report: Report, data: object, base: Path) -> Path | None:
    """The database that [store] names, judged; None: there is only the file."""
    table = report.table(StoreTable, data, ("store",)) or StoreTable()
    if table.kind == "file":
        if table.path is not None:
            report.error(("store", "path"), 'has no effect under kind = "file"', 'write kind = "sqlite"')
        return None
    path = base / Path(table.path or STORE_NAME).expanduser()
    if not path.parent.is_dir():
        report.error(("store", "path"), f"lies in {path.parent}, which is not a directory", "make it first")
    elif path.is_dir():
        report.error(("store", "path"), f"is {path}, which is a directory", "name a file in it")
    return path


def usage_days_of(data: object) -> int:
    """For how many days usage is kept; the default if [store] is not what it should be."""
    table = Report("config").table(StoreTable, data, ("store",))
    return USAGE_DAYS if table is None else table.usage_days


def store_of(data: Mapping[str, Any], base: Path) -> Path | None:
    """The same before the whole is judged, which finds what is wrong with [store]."""
    return take_store(Report("config"), data.get("store", {}), base)
