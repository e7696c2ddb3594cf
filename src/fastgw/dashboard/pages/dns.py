"""The DNS page of a zone: names, what they lead to, and which of them the gateway serves."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from fastgw.admin.errors import INVALID, refuse
from fastgw.dashboard.visit import ZONE, Page, Visit

ROWS = 100
TYPES = ("A", "AAAA", "CNAME", "UNIX", "TXT", "MX", "NS", "PTR")
FIELDS = ("type", "name", "content", "comment", "origin_protocol")
_NUMBERS = ("ttl", "origin_port", "weight", "priority")
_AT = "/zones/{zone_id}/dns_records"
_ONE = _AT + "/{dns_record_id}"


def show(visit: Visit) -> Response:
    """The records a page at a time, and a form for one of them."""
    number = visit.query.get("page", "1")
    search = visit.query.get("search", "")
    query = [("per_page", str(ROWS)), ("page", number if number.isdigit() and number != "0" else "1")]
    if search:
        query.append(("search", search))
    edited = visit.field("record") or visit.query.get("edit", "")
    record = visit.api.get(_ONE, dns_record_id=edited) if edited else None
    return visit.render(
        "dns.html",
        page=visit.api.get(_AT, query),
        search=search,
        record=record,
        types=TYPES if record is None or record.type in TYPES else (record.type, *TYPES),
        may_write=visit.token.may("dns:write", visit.path["zone_id"]) and visit.zone.source != "file",
    )


def body_of(visit: Visit) -> dict[str, Any]:
    """The form as the API reads it. Raise ApiError."""
    body: dict[str, Any] = {name: visit.field(name) for name in FIELDS if visit.field(name)}
    for name in _NUMBERS:
        if visit.field(name):
            body[name] = whole(name, visit.field(name))
    body["comment"] = visit.field("comment")
    body["proxied"] = visit.ticked("proxied")
    for name in ("origin_server_name", "origin_host"):
        if visit.field(name):
            body[name] = visit.field(name)
    if body.get("type") not in ("A", "AAAA", "CNAME", "UNIX"):
        body = {
            key: body[key] for key in ("type", "name", "content", "comment", "ttl", "priority") if key in body
        }
    if body.get("type") != "MX" and not body.get("proxied"):
        body.pop("priority", None)
    return body


def whole(name: str, text: str) -> int:
    """A number that was typed. Raise ApiError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise refuse(400, INVALID, f"{name.replace('_', ' ')} must be a whole number, not {text[:40]!r}")
    return int(text)


def add(visit: Visit) -> Response:
    """A new one."""
    made = visit.api.post(_AT, body_of(visit))
    served = "It is served from now on." if made.proxied else "It is kept, and not served."
    return visit.done(f"The record {made.name} is there. {served}")


def save(visit: Visit) -> Response:
    """Another state of one of them; what the form does not know keeps its value."""
    made = visit.api.patch(_ONE, body_of(visit), dns_record_id=visit.field("record"))
    return visit.done(f"The record {made.name} is changed. This is in force now.")


def proxy(visit: Visit) -> Response:
    """Serve a name, or stop that."""
    made = visit.api.patch(_ONE, {"proxied": visit.ticked("proxied")}, dns_record_id=visit.field("id"))
    return visit.done(f"{made.name} is {'served' if made.proxied else 'not served any more'}.")


def remove(visit: Visit) -> Response:
    """Let one go."""
    visit.api.delete(_ONE, dns_record_id=visit.field("id"))
    return visit.done("The record was removed.")


PAGES = (
    Page(
        "/zones/{zone_id}/dns",
        "DNS",
        show,
        nav=ZONE,
        scope="dns:read",
        writes={"add": add, "save": save, "proxy": proxy, "remove": remove},
    ),
)
