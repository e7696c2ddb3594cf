"""The Access page of a zone: who may call what, and the tokens that services show."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from fastgw.dashboard.pages.certificates import end_of
from fastgw.dashboard.visit import ZONE, Page, Visit

DECISIONS = (
    ("non_identity", "Admit services"),
    ("allow", "Admit people who have logged in"),
    ("deny", "Keep out"),
    ("bypass", "Do not ask"),
)
DURATIONS = (("8760h", "a year"), ("720h", "30 days"), ("24h", "a day"), ("forever", "for ever"))
_APPS = "/zones/{zone_id}/access/apps"
_APP = _APPS + "/{app_id}"
_TOKENS = "/zones/{zone_id}/access/service_tokens"
_TOKEN = _TOKENS + "/{service_token_id}"
_EVERY = [("per_page", "1000")]


def show(visit: Visit, secret: Any = None) -> Response:
    """Applications with their policies, and service tokens; `secret`: a token that was just made."""
    tokens = visit.api.get(_TOKENS, _EVERY).rows
    whose = [("any_valid_service_token", "any service token"), ("everyone", "everyone")]
    whose += [(f"service_token {one.id}", f"the token {one.name}") for one in tokens]
    whose += [("ip", "addresses …"), ("common_name", "a certificate's common name …")]
    return visit.render(
        "access.html",
        apps=visit.api.get(_APPS, _EVERY).rows,
        tokens=tokens,
        secret=secret,
        whose=whose,
        decisions=DECISIONS,
        words=dict(DECISIONS),
        durations=DURATIONS,
        end_of=end_of,
        said=lambda parts: said(parts, {one.id: one.name for one in tokens}),
        may_write=visit.token.may("access:write", visit.path["zone_id"]) and visit.zone.source != "file",
    )


def said(parts: list[dict[str, Any]], names: dict[str, str]) -> str:
    """What a policy asks for, in words."""
    found = []
    for part in parts:
        for kind, value in part.items():
            inner = value if isinstance(value, dict) else {"": value}
            values = [
                names.get(one, one) if isinstance(one, str) else json.dumps(one) for one in inner.values()
            ]
            found.append(" ".join([kind.replace("_", " "), *values]))
    return ", ".join(found) or "nobody"


def include_of(visit: Visit) -> list[dict[str, Any]]:
    """Who is meant, as the API reads it."""
    kind, _, id_ = visit.field("whose").partition(" ")
    if kind == "service_token":
        return [{kind: {"token_id": id_}}]
    if kind in ("ip", "common_name"):
        return [{kind: {kind: one}} for one in visit.field("values").replace(",", " ").split()]
    return [{kind: {}}]


def policy_of(visit: Visit) -> dict[str, Any]:
    """A policy as the form says it."""
    name = visit.field("policy") or dict(DECISIONS).get(visit.field("decision"), "policy")
    return {"name": name, "decision": visit.field("decision"), "include": include_of(visit)}


def add(visit: Visit) -> Response:
    """An application with its first policy."""
    body = {"name": visit.field("name"), "domain": visit.field("domain"), "type": "self_hosted"}
    made = visit.api.post(_APPS, {**body, "policies": [policy_of(visit)]})
    return visit.done(
        f"The application {made.name or made.domain} is there. Its callers are asked from now on."
    )


def admit(visit: Visit) -> Response:
    """One policy more."""
    visit.api.post(_APP + "/policies", policy_of(visit), app_id=visit.field("app"))
    return visit.done("The policy is in force.")


def drop(visit: Visit) -> Response:
    """One policy less."""
    visit.api.delete(_APP + "/policies/{policy_id}", app_id=visit.field("app"), policy_id=visit.field("id"))
    return visit.done("The policy was removed.")


def remove(visit: Visit) -> Response:
    """An application with its policies."""
    visit.api.delete(_APP, app_id=visit.field("id"))
    return visit.done("The application was removed: whoever knows it may call it.")


def make(visit: Visit) -> Response:
    """A service token. Its secret is on this one answer and nowhere else, so that no redirect follows."""
    body = {"name": visit.field("token"), "duration": visit.field("duration", "8760h")}
    return show(visit, visit.api.post(_TOKENS, body))


def rotate(visit: Visit) -> Response:
    """Another secret; the one before is not good any more."""
    return show(visit, visit.api.post(_TOKEN + "/rotate", {}, service_token_id=visit.field("id")))


def revoke(visit: Visit) -> Response:
    """A token that is not needed any more."""
    visit.api.delete(_TOKEN, service_token_id=visit.field("id"))
    return visit.done("The token is not good any more.")


PAGES = (
    Page(
        "/zones/{zone_id}/access",
        "Access",
        show,
        nav=ZONE,
        scope="access:read",
        writes={
            "add": add,
            "admit": admit,
            "drop": drop,
            "remove": remove,
            "make": make,
            "rotate": rotate,
            "revoke": revoke,
        },
    ),
)
