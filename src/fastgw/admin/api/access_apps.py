"""access/apps and access/policies: what is protected, and who may call it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.accessing import (
    ACCESS_INVALID,
    PARTS,
    POLICIES,
    apps,
    known,
    policy_row,
    write_app,
    write_object,
)
from fastgw.admin.api.settings import now_text
from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Route, View
from fastgw.admin.errors import missing, refuse
from fastgw.admin.query import PAGING, Page, Param
from fastgw.store.ids import fixed_id, fresh_id

_Kept = dict[str, Any]
_Decision = Literal["allow", "deny", "non_identity", "bypass"]
_Asked = Annotated[list[dict[str, Any]], Field(max_length=100)]


class AccessPolicyBody(Body):
    """Who may call, or may not."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    decision: _Decision
    include: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)]
    require: _Asked = Field(default=[])
    exclude: _Asked = Field(default=[])
    precedence: int | None = None


class AppBody(Body):
    """A part of a zone that only some may call."""

    domain: Annotated[str | None, Field(max_length=2000, description="host, or host/path")] = None
    name: Annotated[str, Field(max_length=200)] = ""
    type: str = "self_hosted"
    session_duration: str = "24h"
    destinations: list[dict[str, Any]] | None = None
    self_hosted_domains: list[str] | None = None
    policies: list[str | dict[str, Any]] | None = None


class AccessPolicyView(View):
    """A policy."""

    id: str
    name: str
    decision: str
    include: list[dict[str, Any]]
    require: list[dict[str, Any]]
    exclude: list[dict[str, Any]]
    precedence: int
    reusable: bool
    created_at: str
    updated_at: str


class AppView(View):
    """An application."""

    id: str
    aud: str
    name: str
    domain: str
    type: str
    session_duration: str
    destinations: list[dict[str, str]]
    self_hosted_domains: list[str]
    policies: list[AccessPolicyView]
    created_at: str
    updated_at: str


def _policy_view(kept: _Kept, all_: dict[str, _Kept]) -> AccessPolicyView:
    said = {**all_.get(kept["id"], {}), "id": kept["id"]} if kept.get("reusable") else kept
    return AccessPolicyView(
        id=kept["id"],
        name=said["name"],
        decision=said["decision"],
        precedence=kept.get("precedence", 1),
        reusable=bool(kept.get("reusable")),
        created_at=said["created_at"],
        updated_at=said["updated_at"],
        **{part: said.get(part) or [] for part in PARTS},
    )


def _view(call: Call, app: _Kept) -> AppView:
    policies = known(call).policies
    ordered = sorted(app["policies"], key=lambda one: one["precedence"])
    names = ("id", "name", "session_duration", "created_at", "updated_at")
    return AppView(
        aud=fixed_id("fastgw audience", app["id"]) * 2,
        domain=app["uris"][0],
        type="self_hosted",
        destinations=[{"type": "public", "uri": uri} for uri in app["uris"]],
        self_hosted_domains=app["uris"],
        policies=[_policy_view(one, policies) for one in ordered],
        **{key: app[key] for key in names},
    )


def _all(call: Call) -> list[tuple[str, _Kept]]:
    """The applications that the path speaks of, each with its zone."""
    zones = [call.zone.name] if "zone_id" in call.path else list(call.desk.names())
    return [(zone, app) for zone in zones for app in apps(call.desk.named(zone).document)]


def _find(call: Call) -> tuple[str, _Kept]:
    for zone, app in _all(call):
        if app["id"] == call.path["app_id"]:
            return zone, app
    raise missing("application")


def _uris(body: AppBody) -> list[str]:
    found = [body.domain] if body.domain else []
    for index, one in enumerate(body.destinations or ()):
        if one.get("type", "public") != "public" or not isinstance(one.get("uri"), str):
            said = "a destination is public here, with a uri"
            raise refuse(400, ACCESS_INVALID, said, f"/destinations/{index}")
        found.append(one["uri"])
    found += body.self_hosted_domains or []
    found = list(dict.fromkeys(uri.partition("://")[2] or uri for uri in found))
    if not found:
        raise refuse(400, ACCESS_INVALID, "an application needs a domain", "/domain")
    return found


def _zone_of(call: Call, uris: list[str]) -> str:
    """The zone that the domains lie in. Raise ApiError."""
    zones = [call.zone.name] if "zone_id" in call.path else list(call.desk.names())
    for zone in sorted(zones, key=len, reverse=True):
        hosts = [uri.partition("/")[0].lower().removeprefix("*.") for uri in uris]
        if all(host == zone or host.endswith("." + zone) for host in hosts):
            return zone
    raise refuse(400, ACCESS_INVALID, "the domain lies in no zone that is served here", "/domain")


