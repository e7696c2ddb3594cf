"""Pools, monitors and load balancers, and smart routing: how calls are shared among origins."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from fastgw.admin import balancing
from fastgw.admin.api.settings import now_text
from fastgw.admin.api.zones import Id
from fastgw.admin.balancing import MONITORS, POOLS, balancers
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import INVALID, missing, plainly, refuse
from fastgw.admin.query import Param
from fastgw.admin.records import full_name
from fastgw.policy.names import address, joined
from fastgw.store.base import Edit, StoredZone
from fastgw.store.ids import fresh_id

_Body = TypeVar("_Body", bound=Body)
_STEERING = Literal[
    "",
    "off",
    "geo",
    "random",
    "dynamic_latency",
    "proximity",
    "least_outstanding_requests",
    "least_connections",
]


class OriginBody(Body):
    """One origin of a pool."""

    name: str = ""
    address: Annotated[str, Field(min_length=1, max_length=300)]
    port: Annotated[int | None, Field(ge=0, le=65535)] = None
    weight: Annotated[float, Field(ge=0, le=1)] = 1
    enabled: bool = True
    header: dict[str, list[str]] | None = None
    origin_protocol: Literal["h2", "h2c"] | None = None
    origin_server_name: str | None = None


class PoolBody(Body):
    """A pool as it is to be."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    origins: Annotated[list[OriginBody], Field(min_length=1, max_length=64)]
    description: str = ""
    enabled: bool = True
    minimum_origins: int = 1
    monitor: str | None = None


class PoolChange(Body):
    """What of a pool is to change."""

    name: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    origins: Annotated[list[OriginBody] | None, Field(min_length=1, max_length=64)] = None
    description: str | None = None
    enabled: bool | None = None
    minimum_origins: int | None = None
    monitor: str | None = None


class MonitorBody(Body):
    """A monitor as it is to be; `grpc` asks grpc.health.v1, which the reference product cannot."""

    type: Literal["grpc", "http", "https", "tcp"] = "http"
    description: str = ""
    interval: Annotated[int, Field(ge=1, le=3600)] = 60
    timeout: Annotated[int, Field(ge=1, le=300)] = 5
    retries: Annotated[int, Field(ge=0, le=99)] = 2
    consecutive_up: Annotated[int, Field(ge=0, le=100)] = 0
    consecutive_down: Annotated[int, Field(ge=0, le=100)] = 0
    path: str = "/"
    method: str = "GET"
    expected_codes: str = "200"
    port: int | None = None
    service: Annotated[str, Field(description="grpc: what is asked for; empty: the whole server")] = ""


class MonitorChange(Body):
    """What of a monitor is to change."""

    type: Literal["grpc", "http", "https", "tcp"] | None = None
    description: str | None = None
    interval: Annotated[int | None, Field(ge=1, le=3600)] = None
    timeout: Annotated[int | None, Field(ge=1, le=300)] = None
    retries: Annotated[int | None, Field(ge=0, le=99)] = None
    consecutive_up: Annotated[int | None, Field(ge=0, le=100)] = None
    consecutive_down: Annotated[int | None, Field(ge=0, le=100)] = None
    path: str | None = None
    method: str | None = None
    expected_codes: str | None = None
    port: int | None = None
    service: str | None = None


class BalancerBody(Body):
    """A load balancer as it is to be: its name leads to the first of its pools that is well."""

    name: Annotated[str, Field(min_length=1, max_length=300)]
    default_pools: Annotated[list[str], Field(min_length=1, max_length=20)]
    fallback_pool: str
    description: str = ""
    enabled: bool = True
    proxied: bool = True
    ttl: int = 30
    steering_policy: _STEERING = ""
    session_affinity: Literal["none", ""] = "none"


class BalancerChange(Body):
    """What of a load balancer is to change."""

    name: Annotated[str | None, Field(min_length=1, max_length=300)] = None
    default_pools: Annotated[list[str] | None, Field(min_length=1, max_length=20)] = None
    fallback_pool: str | None = None
    description: str | None = None
    enabled: bool | None = None
    proxied: bool | None = None
    ttl: int | None = None
    steering_policy: _STEERING | None = None
    session_affinity: Literal["none", ""] | None = None


class PoolView(View):
    """A pool."""

    id: str
    name: str
    origins: list[dict[str, Any]]
    description: str
    enabled: bool
    minimum_origins: int
    monitor: str | None
    healthy: bool
    created_on: str
    modified_on: str


