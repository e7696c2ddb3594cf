"""Zones become the plain rows of their blocks; no file is read and no name is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.chains import Known, Names, Watched, by_name, follow, is_served
from fastgw.policy.inspection import NOTHING, Inspection
from fastgw.policy.names import address, joined
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import UNIX, Record
from fastgw.policy.routes import RouteRow, compile_routes
from fastgw.policy.tls import ServerTls, Shown, pull_of, terms_of
from fastgw.policy.variants import along, variants
from fastgw.policy.zone import Zone

NONE = -1  # no such row, as a block takes it
NO_TLS = ServerTls()


class ZoneRow(NamedTuple):
    """What the core needs to know about a zone itself."""

    name: str
    grpc: bool
    http: bool
    encrypted: bool
    routes: tuple[RouteRow, ...]
    inspection: Inspection = NOTHING


class TargetRow(NamedTuple):
    """One target of an origin: an endpoint, or as many as its name has addresses.

    `host` is an address, a name that is still to be resolved, or `unix:` and a path; `label` is how messages
    name it. The certificate must bear one of `names`; `authority` replaces the client's. All behind that is
    what the zone says of its targets: see Demands.
    """

    host: str
    port: int
    label: str
    server_name: str
    names: tuple[str, ...]
    weight: int
    priority: int
    authority: str
    tls: bool
    verify: bool
    trust_store: Path | None
    crl: Path | None
    origin_ca: bool
    common_name: bool
    pull: CertificateFiles | None
    connect_timeout_ms: int
    handshake_timeout_ms: int

    @property
    def is_unix(self) -> bool:
        """Is it a socket of this machine?"""
        return self.host.startswith(UNIX)


class Demands(NamedTuple):
    """What a zone says of its targets, in the order of the last fields of TargetRow.

    `tls` is False for h2c. Believed are `trust_store` (None: the public roots) and, if `origin_ca`, the
    Origin CA. `pull` is shown to an origin that asks.
    """

    tls: bool
    verify: bool
    trust_store: Path | None
    crl: Path | None
    origin_ca: bool
    common_name: bool
    pull: CertificateFiles | None
    connect_timeout_ms: int
    handshake_timeout_ms: int

    @property
    def cleartext(self) -> Demands:
        """What is left of it for a target without TLS."""
        times = self.connect_timeout_ms, self.handshake_timeout_ms
        return Demands(False, False, None, None, False, False, None, *times)


class OriginRow(NamedTuple):
    """What serves one name, in the order it was written."""

    label: str
    targets: tuple[TargetRow, ...]
    policy: OriginPolicy


class HostRow(NamedTuple):
    """One served name; `origin` is a place among the origins of its zone, NONE for a DNS-only name.

    certificates  those it may show, if it asks for something else in a handshake than its zone does
    """

    hostname: str
    proxied: bool
    origin: int
    certificates: tuple[Shown, ...] = ()


class ZoneRows(NamedTuple):
    """All rows of one zone.

    certificates  those its names show, the first of which stands for names that none bears
    asked  contents of CNAMEs: the rows depend on their records, in whichever zone
    names  hosts of targets that have to be resolved
    """

    zone: ZoneRow
    hosts: tuple[HostRow, ...]
    origins: tuple[OriginRow, ...]
    certificates: tuple[Shown, ...]
    asked: frozenset[str]
    names: tuple[str, ...]


def compile_zone(zone: Zone, known: Known, server: ServerTls = NO_TLS) -> ZoneRows:
    """The rows of `zone`, which is one of those of `known`. Equal origins become one row."""
    settings = zone.settings
    # A paused zone inspects nothing: both switches stand open, the way to the origin stays as it is.
    grpc, http = settings.grpc or zone.paused, settings.http or zone.paused
    routes = compile_routes(zone.routes, settings.idle_ms, zone.retry, settings.messages)
    hosts: list[HostRow] = []
    origins: dict[tuple[str, tuple[TargetRow, ...]], int] = {}
    by_hostname, pulls = zone.tls.by_name, zone.tls.origin_pull
    demands = demands_of(zone, pull_of(zone, "", server.origin_pull))
    watched = Watched(known)
    for name, records in by_name(zone.records).items():
        if not records[0].callable:
            continue
        if not (records[0].proxied or is_served(records, watched)):
            hosts.append(HostRow(name, False, NONE))
            continue
        if pulls:
            demands = demands_of(zone, pull_of(zone, name, server.origin_pull))
        targets = targets_of(records, watched, zone.name, demands)
        # A lone target lends its name to the origin.
        label = targets[0].label if len(targets) == 1 else name
        own = _shown(zone, name) if by_hostname and terms_of(zone, name) != terms_of(zone) else ()
        hosts.append(HostRow(name, True, origins.setdefault((label, targets), len(origins)), own))
    if zone.inspection.phases and not zone.paused:
        hosts += _variants(zone, [host for host in hosts if host.proxied], watched, server, origins)
    rows = tuple([OriginRow(label, targets, zone.origin) for label, targets in origins])
    asked = NOTHING if zone.paused else zone.inspection
    row = ZoneRow(zone.name, grpc, http, zone.carries_grpc, routes, asked)
    names = _to_resolve(zone, rows)
    return ZoneRows(row, tuple(hosts), rows, _shown(zone, ""), frozenset(watched.asked), names)


def _variants(
    zone: Zone,
    hosts: list[HostRow],
    known: Known,
    server: ServerTls,
    origins: dict[tuple[str, tuple[TargetRow, ...]], int],
) -> Iterator[HostRow]:
    """For each name a row for each other way to its origin that a rule may choose."""
    named = by_name(zone.records)
    for mark, way, other in variants(zone):
        for host in hosts:
            name = way.origin or host.hostname
            if name not in named:
                continue
            demands = demands_of(other, pull_of(other, name, server.origin_pull))
            targets = targets_of(along(way, named[name]), known, zone.name, demands)
            label = targets[0].label if len(targets) == 1 else name
            yield HostRow(host.hostname + mark, True, origins.setdefault((label, targets), len(origins)))


def _shown(zone: Zone, name: str) -> tuple[Shown, ...]:
    """What a name of the zone may show, the zone's first certificate first."""
    if zone.certificate is None:
        return ()
    terms = terms_of(zone, name)
    return tuple(Shown(files, terms) for files in (zone.certificate, *zone.tls.certificates))


