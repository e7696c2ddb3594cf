"""What commands ask about zones, as JSON objects: one function per verb, with or without a socket."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastgw.errors import ConfigError, StaleError, StoreError
from fastgw.store import tokens
from fastgw.store.base import Change, Document, Edit, StoredZone, zone_name
from fastgw.store.ids import zone_id
from fastgw.store.usage import UsageBook, asked, usage_path
from fastgw.store.zones import Zones

Request = Mapping[str, Any]
Answer = dict[str, Any]
HISTORY_MOST = 1000


def answer(zones: Zones, request: Request, actor: str) -> Answer:
    """Do what `request` asks; what was wrong is in the answer, with `ok` false."""
    verb = _VERBS.get(str(request.get("do")))
    if verb is None:
        return refused(f"{request.get('do')!r} is not something this gateway can do")
    try:
        return {"ok": True, **verb(zones, request, actor)}
    except (ConfigError, StoreError) as error:
        return refusal(error)


def usage_answer(store: Path, request: Request) -> Answer:
    """What zones of the store at `store` have used, as far as it is written there."""
    try:
        book = UsageBook(usage_path(store), create=False)
        return {"ok": True, "usage": book.read(**asked(request)), "place": book.place}
    except StoreError as error:
        return refusal(error)


def refused(sentence: str, hint: str = "", kind: str = "request") -> Answer:
    """An answer that says no."""
    return {"ok": False, "kind": kind, "error": f"{sentence}\n  hint: {hint}" if hint else sentence}


def refusal(error: Exception) -> Answer:
    """The same for an error; `kind` tells programs which one: stale, store or config."""
    kind = (
        "stale" if isinstance(error, StaleError) else "store" if isinstance(error, StoreError) else "config"
    )
    return refused(str(error), kind=kind)


def is_about_zones(request: Request) -> bool:
    """Is it one of those `answer` knows?"""
    return request.get("do") in _VERBS


def _list(zones: Zones, request: Request, actor: str) -> Answer:
    rows = []
    for zone, declared in zones.all():
        dns = zone.document.get("dns", [])
        rows.append(
            {
                **_head(zone, declared),
                "records": len(dns) if isinstance(dns, list) else 0,
                "paused": zone.document.get("paused") is True,
                "problem": "" if declared else zones.left_out.get(zone.name, ""),
            }
        )
    return {"zones": rows}


def _get(zones: Zones, request: Request, actor: str) -> Answer:
    zone, declared = zones.get(_text(request, "zone"))
    return {"zone": {**_head(zone, declared), "document": dict(zone.document)}}


def _export(zones: Zones, request: Request, actor: str) -> Answer:
    return {"zones": [dict(zone.document) for zone, _ in zones.all()]}


def _put(zones: Zones, request: Request, actor: str) -> Answer:
    document = _document(request.get("document"))
    name = zone_name(document.get("name"))
    edit = Edit(name, document, _revision(request, "expect_revision"))
    return {**_done(zones, zones.write([edit], actor)), "warnings": _warnings(zones, name)}


def _delete(zones: Zones, request: Request, actor: str) -> Answer:
    edit = Edit(zone_name(_text(request, "zone")), None, _revision(request, "expect_revision"), "delete")
    return _done(zones, zones.write([edit], actor))


def _import(zones: Zones, request: Request, actor: str) -> Answer:
    documents = request.get("documents")
    if not isinstance(documents, list):
        raise StoreError("an import needs documents, in an array")
    edits: dict[str, Edit] = {}
    for one in documents:
        document = _document(one)
        name = zone_name(document.get("name"))
        if name in edits:
            raise StoreError(f"the zone {name} is there twice", "keep one of the two")
        edits[name] = Edit(name, document)
    return {**_done(zones, zones.write(list(edits.values()), actor)), "count": len(edits)}


def _history(zones: Zones, request: Request, actor: str) -> Answer:
    zone = None if request.get("zone") is None else _text(request, "zone")
    most = min(_revision(request, "most") or 100, HISTORY_MOST)
    return {"changes": [_row(change) for change in zones.history(zone, most)]}


def _rollback(zones: Zones, request: Request, actor: str) -> Answer:
    name, revision = zone_name(_text(request, "zone")), _revision(request, "revision")
    if revision is None:
        found = zones.history(name, 1)
        if not found:
            raise StoreError(f"the zone {name} has no history", "fastgw zones history shows what there is")
        # Revisions count the changes of all zones: the one before saw this zone as it was before its last.
        revision = found[0].revision - 1
    done = _done(zones, zones.rollback(name, revision, actor))
    return {**done, "to": revision, "warnings": _warnings(zones, name)}


def _tokens_list(zones: Zones, request: Request, actor: str) -> Answer:
    return {"tokens": [dict(tokens.shown(token)) for token in tokens.tokens(zones)]}


def _tokens_create(zones: Zones, request: Request, actor: str) -> Answer:
    scopes, names = request.get("scopes"), request.get("zones")
    if not isinstance(scopes, list) or not all(isinstance(one, str) for one in scopes):
        raise StoreError("a token needs scopes, in an array")
    if names is not None and (not isinstance(names, list) or not names):
        raise StoreError("zones of a token are their names, in an array")
    where = (tokens.EVERYWHERE,) if names is None else tuple(_known_zone(zones, name) for name in names)
    ends = request.get("expires_on")
    policy = tokens.Policy(tokens.judged_scopes(scopes), where)
    wanted = tokens.Token("", _text(request, "name"), "", (policy,), expires_on=ends)
    made, value = tokens.create(zones, wanted, actor)
    return {"token": {**tokens.shown(made), "value": value}}


def _known_zone(zones: Zones, name: object) -> str:
    return zone_id(zones.get(zone_name(name))[0].name)


def _tokens_rotate(zones: Zones, request: Request, actor: str) -> Answer:
    token = _token(zones, request)
    return {"token": {"id": token.id, "value": tokens.rotate(zones, token, actor)}}


def _tokens_delete(zones: Zones, request: Request, actor: str) -> Answer:
    token = _token(zones, request)
    tokens.remove(zones, token, actor)
    return {"token": {"id": token.id, "name": token.name}}


def _token(zones: Zones, request: Request) -> tokens.Token:
    """By its id, or by its name if only one is called that."""
    text = _text(request, "token")
    found = [one for one in tokens.tokens(zones) if text in (one.id, one.name)]
    if len(found) != 1:
        what = "there is no token" if not found else "there are several tokens"
        raise StoreError(f"{what} {text!r}", "fastgw api-tokens list shows their ids")
    return found[0]


def _head(zone: StoredZone, declared: bool) -> Answer:
    return {"name": zone.name, "source": "file" if declared else "store", "revision": zone.revision}


def _done(zones: Zones, revision: int) -> Answer:
    return {"revision": revision}


def _warnings(zones: Zones, name: str) -> list[str]:
    return [str(problem) for problem in zones.warnings_of(name)]


def _row(change: Change) -> Answer:
    at = datetime.datetime.fromtimestamp(change.at, datetime.UTC)
    return {
        "revision": change.revision,
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "actor": change.actor,
        "op": change.op,
        "zone": change.zone,
        "before": _without_secret(change.before),
        "after": _without_secret(change.after),
    }


def _without_secret(document: Document | None) -> Document | None:
    """The hash of a token is nobody's business."""
    if document is None or "hash" not in document:
        return document
    return {key: value for key, value in document.items() if key != "hash"}


def _text(request: Request, key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise StoreError(f"the request has no {key}")
    return value


def _revision(request: Request, key: str) -> int | None:
    value = request.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise StoreError(f"{key} is {value!r}, which is not a number from 0 up")
    return value


def _document(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StoreError("a zone is an object with a name", 'as in {"name": "example.com", "dns": []}')
    return value


_VERBS: dict[str, Callable[[Zones, Request, str], Answer]] = {
    "zones.list": _list,
    "zones.get": _get,
    "zones.export": _export,
    "zones.put": _put,
    "zones.delete": _delete,
    "zones.import": _import,
    "zones.history": _history,
    "zones.rollback": _rollback,
    "tokens.list": _tokens_list,
    "tokens.create": _tokens_create,
    "tokens.rotate": _tokens_rotate,
    "tokens.delete": _tokens_delete,
}
