"""/fastgw/v1/usage and /zones/ID/analytics/dashboard: what zones have used, by day and product."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Mapping
from typing import Any

from fastgw.admin.call import Call, Reply, Route, View
from fastgw.admin.errors import INVALID, refuse
from fastgw.admin.query import PAGING, Page, Param, words_param
from fastgw.store.ids import zone_id
from fastgw.store.usage import COUNTERS, PERIODS, PRODUCTS, TRAFFIC

PER_PAGE = 100
_DAY = {"type": "string", "format": "date"}


class UsageView(View):
    """What one zone has used of one product in one period: calls that have ended in it."""

    period: str
    zone: str
    zone_id: str
    product: str
    calls: int
    denied: int
    failed: int
    request_octets: int
    response_octets: int
    request_messages: int
    response_messages: int


class DashboardView(View):
    """Sums over all days asked for, and day by day."""

    totals: dict[str, Any]
    timeseries: list[dict[str, Any]]
    query: dict[str, Any]


def _day(call: Call, name: str) -> str | None:
    """A day, or a moment of one."""
    text = call.query.text(name)
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise refuse(400, INVALID, f"{name} is {text[:40]!r}, which is no day: 2026-01-31 is") from None


def _rows(call: Call) -> list[dict[str, Any]]:
    """Only those of zones that the token may see."""
    query = call.query
    product = query.word("product", ("", *PRODUCTS), "") or None
    rows = call.desk.gateway.usage(
        zone=query.text("zone").lower() or None,
        product=product,
        since=_day(call, "since"),
        until=_day(call, "until"),
        by=query.word("by", tuple(PERIODS), "day"),
    )
    ids = {row["zone"]: zone_id(row["zone"]) for row in rows}
    seen = {name for name, id_ in ids.items() if call.may("zones:read", id_)}
    return [{**row, "zone_id": ids[row["zone"]]} for row in rows if row["zone"] in seen]


def usage(call: Call) -> Page:
    """Days are those of UTC; a call counts on the day it ends."""
    if call.desk.gateway.usage_place == "memory":
        call.note("usage is counted in memory only, since this process began")
    return call.query.paged([UsageView(**row) for row in _rows(call)], PER_PAGE)


def usage_csv(call: Call) -> Reply:
    """The same in one table, all of it."""
    text = io.StringIO()
    columns = ("period", "zone", "zone_id", "product", *COUNTERS)
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_rows(call))
    return Reply(text.getvalue(), media_type="text/csv")


def dashboard(call: Call) -> DashboardView:
    """A zone's days from `since` to `until`: a moment, or minutes before now."""
    now = datetime.datetime.now(datetime.UTC)
    since, until = _moment(call, "since", -10080, now), _moment(call, "until", 0, now)
    if since > until:
        raise refuse(400, INVALID, "since is later than until")
    found = {
        row["period"]: row
        for row in call.desk.gateway.usage(
            zone=call.zone.name,
            product=TRAFFIC,
            since=since.date().isoformat(),
            until=until.date().isoformat(),
        )
    }
    continuous = call.query.truth("continuous") is not False
    days = (until.date() - since.date()).days + 1
    if days > call.desk.gateway.config.usage_days:
        raise refuse(400, INVALID, f"usage is kept for {call.desk.gateway.config.usage_days} days")
    series = []
    for number in range(days):
        day = since.date() + datetime.timedelta(number)
        row = found.get(day.isoformat())
        if row is not None or continuous:
            series.append(_figures(row or {}, _text(day), _text(day + datetime.timedelta(1))))
    total = {name: sum(row[name] for row in found.values()) for name in COUNTERS}
    ends = _text(until.date() + datetime.timedelta(1))
    begins = _text(since.date())
    return DashboardView(
        totals=_figures(total, begins, ends),
        timeseries=series,
        query={"since": begins, "until": ends, "time_delta": 1440},
    )


def _moment(call: Call, name: str, minutes: int, now: datetime.datetime) -> datetime.datetime:
    text = call.query.text(name) or str(minutes)
    try:
        if text.lstrip("-").isdigit():
            return now - datetime.timedelta(minutes=abs(int(text)))
        at = datetime.datetime.fromisoformat(text)
        if not 1970 <= at.year <= 2999:
            raise ValueError(text)
        return at.replace(tzinfo=at.tzinfo or datetime.UTC).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        said = "write minutes before now, as in -10080, or 2026-01-31T12:00:00Z"
        raise refuse(400, INVALID, f"{name} is {text[:40]!r}; {said}") from None


def _text(day: datetime.date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _figures(row: Mapping[str, Any], since: str, until: str) -> dict[str, Any]:
    """One period as the reference product shows it; nothing is cached here."""
    calls, octets = row.get("calls", 0), row.get("request_octets", 0) + row.get("response_octets", 0)
    messages = {name: row.get(f"{name}_messages", 0) for name in ("request", "response")}
    return {
        "since": since,
        "until": until,
        "requests": {"all": calls, "cached": 0, "uncached": calls},
        "bandwidth": {"all": octets, "cached": 0, "uncached": octets},
        "threats": {"all": row.get("denied", 0)},
        "failed": {"all": row.get("failed", 0)},
        "messages": {"all": sum(messages.values()), **messages},
    }


_ROOT = "/fastgw/v1"
_QUERY = (
    Param("zone", "only this zone, by its name"),
    words_param("product", PRODUCTS, "only this product; traffic is all calls"),
    Param("since", "the first day", _DAY),
    Param("until", "the last day", _DAY),
    words_param("by", tuple(PERIODS), "what is summed up"),
)
ROUTES = (
    Route(
        "GET",
        "/usage",
        usage,
        "zones:read",
        "What zones have used",
        list[UsageView],
        query=_QUERY + PAGING,
        paging="page",
        root=_ROOT,
        any_zone=True,
    ),
    Route(
        "GET",
        "/usage.csv",
        usage_csv,
        "zones:read",
        "The same as a table",
        str,
        query=_QUERY,
        media_type="text/csv",
        enveloped=False,
        root=_ROOT,
        any_zone=True,
    ),
    Route(
        "GET",
        "/zones/{zone_id}/analytics/dashboard",
        dashboard,
        "zones:read",
        "What a zone has used, day by day",
        DashboardView,
        query=(
            Param("since", "a moment, or minutes before now"),
            Param("until", "the same"),
            Param("continuous", "false: without days that had no calls"),
        ),
    ),
)
