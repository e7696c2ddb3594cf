"""What a change builds again and what it leaves alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from fastgw._core.proxy.endpoints import Endpoints
from fastgw.config import Config
from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.origins import HealthPolicy, OriginPolicy
from fastgw.policy.records import Record
from fastgw.policy.settings import Settings
from fastgw.policy.zone import Zone
from fastgw.published import Checks, Published
from fastgw.tls.trust import Shelf


class FakeLookup:
    """Names and their addresses, as the test says."""

    def __init__(self) -> None:
        self.revision = 0
        self.known: dict[str, tuple[str, ...]] = {}
        self.changed: dict[str, int] = {}
        self.watched: set[str] = set()

    def say(self, name: str, *addresses: str) -> None:
        self.revision += 1
        self.known[name], self.changed[name] = addresses, self.revision

    def addresses(self, hosts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        wanted = set(hosts)
        self.watched |= wanted
        return {host: self.known.get(host, ()) for host in wanted}

    def changed_since(self, revision: int) -> set[str]:
        return {name for name, when in self.changed.items() if when > revision}

    def forget(self, hosts: Iterable[str]) -> None:
        self.watched -= set(hosts)


class House:
    """A Published with all that it needs."""

    def __init__(self) -> None:
        self.lookup, self.shelf, self.endpoints = FakeLookup(), Shelf(), Endpoints()
        numbers: dict[str, int] = {}
        self.published = Published(
            self.lookup,  # type: ignore[arg-type]
            self.shelf,
            self.endpoints,
            lambda name: numbers.setdefault(name, len(numbers)),
        )
        self.revision = 0
        self.checks = Checks()

    def put(self, *zones: Zone) -> set[str]:
        """Put these in force; the names of the zones that were built for it."""
        self.revision += 1
        change = self.published.change(Config(zones=zones, listen=()), self.revision)
        self.checks = self.published.take(change)
        return {built.zone.name for built in change.made}

    def explain(self, name: str) -> tuple[str, str, str, str]:
        assert self.published.snapshot is not None
        return self.published.snapshot.explain(name)


@pytest.fixture
def house() -> House:
    return House()


def zone(name: str, *records: Record, **more: object) -> Zone:
    return Zone(name, Settings(grpc=True, ssl="strict"), records, **more)  # type: ignore[arg-type]


def record(name: str, content: str = "10.0.0.1", kind: str = "A", **more: object) -> Record:
    return Record(name, kind, content, True, **more)  # type: ignore[arg-type]


@pytest.fixture
def files(authority: Path, tmp_path: Path) -> CertificateFiles:
    """A certificate of its own for each test."""
    for ending in ("pem", "key"):
        shutil.copy(authority / f"gw.test.{ending}", tmp_path / f"mine.{ending}")
    return CertificateFiles(tmp_path / "mine.pem", tmp_path / "mine.key")


def renew(files: CertificateFiles, authority: Path) -> None:
    for path in (files.file, files.key):
        shutil.copy(authority / f"else.test{path.suffix}", path)
        os.utime(path, ns=(1, 1))


def test_only_what_differs_is_built(house):
    one, two = zone("a.test", record("a.test")), zone("b.test", record("b.test"))
    assert house.put(one, two) == {"a.test", "b.test"}
    assert house.put(one, two) == set()
    assert house.put(replace(one), replace(two)) == set(), "equal ones are as good as the same"
    assert house.put(one, zone("b.test", record("x.b.test"))) == {"b.test"}
    assert house.explain("b.test")[0] == "unknown"
    assert house.explain("x.b.test")[:2] == ("proxied", "b.test")
    third = zone("c.test", record("c.test"))
    assert house.put(third, one) == {"c.test"}
    assert house.explain("x.b.test")[0] == "unknown"
    assert house.put(one, third) == set(), "another order is no change"
    assert house.put() == set()
    assert house.explain("a.test")[0] == "unknown"


def test_a_cname_into_another_zone_follows_what_changes_there(house):
    asker = zone("a.test", record("a.test", "x.b.test", "CNAME", origin_port=50051))
    other = zone("b.test", record("x.b.test", "10.0.0.7"), record("y.b.test"))
    assert house.put(asker) == {"a.test"}
    assert house.lookup.watched == {"x.b.test"}
    assert house.put(asker, other) == {"a.test", "b.test"}, "the name is our own now"
    assert house.lookup.watched == set()
    assert house.explain("a.test")[3] == "10.0.0.7:50051"
    changed = zone("b.test", record("x.b.test", "10.0.0.8"), record("y.b.test"))
    assert house.put(asker, changed) == {"a.test", "b.test"}
    assert house.explain("a.test")[3] == "10.0.0.8:50051"
    assert house.put(asker, zone("b.test", record("x.b.test", "10.0.0.8"))) == {"b.test"}, "not its business"
    assert house.put(asker) == {"a.test"}
    assert house.put(zone("a.test", record("a.test"))) == {"a.test"}
    assert house.put(zone("a.test", record("a.test")), other) == {"b.test"}, "nobody asks any more"


def test_a_name_that_leads_elsewhere_concerns_those_who_use_it(house):
    house.lookup.known = {"one.example": ("10.0.0.1",), "two.example": ("10.0.0.2",)}
    zones = [zone(f"{who}.test", record(f"{who}.test", f"{who}.example", "CNAME")) for who in ("one", "two")]
    house.put(*zones)
    assert house.published.looked == 0
    house.lookup.say("two.example", "10.0.0.9")
    assert house.put(*zones) == {"two.test"}
    assert house.published.looked == house.lookup.revision
    assert {row["endpoint"] for row in house.endpoints.stats()} == {
        "10.0.0.1:443",
        "10.0.0.2:443",
        "10.0.0.9:443",
    }
    assert house.put(*zones) == set()
    assert house.put(zones[0]) == set()
    assert house.lookup.watched == {"one.example"}


def test_a_renewed_certificate_is_seen_when_all_is_looked_at(house, files, authority):
    plain = zone("b.test", record("b.test"))
    secure = zone("gw.test", record("gw.test"), certificate=files)
    house.put(secure, plain)
    (context,) = house.shelf.servers.values()
    assert house.put(secure, plain) == set()
    renew(files, authority)
    assert house.put(secure, zone("b.test", record("x.b.test"))) == {"b.test"}, "not for another zone"
    plain = zone("b.test", record("y.b.test"))
    assert house.put(replace(secure), plain) == {"gw.test", "b.test"}, "another object, as on SIGHUP"
    assert list(house.shelf.servers.values()) != [context]
    assert len(house.shelf.servers) == 1, "the old one is gone from the shelf"


def test_a_renewed_certificate_is_seen_when_nothing_else_has_changed(house, files, authority):
    secure = zone("gw.test", record("gw.test"), certificate=files)
    house.put(secure)
    renew(files, authority)
    assert house.put(secure) == {"gw.test"}
    assert house.put(secure) == set()


def test_a_changed_record_does_not_read_the_certificate_again(house, files, monkeypatch):
    house.put(zone("gw.test", record("gw.test"), certificate=files))
    monkeypatch.setattr(Shelf, "server", None)
    assert house.put(zone("gw.test", record("x.gw.test"), certificate=files)) == {"gw.test"}
    assert len(house.shelf.servers) == 1


def test_zones_that_share_a_certificate_share_its_row(house, files):
    zones = [zone(f"{who}.test", record(f"{who}.test"), certificate=files) for who in "ab"]
    house.put(*zones)
    (one,), (two,) = (house.published._built[who].shown.values() for who in ("a.test", "b.test"))
    assert one.certificate is two.certificate
    house.put(zones[1])
    assert len(house.shelf.servers) == 1


def test_other_groups_make_every_context_anew(house, files):
    secure = zone("gw.test", record("gw.test"), certificate=files)
    house.put(secure)
    before = list(house.shelf.servers)
    change = house.published.change(Config(zones=(secure,), listen=(), tls_groups=("P-256",)), 2)
    house.published.take(change)
    assert len(house.shelf.servers) == 1
    assert list(house.shelf.servers) != before


def test_a_change_that_fails_changes_nothing(house, files):
    house.lookup.known["one.example"] = ("10.0.0.1",)
    house.put(zone("gw.test", record("gw.test")))
    wanted = [
        zone("gw.test", record("x.gw.test"), record("y.gw.test", "one.example", "CNAME"), certificate=files),
        zone("b.test", record("b.test")),
    ]
    whole = files.key.read_bytes()
    files.key.write_text("half")
    with pytest.raises(CertificateError):
        house.put(*wanted)
    assert house.explain("gw.test")[0] == "proxied"
    assert house.explain("b.test")[0] == "unknown"
    assert house.lookup.watched == set()
    files.key.write_bytes(whole)
    assert house.put(*wanted) == {"gw.test", "b.test"}
    assert house.explain("gw.test")[0] == "unknown"
    assert house.lookup.watched == {"one.example"}


def test_an_endpoint_of_two_zones_is_checked_until_the_last_lets_go(house):
    def checked(name: str, kind: str) -> Zone:
        wish = OriginPolicy(health=HealthPolicy(check=kind))  # type: ignore[arg-type]
        return zone(name, record(name, origin_server_name="o.test"), origin=wish)

    one, two = checked("a.test", "grpc"), checked("b.test", "tcp")
    house.put(one, two)
    assert [(target.key, target.kind) for target in house.checks.new] == [(0, "grpc")], (
        "as the first one says"
    )
    house.put(one, two)
    assert house.checks == Checks()
    house.put(two)
    assert [(target.key, target.kind) for target in house.checks.new] == [(0, "tcp")]
    house.put(zone("b.test", record("b.test", origin_server_name="o.test")))
    assert house.checks == Checks(gone=[0])


def test_addresses_that_come_and_go_do_not_use_up_memory(house):
    one = zone("a.test", record("a.test", "one.example", "CNAME"))
    house.lookup.say("one.example", "10.0.0.1")
    house.put(one)
    for number in range(3000):
        house.lookup.say("one.example", f"10.1.{number // 250}.{number % 250 + 1}")
        house.put(one)
    assert len(house.endpoints) < 1100
