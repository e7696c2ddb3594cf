"""Zones become the plain rows of a snapshot; no file is read and no name is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import address, joined
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import UNIX, Record
from fastgw.policy.routes import RouteRow, compile_routes
from fastgw.policy.tls import ServerTls, Shown, pull_of, terms_of
from fastgw.policy.zone import Zone

NONE = -1  # no such row, as the snapshot takes it


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """What the core needs to know about a zone; `certificate` is a row or NONE."""

    name: str
    grpc: bool
    http: bool
    encrypted: bool
    certificate: int
    routes: tuple[RouteRow, ...]


@dataclass(frozen=True, slots=True)
class TargetRow:
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


@dataclass(frozen=True, slots=True)
class OriginRow:
    """What serves one name, in the order it was written."""

    label: str
    targets: tuple[TargetRow, ...]
    policy: OriginPolicy


@dataclass(frozen=True, slots=True)
class HostRow:
    """One served name; `origin` is NONE for a DNS-only name; `certificates`: rows, if not the zone's one."""

    hostname: str
    proxied: bool
    zone: int
    origin: int
    certificates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """All tables of a snapshot; rows point at each other by position."""

    zones: tuple[ZoneRow, ...]
    hosts: tuple[HostRow, ...]
    origins: tuple[OriginRow, ...]
    certificates: tuple[Shown, ...]
    default_certificate: int


def compile_zones(zones: Iterable[Zone], server: ServerTls | None = None) -> Rows:
    """The rows of `zones`. Equal origins and equal certificates become one row."""
    all_zones = tuple(zones)
    known = records_by_name(all_zones)
    zone_rows: list[ZoneRow] = []
    hosts: list[HostRow] = []
    origins: dict[OriginRow, int] = {}
    certificates: dict[Shown, int] = {}
    for number, zone in enumerate(all_zones):
        certificate = NONE
        if zone.certificate is not None:
            certificate = _shown(zone, "", certificates)[0]
        settings = zone.settings
        # A paused zone inspects nothing: both switches stand open, the way to the origin stays as it is.
        grpc, http = settings.grpc or zone.paused, settings.http or zone.paused
        routes = compile_routes(zone.routes, settings.idle_ms, zone.retry)
        zone_rows.append(ZoneRow(zone.name, grpc, http, settings.encrypted, certificate, routes))
        for name, records in records_by_name([zone]).items():
            proxied = served(records)
            origin = NONE
            if proxied:
                row = origin_row(zone, records, known, server.origin_pull if server else None)
                origin = origins.setdefault(row, len(origins))
            own = _shown(zone, name, certificates) if proxied and _has_own(zone, name) else ()
            hosts.append(HostRow(name, proxied, number, origin, own))
    default = 0 if certificates else NONE
    return Rows(tuple(zone_rows), tuple(hosts), tuple(origins), tuple(certificates), default)


def _has_own(zone: Zone, name: str) -> bool:
    """Is the certificate this name shows not simply that of its zone?"""
    if zone.certificate is None:
        return False
    return bool(zone.tls.certificates) or terms_of(zone, name) != terms_of(zone)


def _shown(zone: Zone, name: str, certificates: dict[Shown, int]) -> tuple[int, ...]:
    """The rows a name of the zone may show, the zone's first certificate first."""
    terms = terms_of(zone, name)
    files = (*((zone.certificate,) if zone.certificate else ()), *zone.tls.certificates)
    return tuple(certificates.setdefault(Shown(one, terms), len(certificates)) for one in files)


def records_by_name(zones: Iterable[Zone]) -> dict[str, list[Record]]:
    """The records of `zones`, grouped by their full name, in the order they were written."""
    groups: dict[str, list[Record]] = {}
    for zone in zones:
        for record in zone.records:
            groups.setdefault(record.name, []).append(record)
    return groups


def served(records: Iterable[Record]) -> bool:
    """One proxied record makes all records of its name proxied (specification section 4)."""
    return any(record.proxied for record in records)


def origin_row(
    zone: Zone,
    records: Sequence[Record],
    known: Mapping[str, list[Record]],
    pull: CertificateFiles | None = None,
) -> OriginRow:
    """All that the records of one name point to. A lone target lends its name to the origin."""
    shown = pull_of(zone, records[0].name, pull)
    targets = tuple(dict.fromkeys(row for record in records for row in _targets(zone, record, known, shown)))
    label = targets[0].label if len(targets) == 1 else records[0].name
    return OriginRow(label, targets, zone.origin)


def _targets(
    zone: Zone, record: Record, known: Mapping[str, list[Record]], pull: CertificateFiles | None
) -> list[TargetRow]:
    """Where `record` points to, with what its zone demands of it.

    The origin is asked for the served name unless another is written down. A wildcard has no one name to ask
    for: its CNAME content stands in, else the name of the zone.
    """
    tls = record.origin_protocol != "h2c" and zone.settings.encrypted
    server_name = record.origin_server_name or record.name
    if server_name.startswith("*."):
        server_name = record.content if record.type == "CNAME" else zone.name
    verify = tls and zone.settings.verified
    return [
        TargetRow(
            host=host,
            port=record.origin_port,
            tls=tls,
            verify=verify,
            trust_store=zone.trust_store if verify else None,
            server_name=server_name if tls else "",
            connect_timeout_ms=zone.settings.origin_connect_timeout_ms,
            handshake_timeout_ms=zone.settings.origin_handshake_timeout_ms,
            weight=record.weight,
            priority=record.priority,
            names=_names(record, server_name, host) if verify else (),
            common_name=verify and zone.tls.legacy_cn_match,
            crl=zone.tls.crl if verify else None,
            origin_ca=verify and zone.tls.origin_ca,
            pull=pull if tls else None,
            authority=record.origin_host,
        )
        for host in follow(record, known)
    ]


def _names(record: Record, server_name: str, host: str) -> tuple[str, ...]:
    """Whom the origin's certificate may be for: the name written down, else the served one or the target."""
    if record.origin_server_name:
        return (record.origin_server_name,)
    content = () if record.type == "UNIX" else (record.content, host)
    return tuple(dict.fromkeys((server_name, record.name, *content)))


def follow(record: Record, known: Mapping[str, list[Record]]) -> list[str]:
    """Where `record` leads: addresses, sockets, names that none of our zones holds; "" for an endless chain.

    A CNAME onto a name of our own zones is followed here: public DNS would answer with the gateway itself.
    Weight, priority, port and protocol stay those of `record`.
    """
    found: dict[str, None] = {}
    seen: set[str] = set()
    open_ends = [record]
    while open_ends:
        one = open_ends.pop(0)
        if one.type != "CNAME":
            found[address(one.content) or one.content] = None
        elif one.content not in known:
            found[one.content] = None
        elif one.content not in seen:
            seen.add(one.content)
            open_ends = known[one.content] + open_ends
    return list(found) or [""]
