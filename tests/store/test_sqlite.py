"""The SQLite store: documents, revisions, the log, several writers."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastgw.errors import StaleError, StoreError
from fastgw.store import sqlite
from fastgw.store.base import Edit
from fastgw.store.sqlite import MIGRATIONS, SqliteStore


def zone(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "grpc": "on", **more}


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteStore(tmp_path / "zones.db")
    yield made
    made.close()


def test_a_zone_comes_back_as_it_was_written(store):
    document = zone("example.com", dns=[{"name": "@", "content": "ü", "weight": 2, "proxied": True}])
    assert store.put(document, actor="ann") == 1
    snapshot = store.snapshot()
    assert snapshot.revision == 1
    assert snapshot.zones["example.com"].document == document
    assert list(snapshot.zones["example.com"].document) == list(document), "in the order of its keys"
    assert store.get("EXAMPLE.com.") == snapshot.zones["example.com"]
    assert store.get("other.test") is None


def test_the_log_says_who_did_what(store):
    store.put(zone("a.test"), actor="ann")
    store.put(zone("a.test", paused=True), actor="bob")
    store.delete("a.test", actor="eve")
    found = store.changes(0)
    assert [(row.revision, row.actor, row.op, row.zone) for row in found] == [
        (1, "ann", "put", "a.test"),
        (2, "bob", "put", "a.test"),
        (3, "eve", "delete", "a.test"),
    ]
    assert [(row.before, row.after) for row in found] == [
        (None, zone("a.test")),
        (zone("a.test"), zone("a.test", paused=True)),
        (zone("a.test", paused=True), None),
    ]
    assert all(abs(row.at - time.time()) < 60 for row in found)
    assert store.changes(2) == found[2:]
    assert store.history("a.test", 2) == [found[2], found[1]]
    assert store.history("b.test") == []


@pytest.mark.parametrize(
    "statement", ["DELETE FROM changes", "UPDATE changes SET actor = 'nobody'", "DELETE FROM changes WHERE 1"]
)
def test_the_log_is_append_only(store, statement):
    store.put(zone("a.test"), actor="ann")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        store._db.execute(statement)


def test_what_changes_nothing_leaves_no_trace(store):
    store.put(zone("a.test"), actor="ann")
    assert store.put(zone("a.test"), actor="bob") == 1
    assert len(store.changes(0)) == 1


@pytest.mark.parametrize(
    ("there", "expected", "sentence"),
    [
        (True, 0, "the zone a.test is already there, at revision 1"),
        (True, 7, "the zone a.test is at revision 1 by now, not at 7"),
        (False, 1, "the zone a.test is not there any more"),
    ],
)
def test_who_was_late_is_told(store, there, expected, sentence):
    if there:
        store.put(zone("a.test"), actor="ann")
    with pytest.raises(StaleError) as caught:
        store.put(zone("a.test", paused=True), expect_revision=expected, actor="bob")
    assert caught.value.sentence == sentence
    assert len(store.changes(0)) == there


def test_the_expected_revision_is_that_of_the_zone(store):
    store.put(zone("a.test"), expect_revision=0, actor="ann")
    store.put(zone("b.test"), actor="ann")
    assert store.put(zone("a.test", paused=True), expect_revision=1, actor="ann") == 3


def test_a_zone_that_is_not_there_cannot_go(store):
    with pytest.raises(StoreError, match=r"there is no zone a\.test"):
        store.delete("a.test", actor="ann")


def test_back_to_an_earlier_revision_is_a_change_too(store):
    store.put(zone("a.test"), actor="ann")
    store.put(zone("a.test", paused=True), actor="ann")
    store.delete("a.test", actor="ann")
    assert store.rollback("a.test", 1, actor="bob") == 4
    assert store.get("a.test").document == zone("a.test")
    assert store.rollback("a.test", 0, actor="bob") == 5
    assert store.get("a.test") is None
    assert [row.op for row in store.changes(3)] == ["rollback", "rollback"]
    with pytest.raises(StoreError, match="there is no revision 99"):
        store.rollback("a.test", 99, actor="bob")


def test_all_edits_or_none(store):
    edits = [Edit("a.test", zone("a.test")), Edit("b.test", zone("b.test"), 5)]
    with pytest.raises(StaleError):
        store.write(edits, actor="ann")
    assert store.snapshot().zones == {}


def test_nothing_is_stored_that_the_judge_refuses(store):
    def judge(edits):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.put(zone("a.test"), actor="ann", judge=judge)
    assert (store.snapshot().zones, store.changes(0)) == ({}, [])
    store.put(zone("a.test"), actor="ann")


def test_the_judge_sees_what_others_have_written_before(store, tmp_path):
    other = SqliteStore(tmp_path / "zones.db")
    other.put(zone("b.test"), actor="bob")
    seen = []
    store.put(zone("a.test"), actor="ann", judge=lambda edits: seen.extend(store.changes(0)))
    assert [row.zone for row in seen] == ["b.test"]
    other.close()


def test_a_commit_of_another_connection_is_seen(store, tmp_path):
    assert not store.written_elsewhere()
    store.put(zone("a.test"), actor="ann")
    assert not store.written_elsewhere(), "our own is none"
    other = SqliteStore(tmp_path / "zones.db")
    assert not store.written_elsewhere(), "opening is none"
    other.put(zone("b.test"), actor="bob")
    assert store.written_elsewhere()
    assert not store.written_elsewhere()
    other.close()


WRITER = """
import sys
from pathlib import Path
from fastgw.errors import StaleError
from fastgw.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in range(40):
    while True:
        zone = store.get("count.test")
        count = zone.document["count"] + 1 if zone else 1
        try:
            store.put({"name": "count.test", "count": count}, expect_revision=zone.revision if zone else 0,
                      actor=sys.argv[2])
        except StaleError:
            continue
        break
