"""Access as the reference product has it, made of applications and service tokens of a zone's document."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastgw.admin.call import Call, Document
from fastgw.admin.errors import plainly, refuse
from fastgw.admin.shared import LISTS, lists_by_name, supply
from fastgw.store.base import Edit

TOKENS, POLICIES = "service-tokens", "access-policies"
ACCESS_INVALID = 12130
PARTS = ("include", "require", "exclude")

_Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What applications may name, by id."""

    tokens: dict[str, _Kept]
    policies: dict[str, _Kept]
    lists: dict[str, _Kept]


def known(call: Call) -> Known:
    """As it is stored."""
    tokens, policies = (
        {one.name.rpartition("/")[2]: dict(one.document) for one in call.desk.objects(kind)}
        for kind in (TOKENS, POLICIES)
    )
    lists = {one["id"]: dict(one) for one in lists_by_name(call.desk.objects(LISTS)).values()}
    return Known(tokens, policies, lists)


def apps(document: Mapping[str, Any]) -> list[_Kept]:
    """The applications that the API has made in a zone."""
    return [dict(one) for one in document.get("api", {}).get("access", {}).get("apps", ())]


def derive(document: Document, zone: str, all_: Known) -> None:
    """Let the zone's access be what its applications, and all tokens, say. Raise ApiError."""
    api = document.setdefault("api", {})
    kept: _Kept = dict(api.pop("access", {}))
    access: _Kept = dict(document.pop("access", {}))
    made = {tuple(one) for one in kept.pop("made", ())}
    rows = [row for row in access.pop("applications", ()) if (row.get("host"), row.get("path")) not in made]
    mine = [row for one in kept.get("apps", ()) for row in _rows(one, all_)]
    given = set(kept.pop("tokens", ()))
    tokens = [row for row in access.pop("service_tokens", ()) if row["id"] not in given]
    if rows or mine:
        access["applications"] = [*rows, *mine]
        supplied = _tokens(zone, all_, {row.get("name") for row in tokens})
        tokens += supplied
        if supplied:
            kept["tokens"] = [row["id"] for row in supplied]
    if tokens:
        access["service_tokens"] = tokens
    if mine:
        kept["made"] = [[row.get("host"), row.get("path")] for row in mine]
    if not kept.get("apps"):
        kept.pop("apps", None)
    if access:
        document["access"] = access
    if kept:
        api["access"] = kept
    supply(document, {one["name"]: one for one in all_.lists.values()})


def _tokens(zone: str, all_: Known, taken: set[Any]) -> list[_Kept]:
    rows = []
    for token in all_.tokens.values():
        if token["zone"] not in ("", zone):
            continue
        row: _Kept = {
            "id": token["client_id"],
            "secret_sha256": token["secret_sha256"],
            "enabled": token["enabled"],
        }
        if token["name"] not in taken:
            row["name"] = token["name"]
            taken.add(token["name"])
        for key in ("expires_at", "previous_sha256", "previous_until"):
            if token.get(key) is not None:
                row[key] = token[key]
        rows.append(row)
    return rows


def _rows(app: Mapping[str, Any], all_: Known) -> list[_Kept]:
    """One application, a row for each destination."""
    policies = []
    for index, link in enumerate(sorted(app["policies"], key=lambda one: one["precedence"])):
        policy = all_.policies.get(link["id"]) if link.get("reusable") else link
        if policy is None:
            raise refuse(400, ACCESS_INVALID, f"there is no policy {link['id'][:64]}", f"/policies/{index}")
        policies.append(policy_row(policy, all_, f"/policies/{index}"))
    rows = []
    for uri in app["uris"]:
        host, _, path = uri.partition("/")
        rows.append({"name": app["name"], "host": host, "path": f"/{path}", "policies": policies})
    return rows


def policy_row(policy: Mapping[str, Any], all_: Known, at: str = "") -> _Kept:
    """A policy as the file has it. Raise ApiError for what cannot be enforced here."""
    row: _Kept = {"name": policy["name"], "decision": policy["decision"]}
    for part in PARTS:
        entries = policy.get(part) or []
        if entries:
            row[part] = [_entry(one, all_, f"{at}/{part}/{index}") for index, one in enumerate(entries)]
    return row


