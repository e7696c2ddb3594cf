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
from fastgw.policy.zone import Zone

NONE = -1  # no such row, as a block takes it


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


class OriginRow(NamedTuple):
    """What serves one name, in the order it was written."""

    label: str
    targets: tuple[TargetRow, ...]
    policy: OriginPolicy


class HostRow(NamedTuple):
    """One served name; `origin` is a place among the origins of its zone, NONE for a DNS-only name."""

    hostname: str
    proxied: bool
    origin: int


class ZoneRows(NamedTuple):
    """All rows of one zone.

    asked  contents of CNAMEs: the rows depend on their records, in whichever zone
    names  hosts of targets that have to be resolved
    """

    zone: ZoneRow
    hosts: tuple[HostRow, ...]
    origins: tuple[OriginRow, ...]
    certificate: CertificateFiles | None
    asked: frozenset[str]
    names: tuple[str, ...]


def compile_zone(zone: Zone, known: Known) -> ZoneRows:
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
        targets = targets_of(records, watched, demands)
        # A lone target lends its name to the origin.
        label = targets[0].label if len(targets) == 1 else name
        hosts.append(HostRow(name, True, origins.setdefault((label, targets), len(origins))))
        names.update((target.host, None) for target in targets if _to_resolve(target))
    rows = tuple(OriginRow(label, targets, zone.origin) for label, targets in origins)
    row = ZoneRow(zone.name, grpc, http, zone.carries_grpc, routes)
    return ZoneRows(row, tuple(hosts), rows, zone.certificate, frozenset(watched.asked), tuple(names))


def compile_zones(zones: Iterable[Zone]) -> list[ZoneRows]:
    """The rows of each of `zones`, which are all there are."""
    by_their_name = {zone.name: zone for zone in zones}
    known = Names(by_their_name)
    return [compile_zone(zone, known) for zone in by_their_name.values()]


def targets_of(records: Iterable[Record], known: Known, demands: Demands) -> tuple[TargetRow, ...]:
    """All that the records of one name point to, each target once."""
    targets = [
        _target(record, host, demands)
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
    connect_timeout_ms: int
    handshake_timeout_ms: int


def demands_of(zone: Zone) -> Demands:
    settings = zone.settings
    return Demands(
        zone.name,
        settings.encrypted,
        settings.verified,
        zone.trust_store,
        settings.origin_connect_timeout_ms,
        settings.origin_handshake_timeout_ms,
    )


def _target(record: Record, host: str, demands: Demands) -> TargetRow:
    """Where `record` points to, with what its zone demands of it.

    The origin is asked for the served name unless another is written down. A wildcard has no one name to ask
    for: its CNAME content stands in, else the name of the zone.
    """
    zone, encrypted, verified, trust_store, connect_timeout_ms, handshake_timeout_ms = demands
    tls = encrypted and record.origin_protocol != "h2c"
    verify = tls and verified
    server_name = ""
    if tls:
        server_name = record.origin_server_name or record.name
        if server_name.startswith("*."):
            server_name = record.content if record.type == "CNAME" else zone
    return TargetRow(
        host,
        record.origin_port,
        tls,
        verify,
        trust_store if verify else None,
        server_name,
        connect_timeout_ms,
        handshake_timeout_ms,
        record.weight,
        record.priority,
    )


def _literal(content: str) -> str:
    """An address in its usual form; what is none stays as it is."""
    try:
        inet_pton(AF_INET, content)
    except OSError:
        return address(content) or content
    return content
