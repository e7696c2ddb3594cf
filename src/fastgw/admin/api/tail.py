"""/fastgw/v1/tail: server-sent events of what happens, as it happens, as far as a reader wants it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from fastgw.admin.call import Call, Reply, Route
from fastgw.admin.errors import INVALID, READ_ONLY, refuse
from fastgw.admin.query import Param, Query
from fastgw.probe.message import STATUS_NAMES

PERIOD = 1.0  # seconds between two rows of figures
LOOK = 0.2  # seconds between two looks at whether it is over
WAITING_MOST = 1000  # calls that wait for a reader; those beyond are counted as `lost`
TAILS_MOST = 16

Wanted = Callable[[Mapping[str, Any]], bool]


def tail(call: Call) -> Reply:
    """`stats` each second, `revision` with every change, `call` for finished calls, `end` with the reason.

    A reader for whom more than 1000 calls wait misses the others, which `lost` counts. One that takes nothing
    for 20 seconds is let go.
    """
    if call.desk.tails >= TAILS_MOST:
        raise refuse(429, READ_ONLY, f"{TAILS_MOST} others look already")
    wanted = _wanted(call.query)
    with_calls = call.query.truth("calls") is not False
    return Reply(_events(call, wanted, with_calls), media_type="text/event-stream")


def _wanted(query: Query) -> list[Wanted]:
    """Tests that a call must pass, all of them."""
    tests: list[Wanted] = []
    zone, method, status = query.text("zone").lower(), query.text("method"), query.text("status")
    if zone:
        tests.append(lambda row: row.get("zone") == zone)
    if method:
        path = f"/{method.removeprefix('/')}"
        below = f"{path.removesuffix('/')}/"
        tests.append(lambda row: row.get("path") == path or str(row.get("path")).startswith(below))
    if status:
        tests.append(_status(status))
    if query.truth("errors"):
        tests.append(_failed)
    return tests


def _status(text: str) -> Wanted:
    """`200` to `599` is of HTTP, `0` to `16` and names are of gRPC."""
    number = STATUS_NAMES.index(text.upper()) if text.upper() in STATUS_NAMES else -1
    if text.isascii() and text.isdigit() and len(text) < 4:
        number = int(text)
    if 100 <= number <= 599:
        return lambda row: row.get("status") == number
    if 0 <= number < len(STATUS_NAMES):
        return lambda row: row.get("grpc_status") == number
    said = "write a status of HTTP such as 403, or of gRPC such as 14 or UNAVAILABLE"
    raise refuse(400, INVALID, f"status is {text[:40]!r}; {said}")


def _failed(row: Mapping[str, Any]) -> bool:
    """Was it answered here, broken off, or with an error?"""
    return bool(row.get("error")) or row.get("grpc_status", 0) > 0 or row.get("status", 0) >= 400


class _Waiting:
    """Lines on their way from the log's thread to one reader; `lost` found no room."""

    def __init__(self, wanted: list[Wanted]) -> None:
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._lines: deque[str] = deque()
        self._there = asyncio.Event()
        self.lost = 0

    def told(self, lines: list[str]) -> None:
        """On the log's thread."""
        if self._wanted:
            lines = [line for line in lines if self._fits(line)]
        if lines:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._put, lines)

    def _fits(self, line: str) -> bool:
        row = json.loads(line)
        return all(test(row) for test in self._wanted)

    def _put(self, lines: list[str]) -> None:
        room = max(0, WAITING_MOST - len(self._lines))
        self._lines += lines[:room]
        self.lost += len(lines[room:])
        self._there.set()

    async def take(self, seconds: float) -> list[str]:
        """Those that are there, waited for."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._there.wait(), seconds)
        self._there.clear()
        taken = list(self._lines)
        self._lines.clear()
        return taken


async def _events(call: Call, wanted: list[Wanted], with_calls: bool) -> AsyncIterator[str]:
    gateway, desk = call.desk.gateway, call.desk
    waiting = _Waiting(wanted)
    desk.tails += 1
    untap = gateway.tap(waiting.told) if with_calls else None
    seen, due = -1, 0.0
    try:
        while True:
            if desk.draining or not gateway.running:
                yield _event("end", {"why": "the gateway is draining"})
                return
            if not desk.token_good(call.token):
                yield _event("end", {"why": "the token is not good any more"})
                return
            if gateway.revision != seen:
                seen = gateway.revision
                yield _event("revision", {"revision": seen, "store_revision": desk.zones.seen})
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
                total = await asyncio.to_thread(lambda: gateway.stats()["total"])
                yield _event("stats", {**total, "lost": waiting.lost})
            lines = await waiting.take(min(LOOK, max(0.01, due - time.monotonic())))
            if lines:
                yield "".join(f"event: call\ndata: {line.rstrip()}\n\n" for line in lines)
    finally:
        desk.tails -= 1
        if untap is not None:
            untap()


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'), default=str)}\n\n"


ROUTES = (
    Route(
        "GET",
        "/tail",
        tail,
        "gateway:read",
        "What happens, as it happens",
        str,
        query=(
            Param("zone", "only calls of this zone"),
            Param("method", "only calls of /package.Service/Method, or of all methods of a service"),
            Param("status", "only calls that ended so: 403 of HTTP, 14 or UNAVAILABLE of gRPC"),
            Param("errors", "true: only calls that did not go well", {"type": "boolean"}),
            Param("calls", "false: no calls", {"type": "boolean"}),
        ),
        media_type="text/event-stream",
        enveloped=False,
        root="/fastgw/v1",
    ),
)
