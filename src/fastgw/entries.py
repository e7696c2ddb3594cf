"""The part of the bridge that makes entries of a block from rows: with contexts, addresses and numbers."""

from __future__ import annotations

import hashlib
import logging
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fastgw._core.io.tls import arm
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import (
    EndpointEntry,
    HostEntry,
    MatchEntry,
    OriginEntry,
    RouteEntry,
    ZoneEntry,
)
from fastgw._core.proxy.route import sockaddr
from fastgw._core.proxy.rows import Certificate
from fastgw.policy.compile import HostRow, OriginRow, TargetRow, ZoneRow, ZoneRows
from fastgw.policy.names import joined
from fastgw.policy.origins import ENDPOINTS_MAX, WEIGHT_MAX, HealthPolicy, OriginPolicy
from fastgw.policy.records import UNIX
from fastgw.policy.routes import Match
from fastgw.policy.routes import RouteRow as PolicyRoute
from fastgw.policy.tls import ClientCertificates, Shown, better_cover
from fastgw.probe.health import HealthTarget
from fastgw.tls.context import context_address
from fastgw.tls.trust import Shelf, trust_of

CLEARTEXT = b"h2c"  # stands where the mark of a context stands, for origins without one

Found = Mapping[str, Sequence[str]]

logger = logging.getLogger("fastgw")


class Made(NamedTuple):
    """A certificate as the core has it, its context, and the names it bears."""

    certificate: Certificate
    context: Any
    names: Sequence[str]


@dataclass(slots=True)
class Supplies:
    """What blocks are made with, for one change: each file is read once in it, however many zones name it."""

    shelf: Shelf
    endpoints: Endpoints
    groups: tuple[str, ...]
    origin_ca: Path | None = None
    made: dict[Shown, Made] = field(default_factory=dict)
    clients: dict[tuple[Any, ...], tuple[Any, int, bytes]] = field(default_factory=dict)

    def certificate(self, shown: Shown) -> Made:
        """What is shown for these files under these terms."""
        made = self.made.get(shown)
        if made is None:
            found = self.shelf.server(shown.files, self.groups, shown.terms)
            address = context_address(found.context)
            if found.fresh:
                arm(address)
            terms = shown.terms
            certificate = Certificate(
                address,
                list(found.material.names),
                found.identity,
                demand=_demand_number(terms.clients),
                required=terms.clients is not None and terms.clients.demand == "require",
                version_least=terms.version_least,
                version_most=terms.version_most,
                no_h2=not terms.h2,
                staple=found.staple,
                keep=found.context,
            )
            made = self.made[shown] = Made(certificate, found.context, found.material.names)
        return made

    def client(self, target: TargetRow) -> tuple[Any, int, bytes]:
        """The context toward this target, its address and its mark."""
        key = target.verify, target.trust_store, target.crl, target.origin_ca, target.pull
        made = self.clients.get(key)
        if made is None:
            context, mark = self.shelf.client(trust_of(target, self.origin_ca))
            made = self.clients[key] = context, context_address(context), mark
        return made


def _demand_number(clients: ClientCertificates | None) -> int:
    """Equal for equal demands, in every snapshot; 0 for none."""
    if clients is None:
        return 0
    return int.from_bytes(hashlib.sha256(repr(clients).encode()).digest()[:4]) or 1


@dataclass(slots=True)
class Entries:
    """What a block is made from. `used`: the contexts of its endpoints; `checked`: those that are asked."""

    zone: ZoneEntry
    hosts: list[HostEntry]
    origins: list[OriginEntry]
    used: dict[int, Any] = field(default_factory=dict)
    checked: dict[int, HealthTarget] = field(default_factory=dict)


def build(rows: ZoneRows, number: int, found: Found, supplies: Supplies) -> Entries:
    """The entries for `rows`. `number`: the meter row; `found`: addresses by name."""
    hosts = [
        HostEntry(row.hostname, row.proxied, row.origin, _own(row, supplies) if row.certificates else None)
        for row in rows.hosts
    ]
    entries = Entries(_zone(rows.zone, number), hosts, [])
    if rows.origins:
        shared = _shared(rows.origins[0].policy)
        entries.origins = [_origin(row, shared, found, supplies, entries) for row in rows.origins]
    return entries


def _own(row: HostRow, supplies: Supplies) -> Certificate:
    """Of several certificates one that bears the name, exactly rather than by a wildcard, else the first."""
    # max() takes the first of equals.
    best = max(
        [supplies.certificate(shown) for shown in row.certificates],
        key=lambda made: better_cover(row.hostname, made.names),
    )
    return best.certificate


def _zone(row: ZoneRow, number: int) -> ZoneEntry:
    return ZoneEntry(
        row.name, number, row.grpc, row.http, row.encrypted, [_route(route) for route in row.routes]
    )