class MonitorView(View):
    """A monitor."""

    id: str
    type: str
    description: str
    interval: int
    timeout: int
    retries: int
    consecutive_up: int
    consecutive_down: int
    path: str
    method: str
    expected_codes: str
    port: int | None
    service: str
    created_on: str
    modified_on: str


class BalancerView(View):
    """A load balancer."""

    id: str
    name: str
    default_pools: list[str]
    fallback_pool: str
    description: str
    enabled: bool
    proxied: bool
    ttl: int
    steering_policy: str
    session_affinity: str
    created_on: str
    modified_on: str


class HealthView(View):
    """How the origins of a pool are, as this gateway sees them."""

    pool_id: str
    pop_health: dict[str, Any]


class Reference(View):
    """Who uses it."""

    reference_type: str
    resource_type: str
    resource_id: str
    resource_name: str


class Routing(View):
    """Do calls go where answers come fastest from?"""

    id: str = "smart_routing"
    value: Literal["on", "off"]
    editable: bool
    modified_on: str | None


class RoutingBody(Body):
    """on: by the lowest measured latency."""

    value: Literal["on", "off"]


def _objects(call: Call, kind: str) -> dict[str, dict[str, Any]]:
    return {one.name.rpartition("/")[2]: dict(one.document) for one in call.desk.objects(kind)}


def _with_zones(
    call: Call, kind: str, id_: str, document: Mapping[str, Any] | None, revision: int | None
) -> list[Edit]:
    """The change of a pool or monitor, and those of the zones it is felt in. Raise ApiError."""
    pools, monitors = _objects(call, POOLS), _objects(call, MONITORS)
    mine = pools if kind == POOLS else monitors
    if document is None:
        del mine[id_]
    else:
        mine[id_] = dict(document)
    edits = [Edit(f"@{kind}/{id_}", document, revision, "put" if document is not None else "delete")]
    for name in call.desk.names():
        found = call.desk.named(name)
        if found.declared or not balancers(found.document):
            continue
        after: Document = copy.deepcopy(dict(found.document))
        balancing.derive(name, after, pools, monitors)
        if after != found.document:
            edits.append(Edit(name, after, found.revision))
    return edits


