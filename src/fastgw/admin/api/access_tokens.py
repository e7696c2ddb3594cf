"""access/service_tokens: a client id and a secret for machines; the secret is shown once."""

from __future__ import annotations

import datetime
import re
import secrets
import time
from typing import Annotated, Any

from pydantic import Field

from fastgw.admin.accessing import ACCESS_INVALID, POLICIES, TOKENS, apps, write_object
from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Body, Call, Route, View
from fastgw.admin.errors import missing, refuse
from fastgw.admin.query import PAGING, Page, Param
from fastgw.store.ids import fresh_id
from fastgw.store.tokens import hash_of, time_text

_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST = 100 * 365 * 86400.0
YEAR = "8760h"
_Kept = dict[str, Any]


class NewServiceToken(Body):
    """A token as it is to be."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    duration: str = YEAR
    enabled: bool = True


class ServiceTokenChange(Body):
    """What of it is to change; a higher version of the secret makes a new one."""

    name: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    duration: str | None = None
    enabled: bool | None = None
    client_secret_version: float | None = None
    previous_client_secret_expires_at: str | None = None


class Rotation(Body):
    """Until when the secret before is good; nothing: it is not from now on."""

    previous_client_secret_expires_at: str | None = None


class ServiceTokenView(View):
    """A token without its secret."""

    id: str
    client_id: str
    name: str
    duration: str
    enabled: bool
    expires_at: str | None
    client_secret_version: int
    created_at: str
    updated_at: str


class ServiceTokenSecret(ServiceTokenView):
    """A token with its secret, which is shown this once."""

    client_secret: str


def _seconds(text: str) -> float | None:
    """A duration; None: for ever. Raise ApiError."""
    if text == "forever":
        return None
    parts = _PART.findall(text)
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not parts or "".join(number + unit for number, unit in parts) != text or not 1 <= total <= _MOST:
        said = f"duration is {text[:40]!r}; it is like 8760h or 2h45m, or forever"
        raise refuse(400, ACCESS_INVALID, said, "/duration")
    return total


def _end(duration: str) -> int | None:
    seconds = _seconds(duration)
    return None if seconds is None else int(time.time() + seconds)


def _moment(text: str) -> int:
    try:
        at = datetime.datetime.fromisoformat(text)
        return int(at.replace(tzinfo=at.tzinfo or datetime.UTC).timestamp())
    except (ValueError, OverflowError):
        where = "/previous_client_secret_expires_at"
        raise refuse(
            400, ACCESS_INVALID, f"{text[:40]!r} is no time: 2027-01-31T12:00:00Z is", where
        ) from None


def _shown(id_: str, kept: _Kept) -> _Kept:
    end = kept["expires_at"]
    names = ("client_id", "name", "duration", "enabled", "created_at", "updated_at")
    return {
        "id": id_,
        **{key: kept[key] for key in names},
        "expires_at": None if end is None else time_text(float(end)),
        "client_secret_version": kept["secret_version"],
    }


def _zone(call: Call) -> str:
    """The zone whose tokens are meant; empty: those of the account."""
    return call.zone.name if "zone_id" in call.path else ""


def _get(call: Call) -> _Kept:
    kept = dict(call.desk.object(TOKENS, call.path["service_token_id"]).document)
    if kept["zone"] != _zone(call):
        raise missing("service token")
    return kept


def list_tokens(call: Call) -> Page:
    """Those of the account or of a zone, by name."""
    zone, query = _zone(call), call.query
    found = [
        ServiceTokenView(**_shown(one.name.rpartition("/")[2], dict(one.document)))
        for one in call.desk.objects(TOKENS)
        if one.document["zone"] == zone
    ]
    name, search = query.text("name"), query.text("search").lower()
    found = [one for one in found if name in ("", one.name) and search in one.name.lower()]
    return query.paged(sorted(found, key=lambda one: (one.name, one.id)))


def add_token(call: Call) -> ServiceTokenSecret:
    """Its secret is in this answer only; of it a digest is kept."""
    body: NewServiceToken = call.body
    id_, secret, at = fresh_id(), secrets.token_hex(32), now_text()
    kept: _Kept = {
        "name": body.name,
        "client_id": f"{fresh_id()}.access",
        "secret_sha256": hash_of(secret),
        "secret_version": 1,
        "duration": body.duration,
        "expires_at": _end(body.duration),
        "enabled": body.enabled,
        "zone": _zone(call),
        "created_at": at,
        "updated_at": at,
    }
    write_object(call, TOKENS, id_, lambda was: kept)
    return ServiceTokenSecret(**_shown(id_, kept), client_secret=secret)


def get_token(call: Call) -> ServiceTokenView:
    """One of them, without its secret."""
    return ServiceTokenView(**_shown(call.path["service_token_id"], _get(call)))


def _change(call: Call, said: _Kept, previous: str | None, *, rotate: bool) -> _Kept:
    id_, secret = call.path["service_token_id"], secrets.token_hex(32)
    _get(call)
    until = None if previous is None else _moment(previous)
    result: _Kept = {}

    def change(was: _Kept | None) -> _Kept:
        if was is None:
            raise missing("service token")
        kept = {**was, **said, "updated_at": now_text()}
        if rotate:
            kept["secret_version"] = was["secret_version"] + 1
            kept["secret_sha256"] = hash_of(secret)
            kept.pop("previous_sha256", None)
            kept.pop("previous_until", None)
            if until is not None:
                kept.update(previous_sha256=was["secret_sha256"], previous_until=until)
        elif until is not None and "previous_sha256" in kept:
            kept["previous_until"] = until
        result.update(kept)
        return kept

    write_object(call, TOKENS, id_, change)
    return {**_shown(id_, result), **({"client_secret": secret} if rotate else {})}


def change_token(call: Call) -> _Kept:
    """What is given; a secret made anew is in the answer."""
    body: ServiceTokenChange = call.body
    said: _Kept = {}
    for key in ("name", "enabled"):
        if getattr(body, key) is not None:
            said[key] = getattr(body, key)
    if body.duration is not None and body.duration != _get(call)["duration"]:
        said.update(duration=body.duration, expires_at=_end(body.duration))
    wanted = body.client_secret_version
    rotate = wanted is not None and wanted > _get(call)["secret_version"]
    return _change(call, said, body.previous_client_secret_expires_at, rotate=rotate)


def rotate_token(call: Call) -> ServiceTokenSecret:
    """A new secret, which is in this answer only."""
    return ServiceTokenSecret(**_change(call, {}, call.body.previous_client_secret_expires_at, rotate=True))


def refresh_token(call: Call) -> ServiceTokenView:
    """It is good for its duration again, from now on."""
    said = {"expires_at": _end(_get(call)["duration"])}
    return ServiceTokenView(**_change(call, said, None, rotate=False))


def _users(call: Call, id_: str) -> list[str]:
    """The applications and policies that name the token."""
    wanted = {"service_token": {"token_id": id_}}
    found = [dict(one.document) for one in call.desk.objects(POLICIES)]
    for zone in call.desk.names():
        for app in apps(call.desk.named(zone).document):
            found += [{**one, "name": app["name"]} for one in app["policies"] if not one.get("reusable")]
    parts = ("include", "require", "exclude")
    return [one["name"] for one in found if any(wanted in (one.get(part) or ()) for part in parts)]


def remove_token(call: Call) -> ServiceTokenView:
    """Nobody gets in with it any more. Refused as long as a policy names it: disable it until then."""
    id_, kept = call.path["service_token_id"], _get(call)
    users = _users(call, id_)
    if users:
        said = f"{users[0]} names the token: change that first; enabled = false ends its use at once"
        raise refuse(409, ACCESS_INVALID, said)
    write_object(call, TOKENS, id_, lambda was: None)
    return ServiceTokenView(**_shown(id_, kept))


_R, _W = "access:read", "access:write"
_FIND = (Param("name", "the whole name"), Param("search", "part of the name"), *PAGING)
_MANY: Any = list[ServiceTokenView]


def _routes(root: str) -> tuple[Route, ...]:
    at = root + "/access/service_tokens"
    one = at + "/{service_token_id}"
    return (
        Route("GET", at, list_tokens, _R, "List service tokens", _MANY, query=_FIND, paging="page"),
        Route("POST", at, add_token, _W, "Add a service token", ServiceTokenSecret, NewServiceToken),
        Route("GET", one, get_token, _R, "Get a service token", ServiceTokenView),
        Route("PUT", one, change_token, _W, "Change a service token", ServiceTokenView, ServiceTokenChange),
        Route("DELETE", one, remove_token, _W, "Remove a service token", ServiceTokenView),
        Route("POST", one + "/rotate", rotate_token, _W, "Make a new secret", ServiceTokenSecret, Rotation),
        Route("POST", one + "/refresh", refresh_token, _W, "Make it good for longer", ServiceTokenView),
    )


ROUTES = (*_routes("/accounts/{account_id}"), *_routes("/zones/{zone_id}"))
