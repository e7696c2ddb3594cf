"""File and store as one configuration: who wins, what is refused, what goes on when something fails."""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import time
from pathlib import Path

import pytest

from fastgw.errors import ConfigError, StartupError, StoreError
from fastgw.store.base import Edit
from fastgw.store.requests import answer
from fastgw.store.sqlite import SqliteStore
from fastgw.store.zones import Zones

SERVER = '[server]\nlisten = ["h2c://127.0.0.1:8080"]\n'
DECLARED = """\
[[zone]]
name = "declared.test"
grpc = "on"
dns = [{ name = "@", content = "10.0.0.1", proxied = true }]
"""


def zone(name: str, content: str = "10.0.0.2", **more: object) -> dict[str, object]:
    return {"name": name, "grpc": "on", "dns": [{"name": "@", "content": content, "proxied": True}], **more}


def edit(document: dict[str, object], expect: int | None = None) -> Edit:
    return Edit(str(document["name"]), document, expect)


class Published(list):
    """The names of the zones of each configuration that was published."""

    def __call__(self, config) -> None:
        self.append([one.name for one in config.zones])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fastgw.toml"
    path.write_text(SERVER + DECLARED)
    return path


@pytest.fixture
def zones(file: Path):
    made = Zones(file, None, file.parent / "zones.db")
    made.load()
    made.publish = Published()
    yield made
    made.close()


def names(zones: Zones) -> list[str]:
    return [one.name for one in zones.config.zones]


def test_a_change_is_judged_stored_and_published(zones):
    before = zones.config.zones[0]
    assert zones.write([edit(zone("a.test"))], "ann") == 1
    assert zones.publish == [["declared.test", "a.test"]]
    assert zones.config.zones[0] is before, "what did not change is the same object"
    assert zones.store.changes(0)[0].actor == "ann"


def test_what_is_wrong_is_not_stored(zones):
    with pytest.raises(ConfigError) as caught:
        zones.write([edit(zone("a.test", content="10.0.0"))], "ann")
    assert str(caught.value).startswith("a.test: dns[0].content: is '10.0.0'")
    assert (zones.publish, zones.store.revision, names(zones)) == ([], 0, ["declared.test"])


def test_a_conflict_between_zones_is_seen(zones):
    wrong = zone("test", content="10.0.0.2")
    wrong["dns"] = [{"name": "declared.test", "content": "10.0.0.9", "proxied": True}]
    with pytest.raises(ConfigError, match=r"declared\.test"):
        zones.write([edit(wrong)], "ann")
    assert zones.store.revision == 0


def test_the_file_wins_for_what_it_declares(file):
    with contextlib.closing(SqliteStore(file.parent / "zones.db")) as store:
        store.put(zone("declared.test", content="10.9.9.9"), actor="ann")
        store.put(zone("a.test"), actor="ann")
    zones = Zones(file, None, file.parent / "zones.db")
    config = zones.load()
    assert config.zones[0].records[0].content == "10.0.0.1"
    (warning,) = [one for one in config.warnings if "declared" in str(one)]
    assert f"the zone declared.test of the store is ignored: {file} declares it" in str(warning)
    assert zones.get("declared.test")[1] is True
    with pytest.raises(StoreError, match=r"declared in .*, which wins\n  hint: edit the file"):
        zones.write([edit(zone("declared.test"))], "ann")
    zones.write([Edit("declared.test", None, None, "delete")], "ann")
    assert names(zones) == ["declared.test", "a.test"], "only what was in the store is gone"


def test_the_store_that_the_file_names(file):
    file.write_text(SERVER + '[store]\nkind = "sqlite"\npath = "here.db"\n')
    zones = Zones(file)
    assert zones.load().zones == (), "a gateway may wait for its first zone"
    zones.write([edit(zone("a.test"))], "ann")
    assert (file.parent / "here.db").is_file()
    zones.close()


def test_without_a_store_zones_are_for_reading(file):
    zones = Zones(file)
    zones.load()
    assert [found.name for found, _ in zones.all()] == ["declared.test"]
    with pytest.raises(StoreError, match="there is no store"):
        zones.write([edit(zone("a.test"))], "ann")


