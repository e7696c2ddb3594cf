"""Load balancers as the reference product has them, made of records and of a zone's origin policy.

A pool's origins become targets of the balancer's name, of a priority that is the pool's place; its monitor
becomes the health check of the zone, the way of steering its balance. Both hold for the whole zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastgw.admin.call import Document
from fastgw.admin.errors import INVALID, refuse
from fastgw.policy.names import HostnameError, record_name
from fastgw.store.ids import fixed_id

POOLS, MONITORS = "pools", "monitors"
BALANCE = {
    "": "round_robin",
    "off": "round_robin",
    "geo": "round_robin",
    "proximity": "round_robin",
    "random": "random",
    "dynamic_latency": "peak_ewma",
    "least_outstanding_requests": "least_calls",
    "least_connections": "least_calls",
}
CHECKS = {"grpc": "grpc", "http": "http", "https": "http", "tcp": "tcp"}
_WEIGHT_MOST = 100

Objects = Mapping[str, Mapping[str, Any]]


def balancers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of a zone."""
    found = document.get("api", {}).get("load_balancers", [])
    return [dict(one) for one in found]


def derive(zone: str, document: Document, pools: Objects, monitors: Objects) -> None:
    """Let the zone's records and origin policy be what its balancers say. Raise ApiError."""
    api = document.setdefault("api", {})
    kept: list[dict[str, Any]] = api.get("load_balancers", [])
    before = {id_ for one in kept for id_ in one.get("records", ())} | set(
        api.pop("load_balancer_records", ())
    )
    rows = [row for row in document.get("dns", ()) if row.get("id") not in before]
    made_before = {row["id"]: row for row in document.get("dns", ()) if row.get("id") in before}
    for one in kept:
        mine = _rows(zone, one, pools) if one["enabled"] else []
        for row in mine:
            row.update(
                {key: value for key, value in made_before.get(row["id"], {}).items() if key == "created_on"}
            )
        one["records"] = [row["id"] for row in mine]
        rows += mine
    document["dns"] = rows
    running = [one for one in kept if one["enabled"]]
    _policy(document, running, pools, monitors)
    if not kept:
        api.pop("load_balancers", None)


def _rows(zone: str, one: Mapping[str, Any], pools: Objects) -> list[dict[str, Any]]:
    try:
        name = record_name(one["name"], zone)
    except HostnameError as error:
        raise refuse(400, INVALID, f"name {error}", "/name") from None
    order = [*one["default_pools"]]
    if one["fallback_pool"] not in order:
        order.append(one["fallback_pool"])
    rows = []
    seen: set[tuple[str, int]] = set()
    for priority, id_ in enumerate(order):
        pool = pools.get(id_)
        if pool is None:
            raise refuse(400, INVALID, f"there is no pool {id_[:64]}", "/default_pools")
        if not pool["enabled"]:
            continue
        for origin in pool["origins"]:
            key = (origin["address"], origin["port"] or 443)
            if not origin["enabled"] or key in seen:
                continue
            seen.add(key)
            rows.append(_row(name, one, id_, origin, priority))
    if not rows:
        raise refuse(400, INVALID, "none of its pools has an origin that is enabled", "/default_pools")
    return rows


def _row(
    name: str, one: Mapping[str, Any], pool: str, origin: Mapping[str, Any], priority: int
) -> dict[str, Any]:
    weight = max(1, round(float(origin["weight"]) * _WEIGHT_MOST))
    row: dict[str, Any] = {
        "id": fixed_id("fastgw balanced", one["id"], pool, origin["address"], str(origin["port"])),
        "name": name,
        "content": origin["address"],
        "proxied": bool(one["proxied"]),
        "origin_port": origin["port"] or 443,
        "weight": weight,
        "priority": priority,
    }
    host = (origin.get("header") or {}).get("Host") or []
    if host:
        row["origin_host"] = host[0]
    for key in ("origin_protocol", "origin_server_name"):
        if origin.get(key):
            row[key] = origin[key]
    return row


def _policy(
    document: Document, running: Sequence[Mapping[str, Any]], pools: Objects, monitors: Objects
) -> None:
    """The zone's balance and health check, which all of its balancers must agree on. Raise ApiError."""
    balance = {BALANCE[one["steering_policy"]] for one in running}
    wanted = {
        pools[id_]["monitor"]
        for one in running
        for id_ in (*one["default_pools"], one["fallback_pool"])
        if id_ in pools and pools[id_].get("monitor")
    }
    if len(balance) > 1:
        said = "the zone's load balancers steer in different ways; here all of a zone steer in one"
        raise refuse(400, INVALID, said, "/steering_policy")
    if len(wanted) > 1:
        said = "the zone's pools have different monitors; here all of a zone have one"
        raise refuse(400, INVALID, said, "/default_pools")
    origin = dict(document.get("origin", {}))
    memory: dict[str, Any] = document["api"].setdefault("balancing", {})
    for key, value in (("balance", next(iter(balance), None)), ("health", _health(wanted, monitors))):
        if value is not None:
            origin[key] = value
            memory[key] = True
        elif memory.pop(key, False):
            origin.pop(key, None)
    if not memory:
        document["api"].pop("balancing")
    document.pop("origin", None)
    if origin:
        document["origin"] = origin


def _health(wanted: set[str], monitors: Objects) -> dict[str, Any] | None:
    if not wanted:
        return None
    monitor = monitors[next(iter(wanted))]
    found: dict[str, Any] = {
        "check": CHECKS[monitor["type"]],
        "interval": f"{monitor['interval']}s",
        "timeout": f"{monitor['timeout']}s",
        "fall": max(1, monitor["consecutive_down"] or monitor["retries"] + 1),
        "rise": max(1, monitor["consecutive_up"]),
    }
    if found["check"] == "http":
        found["path"] = monitor["path"]
    if found["check"] == "grpc" and monitor.get("service"):
        found["service"] = monitor["service"]
    return found
