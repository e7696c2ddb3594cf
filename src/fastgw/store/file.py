"""The TOML file as a store: read-only, declarative; people edit it, nothing here ever writes to it."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastgw.errors import StoreError
from fastgw.policy.names import HostnameError, hostname
from fastgw.store.base import Change, Edit, Judge, Snapshot, StoredZone


class FileStore:
    """The zones that `text` declares, which stands in the file `path`.

    What is wrong with the text is for fastgw.config to say: here a zone that cannot be read is no zone.
    """

    def __init__(self, path: Path, text: str, data: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.text = text
        self.data: Mapping[str, Any] = data or {}
        self.given = data is not None  # by a program, as a dictionary; there is no file then
        if self.given:
            return
        with contextlib.suppress(tomllib.TOMLDecodeError):
            self.data = tomllib.loads(text)

    @property
    def place(self) -> str:
        return str(self.path)

    def snapshot(self) -> Snapshot:
        """The declared zones, in the order of the file."""
        zones: dict[str, StoredZone] = {}
        tables = self.data.get("zone", [])
        for table in tables if isinstance(tables, list) else []:
            if isinstance(table, Mapping) and isinstance(table.get("name"), str):
                with contextlib.suppress(HostnameError):
                    name = hostname(table["name"])
                    zones.setdefault(name, StoredZone(name, table))
        return Snapshot(0, zones)

    def changes(self, since: int) -> list[Change]:
        """None: a file does not know its past."""
        return []

    def history(self, zone: str | None = None, most: int = 100) -> list[Change]:
        """None, for the same reason."""
        return []

    def write(self, edits: Sequence[Edit], *, actor: str, judge: Judge | None = None) -> int:
        """Refused. Raise StoreError."""
        raise StoreError(
            f"{', '.join(edit.zone for edit in edits)}: zones of {self.path} are changed in that file only",
            "edit the file and run fastgw reload",
        )
