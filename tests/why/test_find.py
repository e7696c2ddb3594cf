"""What explain looks up in Python is what the core looks up: names, hosts, certificates, kinds, timeouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import EndpointEntry, HostEntry, OriginEntry, ZoneEntry
from fastgw._core.proxy.route import hostname_of, sockaddr
from fastgw._core.proxy.rows import Certificate, ZoneBlock
from fastgw._core.proxy.snapshot import Snapshot, certificate_of
from fastgw._core.wire import grpc as core
from fastgw.config import Config, Listen
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.compile import ZoneRows, compile_zones
from fastgw.policy.records import Record
from fastgw.policy.routes import Match, Route, compile_routes
from fastgw.policy.settings import Settings
from fastgw.policy.zone import Zone
from fastgw.why import find, steps
from fastgw.why.tables import tables

ENDPOINTS = Endpoints()
STATE = ENDPOINTS.number_of(b"explained", "127.0.0.1:443")
ORIGIN = OriginEntry("o", (EndpointEntry(sockaddr("127.0.0.1", 443), 0, "", False, 1, 1, "o", STATE),))
LISTEN = (Listen("127.0.0.1", 0),)

AUTHORITIES = st.text("aB.-:[]1*_ é", max_size=20) | st.text(max_size=300)


@given(AUTHORITIES)
def test_a_hostname_is_what_the_core_makes_of_an_authority(authority: str) -> None:
    octets = hostname_of(authority.encode(errors="surrogateescape"))
    assert find.hostname_of(authority) == (None if octets is None else octets.decode())


def test_hostnames_at_the_limits() -> None:
    long = ("a." * 126 + "a", "a." * 126 + "aa", "a." * 126 + "a.:65535", "x" * 64)
    v6 = ("[::1]:", "[::1", "[::ffff:1.2.3.4]:1", "[fe80::1%1]", "[::1]x", "[2001:DB8::1]:443")
    for authority in (*long, *v6, "a:65536", "a:", "a:000443", "a.."):
        octets = hostname_of(authority.encode())
        assert find.hostname_of(authority) == (None if octets is None else octets.decode())


labels = st.sampled_from(["a", "b", "c"])
names = st.lists(labels, max_size=3).map(".".join)
zone_sets = st.lists(
    st.lists(st.tuples(names, st.booleans(), st.booleans()), max_size=6), min_size=1, max_size=3
)


def zones_of(drawn: list[list[tuple[str, bool, bool]]]) -> tuple[Zone, ...]:
    """Zones z0, z1, … with records `name` below them: a wildcard or not, proxied or not."""
    zones = []
    for number, rows in enumerate(drawn):
        end = f"z{number}"
        records = tuple(
            Record(("*." if star else "") + (f"{name}.{end}" if name else end), "A", "127.0.0.1", proxied)
            for name, star, proxied in rows
        )
        zones.append(Zone(end, Settings(grpc=True), records))
    return tuple(zones)


def snapshot(compiled: Sequence[ZoneRows], names: Mapping[CertificateFiles, Sequence[str]]) -> Snapshot:
    """The core's reading of the same zones; a certificate is known by its file."""
    shown = {files: Certificate(8, list(inside), bytes(files.file)) for files, inside in names.items()}
    blocks = [
        ZoneBlock(
            ZoneEntry(rows.zone.name, number, rows.zone.grpc, rows.zone.http, rows.zone.encrypted),
            [HostEntry(*row[:3]) for row in rows.hosts],
            [ORIGIN._replace(label=origin.label) for origin in rows.origins],
            [shown[one.files] for one in rows.certificates],
            ENDPOINTS,
        )
        for number, rows in enumerate(compiled)
    ]
    first = next((one.files for rows in compiled for one in rows.certificates), None)
    return Snapshot(revision=1, added=blocks, default=None if first is None else shown[first])


ASKED = st.lists(
    st.tuples(st.lists(labels, max_size=5), st.sampled_from(["z0", "z1", "z2", "else"])), min_size=1
)


@given(zone_sets, ASKED)
def test_host_zone_and_origin_are_those_of_the_snapshot(drawn: Any, asked: Any) -> None:
    zones = zones_of(drawn)
    compiled = snapshot(compile_zones(zones), {})
    hosts = tables(zones).hosts
    for parts, end in asked:
        name = ".".join((*parts, end))
        found = find.host_of(hosts, name)
        host = found.host
        if host is None:
            assert compiled.explain(name) == ("unknown", "", "", "")
        else:
            kind, zone, record, origin = compiled.explain(name)
            assert kind == ("dns_only" if host.origin is None else "proxied")
            assert (host.zone.zone.name, host.hostname) == (zone, record)
            assert ("" if host.origin is None else host.origin.label) == origin
            assert (found.kind == "exact") == (host.hostname == name)
        told = steps.explain(Config(zones, (Listen("127.0.0.1", 0, False),)), steps.Request(name, "/s/M"))
        denied = steps.answer(told)
        assert (denied is None) == (compiled.explain(name)[0] == "proxied")
        assert denied is None or denied.name == "zone_unknown"
        if found.stopped_by:
            assert hosts[found.stopped_by]


