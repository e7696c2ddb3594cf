"""What the gateway looks after by itself: changed files, old keys, certificates that run out."""

from __future__ import annotations

import datetime
import logging
import os
from pathlib import Path

import pytest

from fastgw.errors import CertificateError
from fastgw.serve import upkeep
from fastgw.serve.upkeep import Expiring, Upkeep
from tests.support.calls import eventually

DAY = datetime.timedelta(days=1)


def keeper(renew=lambda rotate: None, expiring=list, rotation_ms=0, turn=0.01):
    return Upkeep(renew, expiring, rotation_ms, turn)


def test_a_file_that_changes_comes_or_goes_is_seen_once(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    care = keeper()
    care.watch([one, two])
    assert care.changed() == []
    two.write_text("2")
    assert care.changed() == [two]
    assert care.changed() == []
    fresh = tmp_path / "fresh"
    fresh.write_text("x")
    os.utime(fresh, ns=(one.stat().st_mtime_ns,) * 2)
    os.replace(fresh, one)
    assert care.changed() == [one]
    one.unlink()
    assert care.changed() == [one]


def test_a_change_between_two_configurations_is_not_lost(tmp_path):
    file = tmp_path / "one"
    file.write_text("1")
    care = keeper()
    care.watch([file])
    file.write_text("12")
    care.watch([file, tmp_path / "two"])
    assert care.changed() == [file]
    care.watch([])
    file.write_text("123")
    assert care.changed() == []


def test_of_many_files_a_part_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep, "FILES_PER_TURN", 3)
    files = [tmp_path / str(number) for number in range(7)]
    care = keeper()
    care.watch(files)
    for file in files:
        file.write_text("x")
    assert [len(care.changed()) for _ in range(4)] == [3, 3, 1, 0]


def test_each_threshold_is_said_once(caplog):
    rows = []
    care = keeper(expiring=lambda: rows)
    now = datetime.datetime.now(datetime.UTC)
    said = []
    with caplog.at_level(logging.WARNING, "fastgw"):
        for days in (31, 29.5, 29, 6.5, 6, 0.9, 0.5, -1, -2):
            rows[:] = [Expiring(Path("a.pem"), ("a.test",), now + days * DAY)]
            # The same certificate, looked at later.
            care._said = {(Path("a.pem"), rows[0].not_after): value for value in care._said.values()}
            caplog.clear()
            care.remind()
            said.append(len(caplog.records))
    assert said == [0, 1, 0, 1, 0, 1, 0, 1, 0]


def test_files_and_keys_are_renewed_and_a_failure_is_no_end(tmp_path, caplog):
    file = tmp_path / "one"
    file.write_text("1")
    called = []

    def renew(rotate):
        called.append(rotate)
        if len(called) == 1:
            raise CertificateError("is damaged")

    care = keeper(renew, rotation_ms=200)
    care.watch([file])
    care.start()
    try:
        file.write_text("12")
        eventually(lambda: called == [False])
        assert "what is in force stays so: is damaged" in caplog.text
        file.write_text("123")
        eventually(lambda: called[:2] == [False, False])
        eventually(lambda: True in called)
    finally:
        care.close()


@pytest.mark.parametrize("rotation_ms", [0])
def test_keys_without_an_age_stay(rotation_ms):
    called = []
    care = keeper(called.append, rotation_ms=rotation_ms)
    care.start()
    care.close()
    assert called == []
