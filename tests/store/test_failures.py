"""What goes wrong with a database, made for real: one sentence each, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.errors import StoreError
from fastgw.store.sqlite import APPLICATION, MIGRATIONS, SqliteStore

LARGE = [{"name": f"n{number}", "content": "10.0.0.1"} for number in range(4000)]


def zone(name: str, **more: object) -> dict[str, object]:
    return {"name": name, **more}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one zone, which nobody has open."""
    store = SqliteStore(tmp_path / "zones.db")
    store.put(zone("a.test"), actor="ann")
    store.close()
    return store.path


def sentence(path: Path, **options: int) -> str:
    """What opening says."""
    with pytest.raises(StoreError) as caught:
        SqliteStore(path, **options)
    return str(caught.value)


def test_not_a_database(tmp_path):
    path = tmp_path / "zones.db"
    path.write_text("zones = []\n" * 100)
    assert sentence(path).startswith(f"{path} is not a store of zones, nor any SQLite database\n  hint: ")
    assert path.read_text() == "zones = []\n" * 100


def test_the_database_of_another_program(tmp_path):
    path = tmp_path / "zones.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cookies (x)")
    before = path.read_bytes()
    assert sentence(path).startswith(f"{path} is the SQLite database of another program\n")
    assert path.read_bytes() == before


def test_a_newer_format(path):
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 7")
    known = len(MIGRATIONS)
    assert f"the store {path} has format 7, but this fastgw knows {known} at most\n" in sentence(path)


@pytest.mark.parametrize("page", [2, 3, 4])
def test_damage_is_found_when_it_is_opened(path, page):
    store = SqliteStore(path)
    for number in range(200):
        store.put(zone(f"z{number}.test", dns=LARGE[:5]), actor="ann")
    store.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    damaged = path.read_bytes()
    assert sentence(path).startswith(f"the store {path} is damaged: ")
    assert path.read_bytes() == damaged, "it may still be of use to somebody who can mend it"


def test_damage_that_comes_while_it_is_open(path):
    store = SqliteStore(path)
    for number in range(200):
        store.put(zone(f"z{number}.test", dns=LARGE[:5]), actor="ann")
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._db.execute("PRAGMA cache_size = 0")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with contextlib.closing(sqlite3.connect(path)) as other:  # its commit makes ours forget what it has read
        other.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="is damaged"):
        store.snapshot()
    with pytest.raises(StoreError, match="is damaged"):
        store.put(zone("b.test"), actor="ann")
    store.close()


def test_a_document_that_is_not_json(path):
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE zones SET document = '{'")
        other.commit()
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="is damaged: a document is not JSON"):
        store.snapshot()
    store.close()


def full(store: SqliteStore) -> None:
    """A large change is refused, a small one goes on as soon as there is room again."""
    before = store.snapshot()
    with pytest.raises(StoreError) as caught:
        store.put(zone("big.test", dns=LARGE), actor="ann")
    assert str(caught.value) == (
        f"the store {store.path} cannot grow: the disk is full; nothing was changed\n"
        "  hint: make room and try again"
    )
    assert store.snapshot() == before


def test_the_database_is_full(path):
    store = SqliteStore(path)
    store._db.execute("PRAGMA max_page_count = 12")
    full(store)
    store._db.execute("PRAGMA max_page_count = 10000")
    store.put(zone("big.test", dns=LARGE), actor="ann")
    assert set(store.snapshot().zones) == {"a.test", "big.test"}
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_the_disk_is_full(small_disk):
    store = SqliteStore(small_disk / "zones.db")
    store.put(zone("a.test"), actor="ann")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (256 * 1024 - 150 * 1024))
    full(store)
    filler.unlink()
    store.close()
    again = SqliteStore(small_disk / "zones.db")
    assert set(again.snapshot().zones) == {"a.test"}
    again.close()


READER = """
import os, sys
from pathlib import Path
from fastgw.errors import StoreError
from fastgw.store.sqlite import SqliteStore
os.setgid(65534)
os.setuid(65534)
try:
    store = SqliteStore(Path(sys.argv[1]))
    store.put({"name": "b.test"}, actor="ann")
except StoreError as error:
    sys.exit(str(error))
"""


def as_nobody(path: Path) -> str:
    """What a user hears who may not write there."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for folder in path.parents[:3]:
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr


def test_a_directory_that_is_read_only(path):
    path.chmod(0o644)
    assert f"the store {path} cannot be " in as_nobody(path)
    with contextlib.closing(SqliteStore(path)) as store:
        assert set(store.snapshot().zones) == {"a.test"}


def test_a_new_store_in_a_directory_that_is_read_only(tmp_path):
    said = as_nobody(tmp_path / "new.db")
    assert f"the store {tmp_path / 'new.db'} cannot be opened\n  hint: {tmp_path} must be a directory" in said


def test_a_store_in_a_mounted_read_only_file_system(path, tmp_path):
    done = subprocess.run(
        ["mount", "--bind", "-o", "ro", str(path.parent), str(path.parent)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    try:
        assert "cannot be " in sentence(path)
    finally:
        subprocess.run(["umount", str(path.parent)], check=True)


def test_a_directory_that_is_not_there(tmp_path):
    assert "cannot be opened" in sentence(tmp_path / "gone" / "zones.db")


def test_a_store_that_may_not_be_made(tmp_path):
    assert "does not exist" in sentence(tmp_path / "zones.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_locked_by_another_process(path):
    store = SqliteStore(path, busy_ms=50)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another process; nothing was changed"):
            store.put(zone("b.test"), actor="ann")
        assert set(store.snapshot().zones) == {"a.test"}, "who writes does not disturb who reads"
        other.execute("ROLLBACK")
    store.put(zone("b.test"), actor="ann")
    store.close()


KILLED = """
import os, sys
from pathlib import Path
from fastgw.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
store.put({"name": "kept.test"}, actor="ann")
store.put({"name": "lost.test"}, actor="ann", judge=lambda edits: os.kill(os.getpid(), 9))
"""


def test_a_process_that_dies_in_the_middle_of_a_change(path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -9
    store = SqliteStore(path)
    assert set(store.snapshot().zones) == {"a.test", "kept.test"}
    assert store._db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    store.close()
