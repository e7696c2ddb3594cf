"""Zones become the plain rows of their blocks; no file is read and no name is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from socket import AF_INET, inet_pton
from typing import NamedTuple, Protocol

from fastgw.policy.certificates import CertificateFiles
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


class Findable(Protocol):
    """Records by name: `Known`, or a plain dict."""

    def get(self, name: str, /) -> list[Record] | None:
        """The records of this name, if there are any."""


class Known:
    """The records of all zones by name. A name is looked for in the zone that owns it, the longest above."""

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._zones = zones
        self._groups: dict[str, dict[str, list[Record]]] = {}  # of zones that were looked into

    def get(self, name: str, /) -> list[Record]:
        """The records of this name in the order they were written; none for a name that no zone holds."""
        above = name
        while above:
            zone = self._zones.get(above)
            if zone is not None and (found := self.of_zone(zone).get(name)):
                return found
            above = above.partition(".")[2]
        return []

    def of_zone(self, zone: Zone) -> dict[str, list[Record]]:
        """The records of one of the zones by name."""
        groups = self._groups.get(zone.name)
        if groups is None:
            groups = self._groups[zone.name] = records_by_name(zone.records)
        return groups


def compile_zone(zone: Zone, known: Known) -> ZoneRows:
    """The rows of `zone`, which is one of those of `known`. Equal origins become one row."""
    settings = zone.settings
    # A paused zone inspects nothing: both switches stand open, the way to the origin stays as it is.
    grpc, http = settings.grpc or zone.paused, settings.http or zone.paused
    routes = compile_routes(zone.routes, settings.idle_ms, zone.retry)
    hosts: list[HostRow] = []
    origins: dict[tuple[str, tuple[TargetRow, ...]], int] = {}
    demands = _demands(zone)
    asked: set[str] = set()
    names: dict[str, None] = {}
    for name, records in records_by_name(zone.records).items():
        if not served(records):
            hosts.append(HostRow(name, False, NONE))
            continue
        targets: tuple[TargetRow, ...] = ()
        for record in records:
            if record.type != "CNAME":
                targets += (_target(record, _literal(record.content), demands),)
                continue
            for host in follow(record, known, asked, names):
                targets += (_target(record, host, demands),)
        if len(targets) > 1:
            targets = tuple(dict.fromkeys(targets))
        # A lone target lends its name to the origin.
        label = targets[0].label if len(targets) == 1 else name
        hosts.append(HostRow(name, True, origins.setdefault((label, targets), len(origins))))
    rows = tuple(OriginRow(label, targets, zone.origin) for label, targets in origins)
    row = ZoneRow(zone.name, grpc, http, settings.encrypted, routes)
    return ZoneRows(row, tuple(hosts), rows, zone.certificate, frozenset(asked), tuple(names))


def records_by_name(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records grouped by their full name, in the order they were written."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.name, []).append(record)
    return groups


def served(records: Iterable[Record]) -> bool:
    """One proxied record makes all records of its name proxied (specification section 4)."""
    return any([record.proxied for record in records])


class _Demands(NamedTuple):
    """What a zone says of all its targets."""

    zone: str
    encrypted: bool
    verified: bool
    trust_store: Path | None
    connect_timeout_ms: int
    handshake_timeout_ms: int


def _demands(zone: Zone) -> _Demands:
    settings = zone.settings
    return _Demands(
        zone.name,
        settings.encrypted,
        settings.verified,
        zone.trust_store,
        settings.origin_connect_timeout_ms,
        settings.origin_handshake_timeout_ms,
    )


def _target(record: Record, host: str, demands: _Demands) -> TargetRow:
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


def follow(
    record: Record,
    known: Findable,
    asked: set[str] | None = None,
    names: dict[str, None] | None = None,
) -> list[str]:
    """Where `record` leads: addresses, sockets, names that none of our zones holds; "" for an endless chain.

    A CNAME onto a name of our own zones is followed here: public DNS would answer with the gateway itself.
    Weight, priority, port and protocol stay those of `record`. Names that were looked for go into `asked`,
    those that no zone holds and that are no addresses into `names`.
    """
    found: dict[str, None] = {}
    seen: set[str] = set()
    open_ends = [record]
    while open_ends:
        one = open_ends.pop(0)
        if one.type != "CNAME":
            found[_literal(one.content)] = None
            continue
        if one.content in seen:
            continue
        seen.add(one.content)
        records = known.get(one.content)
        if records:
            open_ends = records + open_ends
        else:
            found[one.content] = None
            if names is not None and address(one.content) is None:
                names[one.content] = None
    if asked is not None:
        asked |= seen
    return list(found) or [""]
