"""The Origins page of a zone: where its calls go, and how those places are just now."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from fastgw.dashboard.visit import ZONE, Page, Visit
from fastgw.policy.names import address, joined

RECORDS_MOST = 5000
_COUNTED = ("calls_running", "calls_started", "calls_failed", "connects_failed")


def show(visit: Visit) -> Response:
    """Each proxied record with what is known of its endpoints; shares are of the calls of its name."""
    query = [("proxied", "true"), ("per_page", str(RECORDS_MOST))]
    records = visit.api.get("/zones/{zone_id}/dns_records", query).rows
    known: dict[str, dict[str, Any]] = {}
    for row in visit.api.get("/fastgw/v1/status").endpoints:
        label = row["endpoint"]
        known[label] = together(known[label], row) if label in known else row
    names: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for label, row in endpoints(record, known):
            names.setdefault(record.name, []).append({"record": record, "label": label, "row": row})
    return visit.render("origins.html", names={name: shared(rows) for name, rows in sorted(names.items())})


def endpoints(record: Any, known: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any] | None]]:
    """The endpoints of a record; one that is a name has no figures: the gateway knows its addresses."""
    if record.type == "UNIX":
        label = record.content if record.content.startswith("unix:") else f"unix:{record.content}"
        return [(label, known.get(label))]
    literal = address(record.content)
    label = joined(literal or record.content.rstrip("."), record.origin_port)
    return [(label, known.get(label))]


def together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two rows of one place, which zones call under different names."""
    counted = {key: one[key] + other[key] for key in _COUNTED}
    return {
        **one,
        **counted,
        "healthy": one["healthy"] and other["healthy"],
        "ejected": one["ejected"] or other["ejected"],
        "latency_us": max(one["latency_us"], other["latency_us"]),
    }


def shared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one name with `share`, in percent of their calls; None: there were none."""
    total = sum(one["row"]["calls_started"] for one in rows if one["row"])
    return [
        {**one, "share": round(100 * one["row"]["calls_started"] / total) if total and one["row"] else None}
        for one in rows
    ]


PAGES = (Page("/zones/{zone_id}/origins", "Origins", show, nav=ZONE, scope="gateway:read"),)
