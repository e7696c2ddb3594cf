"""What zones have used by day and product: sums that only grow, in a SQLite file or in memory."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastgw.config.model import USAGE_DAYS
from fastgw.errors import StoreError

TRAFFIC = "traffic"
PRODUCTS = (TRAFFIC, "smart_routing", "rules", "bots", "access")
COUNTERS = (
    "calls",
    "denied",
    "failed",
    "request_octets",
    "response_octets",
    "request_messages",
    "response_messages",
)
PERIODS = {"day": "day", "month": "substr(day, 1, 7)", "all": "''"}
IN_MEMORY_MOST = 50_000  # rows without a file; the oldest days go first
APPLICATION = 0x66677531  # "fgu1" in the header of the file: it is ours
FORMAT = 1
BUSY_MS = 5000

_TABLE = f"""
    CREATE TABLE IF NOT EXISTS usage (
        day TEXT NOT NULL,
        zone TEXT NOT NULL,
        product TEXT NOT NULL,
        {", ".join(f"{name} INTEGER NOT NULL" for name in COUNTERS)},
        PRIMARY KEY (day, zone, product)
    ) WITHOUT ROWID
"""
_ADD = (
    f"INSERT INTO usage (day, zone, product, {', '.join(COUNTERS)}) "
    f"VALUES ({', '.join('?' * (3 + len(COUNTERS)))}) ON CONFLICT (day, zone, product) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)
)

Key = tuple[str, str, str]
"""Day as 2026-11-23 (UTC), zone, product."""

logger = logging.getLogger("fastgw")


def usage_path(store: Path) -> Path:
    """The file that belongs to a store of zones."""
    return store.with_name(f"{store.stem}-usage.db")


def today(now: float) -> str:
    """The day of a moment, in UTC."""
    return datetime.datetime.fromtimestamp(now, datetime.UTC).date().isoformat()


class UsageBook:
    """Sums in the file at `path`, which several processes may add to; None: in memory, until `keep`.

    Any thread may use it. What could not be written waits here for the next time. Raise StoreError.
    """

    def __init__(self, path: Path | None = None, *, create: bool = True, keep_days: int = USAGE_DAYS) -> None:
        self.keep_days = keep_days
        self._lock = threading.RLock()
        self._waiting: dict[Key, list[int]] = {}
        self._trouble = ""
        self._swept = ""
        self.path = path
        if path is not None and not create and not path.exists():
            raise StoreError(f"there is no usage in {path}", "fastgw serve with a store counts it there")
        self._db = _opened(path)

    @property
    def place(self) -> str:
        """For people."""
        return "memory" if self.path is None else str(self.path)

    @property
    def row(self) -> dict[str, Any]:
        """For `stats`: where it is kept, for how many days, and how many rows could not be written yet."""
        return {"place": self.place, "keep_days": self.keep_days, "waiting": len(self._waiting)}

    def keep(self, path: Path) -> None:
        """Go on in the file at `path`, with what there is so far."""
        with self._lock:
            fresh = _opened(path)
            rows = self._db.execute(f"SELECT day, zone, product, {', '.join(COUNTERS)} FROM usage").fetchall()
            self._db.close()
            self._db, self.path = fresh, path
            for row in rows:
                self._add(row[:3], row[3:])
            self.write()

    def add(self, day: str, rows: Iterable[tuple[str, str, Sequence[int]]]) -> None:
        """Count (zone, product, COUNTERS) to that day and write it; what was counted before stays counted."""
        with self._lock:
            for zone, product, numbers in rows:
                self._add((day, zone, product), numbers)
            self.write()
            if self._swept != day:
                self._sweep(day)

    def _add(self, key: Key, numbers: Sequence[int]) -> None:
        waiting = self._waiting.setdefault(key, [0] * len(COUNTERS))
        for at, number in enumerate(numbers):
            waiting[at] += number

    def write(self) -> None:
        """Put what waits into the file, all or nothing."""
        with self._lock:
            if not self._waiting:
                return
            try:
                with _transaction(self._db):
                    self._db.executemany(_ADD, [(*key, *row) for key, row in self._waiting.items()])
            except sqlite3.Error as error:
                if str(error) != self._trouble:
                    logger.error("usage cannot be written to %s and waits in memory: %s", self.place, error)
                self._trouble = str(error)
                return
            self._waiting, self._trouble = {}, ""

    def _sweep(self, day: str) -> None:
        """Let old days go."""
        first = datetime.date.fromisoformat(day) - datetime.timedelta(days=self.keep_days - 1)
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("DELETE FROM usage WHERE day < ?", (first.isoformat(),))
            if self.path is None:
                self._shrink()
            self._swept = day

    def _shrink(self) -> None:
        while self._db.execute("SELECT count(*) FROM usage").fetchone()[0] > IN_MEMORY_MOST:
            self._db.execute("DELETE FROM usage WHERE day = (SELECT min(day) FROM usage)")

    def read(
        self,
        *,
        zone: str | None = None,
        product: str | None = None,
        since: str | None = None,
        until: str | None = None,
        by: str = "day",
        zones: Iterable[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Sums by period, zone and product, in that order. `since` and `until` are days, both included.

        `by`: one of PERIODS, the row's `period`; `zones`: only these.
        """
        self.write()
        wanted = {
            key: value
            for key, value in {
                "zone = ?": zone,
                "product = ?": product,
                "day >= ?": since,
                "day <= ?": until,
            }.items()
            if value is not None
        }
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        sums = ", ".join(f"sum({name}) AS {name}" for name in COUNTERS)
        query = (
            f"SELECT {PERIODS[by]} AS period, zone, product, {sums} FROM usage {where} "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        only = None if zones is None else set(zones)
        try:
            with self._lock:
                rows = self._db.execute(query, tuple(wanted.values())).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the usage in {self.place} cannot be read: {error}") from error
        names = ("period", "zone", "product", *COUNTERS)
        return [dict(zip(names, row, strict=True)) for row in rows if only is None or row[1] in only]

    def close(self) -> None:
        """Write what waits and let go of the file."""
        with self._lock:
            self.write()
            if self._waiting:
                logger.error("the usage of %d rows is lost: %s", len(self._waiting), self._trouble)
                self._waiting = {}
            if self.path is not None:
                self._db.close()
                self._db, self.path = _opened(None), None


def asked(request: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `read` in a request. Raise StoreError."""
    product, by = request.get("product"), request.get("by") or "day"
    if product is not None and product not in PRODUCTS:
        raise StoreError(f"there is no product {product!r}", f"one of {', '.join(PRODUCTS)}")
    if by not in PERIODS:
        raise StoreError(f"usage cannot be summed up by {by!r}", f"one of {', '.join(PERIODS)}")
    zone = request.get("zone")
    return {
        "zone": None if zone is None else str(zone).lower(),
        "product": product,
        "since": _day(request, "since"),
        "until": _day(request, "until"),
        "by": by,
    }


def _day(request: Mapping[str, Any], key: str) -> str | None:
    value = request.get(key)
    if value is None:
        return None
    try:
        return datetime.date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise StoreError(f"{key} is {value!r}, which is no day", "write it as 2026-11-23") from None


def _opened(path: Path | None) -> sqlite3.Connection:
    """The database, made if it is missing. Raise StoreError."""
    mask = os.umask(0o077)
    try:
        db = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise StoreError(f"the usage cannot be kept in {path}: {error}") from error
    finally:
        os.umask(mask)
    try:
        _prepare(db, path)
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"the usage cannot be kept in {path}: {error}") from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path | None) -> None:
    owner = int(db.execute("PRAGMA application_id").fetchone()[0])
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if owner not in (0, APPLICATION) or (owner == 0 and db.execute("SELECT 1 FROM sqlite_schema").fetchone()):
        raise StoreError(f"{path} is the SQLite database of another program")
    if version > FORMAT:
        raise StoreError(f"the usage in {path} was written by a newer fastgw", "run that one")
    if path is not None:
        db.execute("PRAGMA journal_mode = WAL")
    if owner == 0:
        with _transaction(db):
            db.execute(_TABLE)
            db.execute(f"PRAGMA user_version = {FORMAT}")
            db.execute(f"PRAGMA application_id = {APPLICATION}")


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
