"""The part of the bridge that makes entries of a snapshot from rows: with contexts, addresses and numbers."""

from __future__ import annotations

import hashlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fastgw._core.io.tls import arm
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import (
    CertificateEntry,
    EndpointEntry,
    HostEntry,
    MatchEntry,
    OriginEntry,
    RouteEntry,
    ZoneEntry,
)
from fastgw._core.proxy.route import sockaddr
from fastgw.policy.compile import HostRow, OriginRow, Rows, TargetRow, ZoneRow
from fastgw.policy.names import joined
from fastgw.policy.origins import ENDPOINTS_MAX, WEIGHT_MAX, HealthPolicy
from fastgw.policy.records import UNIX
from fastgw.policy.routes import Match, RouteRow
from fastgw.policy.tls import TLS_1_3, ClientCertificates, Shown, better_cover
from fastgw.probe.health import HealthTarget
from fastgw.tls.context import context_address
from fastgw.tls.trust import OriginTrust, Shelf

CLEARTEXT = b"h2c"  # stands where the mark of a context stands, for origins without one

Found = Mapping[str, Sequence[str]]
Believed = Callable[[TargetRow], tuple[Any, bytes]]

logger = logging.getLogger("fastgw")


@dataclass(slots=True)
class Entries:
    """What a snapshot is made from. `used`: contexts that must live as long; `front`: see Snapshot."""

    zones: list[ZoneEntry] = field(default_factory=list)
    hosts: list[HostEntry] = field(default_factory=list)
    origins: list[OriginEntry] = field(default_factory=list)
    certificates: list[CertificateEntry] = field(default_factory=list)
    used: list[Any] = field(default_factory=list)
    front: int = 0
    checked: dict[int, HealthTarget] = field(default_factory=dict)


def names_of(rows: Rows) -> set[str]:
    """What has to be resolved before `build`: addresses are among it, sockets are not."""
    return {target.host for origin in rows.origins for target in origin.targets if not target.is_unix}


def build(
    rows: Rows,
    *,
    groups: tuple[str, ...],
    found: Found,
    shelf: Shelf,
    endpoints: Endpoints,
    zone_number: Callable[[str], int],
    demands: object = None,
    origin_ca: Path | None = None,
) -> Entries:
    """The entries for `rows`. `found`: addresses by name; `endpoints` gives each endpoint its number.

    Tickets from before `demands` changed are worth nothing; `origin_ca`: the root of the built-in Origin CA.
    """
    entries = Entries()
    shelf.begin()
    entries.certificates = [_certificate(shown, groups, shelf, entries) for shown in rows.certificates]
    if rows.certificates:
        entries.front = _front(rows, groups, shelf, entries, demands)
    believed = partial(_context, shelf, origin_ca)
    entries.origins = [_origin(row, found, believed, endpoints, entries) for row in rows.origins]
    entries.zones = [_zone(row, zone_number(row.name)) for row in rows.zones]
    entries.hosts = [_host(row, entries) for row in rows.hosts]
    return entries


def _certificate(shown: Shown, groups: tuple[str, ...], shelf: Shelf, entries: Entries) -> CertificateEntry:
    terms = shown.terms
    made = shelf.server(shown.files, groups, terms)
    address = context_address(made.context)
    if made.fresh:
        arm(address)
    entries.used.append(made.context)
    return CertificateEntry(
        context=address,
        names=list(made.material.names),
        identity=made.identity,
        demand=_demand_number(terms.clients),
        required=terms.clients is not None and terms.clients.demand == "require",
        version_least=terms.version_least,
        version_most=terms.version_most,
        no_h2=not terms.h2,
        staple=made.staple,
    )


def _demand_number(clients: ClientCertificates | None) -> int:
    """Equal for equal demands, in every snapshot; 0 for none."""
    if clients is None:
        return 0
    return int.from_bytes(hashlib.sha256(repr(clients).encode()).digest()[:4]) or 1


def _front(rows: Rows, groups: tuple[str, ...], shelf: Shelf, entries: Entries, demands: object) -> int:
    """What connections are accepted with until their name is known."""
    watch = any(shown.terms.version_most < TLS_1_3 for shown in rows.certificates)
    context, fresh = shelf.front(groups, (demands, watch))
    address = context_address(context)
    if fresh:
        arm(address, watch)
    entries.used.append(context)
    return address


def _host(row: HostRow, entries: Entries) -> HostEntry:
    """Of several certificates one that bears the name, exactly rather than by a wildcard, else the first."""
    certificate = -1
    if row.certificates:
        # max() takes the first of equals.
        covers = {
            number: better_cover(row.hostname, entries.certificates[number].names)
            for number in row.certificates
        }
        certificate = max(covers, key=covers.__getitem__)
    return HostEntry(row.hostname, row.proxied, row.zone, row.origin, certificate)


def _context(shelf: Shelf, origin_ca: Path | None, target: TargetRow) -> tuple[Any, bytes]:
    """The context `target` is spoken to with, and a mark that is equal for equal judgement."""
    return shelf.client(
        OriginTrust(
            verify=target.verify,
            roots=target.trust_store,
            origin_ca=origin_ca if target.origin_ca else None,
            crl=target.crl,
            shown=target.pull,
        )
    )


def _zone(row: ZoneRow, number: int) -> ZoneEntry:
    return ZoneEntry(
        name=row.name,
        number=number,
        grpc=row.grpc,
        http=row.http,
        encrypted=row.encrypted,
        certificate=row.certificate,
        routes=[_route(route) for route in row.routes],
    )