_INNER: dict[str, tuple[str, str]] = {
    "ip": ("ip", "ip"),
    "geo": ("country_code", "country"),
    "email": ("email", "email"),
    "email_domain": ("domain", "email_domain"),
    "common_name": ("common_name", "common_name"),
    "jwt": ("issuer", "jwt"),
    "fingerprint": ("fingerprint", "fingerprint"),
    "san": ("san", "san"),
}
_FACTS = ("everyone", "any_valid_service_token", "certificate")


def _entry(entry: Mapping[str, Any], all_: Known, at: str) -> _Kept:
    """One thing that is asked of a caller. Raise ApiError."""
    if len(entry) != 1:
        raise refuse(400, ACCESS_INVALID, "one key in each entry; another entry for another thing", at)
    ((kind, said),) = entry.items()
    if not isinstance(said, Mapping):
        raise refuse(400, ACCESS_INVALID, f"{kind[:40]} is an object", f"{at}/{kind}")
    if kind in _FACTS:
        return {kind: True}
    if kind in _INNER:
        key, ours = _INNER[kind]
        return {ours: [_text(said, key, f"{at}/{kind}")]}
    if kind == "service_token":
        token = all_.tokens.get(_text(said, "token_id", f"{at}/{kind}"))
        if token is None:
            raise refuse(400, ACCESS_INVALID, "there is no such service token", f"{at}/{kind}/token_id")
        return {"service_token": [token["client_id"]]}
    if kind == "ip_list":
        found = all_.lists.get(_text(said, "id", f"{at}/{kind}"))
        if found is None:
            raise refuse(400, ACCESS_INVALID, "there is no such list", f"{at}/{kind}/id")
        return {"ip_list": found["name"]}
    if kind == "oidc":
        where = f"{at}/{kind}"
        return {"claim": _text(said, "claim_name", where), "values": [_text(said, "claim_value", where)]}
    there = ", ".join(sorted((*_INNER, *_FACTS, "service_token", "ip_list", "oidc")))
    said_ = f"nobody can be asked for {kind[:40]} here; there are {there}"
    raise refuse(400, ACCESS_INVALID, said_, f"{at}/{kind}")


def _text(said: Mapping[str, Any], key: str, at: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value:
        raise refuse(400, ACCESS_INVALID, f"{key} is missing", f"{at}/{key}")
    return value


# changes


def write_app(call: Call, zone: str, change: Callable[[list[_Kept]], None]) -> None:
    """Let `change` change the applications of a zone, and put it in force. Raise ApiError."""

    def edits() -> tuple[None, list[Edit]]:
        found = call.desk.named(zone)
        call.require_revision(found.revision)
        document: Document = copy.deepcopy(dict(found.document))
        rows = apps(document)
        change(rows)
        document.setdefault("api", {}).setdefault("access", {})["apps"] = rows
        derive(document, zone, known(call))
        return None, [Edit(zone, document, found.revision)]

    call.desk.write(edits, call.actor, plainly(ACCESS_INVALID))


def write_object(call: Call, kind: str, id_: str, change: Callable[[_Kept | None], _Kept | None]) -> None:
    """Make, change or remove a token or policy, and with it all zones it is felt in. Raise ApiError."""

    def edits() -> tuple[None, list[Edit]]:
        stored = call.desk.store.object(f"@{kind}/{id_}")
        after = change(None if stored is None else copy.deepcopy(dict(stored.document)))
        all_ = known(call)
        mine = all_.tokens if kind == TOKENS else all_.policies
        if after is None:
            mine.pop(id_, None)
        else:
            mine[id_] = after
        op: Any = "put" if after is not None else "delete"
        wanted = [Edit(f"@{kind}/{id_}", after, stored.revision if stored else 0, op)]
        for zone in call.desk.names():
            found = call.desk.named(zone)
            if found.declared or not found.document.get("access", {}).get("applications"):
                continue
            document: Document = copy.deepcopy(dict(found.document))
            derive(document, zone, all_)
            if document != found.document:
                wanted.append(Edit(zone, document, found.revision))
        return None, wanted

    call.desk.write(edits, call.actor, plainly(ACCESS_INVALID))
