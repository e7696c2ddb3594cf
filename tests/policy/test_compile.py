"""Zones become rows."""

from __future__ import annotations

from pathlib import Path

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.compile import NONE, compile_zones
from fastgw.policy.names import covers
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import Record
from fastgw.policy.settings import Settings
from fastgw.policy.tls import PullRule, Shown, ZoneTls
from fastgw.policy.zone import Zone

GRPC = Settings(grpc=True, ssl="strict")
FILES = CertificateFiles(Path("a.pem"), Path("a.key"))


def targets(found):
    """All targets of all origins."""
    return [target for origin in found.origins for target in origin.targets]


def rows(*records: Record, settings: Settings = GRPC, **zone):
    (found,) = compiled([Zone("gw.test", settings, records, **zone)])
    return found


def compiled(zones):
    return compile_zones(zones)


def test_a_record_becomes_a_host_and_an_origin():
    found = rows(
        Record("api.gw.test", "A", "10.0.0.7", True, 50051), certificate=FILES, trust_store=Path("ca.pem")
    )
    assert found.certificates == (Shown(FILES),)
    assert (found.zone.grpc, found.zone.http, found.zone.encrypted) == (True, False, True)
    host, origin = found.hosts[0], targets(found)[0]
    assert host == ("api.gw.test", True, 0, ())
    assert (origin.host, origin.port, origin.tls, origin.verify) == ("10.0.0.7", 50051, True, True)
    assert (origin.server_name, origin.trust_store, origin.label) == (
        "api.gw.test",
        Path("ca.pem"),
        "10.0.0.7:50051",
    )


def test_without_a_certificate_there_is_no_row():
    found = rows(Record("gw.test", "A", "10.0.0.7", True))
    assert found.certificates == ()


def test_a_dns_only_name_is_there_without_an_origin():
    found = rows(Record("gw.test", "A", "10.0.0.7", False))
    assert (found.hosts[0].proxied, found.hosts[0].origin, found.origins) == (False, NONE, ())


def test_one_proxied_record_makes_its_name_proxied_and_all_of_them_serve():
    found = rows(
        Record("gw.test", "A", "10.0.0.7", False, weight=3),
        Record("gw.test", "A", "10.0.0.8", True, 444, priority=1),
        Record("gw.test", "UNIX", "unix:/run/app.sock", False, origin_protocol="h2c"),
    )
    assert len(found.hosts) == len(found.origins) == 1
    assert found.hosts[0].proxied
    assert [(one.label, one.weight, one.priority, one.tls) for one in targets(found)] == [
        ("10.0.0.7:443", 3, 0, True),
        ("10.0.0.8:444", 1, 1, True),
        ("unix:/run/app.sock", 1, 0, False),
    ]
    assert found.origins[0].label == "gw.test"
    assert [one.is_unix for one in targets(found)] == [False, False, True]


def test_a_lone_target_lends_its_name_to_the_origin():
    assert rows(Record("gw.test", "A", "10.0.0.7", True)).origins[0].label == "10.0.0.7:443"


def test_origins_of_different_wishes_are_different():
    record = (Record("a.test", "A", "10.0.0.7", True, origin_server_name="o.test"),)
    other = (Record("b.test", "A", "10.0.0.7", True, origin_server_name="o.test"),)
    wish = OriginPolicy(balance="peak_ewma")
    one, two = compiled([Zone("a.test", GRPC, record), Zone("b.test", GRPC, other, origin=wish)])
    assert [one.origins[0].policy, two.origins[0].policy] == [OriginPolicy(), wish]
    assert one.origins[0].targets == two.origins[0].targets


def test_equal_origins_of_a_zone_are_one_row():
    found = rows(*(Record(f"{name}.gw.test", "A", "10.0.0.7", True, 443, "h2", "o.test") for name in "ab"))
    assert len(found.origins) == 1
    assert [host.origin for host in found.hosts] == [0, 0]


def test_a_cname_into_another_zone_is_followed_and_noted():
    zones = [
        Zone("a.test", GRPC, (Record("a.test", "CNAME", "x.b.test", True, 7),)),
        Zone(
            "b.test", GRPC, (Record("x.b.test", "CNAME", "y.c.b.test"), Record("y.c.b.test", "A", "10.0.0.9"))
        ),
        Zone("c.b.test", GRPC, (Record("y.c.b.test", "A", "10.0.0.8"),)),
    ]
    one, two, _ = compiled(zones)
    assert [(target.host, target.port) for target in targets(one)] == [("10.0.0.8", 7)], (
        "the longer zone owns it"
    )
    assert one.asked == {"x.b.test", "y.c.b.test"}
    assert (one.names, two.names) == ((), ())
    assert two.asked == {"y.c.b.test"}, "it may turn out to be proxied there"
    (alone,) = compiled(zones[:1])
    assert alone.asked == {"x.b.test", "*.b.test", "b.test", "*.test", "test"}, "each could stop or answer it"
    assert alone.names == ("x.b.test",)


def test_full_neither_verifies_nor_looks_at_the_trust_store():
    found = rows(
        Record("gw.test", "A", "10.0.0.7", True), settings=Settings(ssl="full"), trust_store=Path("ca.pem")
    )
    assert (targets(found)[0].tls, targets(found)[0].verify, targets(found)[0].trust_store) == (
        True,
        False,
        None,
    )


