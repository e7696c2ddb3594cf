"""The zones that are served: those of the file and those of the store, as one configuration that changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastgw.config.collector import undisturbed
from fastgw.config.load import read_text
from fastgw.config.store import store_of
from fastgw.config.values import Config
from fastgw.errors import ConfigError, FastgwError, Problem, StoreError
from fastgw.store.base import Change, Document, Edit, StoredZone, is_object, zone_name
from fastgw.store.file import FileStore
from fastgw.store.judge import MANY, Judge
from fastgw.store.sqlite import SqliteStore

logger = logging.getLogger("fastgw")

Publish = Callable[[Config], object]


class Zones:
    """The zones of a file, of a SQLite store, or of both, in which case the file wins.

    path     the TOML file; None: there is none
    server   stands in for keys of its [server]
    store    the database; None: the one that the file names, if it does
    create   may the database be made?
    data     what a file would say, as a dictionary, in place of `path`

    `publish` is called with each configuration that follows from a change, after it has been stored and
    before the change returns. All methods may be called from any thread.
    """

    def __init__(
        self,
        path: Path | None,
        server: Mapping[str, Any] | None = None,
        store: Path | None = None,
        *,
        create: bool = True,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self._path = path
        self._server = server
        self._wanted = store
        self._create = create
        self._data = data
        self._lock = threading.RLock()
        self._judge = Judge(None, None, store)
        self._store: SqliteStore | None = None
        self._config: Config | None = None
        self._published: Config | None = None
        self._seen = 0  # the revision of the store that `_config` knows of
        self.left_out: dict[str, str] = {}  # zones of the store that cannot be served, and why
        self.trouble = ""  # why the store cannot be read just now
        self.publish: Publish = lambda config: None

    @property
    def store(self) -> SqliteStore | None:
        """The database, if there is one."""
        return self._store

    @property
    def config(self) -> Config:
        """What `load` has found, with all changes since."""
        assert self._config is not None, "not loaded"
        return self._config

    @property
    def seen(self) -> int:
        """The revision of the store that is in force."""
        return self._seen

    # the whole

    def load(self) -> Config:
        """Read everything anew and publish it. Raise FastgwError; then all is as it was before."""
        with self._lock, undisturbed():
            file = None if self._path is None else FileStore(self._path, read_text(self._path))
            if self._data is not None:
                file = FileStore(Path("config"), "", self._data)
            choice = self._wanted
            if choice is None and file is not None:
                choice = store_of(file.data, file.path.resolve().parent)
            if choice is None:
                judge = Judge(file, self._server, None)
                config = judge.file_alone()
                self.publish(config)
                self.left_out, self._seen = {}, 0
                self._take(config, judge, None)
                return config
            store = SqliteStore(choice, create=self._create)
            try:
                judge = Judge(file, self._server, choice)
                snapshot = store.snapshot()
                config, left_out = judge.usable(snapshot)
                self.publish(config)
            except BaseException:
                store.close()
                raise
            for name, why in left_out.items():
                logger.error("the zone %s of the store cannot be served:\n%s", name, why)
            self.left_out, self._seen = left_out, snapshot.revision
            self._take(config, judge, store)
            return config

    def _take(self, config: Config, judge: Judge, store: SqliteStore | None) -> None:
        if self._store is not None:
            self._store.close()
        self._config, self._published = config, config
        self._judge, self._store = judge, store
        self.trouble = ""

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    # changes of other processes

    def poll(self) -> bool:
        """Put in force what other processes have stored since. Has anything changed?

        What cannot be read or served is logged once and left as it was.
        """
        with self._lock:
            if self._store is None:
                return False
            try:
                if not self._store.written_elsewhere() and not self.trouble:
                    return False
                changed = self._catch_up()
                self._put_in_force()
            except StoreError as error:
                if str(error) != self.trouble:
                    logger.error("the zones in force are kept: %s", error)
                self.trouble = str(error)
                return False
            self.trouble = ""
            return changed

    def _catch_up(self) -> bool:
        """Let `_config` follow what has been stored since `_seen`, zone by zone."""
        assert self._store is not None
        changes = self._store.changes(self._seen)
        last = {change.zone: change for change in changes if not is_object(change.zone)}
        if len(last) > MANY:
            self._config, self.left_out = self._judge.usable(self._store.snapshot())
            last = {}
        for name, change in last.items():
            self.left_out.pop(name, None)
            try:
                edit = Edit(name, change.after, None, change.op)
                self._config = self._judge.with_edits(self.config, [edit], dict)
            except ConfigError as error:
                self.left_out[name] = str(error)
                logger.error("the zone %s of the store is kept as it was:\n%s", name, error)
        if changes:
            self._seen = changes[-1].revision
        return bool(changes)

    def _served(self) -> dict[str, Document]:
        """The zones of the store, but for those that cannot be served."""
        assert self._store is not None
        zones = self._store.snapshot().zones
        return {name: zone.document for name, zone in zones.items() if name not in self.left_out}

    # changes of ours

    def write(self, edits: Sequence[Edit], actor: str) -> int:
        """Judge, store and put in force all `edits` or none; the revision after them.

        Raise StoreError, or ConfigError if what would be served then is not fit to be.
        """
        with self._lock:
            store = self._writable(edits)
            judged: list[Config] = []

            def judge(wanted: Sequence[Edit]) -> None:
                self._catch_up()
                judged.append(self._judge.with_edits(self.config, wanted, self._served))

            try:
                revision = store.write(edits, actor=actor, judge=judge)
                if revision != self._seen:
                    self._config, self._seen = judged[-1], revision
                    for edit in edits:
                        self.left_out.pop(edit.zone, None)
                    what = edits[0].zone if len(edits) == 1 else f"{len(edits)} changes"
                    logger.info("revision %d: %s, %s by %s", revision, what, edits[0].op, actor)
            finally:
                self._put_in_force()
            return revision

    def rollback(self, zone: str, revision: int, actor: str) -> int:
        """Make a zone of the store what it was right after `revision`."""
        name = zone_name(zone)
        store = self._writable([])
        document = store.as_of(name, revision)
        return self.write([Edit(name, document, None, "rollback")], actor)

    def _writable(self, edits: Sequence[Edit]) -> SqliteStore:
        for edit in edits:
            if edit.document is not None and edit.zone in self._judge.declared:
                raise StoreError(
                    f"the zone {edit.zone} is declared in {self._path}, which wins",
                    "edit the file and run fastgw reload",
                )
        if self._store is None:
            raise StoreError(
                "there is no store, so zones are changed in the file only",
                'write [store] kind = "sqlite" in it, or start with fastgw serve --state-dir DIR',
            )
        return self._store

    def _put_in_force(self) -> None:
        """Publish what is not yet; what cannot be is told and tried again with the next change."""
        if self._config is None or self._config is self._published:
            return
        try:
            self.publish(self._config)
        except FastgwError as error:
            raise StoreError(f"the change is stored, but could not be put in force: {error}") from error
        self._published = self._config

    # questions

    def all(self) -> list[tuple[StoredZone, bool]]:
        """Every zone that is served or stored, by name; is it declared in the file?"""
        with self._lock:
            found = {name: (StoredZone(name, table), True) for name, table in self._judge.declared.items()}
            if self._store is not None:
                for name, zone in self._store.snapshot().zones.items():
                    found.setdefault(name, (zone, False))
            return [found[name] for name in sorted(found)]

    def get(self, zone: str) -> tuple[StoredZone, bool]:
        """One zone; is it declared in the file? Raise StoreError."""
        name = zone_name(zone)
        with self._lock:
            if name in self._judge.declared:
                return StoredZone(name, self._judge.declared[name]), True
            found = None if self._store is None else self._store.get(name)
        if found is None:
            raise StoreError(f"there is no zone {name}", "fastgw zones list shows them")
        return found, False

    def history(self, zone: str | None, most: int) -> list[Change]:
        """The last changes, newest first."""
        return self._writable([]).history(zone, most)

    def warnings_of(self, zone: str) -> list[Problem]:
        """What is questionable in a zone of the store."""
        return [problem for problem in self.config.warnings if problem.file == zone and not problem.line]
