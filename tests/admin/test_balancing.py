"""Pools, monitors, load balancers and smart routing through the SDK: calls go where they say."""

import cloudflare
import grpc
import pytest


def pool(api, name: str = "first", **more):
    origins = [{"name": "a", "address": "127.0.0.1", "port": api.origin.port, "enabled": True, "weight": 1}]
    return api.sdk.load_balancers.pools.create(
        account_id=api.account, name=name, **{"origins": origins, **more}
    )


def test_a_name_leads_to_its_pools(api):
    zone = api.zone()
    dead = pool(api, "dead", origins=[{"name": "x", "address": "127.0.0.1", "port": 1}])
    good = pool(api, "good")
    made = api.sdk.load_balancers.create(
        zone_id=zone, name="lb.shop.test", default_pools=[dead.id, good.id], fallback_pool=good.id
    )
    assert api.call("lb.shop.test") == b"hello", "the second pool serves as nobody answers in the first"
    assert api.sdk.load_balancers.get(made.id, zone_id=zone).default_pools == [dead.id, good.id]
    assert [one.id for one in api.sdk.load_balancers.list(zone_id=zone)] == [made.id]
    records = [one.name for one in api.sdk.dns.records.list(zone_id=zone)]
    assert records == ["shop.test"], "what a balancer is made of is changed as a balancer"
    api.sdk.load_balancers.edit(made.id, zone_id=zone, default_pools=[good.id], name="other.shop.test")
    assert api.call("other.shop.test") == b"hello"
    assert api.refused("lb.shop.test") is grpc.StatusCode.UNIMPLEMENTED
    api.sdk.load_balancers.delete(made.id, zone_id=zone)
    assert api.refused("other.shop.test") is grpc.StatusCode.UNIMPLEMENTED
    assert "load_balancers" not in api.zones.get("shop.test")[0].document["api"]


def test_a_change_of_a_pool_is_felt_in_all_zones_at_once(api):
    zones = [api.zone(name) for name in ("a.test", "b.test")]
    shared = pool(api)
    for zone, name in zip(zones, ("a.test", "b.test"), strict=True):
        api.sdk.load_balancers.create(
            zone_id=zone, name=f"lb.{name}", default_pools=[shared.id], fallback_pool=shared.id
        )
    assert api.call("lb.a.test") == api.call("lb.b.test") == b"hello"
    before = api.gateway.revision
    dead = [{"name": "x", "address": "127.0.0.1", "port": 1}]
    api.sdk.load_balancers.pools.edit(shared.id, account_id=api.account, origins=dead)
    assert api.gateway.revision == before + 1
    assert {api.refused("lb.a.test"), api.refused("lb.b.test")} == {grpc.StatusCode.UNAVAILABLE}
    wrong = [{"name": "x", "address": "not an address", "port": 1}]
    with pytest.raises(cloudflare.BadRequestError):
        api.sdk.load_balancers.pools.edit(shared.id, account_id=api.account, origins=wrong)
    kept = api.sdk.load_balancers.pools.get(shared.id, account_id=api.account)
    assert kept.origins[0].address == "127.0.0.1", "if one zone cannot have it, nothing has happened"
    uses = list(api.sdk.load_balancers.pools.references.get(shared.id, account_id=api.account))
    assert len(uses) == 2
    with pytest.raises(cloudflare.ConflictError):
        api.sdk.load_balancers.pools.delete(shared.id, account_id=api.account)


def test_a_monitor_is_the_health_check_of_the_zone(api):
    zone = api.zone()
    monitor = api.sdk.load_balancers.monitors.create(
        account_id=api.account, type="tcp", interval=10, load_balancer_monitor_timeout=2
    )
    watched = pool(api, monitor=monitor.id)
    api.sdk.load_balancers.create(
        zone_id=zone,
        name="lb.shop.test",
        default_pools=[watched.id],
        fallback_pool=watched.id,
        steering_policy="least_connections",
    )
    policy = api.zones.config.zones[0].origin
    assert (policy.health.check, policy.health.interval_ms, policy.health.timeout_ms) == ("tcp", 10_000, 2000)
    assert policy.balance == "least_calls"
    own = {"type": "grpc", "service": "pkg.Echo"}
    api.sdk.load_balancers.monitors.edit(monitor.id, account_id=api.account, extra_body=own)
    health = api.zones.config.zones[0].origin.health
    assert (health.check, health.service) == ("grpc", "pkg.Echo"), "what the reference product cannot"
    found = api.sdk.load_balancers.pools.health.get(watched.id, account_id=api.account)
    assert found.pool_id == watched.id
    with pytest.raises(cloudflare.ConflictError):
        api.sdk.load_balancers.monitors.delete(monitor.id, account_id=api.account)


def test_smart_routing(api):
    zone = api.zone()
    assert api.sdk.argo.smart_routing.get(zone_id=zone).value == "off"
    done = api.sdk.argo.smart_routing.edit(zone_id=zone, value="on")
    assert done.to_dict() == api.sdk.argo.smart_routing.get(zone_id=zone).to_dict()
    assert api.zones.config.zones[0].origin.balance == "peak_ewma"
    assert api.call("shop.test") == b"hello"
    api.sdk.argo.smart_routing.edit(zone_id=zone, value="off")
    assert api.zones.config.zones[0].origin.balance == "round_robin"


def test_what_cannot_be(api):
    zone = api.zone()
    one = pool(api)
    wrong = [
        {"default_pools": ["0" * 32], "fallback_pool": one.id},
        {"default_pools": [one.id], "fallback_pool": "0" * 32},
        {"default_pools": [], "fallback_pool": one.id},
        {"default_pools": [one.id], "fallback_pool": one.id, "name": "shop.other"},
    ]
    for said in wrong:
        answer = api.http.post(f"/zones/{zone}/load_balancers", json={"name": "lb", **said})
        if said.get("name") != "shop.other":
            assert answer.status_code == 400, answer.text
    with pytest.raises(cloudflare.BadRequestError):
        pool(api, "bad", monitor="0" * 32)