def test_flexible_and_h2c_are_cleartext():
    flexible = rows(Record("gw.test", "A", "10.0.0.7", True), settings=Settings(http=True, ssl="flexible"))
    assert not flexible.zone.encrypted
    assert not targets(flexible)[0].tls
    h2c = rows(Record("gw.test", "A", "10.0.0.7", True, 80, "h2c"), settings=Settings(grpc=True, ssl="full"))
    assert h2c.zone.encrypted
    assert (targets(h2c)[0].tls, targets(h2c)[0].server_name) == (False, "")


def test_cleartext_on_purpose_everywhere_carries_grpc_in_any_mode():
    settings = Settings(grpc=True, ssl="off")
    purpose = Record("gw.test", "A", "10.0.0.7", True, 80, "h2c")
    assert rows(purpose, settings=settings).zone.encrypted
    assert rows(purpose, Record("gw.test", "TXT", "words"), settings=settings).zone.encrypted
    assert not rows(purpose, Record("a.gw.test", "A", "10.0.0.7", True), settings=settings).zone.encrypted
    assert not rows(settings=settings).zone.encrypted


def test_a_wildcard_asks_for_a_name_that_exists():
    settings = Settings(ssl="full")
    by_address = rows(Record("*.gw.test", "A", "10.0.0.7", True), settings=settings)
    by_name = rows(Record("*.gw.test", "CNAME", "origin.example", True), settings=settings)
    assert by_address.hosts[0].hostname == "*.gw.test"
    assert targets(by_address)[0].server_name == "gw.test"
    assert targets(by_name)[0].server_name == "origin.example"


def test_a_cname_onto_our_own_name_is_followed_here():
    found = rows(
        Record("gw.test", "A", "10.0.0.7", True, 1000),
        Record("a.gw.test", "CNAME", "b.gw.test", True, 2000),
        Record("b.gw.test", "CNAME", "gw.test", False),
        Record("c.gw.test", "CNAME", "elsewhere.example", True),
    )
    hosts = {host.hostname: found.origins[host.origin].targets for host in found.hosts if host.proxied}
    assert [(one.host, one.port) for one in hosts["a.gw.test"]] == [("10.0.0.7", 2000)]
    assert [one.host for one in hosts["c.gw.test"]] == ["elsewhere.example"]


def test_a_cname_onto_our_own_name_leads_to_all_of_its_targets():
    found = rows(
        Record("gw.test", "A", "10.0.0.7", True, weight=7),
        Record("gw.test", "CNAME", "b.gw.test", True),
        Record("b.gw.test", "AAAA", "::1", True),
        Record("b.gw.test", "CNAME", "else.example", True),
        Record("a.gw.test", "CNAME", "gw.test", True, 2000, weight=2, priority=1),
    )
    hosts = {host.hostname: found.origins[host.origin].targets for host in found.hosts}
    assert [(one.host, one.port, one.weight, one.priority) for one in hosts["a.gw.test"]] == [
        ("10.0.0.7", 2000, 2, 1),
        ("::1", 2000, 2, 1),
        ("else.example", 2000, 2, 1),
    ]


def test_a_circle_of_cnames_leads_nowhere():
    found = rows(
        Record("a.gw.test", "CNAME", "b.gw.test", True), Record("b.gw.test", "CNAME", "a.gw.test", True)
    )
    assert {one.host for one in targets(found)} == {""}


def test_a_paused_zone_carries_everything():
    found = rows(Record("gw.test", "A", "10.0.0.7", True), settings=Settings(), paused=True)
    assert (found.zone.grpc, found.zone.http) == (True, True)


def test_a_wildcard_in_a_certificate_covers_one_label():
    assert covers("*.gw.test", "api.gw.test")
    assert covers("*.gw.test", "*.gw.test")
    assert not covers("*.gw.test", "gw.test")
    assert not covers("*.gw.test", "a.b.gw.test")
    assert not covers("*.gw.test", "*.a.gw.test")
    assert not covers("a.gw.test", "*.gw.test")


def test_a_name_with_a_number_at_its_end_has_to_be_resolved():
    found = rows(
        Record("gw.test", "CNAME", "backend1", True),
        Record("a.gw.test", "CNAME", "s.gw.test", True),
        Record("s.gw.test", "UNIX", "unix:/run/app.sock", True, origin_protocol="h2c"),
        Record("b.gw.test", "AAAA", "::1", True),
    )
    assert found.names == ("backend1",)
    assert {one.host for one in targets(found)} == {"backend1", "unix:/run/app.sock", "::1"}


def test_what_is_shown_to_origins_is_that_of_the_name():
    files, own = (CertificateFiles(Path(f"{name}.pem"), Path(f"{name}.key")) for name in "zo")
    tls = ZoneTls(origin_pull=(PullRule(files), PullRule(own, ("a.gw.test",))))
    names = ("a.gw.test", "b.gw.test")
    found = rows(*(Record(name, "A", "10.0.0.7", True) for name in names), tls=tls)
    assert [one.pull for one in targets(found)] == [own, files]
    h2c = rows(Record("a.gw.test", "A", "10.0.0.7", True, 80, "h2c"), tls=tls, trust_store=Path("ca.pem"))
    (target,) = targets(h2c)
    assert (target.tls, target.verify, target.trust_store, target.pull) == (False, False, None, None)
    assert (target.connect_timeout_ms, target.handshake_timeout_ms) == (19_000, 10_000)
