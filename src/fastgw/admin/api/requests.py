"""/fastgw/v1/requests: what the commands ask about zones, whole documents at once, from anywhere."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fastgw.admin.auth import require
from fastgw.admin.call import Body, Call, Route
from fastgw.admin.errors import INVALID, STALE, refuse
from fastgw.admin.query import Param, words_param
from fastgw.errors import StoreError
from fastgw.store.base import zone_name
from fastgw.store.ids import zone_id
from fastgw.store.requests import answer

# What a document of a zone may hold, each with a scope of its own.
_AREAS = ("zones", "settings", "dns", "certificates", "origins", "rules", "access")
_READING = ("zones.list", "zones.get", "zones.export", "zones.history", "usage")
_WRITING = ("zones.put", "zones.delete", "zones.import", "zones.rollback")


class OrderBody(Body):
    """An order; which keys it needs depends on what it is."""

    do: str = Field(json_schema_extra={"enum": list(_WRITING)})
    zone: Any = None
    document: Any = None
    documents: Any = None
    expect_revision: Any = None
    revision: Any = None


def read(call: Call) -> dict[str, Any]:
    """What `fastgw zones list`, `get`, `export`, `history` and `fastgw usage` show."""
    query = call.query
    verb = query.word("do", _READING, "zones.list")
    request: dict[str, Any] = {"do": verb}
    for key in ("zone", "since", "until", "product", "by"):
        if query.given(key):
            request[key] = query.text(key)
    if query.given("most"):
        request["most"] = query.number("most", 100, 1, 1000)
    areas = ("zones",) if verb in ("zones.list", "usage") else _AREAS
    for area in (*areas, *(("audit",) if verb == "zones.history" else ())):
        require(call.token, f"{area}:read", _id(request))
    if verb == "usage":
        try:
            rows = call.desk.gateway.usage(**{key: value for key, value in request.items() if key != "do"})
        except StoreError as error:
            raise refuse(400, INVALID, str(error)) from None
        return {"ok": True, "usage": rows, "place": call.desk.gateway.usage_place}
    return _done(call, request)


def write(call: Call) -> dict[str, Any]:
    """What `fastgw zones`, `records`, `settings`, `rules` and `tokens` change: documents as a whole.

    A document may name files of this machine, so it takes all that a zone is made of, in all zones.
    """
    request = {key: value for key, value in call.body if value is not None}
    if request["do"] not in _WRITING:
        raise refuse(400, INVALID, f"do must be one of {', '.join(_WRITING)}", "/do")
    for area in _AREAS:
        require(call.token, f"{area}:write", None)
    return _done(call, request)


def _id(request: dict[str, Any]) -> str | None:
    """Of the zone it is about; None: of all."""
    if "zone" not in request:
        return None
    try:
        return zone_id(zone_name(request["zone"]))
    except StoreError:
        return None


def _done(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    found = answer(call.desk.zones, request, call.actor)
    if found["ok"]:
        return found
    if found["kind"] == "stale":
        raise refuse(409, STALE, found["error"])
    raise refuse(400, INVALID, found["error"])


_ROOT = "/fastgw/v1"
ROUTES = (
    Route(
        "GET",
        "/requests",
        read,
        "zones:read",
        "Read documents of zones",
        dict[str, Any],
        query=(
            words_param("do", _READING, "what is asked"),
            Param("zone", "of this zone, by its name"),
            Param("most", "so many changes", {"type": "integer", "minimum": 1, "maximum": 1000}),
            Param("since", "the first day of usage"),
            Param("until", "the last day of usage"),
            Param("product", "only this one's usage"),
            Param("by", "what usage is summed up by"),
        ),
        root=_ROOT,
        any_zone=True,
    ),
    Route(
        "POST",
        "/requests",
        write,
        "zones:write",
        "Change documents of zones",
        dict[str, Any],
        OrderBody,
        root=_ROOT,
    ),
)
