"""The compiled rows of a configuration, as explaining reads them; knows how they are compiled, no call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.compile import OriginRow, compile_zones
from fastgw.policy.routes import RouteRow
from fastgw.policy.zone import Zone


@dataclass(frozen=True, slots=True)
class Host:
    """A name that has records; `origin` is None for a DNS-only name."""

    hostname: str
    zone: Owner
    origin: OriginRow | None


@dataclass(frozen=True, slots=True)
class Owner:
    """A zone as the core takes it; the first of its certificates stands for names that none bears."""

    zone: Zone
    grpc: bool
    http: bool
    encrypted: bool
    certificates: tuple[CertificateFiles, ...]
    routes: tuple[RouteRow, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Hosts by name, and the certificates in their order: the first is the default."""

    hosts: dict[str, Host]
    certificates: tuple[CertificateFiles, ...]


def tables(zones: Iterable[Zone]) -> Tables:
    """What `zones` are compiled to."""
    all_zones = {zone.name: zone for zone in zones}
    hosts: dict[str, Host] = {}
    certificates: dict[CertificateFiles, None] = {}
    for zone, rows in zip(all_zones.values(), compile_zones(all_zones.values()), strict=True):
        row = rows.zone
        owner = Owner(
            zone,
            row.grpc,
            row.http,
            row.encrypted,
            tuple(shown.files for shown in rows.certificates),
            row.routes,
        )
        certificates.update((files, None) for files in owner.certificates)
        for host in rows.hosts:
            origin = rows.origins[host.origin] if host.proxied else None
            hosts[host.hostname] = Host(host.hostname, owner, origin)
    return Tables(hosts, tuple(certificates))