def _route(row: RouteRow) -> RouteEntry:
    return RouteEntry(
        matches=[_match(match) for match in row.matches],
        deadline_ms=row.deadline_ms,
        idle_ms=row.idle_ms,
        age_ms=row.age_ms,
        retry_on=row.retry.on,
        attempts=row.retry.attempts,
        replay_octets=row.retry.replay_octets,
        hedge_ms=row.retry.hedge_ms,
    )


def _match(match: Match) -> MatchEntry:
    return MatchEntry(hostname=match.host, path=match.path, fields=match.headers)


def _origin(
    row: OriginRow, found: Found, believed: Believed, endpoints: Endpoints, entries: Entries
) -> OriginEntry:
    policy = row.policy
    made: dict[int, EndpointEntry] = {}
    for target in row.targets:
        for endpoint in _endpoints(target, found, believed, endpoints, entries, policy.health):
            _put(made, endpoint)
    if not made:
        made[0] = _nowhere(row.targets[0], endpoints)
    chosen = sorted(made.values(), key=lambda endpoint: endpoint.priority)
    if len(chosen) > ENDPOINTS_MAX:
        logger.warning("%s has %d addresses; the first %d are used", row.label, len(chosen), ENDPOINTS_MAX)
        chosen = chosen[:ENDPOINTS_MAX]
    return OriginEntry(
        label=row.label,
        endpoints=chosen,
        balance=policy.balance,
        hash_key=policy.hash_key,
        panic_percent=policy.panic_threshold,
        slow_start_ms=policy.slow_start_ms,
        eject_failures=policy.eject_after,
        eject_ms=policy.eject_for_ms,
        connections_most=policy.connections,
        waiting_most=policy.waiting,
        calls_most=policy.calls,
        ready_least=policy.min_ready,
        age_ms=policy.connection_age_ms,
        keepalive_ms=policy.keepalive_ms,
    )


def _put(made: dict[int, EndpointEntry], endpoint: EndpointEntry) -> None:
    """Two targets may lead to the same endpoint: it serves at the better priority, with both shares."""
    other = made.get(endpoint.state)
    if other is None or endpoint.priority < other.priority:
        made[endpoint.state] = endpoint
    elif endpoint.priority == other.priority:
        made[endpoint.state] = other._replace(weight=min(other.weight + endpoint.weight, WEIGHT_MAX))


def _endpoints(
    target: TargetRow,
    found: Found,
    believed: Believed,
    endpoints: Endpoints,
    entries: Entries,
    health: HealthPolicy,
) -> Iterator[EndpointEntry]:
    """An endpoint for each address of `target`; none if it has none."""
    shared, context, mark = None, 0, CLEARTEXT
    if target.tls:
        shared, mark = believed(target)
        entries.used.append(shared)
        context = context_address(shared)
    for place, address in _places(target, found):
        label = target.label if isinstance(place, str) else joined(*place)
        state = endpoints.number_of(_identity(address, *_asked(target), mark), label)
        if health.check != "none":
            entries.checked.setdefault(state, _checked(state, place, shared, target, health))
        yield _entry(target, address, context, label, state)


def _checked(
    state: int, place: tuple[str, int] | str, context: Any, target: TargetRow, policy: HealthPolicy
) -> HealthTarget:
    assert policy.check != "none"
    return HealthTarget(
        key=state,
        address=place,
        context=context,
        server_name=target.server_name,
        names=target.names,
        kind=policy.check,
        service=policy.service,
        path=policy.path,
        interval=policy.interval_ms / 1000,
        timeout=policy.timeout_ms / 1000,
        rise=policy.rise,
        fall=policy.fall,
    )


def _nowhere(target: TargetRow, endpoints: Endpoints) -> EndpointEntry:
    """What stands for a name without an address: the core answers that it could not be resolved."""
    state = endpoints.number_of(_identity(b"", target.label, b""), target.label)
    return _entry(target, b"", 0, target.label, state)


def _entry(target: TargetRow, address: bytes, context: int, label: str, state: int) -> EndpointEntry:
    return EndpointEntry(
        address=address,
        context=context,
        server_name=target.server_name,
        verify=target.verify,
        connect_timeout_ms=target.connect_timeout_ms,
        handshake_timeout_ms=target.handshake_timeout_ms,
        label=label,
        state=state,
        weight=target.weight,
        priority=target.priority,
        names=target.names,
        common_name=target.common_name,
        authority=target.authority,
    )


def _places(target: TargetRow, found: Found) -> Iterable[tuple[tuple[str, int] | str, bytes]]:
    """Where `target` is, for people and as a struct sockaddr."""
    if target.is_unix:
        path = target.host.removeprefix(UNIX)
        return [(path, struct.pack("=H", socket.AF_UNIX) + path.encode() + b"\0")]
    port = target.port
    return [((literal, port), sockaddr(literal, port)) for literal in found.get(target.host, ())]


def _asked(target: TargetRow) -> tuple[object, ...]:
    """What else makes two ways to an address different ones."""
    return target.server_name, target.names, target.common_name, target.authority


def _identity(address: bytes, *more: object) -> bytes:
    """Equal for endpoints that may share connections: same place, same name, judged in the same way."""
    return hashlib.sha256(repr((address, *more)).encode()).digest()