def compile_zones(zones: Iterable[Zone]) -> list[ZoneRows]:
    """The rows of each of `zones`, which are all there are."""
    by_their_name = {zone.name: zone for zone in zones}
    known = Names(by_their_name)
    return [compile_zone(zone, known) for zone in by_their_name.values()]


def demands_of(zone: Zone, pull: CertificateFiles | None) -> Demands:
    """What `zone` says of targets that are shown `pull`."""
    settings, tls = zone.settings, zone.tls
    verify = settings.verified
    demands = Demands(
        settings.encrypted,
        verify,
        zone.trust_store if verify else None,
        tls.crl if verify else None,
        verify and tls.origin_ca,
        verify and tls.legacy_cn_match,
        pull,
        settings.origin_connect_timeout_ms,
        settings.origin_handshake_timeout_ms,
    )
    return demands if demands.tls else demands.cleartext


def targets_of(records: Iterable[Record], known: Known, zone: str, demands: Demands) -> tuple[TargetRow, ...]:
    """All that the records of one name of `zone` point to, each target once."""
    targets: list[TargetRow] = []
    for record in records:
        if record.type == "CNAME":
            targets += [_target(record, host, zone, demands) for host in follow(record, known)]
        elif record.leads:
            targets.append(_target(record, _literal(record.content), zone, demands))
    return tuple(dict.fromkeys(targets)) if len(targets) > 1 else tuple(targets)


def _target(record: Record, host: str, zone: str, demands: Demands) -> TargetRow:
    """Where `record` points to, with what its zone demands of it.

    The origin is asked for the served name unless another is written down. A wildcard has no one name to ask
    for: its CNAME content stands in, else the name of the zone.
    """
    if record.origin_protocol == "h2c":
        demands = demands.cleartext
    server_name = ""
    if demands.tls:
        server_name = record.origin_server_name or record.name
        if server_name.startswith("*."):
            server_name = record.content if record.type == "CNAME" else zone
    port = record.origin_port
    return TargetRow(
        host,
        port,
        host if host.startswith(UNIX) else joined(host, port),
        server_name,
        _names(record, server_name, host) if demands.verify else (),
        record.weight,
        record.priority,
        record.origin_host,
        *demands,
    )


def _names(record: Record, server_name: str, host: str) -> tuple[str, ...]:
    """Whom the origin's certificate may be for: the name written down, else the served one or the target."""
    if record.origin_server_name:
        return (record.origin_server_name,)
    content = () if record.type == "UNIX" else (record.content, host)
    return tuple(dict.fromkeys((server_name, record.name, *content)))


def _to_resolve(zone: Zone, origins: Iterable[OriginRow]) -> tuple[str, ...]:
    """The names that its origins are at; only a CNAME leads to one."""
    if not any(record.type == "CNAME" for record in zone.records):
        return ()
    hosts = dict.fromkeys(target.host for origin in origins for target in origin.targets)
    return tuple([host for host in hosts if host and not host.startswith(UNIX) and address(host) is None])


def _literal(content: str) -> str:
    """An address in its usual form; what is none stays as it is."""
    return (address(content) or content) if ":" in content else content