"""


def test_two_processes_write_at_once_and_nothing_is_lost(store):
    command = [sys.executable, "-c", WRITER, str(store.path)]
    writers = [subprocess.Popen([*command, name], stderr=subprocess.PIPE) for name in ("ann", "bob")]
    for one in writers:
        _, said = one.communicate(timeout=50)
        assert one.returncode == 0, said.decode()
    assert store.get("count.test").document["count"] == 80
    found = store.changes(0)
    assert [row.revision for row in found] == list(range(1, 81))
    assert sorted(row.actor for row in found) == ["ann"] * 40 + ["bob"] * 40


def test_threads_share_one_store(store):
    def write(number: int) -> None:
        for turn in range(20):
            store.put(zone(f"z{number}.test", turn=turn), actor=f"t{number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert store.revision == 80


def test_only_the_owner_can_read_it(store):
    store.put(zone("a.test"), actor="ann")
    assert {path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()} == {0o600}


def test_a_store_of_an_older_format_is_brought_up_to_date(tmp_path, monkeypatch):
    path = tmp_path / "zones.db"
    old = SqliteStore(path)
    old.put(zone("a.test"), actor="ann")
    old.close()
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*MIGRATIONS, "ALTER TABLE zones ADD COLUMN label TEXT;"))
    new = SqliteStore(path)
    assert new.snapshot().zones["a.test"].document == zone("a.test")
    assert new._db.execute("SELECT label FROM zones").fetchone() == (None,)
    assert new._db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    new.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "zones.db"
    SqliteStore(path).close()
    step = "CREATE TABLE more (x);\nCREATE TABLE zones (x);"
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*MIGRATIONS, step))
    with pytest.raises(StoreError, match="already exists"):
        SqliteStore(path)
    monkeypatch.undo()
    again = SqliteStore(path)
    assert again._db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").fetchone() == (0,)
    again.close()


_NAMES = st.sampled_from(["a.test", "b.test", "c.test"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _NAMES, st.integers(0, 3)),
        st.tuples(st.just("delete"), _NAMES, st.just(0)),
        st.tuples(st.just("rollback"), _NAMES, st.integers(0, 12)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_the_log_alone_leads_to_what_is_stored(tmp_path_factory, steps):
    store = SqliteStore(tmp_path_factory.mktemp("store") / "zones.db")
    for op, name, number in steps:
        try:
            if op == "put":
                store.put(zone(name, number=number), actor="ann")
            elif op == "delete":
                store.delete(name, actor="ann")
            else:
                store.rollback(name, number, actor="ann")
        except StoreError:
            continue
    told: dict[str, object] = {}
    for row in store.changes(0):
        assert row.before == told.get(row.zone)
        told[row.zone] = row.after
    zones = {name: found.document for name, found in store.snapshot().zones.items()}
    assert {name: document for name, document in told.items() if document is not None} == zones
    for revision in range(store.revision + 1):
        then = {row.zone: row.after for row in store.changes(0) if row.revision <= revision}
        assert all(store.as_of(name, revision) == then.get(name) for name in ("a.test", "b.test", "c.test"))
    store.close()


def test_ten_thousand_zones(store):
    records = [{"name": name, "content": "10.0.0.1", "proxied": True} for name in "abcde"]
    edits = [Edit(f"z{number}.test", zone(f"z{number}.test", dns=records)) for number in range(10_000)]
    store.write(edits, actor="ann")
    started = time.process_time()
    snapshot = store.snapshot()
    assert time.process_time() - started < 2, "0.1 s on a machine of 2026, sanitizers take six times as long"
    assert len(snapshot.zones) == 10_000
    taken = []
    for number in range(100):
        started = time.perf_counter()
        store.put(zone(f"z{number}.test"), actor="ann")
        taken.append(time.perf_counter() - started)
    assert statistics.median(taken) < 0.005, "0.1 ms on a machine of 2026"