def _policies(body: AppBody, before: list[_Kept]) -> list[_Kept]:
    """The policies of a request: ids of reusable ones, or the whole. Raise ApiError."""
    found: list[_Kept] = []
    known_ids = {one["id"]: one for one in before}
    for index, one in enumerate(body.policies or ()):
        said = {"id": one} if isinstance(one, str) else one
        place = said.get("precedence") if isinstance(said.get("precedence"), int) else index + 1
        if "decision" in said:
            try:
                inline = AccessPolicyBody.model_validate(said)
            except ValueError:
                text = "a policy has a name, a decision and include"
                raise refuse(400, ACCESS_INVALID, text, f"/policies/{index}") from None
            was = known_ids.get(str(said.get("id")))
            found.append({**_policy(inline, was), "precedence": place})
        elif isinstance(said.get("id"), str):
            was = known_ids.get(said["id"])
            link = {"id": said["id"], "reusable": True}
            found.append({**(was or link), "precedence": place})
        else:
            raise refuse(400, ACCESS_INVALID, "a policy has an id", f"/policies/{index}")
    return found


def _policy(body: AccessPolicyBody, was: _Kept | None) -> _Kept:
    at = now_text()
    return {
        "id": was["id"] if was else fresh_id(),
        **{key: getattr(body, key) for key in ("name", "decision", *PARTS)},
        "created_at": was["created_at"] if was else at,
        "updated_at": at,
    }


def _app(body: AppBody, was: _Kept | None) -> _Kept:
    if body.type != "self_hosted":
        said = f"applications of the type {body.type[:40]} do not exist here; there is self_hosted"
        raise refuse(400, ACCESS_INVALID, said, "/type")
    at, uris = now_text(), _uris(body)
    before = was["policies"] if was else []
    return {
        "id": was["id"] if was else fresh_id(),
        "name": body.name or uris[0],
        "uris": uris,
        "session_duration": body.session_duration,
        "policies": before if body.policies is None else _policies(body, before),
        "created_at": was["created_at"] if was else at,
        "updated_at": at,
    }


def list_apps(call: Call) -> Page:
    """Those that the API has made."""
    query = call.query
    exact = query.truth("exact") is True
    found = [_view(call, app) for _, app in _all(call)]
    for name in ("name", "domain", "aud"):
        wanted = query.text(name)
        if wanted:
            whole = exact or name == "aud"
            found = [
                one
                for one in found
                if (getattr(one, name) == wanted if whole else wanted.lower() in getattr(one, name).lower())
            ]
    search = query.text("search").lower()
    return query.paged([one for one in found if search in f"{one.name} {one.domain}".lower()])


def add_app(call: Call) -> AppView:
    """Calls of it are judged from this answer on; without a policy everybody is denied."""
    new = _app(call.body, None)
    write_app(call, _zone_of(call, new["uris"]), lambda rows: rows.append(new))
    return _view(call, new)


def get_app(call: Call) -> AppView:
    """One of them."""
    return _view(call, _find(call)[1])


def _change(call: Call, zone: str, after: _Kept) -> None:
    def change(rows: list[_Kept]) -> None:
        place = next((at for at, row in enumerate(rows) if row["id"] == after["id"]), None)
        if place is None:
            raise missing("application")
        rows[place] = after

    write_app(call, zone, change)


def replace_app(call: Call) -> AppView:
    """What is not given has its default; policies that are not given stay."""
    zone, was = _find(call)
    after = _app(call.body, was)
    if _zone_of(call, after["uris"]) != zone:
        raise refuse(400, ACCESS_INVALID, f"the application belongs to the zone {zone}", "/domain")
    _change(call, zone, after)
    return get_app(call)


def remove_app(call: Call) -> Id:
    """Nobody is asked any more."""
    zone, was = _find(call)
    write_app(call, zone, lambda rows: rows.remove(next(one for one in rows if one["id"] == was["id"])))
    return Id(id=was["id"])


# policies of an application


def _of_app(call: Call) -> tuple[str, _Kept, _Kept]:
    zone, app = _find(call)
    for one in app["policies"]:
        if one["id"] == call.path["policy_id"]:
            return zone, app, one
    raise missing("policy")


def list_app_policies(call: Call) -> Page:
    """In the order they are asked."""
    return call.query.paged(get_app(call).policies)


def add_app_policy(call: Call) -> AccessPolicyView:
    """In force when this is answered."""
    zone, app = _find(call)
    body: AccessPolicyBody = call.body
    places = [one["precedence"] for one in app["policies"]]
    new = {**_policy(body, None), "precedence": body.precedence or max(places, default=0) + 1}
    _change(call, zone, {**app, "policies": [*app["policies"], new], "updated_at": now_text()})
    return _policy_view(new, {})


def get_app_policy(call: Call) -> AccessPolicyView:
    """One of them."""
    return _policy_view(_of_app(call)[2], known(call).policies)


