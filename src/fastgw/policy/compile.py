"""Zones become the plain rows of a snapshot; no file is read and no name is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import address, joined
from fastgw.policy.records import Record
from fastgw.policy.zone import Zone

NONE = -1  # no such row, as the snapshot takes it
ALIASES_MAX = 8  # a chain of CNAMEs inside our own zones may be this long


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """What the core needs to know about a zone; `certificate` is a row or NONE."""

    name: str
    grpc: bool
    http: bool
    encrypted: bool
    certificate: int


@dataclass(frozen=True, slots=True)
class OriginRow:
    """One endpoint. `host` is an address or a name that is still to be resolved; `tls` is False for h2c."""

    host: str
    port: int
    tls: bool
    verify: bool
    trust_store: Path | None
    server_name: str
    connect_timeout_ms: int
    handshake_timeout_ms: int

    @property
    def label(self) -> str:
        """How messages name it."""
        return joined(self.host, self.port)


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
    known = records_by_name(all_zones)
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
        zone_rows.append(ZoneRow(zone.name, grpc, http, settings.encrypted, certificate))
        for name, records in records_by_name([zone]).items():
            proxied = served(records)
            origin = NONE
            if proxied:
                row = origin_row(zone, target(records), known)
                origin = origins.setdefault(row, len(origins))
            hosts.append(HostRow(name, proxied, number, origin))
    default = 0 if certificates else NONE
    return Rows(tuple(zone_rows), tuple(hosts), tuple(origins), tuple(certificates), default)


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


def target(records: list[Record]) -> Record:
    """The record that serves a name with several targets: the first one."""
    return records[0]


def origin_row(zone: Zone, record: Record, known: Mapping[str, list[Record]]) -> OriginRow:
    """The endpoint `record` points to, with what its zone demands of it.

    The origin is asked for the served name unless another is written down. A wildcard has no one name to ask
    for: its CNAME content stands in, else the name of the zone.
    """
    tls = record.origin_protocol != "h2c" and zone.settings.encrypted
    server_name = record.origin_server_name or record.name
    if server_name.startswith("*."):
        server_name = record.content if record.type == "CNAME" else zone.name
    verify = tls and zone.settings.verified
    return OriginRow(
        host=follow(record, known),
        port=record.origin_port,
        tls=tls,
        verify=verify,
        trust_store=zone.trust_store if verify else None,
        server_name=server_name if tls else "",
        connect_timeout_ms=zone.settings.origin_connect_timeout_ms,
        handshake_timeout_ms=zone.settings.origin_handshake_timeout_ms,
    )


def follow(record: Record, known: Mapping[str, list[Record]]) -> str:
    """Where `record` leads: an address, or a name that none of our zones holds.

    A CNAME onto a name of our own zones is followed here: public DNS would answer with the gateway itself.
    """
    for _ in range(ALIASES_MAX):
        if record.type != "CNAME":
            return address(record.content) or record.content
        ours = known.get(record.content)
        if ours is None:
            return record.content
        record = target(ours)
    return ""