PATTERNS = st.tuples(st.booleans(), st.lists(labels, max_size=2), st.sampled_from(["z0", "z1"])).map(
    lambda drawn: ("*." if drawn[0] else "") + ".".join((*drawn[1], drawn[2]))
)


@given(zone_sets, st.lists(st.lists(PATTERNS, max_size=3), max_size=3), st.data())
def test_the_certificate_is_the_one_the_core_shows(drawn: Any, shown: Any, data: Any) -> None:
    files = [CertificateFiles(Path(f"{number}.pem"), Path(f"{number}.key")) for number in range(len(shown))]
    bare = zones_of(drawn)
    chosen = [data.draw(st.sampled_from([None, *files])) for _ in bare]
    zones = tuple(Zone(z.name, records=z.records, certificate=c) for z, c in zip(bare, chosen, strict=True))
    name = ".".join(
        (*data.draw(st.lists(labels, max_size=4)), data.draw(st.sampled_from(["z0", "z1", "z2"])))
    )
    way = steps._Way(Config(zones, LISTEN), steps.Request(name, "/s/M"))
    way._names = dict(zip(files, shown, strict=True))
    found, _ = steps._certificate(way)
    wanted = certificate_of(snapshot(compile_zones(zones), way._names), name.encode())
    assert (None if found is None else bytes(found.file)) == wanted


def test_a_certificate_that_names_it_comes_before_one_whose_wildcard_covers_it() -> None:
    files = [CertificateFiles(Path(f"{number}.pem"), Path(f"{number}.key")) for number in range(3)]
    zones = tuple(Zone(f"y{number}", certificate=one) for number, one in enumerate(files))
    inside = [("y0",), ("*.z0",), ("a.z0", "z0")]
    for name, wanted in (("a.z0", 2), ("b.z0", 1), ("z0", 2), ("a.b.z0", 0), ("else", 0)):
        way = steps._Way(Config(zones, LISTEN), steps.Request(name, "/s/M"))
        way._names = dict(zip(files, inside, strict=True))
        found, why = steps._certificate(way)
        assert certificate_of(snapshot(compile_zones(zones), way._names), name.encode()) == bytes(found.file)
        assert found == files[wanted]
        assert why


MEDIA = st.sampled_from(["application/grpc", "APPLICATION/grpc", "application/grpc+", "text/html", ""])


@given(MEDIA, st.text("+; \tpG", max_size=6))
def test_gRPC_is_what_the_core_takes_for_it(media: str, more: str) -> None:  # noqa: N802
    value = media + more
    assert find.is_grpc("POST", value) == core.is_grpc(value.encode())
    assert not find.is_grpc("GET", value)
    assert not find.is_grpc("POST", None)


@given(st.from_regex(r"[0-9]{0,9}[HMSmunx]?", fullmatch=True))
def test_a_timeout_is_what_the_core_reads(text: str) -> None:
    nanoseconds = core.timeout(text.encode())
    found = find.timeout_ms(text)
    if found is None:
        assert nanoseconds == -1
    elif nanoseconds < (1 << 63) - 1:
        assert abs(found * 1e6 - nanoseconds) <= max(1.0, nanoseconds * 1e-9)


ROUTES = (
    Route((Match(host="a.z0", service="s", method="M"),), timeout_ms=1),
    Route((Match(host="*.z0", service="s"),), timeout_ms=2),
    Route((Match(service="s", headers=(("x", "1"),)), Match(service="t")), timeout_ms=3),
    Route((Match(),), timeout_ms=4),
)


def test_the_most_special_match_decides() -> None:
    rows = compile_routes(ROUTES, 5, Zone("z").retry)

    def fits(name: str, path: str, *fields: tuple[str, str]) -> int:
        return find.route_of(rows, name, path, fields)[0].deadline_ms

    assert fits("a.z0", "/s/M") == 1
    assert fits("a.z0", "/s/N") == 2
    assert fits("b.a.z0", "/s/M") == 2
    assert fits("z0", "/s/M") == 4, "a wildcard is not its own name"
    assert fits("xz0", "/s/M") == 4
    assert fits("z1", "/s/M", ("x", "1")) == 3
    assert fits("z1", "/s/M", ("x", "2"), ("x", "1")) == 4, "the first field of a name counts"
    assert fits("z1", "/t/Any") == 3
    assert fits("z1", "/tt/Any") == 4
    assert find.route_of(rows[-1:], "z1", "/t/Any", ()) == (rows[-1], None)
