"""/fastgw/v1: the gateway itself, which the reference product has nothing like."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastgw.admin.call import Call, Nothing, Reply, Route, View
from fastgw.admin.errors import READ_ONLY, refuse
from fastgw.admin.query import Param

PERIOD = 1.0  # seconds between two rows of figures
WAITING_MOST = 1000  # calls that wait for a slow reader; the others are counted
TAILS_MOST = 16


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


def tail(call: Call) -> Reply:
    """Server-sent events: `stats` each second, `revision` with every change, `call` for finished calls."""
    if call.desk.tails >= TAILS_MOST:
        raise refuse(429, READ_ONLY, f"{TAILS_MOST} others look already")
    zone = call.query.text("zone").lower()
    with_calls = call.query.truth("calls") is not False
    return Reply(_events(call, zone, with_calls), media_type="text/event-stream")


async def _events(call: Call, zone: str, with_calls: bool) -> AsyncIterator[str]:
    gateway = call.desk.gateway
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[str] = asyncio.Queue(WAITING_MOST)
    lost = 0

    def put(line: str) -> None:
        nonlocal lost
        try:
            waiting.put_nowait(line)
        except asyncio.QueueFull:
            lost += 1

    def told(lines: list[str]) -> None:
        for line in lines:
            if not zone or f'"zone":"{zone}"' in line:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(put, line)

    call.desk.tails += 1
    untap = gateway.tap(told) if with_calls else None
    seen, due = -1, 0.0
    try:
        while call.desk.token_good(call.token):
            if gateway.revision != seen:
                seen = gateway.revision
                yield _event("revision", {"revision": seen, "store_revision": call.desk.zones.seen})
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
                total = await asyncio.to_thread(lambda: gateway.stats()["total"])
                yield _event("stats", {**total, "lost": lost})
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(waiting.get(), min(0.2, max(0.01, due - time.monotonic())))
                yield f"event: call\ndata: {line.rstrip()}\n\n"
    finally:
        call.desk.tails -= 1
        if untap is not None:
            untap()


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'), default=str)}\n\n"


_ROOT = "/fastgw/v1"
ROUTES = (
    Route("GET", "/status", status, "gateway:read", "How the gateway is", StatusView, root=_ROOT),
    Route("GET", "/revision", revision, "gateway:read", "What is in force", RevisionView, root=_ROOT),
    Route("POST", "/drain", drain, "gateway:write", "Let running calls end", DrainView, Nothing, root=_ROOT),
    Route(
        "GET",
        "/tail",
        tail,
        "gateway:read",
        "What happens, as it happens",
        str,
        query=(Param("zone", "only calls of this zone"), Param("calls", "false: no calls")),
        media_type="text/event-stream",
        enveloped=False,
        root=_ROOT,
    ),
)
