"""Zones become the plain rows of their blocks; no file is read and no name is looked up."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from socket import AF_INET, inet_pton
from typing import NamedTuple

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.chains import Known, Names, Watched, by_name, follow, is_served
from fastgw.policy.names import address, joined
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import UNIX, Record
from fastgw.policy.routes import RouteRow, compile_routes
from fastgw.policy.tls import ServerTls, Shown, pull_of, terms_of
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


class TargetRow(NamedTuple):
    """One target of an origin: an endpoint, or as many as its name has addresses.

    `host` is an address, a name that is still to be resolved, or `unix:` and a path; `tls` is False for h2c.
    The certificate must bear one of `names`; believed are `trust_store` (None: the public roots) and, if
    `origin_ca`, the Origin CA. `pull` is shown to an origin that asks; `authority` replaces the client's.
    """

    host: str
    port: int
    tls: bool
    verify: bool
    trust_store: Path | None
    server_name: str
    connect_timeout_ms: int
    handshake_timeout_ms: int
    weight: int = 1
    priority: int = 0
    names: tuple[str, ...] = ()
    common_name: bool = False
    crl: Path | None = None
    origin_ca: bool = False
    pull: CertificateFiles | None = None
    authority: str = ""

    @property
    def is_unix(self) -> bool:
        """Is it a socket of this machine?"""
        return self.host.startswith(UNIX)

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.host if self.is_unix else joined(self.host, self.port)


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
    routes = compile_routes(zone.routes, settings.idle_ms, zone.retry)
    hosts: list[HostRow] = []
    origins: dict[tuple[str, tuple[TargetRow, ...]], int] = {}
    demands = demands_of(zone)
    watched = Watched(known)
    names: dict[str, None] = {}
    for name, records in by_name([record for record in zone.records if record.callable]).items():
        if not is_served(records, watched):
            hosts.append(HostRow(name, False, NONE))
            continue
        pull = pull_of(zone, name, server.origin_pull)
        targets = targets_of(records, watched, demands, pull)
        # A lone target lends its name to the origin.
        label = targets[0].label if len(targets) == 1 else name
        own = _shown(zone, name) if zone.tls.by_name and terms_of(zone, name) != terms_of(zone) else ()
        hosts.append(HostRow(name, True, origins.setdefault((label, targets), len(origins)), own))
        names.update((target.host, None) for target in targets if _to_resolve(target))
    rows = tuple(OriginRow(label, targets, zone.origin) for label, targets in origins)
    row = ZoneRow(zone.name, grpc, http, zone.carries_grpc, routes)
    return ZoneRows(row, tuple(hosts), rows, _shown(zone, ""), frozenset(watched.asked), tuple(names))


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


def targets_of(
    records: Iterable[Record], known: Known, demands: Demands, pull: CertificateFiles | None = None
) -> tuple[TargetRow, ...]:
    """All that the records of one name point to, each target once; `pull` is shown to those that ask."""
    targets = [
        _target(record, host, demands, pull)
        for record in records
        if record.leads
        for host in (follow(record, known) if record.type == "CNAME" else (_literal(record.content),))
    ]
    return tuple(dict.fromkeys(targets)) if len(targets) > 1 else tuple(targets)


def _to_resolve(target: TargetRow) -> bool:
    host = target.host
    return bool(host) and not target.is_unix and not host[-1].isdigit() and address(host) is None


class Demands(NamedTuple):
    """What a zone says of all its targets."""

    zone: str
    encrypted: bool
    verified: bool
    trust_store: Path | None
    crl: Path | None
    origin_ca: bool
    common_name: bool
    connect_timeout_ms: int
    handshake_timeout_ms: int


def demands_of(zone: Zone) -> Demands:
    settings = zone.settings
    return Demands(
        zone.name,
        settings.encrypted,
        settings.verified,
        zone.trust_store,
        zone.tls.crl,
        zone.tls.origin_ca,
        zone.tls.legacy_cn_match,
        settings.origin_connect_timeout_ms,
        settings.origin_handshake_timeout_ms,
    )


def _target(record: Record, host: str, demands: Demands, pull: CertificateFiles | None) -> TargetRow:
    """Where `record` points to, with what its zone demands of it.

    The origin is asked for the served name unless another is written down. A wildcard has no one name to ask
    for: its CNAME content stands in, else the name of the zone.
    """
    tls = demands.encrypted and record.origin_protocol != "h2c"
    verify = tls and demands.verified
    server_name = ""
    if tls:
        server_name = record.origin_server_name or record.name
        if server_name.startswith("*."):
            server_name = record.content if record.type == "CNAME" else demands.zone
    return TargetRow(
        host,
        record.origin_port,
        tls,
        verify,
        demands.trust_store if verify else None,
        server_name,
        demands.connect_timeout_ms,
        demands.handshake_timeout_ms,
        record.weight,
        record.priority,
        _names(record, server_name, host) if verify else (),
        verify and demands.common_name,
        demands.crl if verify else None,
        verify and demands.origin_ca,
        pull if tls else None,
        record.origin_host,
    )


def _names(record: Record, server_name: str, host: str) -> tuple[str, ...]:
    """Whom the origin's certificate may be for: the name written down, else the served one or the target."""
    if record.origin_server_name:
        return (record.origin_server_name,)
    content = () if record.type == "UNIX" else (record.content, host)
    return tuple(dict.fromkeys((server_name, record.name, *content)))


def _literal(content: str) -> str:
    """An address in its usual form; what is none stays as it is."""
    try:
        inet_pton(AF_INET, content)
    except OSError:
        return address(content) or content
    return content