def test_a_stored_zone_that_is_not_fit_any_more_stops_nobody_else(file):
    with contextlib.closing(SqliteStore(file.parent / "zones.db")) as store:
        store.put(zone("a.test"), actor="ann")
        store.put(zone("bad.test", cert={"file": "gone.pem", "key": "gone.key"}), actor="ann")
    zones = Zones(file, None, file.parent / "zones.db")
    config = zones.load()
    assert [one.name for one in config.zones] == ["declared.test", "a.test"]
    assert "gone.pem" in zones.left_out["bad.test"]
    zones.write([edit(zone("bad.test"))], "ann")
    assert (zones.left_out, names(zones)) == ({}, ["declared.test", "a.test", "bad.test"])


def test_what_is_wrong_in_the_file_is_told_as_ever(file):
    with contextlib.closing(SqliteStore(file.parent / "zones.db")) as store:
        store.put(zone("a.test"), actor="ann")
    file.write_text(SERVER + DECLARED.replace("grpc =", "gprc ="))
    with pytest.raises(ConfigError, match=rf"{file}:5: zone\[0\]\.gprc: is not a known key"):
        Zones(file, None, file.parent / "zones.db").load()


def test_changes_of_other_processes_come_in(zones):
    other = SqliteStore(zones.store.path)
    other.put(zone("a.test"), actor="bob")
    assert zones.poll()
    assert zones.publish == [["declared.test", "a.test"]]
    assert not zones.poll()
    other.put(zone("a.test", paused=True), actor="bob")
    other.delete("a.test", actor="bob")
    assert zones.poll()
    assert names(zones) == ["declared.test"]
    other.close()


def test_changes_of_others_that_cannot_be_served_leave_what_is_in_force(zones):
    zones.write([edit(zone("a.test"))], "ann")
    other = SqliteStore(zones.store.path)
    other.put(zone("a.test", content="10.0.0"), actor="bob")
    other.put(zone("b.test"), actor="bob")
    assert zones.poll()
    assert names(zones) == ["declared.test", "a.test", "b.test"]
    assert zones.config.zones[1].records[0].content == "10.0.0.2"
    assert "10.0.0" in zones.left_out["a.test"]
    other.close()


def test_a_change_of_ours_takes_in_those_of_others_before_it(zones):
    other = SqliteStore(zones.store.path)
    other.put(zone("a.test"), actor="bob")
    zones.write([edit(zone("b.test"))], "ann")
    assert zones.publish == [["declared.test", "a.test", "b.test"]]
    other.close()


def test_a_damaged_store_stops_nothing_that_runs(zones, caplog):
    zones.write([edit(zone("a.test"))], "ann")
    in_force = zones.config
    path = zones.store.path
    zones.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = path.read_bytes()
    path.write_bytes(good[:100] + b"\xff" * (len(good) - 100))
    with contextlib.closing(sqlite3.connect(path)) as other, contextlib.suppress(sqlite3.Error):
        other.execute("PRAGMA user_version = 1")
    zones.store._db.execute("PRAGMA cache_size = 0")
    with pytest.raises(StoreError, match=r"damaged|cannot"):
        zones.write([edit(zone("b.test"))], "ann")
    with pytest.raises(StoreError):
        zones.load()
    assert zones.config is in_force
    assert names(zones) == ["declared.test", "a.test"]


def test_trouble_with_the_store_is_told_once_and_ends(zones, monkeypatch, caplog):
    def broken() -> bool:
        raise StoreError("the disk is gone")

    other = SqliteStore(zones.store.path)
    monkeypatch.setattr(zones.store, "written_elsewhere", broken)
    assert not zones.poll()
    assert not zones.poll()
    assert caplog.text.count("the zones in force are kept: the disk is gone") == 1
    assert zones.trouble == "the disk is gone"
    monkeypatch.undo()
    other.put(zone("a.test"), actor="bob")
    assert zones.poll()
    assert zones.trouble == ""
    other.close()


