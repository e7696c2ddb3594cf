"""A file that changes, and what an editor does in between."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastgw.serve.watch import FileWatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fastgw.toml"
    path.write_text("a")
    return path


def looks(watch: FileWatch, count: int) -> list[bool]:
    return [watch.changed() for _ in range(count)]


def test_nothing_changes(file):
    assert looks(FileWatch(file, 0), 3) == [False] * 3


def test_a_change_counts_once_it_has_settled(file):
    watch = FileWatch(file, 0)
    file.write_text("ab")
    assert looks(watch, 3) == [False, True, False]


def test_a_file_that_is_still_being_written_waits(file):
    watch = FileWatch(file, 0)
    for text in ("ab", "abc", "abcd"):
        file.write_text(text)
        assert not watch.changed()
    assert looks(watch, 2) == [True, False]


def test_another_file_in_its_place(file, tmp_path):
    watch = FileWatch(file, 0)
    times = file.stat()
    other = tmp_path / "other"
    other.write_text("b")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.rename(file)
    assert looks(watch, 3) == [False, True, False]


def test_a_file_that_is_away_for_a_while(file):
    watch = FileWatch(file, 0)
    file.unlink()
    assert looks(watch, 3) == [False] * 3
    file.write_text("c")
    assert looks(watch, 3) == [False, True, False]


def test_it_looks_once_a_period(file):
    watch = FileWatch(file, 1000)
    file.write_text("ab")
    assert looks(watch, 5) == [False] * 5
