"""Zones become the plain rows of a snapshot; no file is read and no name is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.chains import Known, by_name, follow, is_served
from fastgw.policy.names import joined
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import UNIX, Record
from fastgw.policy.routes import RouteRow, compile_routes
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
    """One served name; `origin` is NONE for a DNS-only name."""

    hostname: str
    proxied: bool
    zone: int
    origin: int


@dataclass(frozen=True, slots=True)
class Rows:
    """All tables of a snapshot; rows point at each other by position."""

    zones: tuple[ZoneRow, ...]
    hosts: tuple[HostRow, ...]
    origins: tuple[OriginRow, ...]
    certificates: tuple[CertificateFiles, ...]
    default_certificate: int


def compile_zones(zones: Iterable[Zone]) -> Rows:
    """The rows of `zones`. Equal origins and equal certificates become one row."""
    all_zones = tuple(zones)
    known = by_name(record for zone in all_zones for record in zone.records)
    zone_rows: list[ZoneRow] = []
    hosts: list[HostRow] = []
    origins: dict[OriginRow, int] = {}
    certificates: dict[CertificateFiles, int] = {}
    for number, zone in enumerate(all_zones):
        certificate = NONE
        if zone.certificate is not None:
            certificate = certificates.setdefault(zone.certificate, len(certificates))
        settings = zone.settings
        # A paused zone inspects nothing: both switches stand open, the way to the origin stays as it is.
        grpc, http = settings.grpc or zone.paused, settings.http or zone.paused
        routes = compile_routes(zone.routes, settings.idle_ms, zone.retry)
        zone_rows.append(ZoneRow(zone.name, grpc, http, zone.carries_grpc, certificate, routes))
        for name, records in by_name(record for record in zone.records if record.callable).items():
            proxied = is_served(records, known)
            origin = NONE
            if proxied:
                row = origin_row(zone, records, known)
                origin = origins.setdefault(row, len(origins))
            hosts.append(HostRow(name, proxied, number, origin))
    default = 0 if certificates else NONE
    return Rows(tuple(zone_rows), tuple(hosts), tuple(origins), tuple(certificates), default)


def origin_row(zone: Zone, records: Sequence[Record], known: Known) -> OriginRow:
    """All that the records of one name point to. A lone target lends its name to the origin."""
    targets = tuple(
        dict.fromkeys(row for record in records if record.leads for row in _targets(zone, record, known))
    )
    label = targets[0].label if len(targets) == 1 else records[0].name
    return OriginRow(label, targets, zone.origin)


def _targets(zone: Zone, record: Record, known: Known) -> list[TargetRow]:
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
        )
        for host in follow(record, known)
    ]
