"""/accounts/ID/audit_logs: who has changed what; the store's log of changes, which nobody can change."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

from fastgw.admin.call import Call, Route, View
from fastgw.admin.errors import INVALID, refuse
from fastgw.admin.query import CURSORING, DIRECTION, PAGING, Cursor, Page, Param
from fastgw.store.base import OBJECT, Change
from fastgw.store.ids import ACCOUNT_ID, fixed_id, zone_id
from fastgw.store.tokens import time_text

_BY_TOKEN = re.compile(r"token (.*) \(([0-9a-f]{32})\)")
_OPS = {"put": "update", "delete": "delete", "rollback": "rollback"}
_SECRET = frozenset({"hash", "secret_sha256", "previous_sha256"})


class AuditView(View):
    """One change."""

    id: str
    when: str
    action: dict[str, Any]
    actor: dict[str, Any]
    resource: dict[str, Any]
    owner: dict[str, str]
    interface: str
    metadata: dict[str, Any]
    oldValue: str | None  # noqa: N815  as the reference product writes it
    newValue: str | None  # noqa: N815


class AuditViewV2(View):
    """The same in the newer shape."""

    id: str
    account: dict[str, str]
    action: dict[str, Any]
    actor: dict[str, Any]
    resource: dict[str, Any]
    zone: dict[str, str] | None


def _action(change: Change) -> str:
    if change.op == "put" and change.before is None:
        return "create"
    return _OPS[change.op]


def _actor(change: Change) -> dict[str, Any]:
    found = _BY_TOKEN.fullmatch(change.actor)
    if found is None:
        return {
            "type": "user",
            "id": fixed_id("fastgw user", change.actor),
            "name": change.actor,
            "email": None,
        }
    return {"type": "user", "id": found[2], "name": found[1], "email": None, "token": True}


def _resource(change: Change) -> dict[str, Any]:
    if not change.zone.startswith(OBJECT):
        return {"type": "zone", "id": zone_id(change.zone), "name": change.zone}
    kind, _, id_ = change.zone.removeprefix(OBJECT).partition("/")
    return {"type": kind.removesuffix("s"), "id": id_}


def _value(document: Any) -> Any:
    """Without what nobody needs to see."""
    if isinstance(document, dict):
        return {key: _value(value) for key, value in document.items() if key not in _SECRET}
    return [_value(one) for one in document] if isinstance(document, list) else document


def _text(document: Any) -> str | None:
    return None if document is None else json.dumps(_value(document), ensure_ascii=False, sort_keys=True)


def _id(change: Change) -> str:
    return f"{change.revision:032x}"


def _view(change: Change) -> AuditView:
    named = {} if change.zone.startswith(OBJECT) else {"zone_name": change.zone}
    return AuditView(
        id=_id(change),
        when=time_text(change.at),
        action={"type": _action(change), "result": True},
        actor=_actor(change),
        resource=_resource(change),
        owner={"id": ACCOUNT_ID},
        interface="API" if change.actor.startswith("token ") else "command",
        metadata={"revision": change.revision, **named},
        oldValue=_text(change.before),
        newValue=_text(change.after),
    )


def _view_v2(change: Change) -> AuditViewV2:
    zone = change.zone
    return AuditViewV2(
        id=_id(change),
        account={"id": ACCOUNT_ID},
        action={"type": _action(change), "result": "success", "time": time_text(change.at)},
        actor=_actor(change),
        resource={**_resource(change), "request": _value(change.before), "response": _value(change.after)},
        zone=None if zone.startswith(OBJECT) else {"id": zone_id(zone), "name": zone},
    )


def _moment(call: Call, name: str) -> float | None:
    text = call.query.text(name)
    if not text:
        return None
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise refuse(
            400, INVALID, f"{name} is {text[:40]!r}, which is no time: 2026-01-31T12:00:00Z is"
        ) from None
    return at.replace(tzinfo=at.tzinfo or datetime.UTC).timestamp()


def _wanted(call: Call) -> dict[str, Any]:
    query = call.query
    return {
        "zone": query.text("zone.name") or None,
        "actor": query.text("actor.email") or query.text("actor.name") or None,
        "since": _moment(call, "since"),
        "before": _moment(call, "before"),
        "newest_first": query.word("direction", ("asc", "desc"), "desc") == "desc",
    }


def list_changes(call: Call) -> Page:
    """The last ones first."""
    page, per_page = call.query.page(100, 1000)
    wanted = _wanted(call)
    store = call.desk.store
    id_ = call.query.text("id")
    if id_:
        row = store.changes(int(id_, 16) - 1)[:1] if re.fullmatch(r"0{16}[0-7][0-9a-f]{15}", id_) else []
        found = [one for one in row if _id(one) == id_]
        return Page([_view(one) for one in found], 1, per_page, len(found))
    kind = call.query.text("action.type")
    if kind:
        every, _ = store.log(**wanted, most=-1)
        fitting = [one for one in every if _action(one) == kind]
        some = fitting[(page - 1) * per_page : page * per_page]
        return Page([_view(one) for one in some], page, per_page, len(fitting))
    rows, total = store.log(**wanted, most=per_page, skip=(page - 1) * per_page)
    return Page([_view(one) for one in rows], page, per_page, total)


def list_changes_v2(call: Call) -> Cursor:
    """The same, with a cursor."""
    most = call.query.number("limit", call.query.number("per_page", 100, 1, 1000), 1, 1000)
    skip = call.query.number("cursor", 0, 0, 10**12)
    rows, total = call.desk.store.log(**_wanted(call), most=most, skip=skip)
    after = str(skip + most) if skip + most < total else ""
    return Cursor([_view_v2(one) for one in rows], after)


_QUERY = (
    Param("id", "of one change"),
    Param("zone.name", "which zone was changed"),
    Param("actor.email", "who has changed it, as the log has it"),
    Param("action.type", "create, update, delete, rollback"),
    Param("since", "not before this time"),
    Param("before", "not after this time"),
    DIRECTION,
)
_AT = "/accounts/{account_id}/audit_logs"
ROUTES = (
    Route(
        "GET",
        _AT,
        list_changes,
        "audit:read",
        "List changes",
        list[AuditView],
        query=(*_QUERY, *PAGING),
        paging="page",
    ),
    Route(
        "GET",
        "/user/audit_logs",
        list_changes,
        "audit:read",
        "List changes",
        list[AuditView],
        query=(*_QUERY, *PAGING),
        paging="page",
    ),
    Route(
        "GET",
        "/accounts/{account_id}/logs/audit",
        list_changes_v2,
        "audit:read",
        "List changes, with a cursor",
        list[AuditViewV2],
        query=(*_QUERY[1:3], *_QUERY[4:], *CURSORING),
        paging="cursor",
    ),
)
