"""Zones in one SQLite file: their documents, and a log of changes that is append-only."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic_core import from_json

from fastgw.errors import StaleError, StoreError
from fastgw.store.base import (
    OBJECT,
    Change,
    Document,
    Edit,
    Judge,
    Snapshot,
    Span,
    StoredZone,
    encoded,
    is_object,
    zone_name,
)

APPLICATION = 0x66677A31  # "fgz1" in the header of the file: it is ours
BUSY_MS = 5000  # how long a write may wait for that of another process

# One script for each step of the format; `user_version` counts those that were run.
MIGRATIONS = (
    """
    CREATE TABLE zones (
        name TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE changes (
        revision INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        actor TEXT NOT NULL,
        op TEXT NOT NULL,
        zone TEXT NOT NULL,
        before TEXT,
        after TEXT
    );
    CREATE INDEX changes_of_zone ON changes (zone, revision);
    CREATE TRIGGER changes_are_kept BEFORE DELETE ON changes
        BEGIN SELECT RAISE(ABORT, 'the log of changes is append-only'); END;
    CREATE TRIGGER changes_stay BEFORE UPDATE ON changes
        BEGIN SELECT RAISE(ABORT, 'the log of changes is append-only'); END;
    """,
    """
    CREATE TABLE objects (
        name TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
)
_COLUMNS = "revision, at, actor, op, zone, before, after"


class SqliteStore:
    """The file at `path`, made if it is missing. Raise StoreError.

    Several processes may use one file; several threads may use one of these. Commits survive the end of the
    process at once and the end of the machine soon after (WAL, synchronous = NORMAL).
    """

    def __init__(self, path: Path, *, busy_ms: int = BUSY_MS, create: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._version = -1
        with self._sentences():
            if not create and not path.exists():
                raise StoreError(
                    f"the store {path} does not exist", "fastgw serve --state-dir DIR makes DIR/fastgw.db"
                )
            self._db = self._open(busy_ms)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    @property
    def place(self) -> str:
        return str(self.path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    # reading

    def snapshot(self) -> Snapshot:
        """All zones, by name."""
        with self._lock, self._sentences(), self._transaction("DEFERRED"):
            revision = self._revision()
            rows = self._db.execute("SELECT name, revision, document FROM zones ORDER BY name")
            return Snapshot(
                revision, {row[0]: StoredZone(row[0], self._document(row[2]), row[1]) for row in rows}
            )

    def get(self, zone: str) -> StoredZone | None:
        """One zone."""
        with self._lock, self._sentences():
            row = self._row(zone_name(zone))
            return None if row is None else StoredZone(zone_name(zone), self._document(row[1]), row[0])

    @property
    def revision(self) -> int:
        """That of the last change; 0: there was none."""
        with self._lock, self._sentences():
            return self._revision()

    def changes(self, since: int) -> list[Change]:
        """What was changed after revision `since`, in order."""
        with self._lock, self._sentences():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM changes WHERE revision > ? ORDER BY revision", (since,)
            )
            return [self._change(row) for row in rows]

    def history(self, zone: str | None = None, most: int = 100) -> list[Change]:
        """The last changes, newest first."""
        named = zone if zone is None or is_object(zone) else zone_name(zone)
        where, values = ("", ()) if named is None else ("WHERE zone = ?", (named,))
        query = f"SELECT {_COLUMNS} FROM changes {where} ORDER BY revision DESC LIMIT ?"
        with self._lock, self._sentences():
            return [self._change(row) for row in self._db.execute(query, (*values, most))]

    def object(self, name: str) -> StoredZone | None:
        """What is kept beside the zones under `name`, which begins with @."""
        with self._lock, self._sentences():
            row = self._row(name)
            return None if row is None else StoredZone(name, self._document(row[1]), row[0])

    def objects(self, prefix: str) -> list[StoredZone]:
        """All whose name begins so, by name."""
        query = (
            "SELECT name, revision, document FROM objects WHERE name >= ? AND name < ? || char(1114111) "
            "ORDER BY name"
        )
        with self._lock, self._sentences():
            rows = self._db.execute(query, (prefix, prefix)).fetchall()
            return [StoredZone(row[0], self._document(row[2]), row[1]) for row in rows]

    def span(self, zone: str) -> Span | None:
        """Since when the zone or object is there, and its last change; None: it is not."""
        with self._lock, self._sentences():
            row = self._db.execute(
                "SELECT min(at), max(at) FROM changes WHERE zone = :zone AND revision > ifnull("
                "(SELECT max(revision) FROM changes WHERE zone = :zone AND after IS NULL), 0)",
                {"zone": zone},
            ).fetchone()
            return None if row[0] is None else Span(float(row[0]), float(row[1]))

    def log(
        self,
        *,
        zone: str | None = None,
        actor: str | None = None,
        op: str | None = None,
        since: float | None = None,
        before: float | None = None,
        newest_first: bool = True,
        most: int = 100,
        skip: int = 0,
    ) -> tuple[list[Change], int]:
        """A page of the changes that fit all that is given, and how many fit."""
        conditions = {"zone = ?": zone, "actor = ?": actor, "op = ?": op, "at >= ?": since, "at <= ?": before}
        wanted = {text: value for text, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT {_COLUMNS} FROM changes {where} ORDER BY revision {order} LIMIT ? OFFSET ?"
        with self._lock, self._sentences(), self._transaction("DEFERRED"):
            count = self._db.execute(f"SELECT count(*) FROM changes {where}", tuple(wanted.values()))
            rows = self._db.execute(query, (*wanted.values(), most, skip))
            total = int(count.fetchone()[0])
            return [self._change(row) for row in rows], total

    def written_elsewhere(self) -> bool:
        """Has another connection committed since this was last asked? Cheap: some microseconds."""
        with self._lock, self._sentences():
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
            before, self._version = self._version, version
            return before != version

    # writing

    def put(
        self,
        document: Document,
        *,
        expect_revision: int | None = None,
        actor: str,
        judge: Judge | None = None,
    ) -> int:
        """Keep `document` under its name. Raise StoreError, StaleError, or what `judge` raises."""
        edit = Edit(zone_name(document.get("name")), document, expect_revision)
        return self.write([edit], actor=actor, judge=judge)

    def delete(
        self, zone: str, *, expect_revision: int | None = None, actor: str, judge: Judge | None = None
    ) -> int:
        """Let the zone go; its history stays."""
        edit = Edit(zone_name(zone), None, expect_revision, "delete")
        return self.write([edit], actor=actor, judge=judge)

    def as_of(self, zone: str, revision: int) -> Document | None:
        """What the zone was right after `revision` (0: before all); None: not there. Raise StoreError."""
        name = zone_name(zone)
        with self._lock, self._sentences():
            if not 0 <= revision <= self._revision():
                raise StoreError(
                    f"there is no revision {revision}", f"fastgw zones history {name} lists them"
                )
            row = self._db.execute(
                "SELECT after FROM changes WHERE zone = ? AND revision <= ? ORDER BY revision DESC LIMIT 1",
                (name, revision),
            ).fetchone()
        return None if row is None or row[0] is None else self._document(row[0])

    def rollback(self, zone: str, revision: int, *, actor: str, judge: Judge | None = None) -> int:
        """Make the zone what it was right after `revision`, as a new change."""
        edit = Edit(zone_name(zone), self.as_of(zone, revision), None, "rollback")
        return self.write([edit], actor=actor, judge=judge)

    def write(self, edits: Sequence[Edit], *, actor: str, judge: Judge | None = None) -> int:
        """Make all edits or none; the revision after them. An edit that changes nothing leaves no trace."""
        texts = [None if edit.document is None else encoded(edit.document) for edit in edits]
        with self._lock, self._sentences(), self._transaction("IMMEDIATE"):
            rows = [self._row(edit.zone) for edit in edits]
            for edit, row in zip(edits, rows, strict=True):
                _check_revision(edit, row)
            if judge is not None:
                judge(edits)
            for edit, row, text in zip(edits, rows, texts, strict=True):
                before = None if row is None else row[1]
                if before != text:
                    self._record(edit, before, text, actor)
            return self._revision()

    def _record(self, edit: Edit, before: str | None, after: str | None, actor: str) -> None:
        cursor = self._db.execute(
            "INSERT INTO changes (at, actor, op, zone, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), actor, edit.op, edit.zone, before, after),
        )
        table = _table(edit.zone)
        if after is None:
            self._db.execute(f"DELETE FROM {table} WHERE name = ?", (edit.zone,))
        else:
            self._db.execute(
                f"INSERT INTO {table} (name, revision, document) VALUES (?, ?, ?) ON CONFLICT (name) "
                "DO UPDATE SET revision = excluded.revision, document = excluded.document",
                (edit.zone, cursor.lastrowid, after),
            )

    # within

    def _open(self, busy_ms: int) -> sqlite3.Connection:
        mask = os.umask(0o077)  # who may read the zones is who may serve them
        try:
            db = sqlite3.connect(
                self.path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False
            )
            try:
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("PRAGMA synchronous = NORMAL")
                db.execute("PRAGMA schema_version").fetchone()  # reads the file, or makes it
            except BaseException:
                db.close()
                raise
            return db
        finally:
            os.umask(mask)

    def _prepare(self) -> None:
        """Is it ours, of a format we know, and whole? Make it so if it is new or old."""
        known = len(MIGRATIONS)
        version = self._format()
        if version > known:
            raise StoreError(
                f"the store {self.path} has format {version}, but this fastgw knows {known} at most",
                "it was written by a newer fastgw; run that one",
            )
        if version:
            fault = str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0])
            if fault != "ok":
                raise self._damaged(fault)
        self._db.execute("PRAGMA journal_mode = WAL")
        if version < known:
            with self._transaction("IMMEDIATE"):
                # Another process may have been faster.
                for number, script in enumerate(MIGRATIONS[self._format() :], self._format() + 1):
                    for statement in _statements(script):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {number}")
                self._db.execute(f"PRAGMA application_id = {APPLICATION}")
        self.written_elsewhere()

    def _format(self) -> int:
        """How many migrations it has seen. Raise StoreError if it belongs to somebody else."""
        owner = int(self._db.execute("PRAGMA application_id").fetchone()[0])
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if owner == APPLICATION:
            return version
        if owner or version or self._db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            raise StoreError(
                f"{self.path} is the SQLite database of another program", "name another file for the zones"
            )
        return 0

    def _revision(self) -> int:
        row = self._db.execute("SELECT max(revision) FROM changes").fetchone()
        return int(row[0] or 0)

    def _row(self, zone: str) -> tuple[int, str] | None:
        query = f"SELECT revision, document FROM {_table(zone)} WHERE name = ?"
        found = self._db.execute(query, (zone,)).fetchone()
        return None if found is None else (int(found[0]), str(found[1]))

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        if self._db.in_transaction:  # who judges may look around within the transaction
            yield
            return
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        """Errors of SQLite become sentences."""
        try:
            yield
        except sqlite3.Error as error:
            self._explain(error)

    def _explain(self, error: sqlite3.Error) -> NoReturn:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        where = f"the store {self.path}"
        if code == sqlite3.SQLITE_CORRUPT:
            raise self._damaged(str(error)) from error
        sentence, hint = {
            sqlite3.SQLITE_NOTADB: (
                f"{self.path} is not a store of zones, nor any SQLite database",
                "name another file, or put a copy of the store in its place",
            ),
            sqlite3.SQLITE_FULL: (
                f"{where} cannot grow: the disk is full; nothing was changed",
                "make room and try again",
            ),
            sqlite3.SQLITE_BUSY: (
                f"{where} is locked by another process; nothing was changed",
                "try again; if it lasts, find out who holds it open: fuser FILE",
            ),
            sqlite3.SQLITE_READONLY: (
                f"{where} cannot be written: it or its directory is read-only; nothing was changed",
                "the file, its -wal and -shm and their directory must belong to the user who writes",
            ),
            sqlite3.SQLITE_CANTOPEN: (
                f"{where} cannot be opened",
                f"{self.path.parent} must be a directory that this user may write to",
            ),
            sqlite3.SQLITE_IOERR: (f"{where} cannot be read or written: {error}", "look at the disk"),
        }.get(code, (f"{where} cannot be used: {error}", ""))
        raise StoreError(sentence, hint) from error

    def _document(self, text: str) -> dict[str, Any]:
        try:
            document = from_json(text)  # several times as fast as json.loads
        except ValueError as error:
            raise self._damaged(f"a document is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise self._damaged("a document is not an object")
        return document

    def _change(self, row: tuple[Any, ...]) -> Change:
        *head, before, after = row
        documents = (None if text is None else self._document(text) for text in (before, after))
        return Change(*head, *documents)

    def _damaged(self, fault: str) -> StoreError:
        return StoreError(
            f"the store {self.path} is damaged: {fault}",
            "nothing of it was changed; put a copy in its place, or move it away and run fastgw zones import",
        )


def _table(name: str) -> str:
    return "objects" if is_object(name) else "zones"


def _check_revision(edit: Edit, row: tuple[int, str] | None) -> None:
    if row is None and edit.op == "delete" and is_object(edit.zone):
        raise StaleError(f"{edit.zone.removeprefix(OBJECT)} is not there any more")
    if row is None and edit.op == "delete":
        raise StoreError(f"there is no zone {edit.zone} in the store", "fastgw zones list shows them")
    found = 0 if row is None else row[0]
    if edit.expect_revision is None or edit.expect_revision == found:
        return
    if not found:
        sentence = f"the zone {edit.zone} is not there any more"
    elif not edit.expect_revision:
        sentence = f"the zone {edit.zone} is already there, at revision {found}"
    else:
        sentence = f"the zone {edit.zone} is at revision {found} by now, not at {edit.expect_revision}"
    raise StaleError(sentence, "read it again and repeat the change")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: executescript would commit the transaction they belong to."""
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""
