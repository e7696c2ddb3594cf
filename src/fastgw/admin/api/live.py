"""/fastgw/v1/live and failures: what the gateway does just now, and what it has denied or lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastgw.admin.call import Call, Reply, Route
from fastgw.admin.desk import Desk
from fastgw.admin.errors import READ_ONLY, refuse
from fastgw.admin.live import FAILURES_KEPT
from fastgw.admin.query import Param

LOOKERS_MOST = 16
_LOOK = 0.1  # seconds between two looks for a new row
_CHECK = 20  # looks between two looks at the token
AWAKE = 60.0  # seconds that failures are gathered after somebody has asked for them


def live(call: Call) -> Reply:
    """Server-sent events: `live` each second; first of all `history`, the rows of the last minutes."""
    desk, token = call.desk, call.token
    history = call.query.truth("history") is not False
    return Reply(
        events(desk, lambda: desk.token_good(token), history=history), media_type="text/event-stream"
    )


def events(desk: Desk, welcome: Callable[[], bool], *, history: bool = True) -> AsyncIterator[str]:
    """The same, as long as the looker is `welcome`. Raise ApiError."""
    if desk.lookers >= LOOKERS_MOST:
        raise refuse(429, READ_ONLY, f"{LOOKERS_MOST} others look already")
    return _events(desk, welcome, history)


async def _events(desk: Desk, welcome: Callable[[], bool], history: bool) -> AsyncIterator[str]:
    desk.lookers += 1
    turns = 0
    try:
        with desk.live.look():
            known = list(desk.live.rows)
            seen = desk.live.number
            yield _event("history", known if history else [])
            while (
                desk.gateway.running
                and not desk.closing
                and (turns % _CHECK or await asyncio.to_thread(welcome))
            ):
                for one in desk.live.after(seen):
                    seen = one["number"]
                    yield _event("live", one)
                turns += 1
                await asyncio.sleep(_LOOK)
    finally:
        desk.lookers -= 1


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n"


def failures(call: Call) -> dict[str, Any]:
    """Calls that were denied or have failed, the newest first, while somebody looked or had asked before."""
    found = call.desk.live
    found.keep(AWAKE)
    zone = call.query.text("zone").lower()
    rows = [row for row in reversed(tuple(found.failures)) if not zone or row.get("zone") == zone]
    told = call.desk.gateway.tells_calls
    return {"since": found.since, "told": told, "calls": rows[:FAILURES_KEPT]}


_ROOT = "/fastgw/v1"
ROUTES = (
    Route(
        "GET",
        "/live",
        live,
        "gateway:read",
        "What the gateway does just now",
        str,
        query=(Param("history", "false: from now on only"),),
        media_type="text/event-stream",
        enveloped=False,
        root=_ROOT,
    ),
    Route(
        "GET",
        "/failures",
        failures,
        "gateway:read",
        "Calls that were denied or have failed",
        dict[str, Any],
        query=(Param("zone", "only those of this zone"),),
        root=_ROOT,
    ),
)
