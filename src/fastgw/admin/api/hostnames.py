"""/zones/ID/hostnames/settings: what one name asks of handshakes that its zone does not."""

from __future__ import annotations

from typing import Any, Literal

from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import BAD_SETTING_VALUE, UNKNOWN_SETTING, missing, plainly, refuse
from fastgw.admin.records import full_name

IDS = ("min_tls_version", "ciphers", "http2")


class ValueBody(Body):
    """The value for the name."""

    value: str | float | list[str]


class HostnameView(View):
    """The value of one name."""

    hostname: str
    value: Any
    status: Literal["active", "pending_deletion"] = "active"
    created_at: str | None
    updated_at: str | None


def _setting(call: Call) -> str:
    id_ = call.path["setting_id"]
    if id_ not in IDS:
        raise refuse(404, UNKNOWN_SETTING, f"names have no setting {id_[:64]}; they have {', '.join(IDS)}")
    return id_


def _rows(document: Document) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document.get("hostname") or []
    return found


def _view(call: Call, row: dict[str, Any], id_: str) -> HostnameView:
    name = full_name(str(row["name"]), call.zone.name)
    kept = dict(call.zone.document).get("api", {}).get("hostnames", {}).get(f"{id_} {name}", {})
    return HostnameView(
        hostname=name, value=row[id_], created_at=kept.get("created_at"), updated_at=kept.get("updated_at")
    )


def list_values(call: Call) -> list[HostnameView]:
    """All names that have one."""
    id_ = _setting(call)
    return [_view(call, row, id_) for row in _rows(dict(call.zone.document)) if row.get(id_) is not None]


def _pick(call: Call, id_: str) -> HostnameView:
    name = full_name(call.path["hostname"], call.zone.name)
    for row in _rows(dict(call.zone.document)):
        if full_name(str(row["name"]), call.zone.name) == name and row.get(id_) is not None:
            return _view(call, row, id_)
    raise missing("hostname")


def get_value(call: Call) -> HostnameView:
    """That of one name."""
    return _pick(call, _setting(call))


def put_value(call: Call) -> HostnameView:
    """In force for handshakes from now on."""
    id_, body = _setting(call), call.body
    name = full_name(call.path["hostname"], call.zone.name)

    def edit(document: Document) -> None:
        rows = document.setdefault("hostname", [])
        row = next((one for one in rows if full_name(str(one["name"]), call.zone.name) == name), None)
        if row is None:
            rows.append(row := {"name": name})
        if row.get(id_) == body.value:
            return
        row[id_] = body.value
        kept = document.setdefault("api", {}).setdefault("hostnames", {})
        before, at = kept.get(f"{id_} {name}", {}), now_text()
        kept[f"{id_} {name}"] = {"created_at": before.get("created_at", at), "updated_at": at}

    call.change(edit, plainly(BAD_SETTING_VALUE))
    return _pick(call, id_)


def remove_value(call: Call) -> HostnameView:
    """The name follows its zone again."""
    id_ = _setting(call)
    gone = _pick(call, id_)

    def edit(document: Document) -> None:
        for row in _rows(document):
            if full_name(str(row["name"]), call.zone.name) == gone.hostname:
                row.pop(id_, None)
        document["hostname"] = [row for row in _rows(document) if len(row) > 1]
        if not document["hostname"]:
            del document["hostname"]
        document.get("api", {}).get("hostnames", {}).pop(f"{id_} {gone.hostname}", None)

    call.change(edit, plainly(BAD_SETTING_VALUE))
    return gone


_AT = "/zones/{zone_id}/hostnames/settings/{setting_id}"
_ONE = _AT + "/{hostname}"
ROUTES = (
    Route("GET", _AT, list_values, "settings:read", "List values of names", list[HostnameView]),
    Route("GET", _ONE, get_value, "settings:read", "Get the value of a name", HostnameView),
    Route("PUT", _ONE, put_value, "settings:write", "Set the value of a name", HostnameView, ValueBody),
    Route("DELETE", _ONE, remove_value, "settings:write", "Remove the value of a name", HostnameView),
)