def _route(row: PolicyRoute) -> RouteEntry:
    retry = row.retry
    return RouteEntry(
        [_match(match) for match in row.matches],
        row.deadline_ms,
        row.idle_ms,
        row.age_ms,
        retry.on,
        retry.attempts,
        retry.replay_octets,
        retry.hedge_ms,
        row.request_message,
        row.response_message,
    )


def _match(match: Match) -> MatchEntry:
    return MatchEntry(hostname=match.host, path=match.path, fields=match.headers)


def _shared(policy: OriginPolicy) -> tuple[Any, ...]:
    """What all origins of a zone have in common, in the order of OriginEntry behind the endpoints."""
    return (
        policy.balance,
        policy.hash_key,
        policy.panic_threshold,
        policy.slow_start_ms,
        policy.eject_after,
        policy.eject_for_ms,
        policy.connections,
        policy.waiting,
        policy.calls,
        policy.min_ready,
        policy.connection_age_ms,
        policy.keepalive_ms,
    )


def _origin(
    row: OriginRow, shared: tuple[Any, ...], found: Found, supplies: Supplies, entries: Entries
) -> OriginEntry:
    label, targets, policy = row
    made: list[EndpointEntry] = []
    for target in targets:
        made += _endpoints(target, found, supplies, entries, policy.health)
    if not made:
        made = [_nowhere(targets[0], supplies.endpoints)]
    elif len(made) > 1:
        made = _chosen(made, label)
    return OriginEntry(label, made, *shared)


def _chosen(endpoints: Iterable[EndpointEntry], label: str) -> list[EndpointEntry]:
    """The best priority first, not more than there may be.

    Two targets may lead to the same endpoint: it serves at the better priority, with both shares.
    """
    made: dict[int, EndpointEntry] = {}
    for endpoint in endpoints:
        other = made.get(endpoint.state)
        if other is None or endpoint.priority < other.priority:
            made[endpoint.state] = endpoint
        elif endpoint.priority == other.priority:
            made[endpoint.state] = other._replace(weight=min(other.weight + endpoint.weight, WEIGHT_MAX))
    chosen = sorted(made.values(), key=lambda endpoint: endpoint.priority)
    if len(chosen) > ENDPOINTS_MAX:
        logger.warning("%s has %d addresses; the first %d are used", label, len(chosen), ENDPOINTS_MAX)
    return chosen[:ENDPOINTS_MAX]


def _endpoints(
    target: TargetRow, found: Found, supplies: Supplies, entries: Entries, health: HealthPolicy
) -> list[EndpointEntry]:
    """An endpoint for each address of `target`; none if it has none."""
    shared, context, mark = None, 0, CLEARTEXT
    if target.tls:
        shared, context, mark = supplies.client(target)
        entries.used[id(shared)] = shared
    made = []
    for label, place, address in _places(target, found):
        state = supplies.endpoints.number_of(_identity(address, target, mark), label)
        if health.check != "none":
            entries.checked.setdefault(state, _checked(state, place, shared, target, health))
        made.append(_entry(target, address, context, label, state))
    return made


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
        common_name=target.common_name,
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
    state = endpoints.number_of(b"nowhere " + target.label.encode(), target.label)
    return _entry(target, b"", 0, target.label, state)


def _entry(target: TargetRow, address: bytes, context: int, label: str, state: int) -> EndpointEntry:
    return EndpointEntry(
        address,
        context,
        target.server_name,
        target.verify,
        target.connect_timeout_ms,
        target.handshake_timeout_ms,
        label,
        state,
        target.weight,
        target.priority,
        target.names,
        target.common_name,
        target.authority,
    )


def _places(target: TargetRow, found: Found) -> Iterable[tuple[str, tuple[str, int] | str, bytes]]:
    """Where `target` is: for messages, for a check, and as a struct sockaddr."""
    host, port, label = target.host, target.port, target.label
    if host.startswith(UNIX):
        path = host.removeprefix(UNIX)
        return [(label, path, struct.pack("=H", socket.AF_UNIX) + path.encode() + b"\0")]
    literals = found.get(host)
    if literals is not None:
        return [(joined(literal, port), (literal, port), sockaddr(literal, port)) for literal in literals]
    try:
        return [(label, (host, port), sockaddr(host, port))]
    except ValueError:
        return []  # an endless chain, or a name that leads nowhere


def _identity(address: bytes, target: TargetRow, mark: bytes) -> bytes:
    """Equal for endpoints that may share connections: same place, same names, judged in the same way."""
    asked = "\0".join((target.server_name, target.authority, *target.names)).encode()
    return b"%d %d %d %b%b%b" % (len(address), len(asked), target.common_name, address, asked, mark)
