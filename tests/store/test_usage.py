"""Usage is added up and never lost: restarts, several processes, a disk that is full, days that are over."""

import sqlite3
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.errors import StoreError
from fastgw.serve.usage import Usage
from fastgw.store import usage
from fastgw.store.usage import COUNTERS, PRODUCTS, UsageBook, asked, usage_path

ONE = (1, 0, 0, 10, 20, 1, 1)
DAY = "2026-11-23"


def calls(book, **wanted):
    return {(row["period"], row["zone"], row["product"]): row["calls"] for row in book.read(**wanted)}


def test_it_grows_across_restarts_and_processes(tmp_path):
    path = tmp_path / "z-usage.db"
    first, second = UsageBook(path), UsageBook(path)
    first.add(DAY, [("a.test", "traffic", ONE)])
    second.add(DAY, [("a.test", "traffic", ONE), ("b.test", "bots", ONE)])
    first.add(DAY, [("a.test", "traffic", ONE)])
    first.close()
    second.close()
    third = UsageBook(path)
    assert calls(third) == {(DAY, "a.test", "traffic"): 3, (DAY, "b.test", "bots"): 1}
    (row, _) = third.read()
    assert tuple(row[name] for name in COUNTERS) == (3, 0, 0, 30, 60, 3, 3)
    assert path.stat().st_mode & 0o777 == 0o600
    third.close()


def test_what_was_in_memory_goes_into_the_file(tmp_path):
    book = UsageBook()
    assert book.row == {"place": "memory", "keep_days": 400, "waiting": 0}
    book.add(DAY, [("a.test", "traffic", ONE)])
    book.keep(tmp_path / "usage.db")
    book.add(DAY, [("a.test", "traffic", ONE)])
    assert calls(book) == {(DAY, "a.test", "traffic"): 2}
    assert calls(UsageBook(tmp_path / "usage.db")) == {(DAY, "a.test", "traffic"): 2}
    assert usage_path(tmp_path / "fastgw.db").name == "fastgw-usage.db"
    book.close()


def test_what_cannot_be_written_waits(tmp_path, caplog):
    book = UsageBook(tmp_path / "usage.db")
    book._db.execute("PRAGMA query_only = ON")
    for _ in range(3):
        book.add(DAY, [("a.test", "traffic", ONE)])
    assert book.row["waiting"] == 1
    assert len([line for line in caplog.messages if "waits in memory" in line]) == 1, "said once"
    assert calls(book) == {}
    book._db.execute("PRAGMA query_only = OFF")
    assert calls(book) == {(DAY, "a.test", "traffic"): 3}
    assert book.row["waiting"] == 0
    book.close()


@pytest.mark.parametrize("file", [False, True])
def test_old_days_go(tmp_path, file):
    book = UsageBook(tmp_path / "usage.db" if file else None, keep_days=3)
    days = [(date.fromisoformat(DAY) + timedelta(number)).isoformat() for number in range(6)]
    for day in days:
        book.add(day, [("a.test", "traffic", ONE)])
    assert [day for day, _, _ in calls(book)] == days[-3:]
    book.close()


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(usage, "IN_MEMORY_MOST", 10)
    book = UsageBook()
    for number in range(5):
        day = (date.fromisoformat(DAY) + timedelta(number)).isoformat()
        book.add(day, [(f"z{zone}.test", "traffic", ONE) for zone in range(4)])
    assert len(book.read()) <= 10
    assert max(day for day, _, _ in calls(book)) == day, "the oldest days go"


def test_sums_by_month_and_all():
    book = UsageBook()
    for day in ("2026-10-31", "2026-11-01", "2026-11-30"):
        book.add(day, [("a.test", product, ONE) for product in PRODUCTS])
    assert calls(book, by="month", product="rules") == {
        ("2026-10", "a.test", "rules"): 1,
        ("2026-11", "a.test", "rules"): 2,
    }
    assert calls(book, by="all", product="traffic") == {("", "a.test", "traffic"): 3}
    assert calls(book, since="2026-11-01", until="2026-11-01", product="bots") == {
        ("2026-11-01", "a.test", "bots"): 1
    }
    assert calls(book, zones=["b.test"]) == {}


def test_files_that_are_not_ours(tmp_path):
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(StoreError, match="another program"):
        UsageBook(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("no database, but some words that are long enough " * 40)
    with pytest.raises(StoreError, match="cannot be kept"):
        UsageBook(tmp_path / "text.db")
    UsageBook(tmp_path / "new.db").close()
    newer = sqlite3.connect(tmp_path / "new.db")
    newer.execute("PRAGMA user_version = 9")
    newer.close()
    with pytest.raises(StoreError, match="newer"):
        UsageBook(tmp_path / "new.db")
    with pytest.raises(StoreError, match="no usage"):
        UsageBook(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("request_", [{"by": "hour"}, {"product": "tea"}, {"since": "soon"}])
def test_what_cannot_be_meant(request_):
    with pytest.raises(StoreError):
        asked(request_)


class Counters:
    """What a worker has, without the worker."""

    def __init__(self):
        self.rows = []

    def take(self, count):
        taken, self.rows = [row for row in self.rows if row[0] < count], []
        return taken


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([0, 1, 2, 4, 8]),
            st.lists(st.integers(0, 2**40), min_size=7, max_size=7),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_nothing_is_lost_or_counted_twice(steps):
    workers = [Counters(), Counters()]
    book = UsageBook()
    counted = Usage(book, [one.take for one in workers], ["a.test", "b.test", "c.test"])
    total = [0] * len(COUNTERS)
    for number, (zone, product, numbers, collect) in enumerate(steps):
        workers[number % 2].rows.append((zone, product, numbers))
        total = [one + more for one, more in zip(total, numbers, strict=True)]
        if collect:
            counted.collect()
    counted.close()
    rows = book.read(by="all")
    assert [sum(row[name] for row in rows) for name in COUNTERS] == total


def test_a_call_counts_on_the_day_it_ends():
    now = [1795391999.0]  # a second before midnight, UTC
    worker, book = Counters(), UsageBook()
    counted = Usage(book, [worker.take], ["a.test"], lambda: now[0])
    worker.rows.append((0, 0, list(ONE)))
    counted.collect()
    now[0] += 2
    worker.rows.append((0, 0, list(ONE)))
    counted.collect()
    assert list(calls(book).values()) == [1, 1]
    first, second = (date.fromisoformat(day) for day, _, _ in calls(book))
    assert second - first == timedelta(1)