def replace_app_policy(call: Call) -> AccessPolicyView:
    """A reusable one is changed by itself."""
    zone, app, was = _of_app(call)
    if was.get("reusable"):
        raise refuse(400, ACCESS_INVALID, "the policy is a reusable one: change it at access/policies")
    body: AccessPolicyBody = call.body
    new = {**_policy(body, was), "precedence": body.precedence or was["precedence"]}
    policies = [new if one["id"] == was["id"] else one for one in app["policies"]]
    _change(call, zone, {**app, "policies": policies, "updated_at": now_text()})
    return _policy_view(new, {})


def remove_app_policy(call: Call) -> Id:
    """From the application; a reusable one stays for others."""
    zone, app, was = _of_app(call)
    policies = [one for one in app["policies"] if one["id"] != was["id"]]
    _change(call, zone, {**app, "policies": policies, "updated_at": now_text()})
    return Id(id=was["id"])


# policies by themselves


def _reusable(call: Call) -> _Kept:
    id_ = call.path["policy_id"]
    return {**call.desk.object(POLICIES, id_).document, "id": id_}


def _shown(kept: _Kept) -> AccessPolicyView:
    return _policy_view(kept, {}).model_copy(update={"reusable": True})


def list_policies(call: Call) -> Page:
    """Those that applications may share."""
    found = [
        _shown({**one.document, "id": one.name.rpartition("/")[2]}) for one in call.desk.objects(POLICIES)
    ]
    return call.query.paged(sorted(found, key=lambda one: (one.created_at, one.id)))


def add_policy(call: Call) -> AccessPolicyView:
    """Applications name it by its id."""
    new = _policy(call.body, None)
    policy_row(new, known(call))
    write_object(call, POLICIES, new["id"], lambda was: new)
    return _shown(new)


def get_policy(call: Call) -> AccessPolicyView:
    """One of them."""
    return _shown(_reusable(call))


def replace_policy(call: Call) -> AccessPolicyView:
    """All applications that name it have it at once."""
    new = _policy(call.body, _reusable(call))
    policy_row(new, known(call))
    write_object(call, POLICIES, new["id"], lambda was: new)
    return _shown(new)


def remove_policy(call: Call) -> Id:
    """Refused as long as an application names it."""
    id_ = _reusable(call)["id"]
    for zone in call.desk.names():
        for app in apps(call.desk.named(zone).document):
            if any(one["id"] == id_ for one in app["policies"]):
                raise refuse(409, ACCESS_INVALID, f"the application {app['name']} names the policy")
    write_object(call, POLICIES, id_, lambda was: None)
    return Id(id=id_)


_R, _W = "access:read", "access:write"
_FIND = (
    Param("name", "part of the name"), Param("domain", "part of the domain"), Param("aud", "the audience"),
    Param("search", "part of either"), Param("exact", "the whole of it", {"type": "boolean"}), *PAGING,
)  # fmt: skip
_APPS: Any = list[AppView]
_MANY: Any = list[AccessPolicyView]


def _routes(root: str) -> tuple[Route, ...]:
    at = root + "/access/apps"
    one, of = at + "/{app_id}", at + "/{app_id}/policies"
    it = of + "/{policy_id}"
    return (
        Route("GET", at, list_apps, _R, "List applications", _APPS, query=_FIND, paging="page"),
        Route("POST", at, add_app, _W, "Add an application", AppView, AppBody),
        Route("GET", one, get_app, _R, "Get an application", AppView),
        Route("PUT", one, replace_app, _W, "Replace an application", AppView, AppBody),
        Route("DELETE", one, remove_app, _W, "Remove an application", Id),
        Route("GET", of, list_app_policies, _R, "List its policies", _MANY, query=PAGING, paging="page"),
        Route("POST", of, add_app_policy, _W, "Add a policy", AccessPolicyView, AccessPolicyBody),
        Route("GET", it, get_app_policy, _R, "Get a policy", AccessPolicyView),
        Route("PUT", it, replace_app_policy, _W, "Replace a policy", AccessPolicyView, AccessPolicyBody),
        Route("DELETE", it, remove_app_policy, _W, "Remove a policy", Id),
    )


_P = "/accounts/{account_id}/access/policies"
ROUTES = (
    *_routes("/accounts/{account_id}"),
    *_routes("/zones/{zone_id}"),
    Route("GET", _P, list_policies, _R, "List reusable policies", _MANY, query=PAGING, paging="page"),
    Route("POST", _P, add_policy, _W, "Add a reusable policy", AccessPolicyView, AccessPolicyBody),
    Route("GET", _P + "/{policy_id}", get_policy, _R, "Get a reusable policy", AccessPolicyView),
    Route(
        "PUT",
        _P + "/{policy_id}",
        replace_policy,
        _W,
        "Replace a reusable policy",
        AccessPolicyView,
        AccessPolicyBody,
    ),
    Route("DELETE", _P + "/{policy_id}", remove_policy, _W, "Remove a reusable policy", Id),
)