def test_what_cannot_be_put_in_force_is_stored_and_tried_again(zones):
    tried = []

    def refuse(config) -> None:
        tried.append(config)
        raise StartupError("no")

    published, zones.publish = zones.publish, refuse
    with pytest.raises(StoreError, match="is stored, but could not be put in force: no"):
        zones.write([edit(zone("a.test"))], "ann")
    zones.publish = published
    zones.write([edit(zone("b.test"))], "ann")
    assert published == [["declared.test", "a.test", "b.test"]]
    assert len(tried) == 1


def test_a_reload_that_is_refused_changes_nothing(zones, file):
    in_force, store = zones.config, zones.store
    file.write_text("zone = 1\n")
    with pytest.raises(ConfigError):
        zones.load()
    assert (zones.config, zones.store) == (in_force, store)
    assert store.revision == 0, "it is open"


def test_back_and_forth(zones):
    zones.write([edit(zone("a.test"))], "ann")
    zones.write([edit(zone("a.test", content="10.0.0.3"))], "ann")
    zones.write([edit(zone("b.test"))], "ann")
    assert answer(zones, {"do": "zones.rollback", "zone": "a.test"}, "bob")["to"] == 1
    assert zones.config.zones[1].records[0].content == "10.0.0.2"
    zones.rollback("a.test", 0, "bob")
    assert names(zones) == ["declared.test", "b.test"]
    assert [row.op for row in zones.history("a.test", 9)] == ["rollback", "rollback", "put", "put"]


def test_many_zones_at_once(zones):
    edits = [edit(zone(f"z{number}.test")) for number in range(150)]
    zones.write(edits, "ann")
    assert len(zones.config.zones) == 151
    assert zones.publish == [names(zones)]
    with pytest.raises(ConfigError, match=r"z7\.test: dns\[0\]\.content"):
        zones.write([edit(zone(f"z{number}.test", content="10.0")) for number in range(7, 140)], "ann")
    other = SqliteStore(zones.store.path)
    other.write([Edit(f"z{number}.test", None, None, "delete") for number in range(120)], actor="bob")
    assert zones.poll()
    assert len(zones.config.zones) == 31
    other.close()


def test_one_change_among_ten_thousand_zones(file):
    zones = Zones(file, None, file.parent / "zones.db")
    zones.load()
    zones.write([edit(zone(f"z{number}.test")) for number in range(10_000)], "ann")
    taken = []
    for number in range(20):
        document = zone(f"z{number}.test", content="10.0.0.3")
        begun = time.perf_counter()
        zones.write([edit(document)], "ann")
        taken.append(time.perf_counter() - begun)
    assert statistics.median(taken) < 0.1, "10 ms on a machine of 2026"
    zones.close()


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"do": "zones.fly"}, "'zones.fly' is not something this gateway can do"),
        ({"do": "zones.get"}, "the request has no zone"),
        ({"do": "zones.get", "zone": "gone.test"}, "there is no zone gone.test"),
        ({"do": "zones.get", "zone": "a b"}, "'a b' "),
        ({"do": "zones.put", "document": 7}, "a zone is an object with a name"),
        ({"do": "zones.put", "document": {}}, "the zone has no name"),
        (
            {"do": "zones.put", "document": {"name": "a.test"}, "expect_revision": "1"},
            "not a number from 0 up",
        ),
        ({"do": "zones.put", "document": {"name": "a.test", "x": 1}}, "a.test: x: is not a known key"),
        ({"do": "zones.import", "documents": {}}, "an import needs documents"),
        ({"do": "zones.import", "documents": [{"name": "a.test"}] * 2}, "the zone a.test is there twice"),
        ({"do": "zones.delete", "zone": "gone.test"}, "there is no zone gone.test in the store"),
        ({"do": "zones.rollback", "zone": "gone.test"}, "the zone gone.test has no history"),
        ({"do": "zones.rollback", "zone": "a.test", "revision": 9}, "there is no revision 9"),
    ],
)
def test_requests_that_are_refused(zones, request_, sentence):
    found = answer(zones, request_, "ann")
    assert found["ok"] is False
    assert sentence in found["error"]
    assert zones.store.revision == 0


def test_who_was_late_can_tell_by_the_kind(zones):
    put = {"do": "zones.put", "document": zone("a.test"), "expect_revision": 0}
    assert answer(zones, put, "ann")["revision"] == 1
    assert answer(zones, put, "ann")["kind"] == "stale"