def _put(call: Call, kind: str, id_: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> StoredZone:
    """Make or change a pool or monitor; `change` gets what there was."""

    def edits() -> tuple[None, list[Edit]]:
        before = call.desk.store.object(f"@{kind}/{id_}")
        if before is not None:
            call.require_revision(before.revision)
        at = now_text()
        was = dict(before.document) if before else {"created_on": at}
        document = {**change(dict(was)), "created_on": was["created_on"], "modified_on": at}
        if kind == POOLS and document.get("monitor") and document["monitor"] not in _objects(call, MONITORS):
            raise refuse(400, INVALID, "there is no such monitor", "/monitor")
        return None, _with_zones(call, kind, id_, document, before.revision if before else 0)

    call.desk.write(edits, call.actor, plainly(INVALID))
    return call.desk.object(kind, id_)


def _uses(call: Call, kind: str, id_: str) -> list[tuple[str, str, str]]:
    """Type, id and name of whatever uses a pool or monitor."""
    if kind == MONITORS:
        pools = _objects(call, POOLS).items()
        return [("pool", key, str(pool["name"])) for key, pool in pools if pool.get("monitor") == id_]
    return [
        ("load_balancer", one["id"], one["name"])
        for name in call.desk.names()
        for one in balancers(call.desk.named(name).document)
        if id_ in (*one["default_pools"], one["fallback_pool"])
    ]


def _verbs(kind: str, key: str, view: Callable[[Call, StoredZone], Any]) -> dict[str, Callable[[Call], Any]]:
    """What pools and monitors have in common."""

    def list_(call: Call) -> list[Any]:
        found = [view(call, one) for one in call.desk.objects(kind)]
        monitor = call.query.text("monitor")
        if kind == POOLS and monitor:
            found = [one for one in found if one.monitor == monitor]
        return sorted(found, key=lambda one: (one.created_on, one.id))

    def add(call: Call) -> Any:
        return view(
            call, _put(call, kind, fresh_id(), lambda was: call.body.model_dump(exclude=_extra(call.body)))
        )

    def get(call: Call) -> Any:
        return view(call, call.desk.object(kind, call.path[key]))

    def replace(call: Call) -> Any:
        call.desk.object(kind, call.path[key])
        body = call.body
        return view(call, _put(call, kind, call.path[key], lambda was: body.model_dump(exclude=_extra(body))))

    def change(call: Call) -> Any:
        call.desk.object(kind, call.path[key])
        said = _given(call.body)
        return view(call, _put(call, kind, call.path[key], lambda was: {**was, **said}))

    def remove(call: Call) -> Id:
        id_ = call.path[key]
        found = call.desk.object(kind, id_)

        def edits() -> tuple[None, list[Edit]]:
            uses = _uses(call, kind, id_)
            if uses:
                raise refuse(409, INVALID, f"the {uses[0][0]} {uses[0][2]} uses it")
            return None, [Edit(found.name, None, None, "delete")]

        call.desk.write(edits, call.actor)
        return Id(id=id_)

    def references(call: Call) -> list[Reference]:
        call.desk.object(kind, call.path[key])
        return [
            Reference(reference_type="referrer", resource_type=type_, resource_id=id_, resource_name=name)
            for type_, id_, name in _uses(call, kind, call.path[key])
        ]

    return {
        "list": list_,
        "add": add,
        "get": get,
        "replace": replace,
        "change": change,
        "remove": remove,
        "references": references,
    }


def _given(body: Body) -> dict[str, Any]:
    """What a request names, with all that belongs to it."""
    said = body.model_dump(exclude=_extra(body))
    return {key: value for key, value in said.items() if key in body.model_fields_set}


def _extra(body: Body) -> set[str]:
    return set(body.__pydantic_extra__ or ())


def _pool_view(call: Call, stored: StoredZone) -> PoolView:
    kept: dict[str, Any] = dict(stored.document)
    id_ = stored.name.rpartition("/")[2]
    return PoolView(
        id=id_, healthy=_pool_health(call, kept)["healthy"], **{**kept, "origins": kept["origins"]}
    )


def _monitor_view(call: Call, stored: StoredZone) -> MonitorView:
    return MonitorView(id=stored.name.rpartition("/")[2], **dict(stored.document))


def _pool_health(call: Call, pool: Mapping[str, Any]) -> dict[str, Any]:
    """How its origins are; one that nobody calls counts as well."""
    known = {row["endpoint"]: row for row in call.desk.gateway.stats()["endpoints"]}
    origins = []
    for origin in pool["origins"]:
        literal = address(origin["address"])
        row = known.get(joined(literal or origin["address"], origin["port"] or 443))
        healthy = row is None or (row["healthy"] and not row["ejected"])
        shown = {
            "healthy": bool(healthy),
            "failure_reason": ""
            if healthy
            else "ejected"
            if row and row["ejected"]
            else "health check failed",
            "rtt": f"{(row['latency_us'] if row else 0) / 1000:.3f}ms",
            "response_code": 0,
        }
        origins.append({origin["address"]: shown})
    good = sum(bool(next(iter(one.values()))["healthy"]) for one in origins)
    return {"healthy": good >= max(1, pool["minimum_origins"]), "origins": origins}


def pool_health(call: Call) -> HealthView:
    """As the gateway sees them just now."""
    stored = call.desk.object(POOLS, call.path["pool_id"])
    return HealthView(
        pool_id=call.path["pool_id"], pop_health={"fastgw": _pool_health(call, dict(stored.document))}
    )


# load balancers of a zone


def _balancer_view(one: Mapping[str, Any]) -> BalancerView:
    return BalancerView(**{key: value for key, value in one.items() if key != "records"})


def _pick(rows: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    for one in rows:
        if one["id"] == call.path["load_balancer_id"]:
            return one
    raise missing("load balancer")


def _edit(call: Call, change: Callable[[list[dict[str, Any]]], Any]) -> Any:
    name = call.zone.name

    def edit(document: Document) -> Any:
        rows: list[dict[str, Any]] = document.setdefault("api", {}).setdefault("load_balancers", [])
        document["api"]["load_balancer_records"] = [id_ for one in rows for id_ in one.get("records", ())]
        result = change(rows)
        balancing.derive(name, document, _objects(call, POOLS), _objects(call, MONITORS))
        return result

    return call.change(edit, plainly(INVALID))


def _said(call: Call, body: Body, *, changed_only: bool) -> dict[str, Any]:
    said = _given(body) if changed_only else body.model_dump(exclude=_extra(body))
    if said.get("name"):
        said["name"] = full_name(said["name"], call.zone.name)
    return {**said, "modified_on": now_text()}


def list_balancers(call: Call) -> list[BalancerView]:
    """Those of a zone."""
    return [_balancer_view(one) for one in balancers(call.zone.document)]


def add_balancer(call: Call) -> BalancerView:
    """Its name leads to its pools when this is answered."""
    said = _said(call, call.body, changed_only=False)
    new = {"id": fresh_id(), **said, "created_on": said["modified_on"], "records": []}
    _edit(call, lambda rows: rows.append(dict(new)))
    return _balancer_view(new)


def get_balancer(call: Call) -> BalancerView:
    """One of them."""
    return _balancer_view(_pick(balancers(call.zone.document), call))


def replace_balancer(call: Call) -> BalancerView:
    """What is not given has its default."""
    said = _said(call, call.body, changed_only=False)
    _edit(call, lambda rows: _pick(rows, call).update(said))
    return get_balancer(call)


def change_balancer(call: Call) -> BalancerView:
    """Change what is given."""
    said = _said(call, call.body, changed_only=True)
    _edit(call, lambda rows: _pick(rows, call).update(said))
    return get_balancer(call)


def remove_balancer(call: Call) -> Id:
    """With the records that it was made of."""
    _edit(call, lambda rows: rows.remove(_pick(rows, call)))
    return Id(id=call.path["load_balancer_id"])


# smart routing


def get_routing(call: Call) -> Routing:
    """Is the zone's balance peak_ewma?"""
    found = call.zone
    kept = dict(found.document).get("api", {}).get("settings", {})
    on = found.require_judged().origin.balance == "peak_ewma"
    return Routing(
        value="on" if on else "off", editable=not found.declared, modified_on=kept.get("smart_routing")
    )


def put_routing(call: Call) -> Routing:
    """on: each call goes to the faster of two endpoints, by measured latency and calls that run there."""
    value = call.body.value

    def edit(document: Document) -> None:
        origin = dict(document.get("origin", {}))
        if (origin.get("balance") == "peak_ewma") == (value == "on"):
            return
        if value == "on":
            origin["balance"] = "peak_ewma"
        else:
            del origin["balance"]
        document.pop("origin", None)
        if origin:
            document["origin"] = origin
        document.setdefault("api", {}).setdefault("settings", {})["smart_routing"] = now_text()

    call.change(edit, plainly(INVALID))
    return get_routing(call)


def _crud(at: str, key: str, kind: str, views: tuple[Any, Any, Any], what: str) -> tuple[Route, ...]:
    view, body, change = views
    many: Any = list[view]  # type: ignore[valid-type]
    shown = {POOLS: _pool_view, MONITORS: _monitor_view}[kind]
    verbs = _verbs(kind, key, shown)
    one = f"{at}/{{{key}}}"
    r, w = "origins:read", "origins:write"
    query = (Param("monitor", "only those it looks after"),) if kind == POOLS else ()
    return (
        Route("GET", at, verbs["list"], r, f"List {what}s", many, query=query),
        Route("POST", at, verbs["add"], w, f"Add a {what}", view, body),
        Route("GET", one, verbs["get"], r, f"Get a {what}", view),
        Route("PUT", one, verbs["replace"], w, f"Replace a {what}", view, body),
        Route("PATCH", one, verbs["change"], w, f"Change a {what}", view, change),
        Route("DELETE", one, verbs["remove"], w, f"Remove a {what}", Id),
        Route("GET", one + "/references", verbs["references"], r, f"Who uses a {what}", list[Reference]),
    )


_AT = "/accounts/{account_id}/load_balancers"
_LB = "/zones/{zone_id}/load_balancers"
_ONE = _LB + "/{load_balancer_id}"
_ARGO = "/zones/{zone_id}/argo/smart_routing"
_R, _W = "origins:read", "origins:write"
ROUTES = (
    *_crud(_AT + "/pools", "pool_id", POOLS, (PoolView, PoolBody, PoolChange), "pool"),
    Route("GET", _AT + "/pools/{pool_id}/health", pool_health, _R, "How a pool is", HealthView),
    *_crud(_AT + "/monitors", "monitor_id", MONITORS, (MonitorView, MonitorBody, MonitorChange), "monitor"),
    Route("GET", _LB, list_balancers, _R, "List load balancers", list[BalancerView]),
    Route("POST", _LB, add_balancer, _W, "Add a load balancer", BalancerView, BalancerBody),
    Route("GET", _ONE, get_balancer, _R, "Get a load balancer", BalancerView),
    Route("PUT", _ONE, replace_balancer, _W, "Replace a load balancer", BalancerView, BalancerBody),
    Route("PATCH", _ONE, change_balancer, _W, "Change a load balancer", BalancerView, BalancerChange),
    Route("DELETE", _ONE, remove_balancer, _W, "Remove a load balancer", Id),
    Route("GET", _ARGO, get_routing, _R, "Get smart routing", Routing),
    Route("PATCH", _ARGO, put_routing, _W, "Change smart routing", Routing, RoutingBody),
)
