"""/zones/ID/settings: the switches of a zone, the one for gRPC among them."""

from __future__ import annotations

import datetime
import difflib
from typing import Annotated, Any

from pydantic import Field

from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.desk import Found
from fastgw.admin.errors import (
    BAD_SETTING_VALUE,
    NOT_EDITABLE,
    UNKNOWN_SETTING,
    Coded,
    Complaint,
    pointer_of,
    refuse,
    sentence_of,
)
from fastgw.config.tables import SHORTCUTS
from fastgw.errors import Problem
from fastgw.policy.catalogue import CATALOGUE, Setting
from fastgw.policy.settings import Settings, value_of

_SEVERAL = 100  # settings of one request


class SettingView(View):
    """One setting with the value that is in force."""

    id: str
    value: Any
    editable: bool
    modified_on: Annotated[str | None, Field(description="null: it has its default")]
    effective: Annotated[bool, Field(description="does it change anything here, or is it only kept")]
    effect: str


class SettingChange(Body):
    """The new value; some clients say `enabled`."""

    value: Any = None
    enabled: bool | None = None


class OneChange(SettingChange):
    """The same for one of several settings."""

    id: str


class Changes(Body):
    """Several settings at once, all or none."""

    items: Annotated[list[OneChange], Field(max_length=_SEVERAL)]


def now_text() -> str:
    """This moment."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _row(id_: str) -> Setting:
    row = CATALOGUE.get(id_)
    if row is None:
        near = difflib.get_close_matches(id_[:64], CATALOGUE, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise refuse(404, UNKNOWN_SETTING, f"Undefined zone setting: {id_[:64]}{hint}")
    return row


def _view(found: Found, row: Setting) -> SettingView:
    settings = found.judged.settings if found.judged else Settings()
    kept = found.document.get("api")
    times = kept.get("settings", {}) if isinstance(kept, dict) else {}
    return SettingView(
        id=row.id,
        value=value_of(settings, row),
        editable=row.editable and not found.declared,
        modified_on=times.get(row.id),
        effective=not row.kept,
        effect=row.effect,
    )


def put_setting(document: Document, row: Setting, value: Any, at: str) -> None:
    """Write one value where it belongs; nothing is touched if it is there already."""
    settings = document.setdefault("settings", {})
    there = settings.get(row.id, document.get(row.id) if row.id in SHORTCUTS else None)
    if there == value and type(there) is type(value):
        return
    if row.id in SHORTCUTS:
        document.pop(row.id, None)
    settings[row.id] = value
    document.setdefault("api", {}).setdefault("settings", {})[row.id] = at


def _value(row: Setting, change: SettingChange) -> Any:
    """What is to be written, with numbers as clients of the reference product send them."""
    value = change.value
    if value is None and change.enabled is not None:
        value = "on" if change.enabled else "off"
    if value is None:
        raise refuse(400, BAD_SETTING_VALUE, f"{row.id} needs a value: {row.range_text}", "/value")
    if row.type == "integer" and isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    if row.type == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not row.editable:
        raise refuse(403, NOT_EDITABLE, f"Not allowed to edit setting for {row.id}", "/value")
    return value


def _coded(pointer: str) -> Coded:
    """What is wrong with a setting belongs to the value; the rest is said as it is."""

    def coded(problem: Problem) -> Complaint:
        field = problem.field.removeprefix("settings.")
        if problem.field.startswith("settings."):
            return Complaint(
                BAD_SETTING_VALUE, f"Invalid value for zone setting {sentence_of(problem)}", pointer
            )
        return Complaint(BAD_SETTING_VALUE, sentence_of(problem), pointer_of(field))

    return coded


def list_settings(call: Call) -> list[SettingView]:
    """All of them, in the order of their names."""
    return [_view(call.zone, CATALOGUE[id_]) for id_ in sorted(CATALOGUE)]


def get_setting(call: Call) -> SettingView:
    """One of them."""
    return _view(call.zone, _row(call.path["setting_id"]))


def change_setting(call: Call) -> SettingView:
    """In force when this is answered."""
    row = _row(call.path["setting_id"])
    value = _value(row, call.body)
    call.change(lambda document: put_setting(document, row, value, now_text()), _coded("/value"))
    return _view(call.zone, row)


def change_settings(call: Call) -> list[SettingView]:
    """Several at once."""
    body: Changes = call.body
    wanted = [(_row(one.id), one) for one in body.items]
    values = [(row, _value(row, one)) for row, one in wanted]

    def edit(document: Document) -> None:
        at = now_text()
        for row, value in values:
            put_setting(document, row, value, at)

    call.change(edit, _coded("/items"))
    return [_view(call.zone, row) for row, _ in wanted]


_AT = "/zones/{zone_id}/settings"
ROUTES = (
    Route("GET", _AT, list_settings, "settings:read", "List settings", list[SettingView]),
    Route("PATCH", _AT, change_settings, "settings:write", "Change settings", list[SettingView], Changes),
    Route("GET", _AT + "/{setting_id}", get_setting, "settings:read", "Get a setting", SettingView),
    Route(
        "PATCH",
        _AT + "/{setting_id}",
        change_setting,
        "settings:write",
        "Change a setting",
        SettingView,
        SettingChange,
    ),
)
