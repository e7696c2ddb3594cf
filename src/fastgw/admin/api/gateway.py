"""/fastgw/v1: the gateway itself, which the reference product has nothing like."""

from __future__ import annotations

from typing import Any

from fastgw.admin.call import Call, Nothing, Route, View
from fastgw.admin.errors import READ_ONLY, refuse


class StatusView(View):
    """How the gateway is."""

    version: str
    state: str
    revision: int
    store_revision: int
    listeners: list[str]
    workers: int
    zones: int
    zones_left_out: dict[str, str]
    connections: int
    origin_connections: int
    calls: int
    calls_started: int
    certificates: list[dict[str, Any]]
    endpoints: list[dict[str, Any]]
    usage: dict[str, Any]
    warnings: list[str]


class RevisionView(View):
    """Which configuration is in force: counted from the start, and in the store."""

    revision: int
    store_revision: int


class DrainView(View):
    """What there is to wait for."""

    calls: int
    drain_timeout_s: float


def status(call: Call) -> StatusView:
    """Counters are those since the start."""
    from fastgw import __version__

    gateway, zones = call.desk.gateway, call.desk.zones
    stats = gateway.stats()
    total = stats["total"]
    return StatusView(
        version=__version__,
        state="draining" if call.desk.draining else "serving" if gateway.running else "failed",
        revision=gateway.revision,
        store_revision=zones.seen,
        listeners=gateway.listeners,
        workers=gateway.workers,
        zones=len(gateway.config.zones),
        zones_left_out=dict(zones.left_out),
        connections=total["connections_open"],
        origin_connections=total["origin_connections_open"],
        calls=total["exchanges_open"],
        calls_started=total["exchanges_started"],
        certificates=[dict(row) for row in stats["certificates"]],
        endpoints=[dict(row) for row in stats["endpoints"]],
        usage=dict(stats["usage"]),
        warnings=[str(warning) for warning in gateway.warnings],
    )


def revision(call: Call) -> RevisionView:
    """Rises with every change that is in force."""
    return RevisionView(revision=call.desk.gateway.revision, store_revision=call.desk.zones.seen)


def drain(call: Call) -> DrainView:
    """No new connections; running calls end, and with them the process."""
    gateway = call.desk.gateway
    calls = gateway.stats()["total"]["exchanges_open"]
    if call.desk.drain is None:
        raise refuse(403, READ_ONLY, "this gateway belongs to a program, which ends it itself")
    call.desk.draining = True
    call.desk.drain()
    return DrainView(calls=calls, drain_timeout_s=gateway.drain_timeout)


_ROOT = "/fastgw/v1"
ROUTES = (
    Route("GET", "/status", status, "gateway:read", "How the gateway is", StatusView, root=_ROOT),
    Route("GET", "/revision", revision, "gateway:read", "What is in force", RevisionView, root=_ROOT),
    Route("POST", "/drain", drain, "gateway:write", "Let running calls end", DrainView, Nothing, root=_ROOT),
)
