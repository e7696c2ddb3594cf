"""Zones of a store judged together with the file: each complaint names the zone it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastgw.config.load import load, load_text, with_zone, without_zone
from fastgw.config.values import Config
from fastgw.errors import ConfigError, Problem
from fastgw.store.base import Document, Edit, Snapshot, is_object
from fastgw.store.file import FileStore

MANY = 100  # so many zones at once are judged as a whole, which is faster then

# Where no file says at what addresses zones are served, so that none is asked for a certificate.
_ALONE: Mapping[str, Any] = {"server": {"listen": ["h2c://127.0.0.1:0"]}, "store": {"kind": "sqlite"}}
_INDEX = re.compile(r"zone\[(\d+)\]\.?")


class Judge:
    """Judges stored zones as part of what `file` says, or alone; `server` stands in for keys of [server].

    place   the store, for people. Paths in its zones are relative to the file's directory.
    """

    def __init__(self, file: FileStore | None, server: Mapping[str, Any] | None, place: Path | None) -> None:
        self._file = file
        self._server = server
        self._place = place
        self.declared: Mapping[str, Document] = {}
        if file is not None:
            self.declared = {name: zone.document for name, zone in file.snapshot().zones.items()}

    def file_alone(self) -> Config:
        """The file without any store."""
        assert self._file is not None
        if self._file.given:
            return load(self._file.data, self._server)
        return load_text(self._file.text, self._file.path, self._server)

    def together(self, stored: Mapping[str, Document]) -> Config:
        """The file and these zones, but for those it declares itself. Raise ConfigError."""
        mine = {name: document for name, document in stored.items() if name not in self.declared}
        names = list(mine)
        try:
            config = self._load(list(mine.values()))
        except ConfigError as error:
            raise ConfigError([self._named(problem, names) for problem in error.problems]) from None
        warnings = [self._named(problem, names) for problem in config.warnings]
        return replace(config, warnings=(*warnings, *self._ignored(stored)))

    def usable(self, snapshot: Snapshot) -> tuple[Config, dict[str, str]]:
        """The file and those stored zones that can be served; the others, with what is wrong with them.

        A zone that was fit when it was stored may be so no more: its certificate is gone, the file has
        changed. The gateway serves the rest. Raise ConfigError for what is wrong in the file.
        """
        stored = {name: zone.document for name, zone in snapshot.zones.items()}
        left_out: dict[str, str] = {}
        while True:
            try:
                return self.together(stored), left_out
            except ConfigError as error:
                bad: dict[str, list[str]] = {}
                for problem in error.problems:
                    if not problem.warning and problem.file in stored and not problem.line:
                        bad.setdefault(problem.file, []).append(str(problem))
                if not bad:
                    raise
                for name, sentences in bad.items():
                    del stored[name]
                    left_out[name] = "\n".join(sentences)

    def with_edits(
        self, config: Config, edits: Sequence[Edit], stored: Callable[[], Mapping[str, Document]]
    ) -> Config:
        """`config` after `edits`; `stored` tells which zones of the store are in it. Raise ConfigError."""
        edits = [edit for edit in edits if not is_object(edit.zone)]
        if len(edits) > MANY:
            after = dict(stored())
            for edit in edits:
                if edit.document is None:
                    after.pop(edit.zone, None)
                else:
                    after[edit.zone] = edit.document
            return self.together(after)
        for edit in edits:
            if edit.zone not in self.declared:
                config = _with_edit(config, edit)
        return config

    def _load(self, documents: list[Document]) -> Config:
        if self._file is None:
            return load({**_ALONE, "zone": documents})
        if self._file.given:
            data = {"store": {"kind": "sqlite"}, **self._file.data}
            return load({**data, "zone": [*data.get("zone", ()), *documents]}, self._server)
        return load_text(self._file.text, self._file.path, self._server, stored=documents)

    def _named(self, problem: Problem, names: Sequence[str]) -> Problem:
        """The problem with the name of its zone in place of a file and a line that it does not have."""
        found = _INDEX.match(problem.field)
        number = int(found[1]) - self._count if found else -1
        if found is None or not 0 <= number < len(names):
            return problem
        return replace(problem, file=names[number], line=0, field=problem.field[found.end() :])

    @property
    def _count(self) -> int:
        """How many tables of zones stand before those of the store."""
        tables = self._file.data.get("zone", []) if self._file is not None else []
        return len(tables) if isinstance(tables, list) else 0

    def _ignored(self, stored: Mapping[str, Document]) -> list[Problem]:
        place = "" if self._file is None else self._file.place
        return [
            Problem(
                "",
                f"the zone {name} of the store is ignored: {place} declares it",
                f"remove it from the file, or from the store: fastgw zones rm {name}",
                str(self._place),
                warning=True,
            )
            for name in stored
            if name in self.declared
        ]


def _with_edit(config: Config, edit: Edit) -> Config:
    """`config` with one zone changed, and the warnings of the others kept. Raise ConfigError."""
    others = tuple(problem for problem in config.warnings if problem.file != edit.zone or problem.line)
    if edit.document is None:
        there = any(zone.name == edit.zone for zone in config.zones)
        return replace(without_zone(config, edit.zone) if there else config, warnings=others)
    try:
        changed = with_zone(config, edit.document)
    except ConfigError as error:
        raise ConfigError([replace(problem, file=edit.zone) for problem in error.problems]) from None
    mine = tuple(replace(problem, file=edit.zone) for problem in changed.warnings)
    return replace(changed, warnings=(*others, *mine))
