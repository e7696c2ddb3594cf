"""Calls that were denied or have failed, each with what helps."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

from starlette.responses import Response

from fastgw.admin.live import status_name
from fastgw.dashboard.explanations import explained
from fastgw.dashboard.visit import ACCOUNT, Page, Visit
from fastgw.store.ids import zone_id

ROWS = 100
_SAME = ("zone", "authority", "path", "error", "rule", "endpoint", "grpc_status", "status")


def show(visit: Visit) -> Response:
    """The newest first, of all zones or of one."""
    zone = visit.query.get("zone", "")
    found = visit.api.get("/fastgw/v1/failures", [("zone", zone)] if zone else ())
    since = (
        datetime.datetime.fromtimestamp(found["since"], datetime.UTC).isoformat() if found["since"] else ""
    )
    rows = [{**shown(visit, call), "times": times} for call, times in together(found["calls"])[:ROWS]]
    return visit.render("failures.html", rows=rows, since=since, zone_name=zone, told_of=found["told"])


def together(calls: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Of calls that went the same way the newest, and how many they were."""
    first: dict[tuple[object, ...], dict[str, Any]] = {}
    times: Counter[tuple[object, ...]] = Counter()
    for call in calls:
        key = tuple(call.get(name) for name in _SAME)
        first.setdefault(key, call)
        times[key] += 1
    return [(call, times[key]) for key, call in first.items()]


def shown(visit: Visit, call: dict[str, Any]) -> dict[str, Any]:
    """One call as a row: what happened, why, and where to change it."""
    why = explained(str(call.get("error", "")))
    known = str(call.get("zone", ""))
    return {
        **call,
        "at": str(call.get("time", ""))[11:19],
        "status_name": status_name(call),
        "what": why.what,
        "do": why.do,
        "href": visit.href(why.page, zone_id=zone_id(known)) if why.page and known else "",
        "link": why.link,
    }


PAGES = (Page("/failures", "Denials", show, nav=ACCOUNT, scope="gateway:read"),)
