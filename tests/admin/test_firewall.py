"""Lists, access rules, user agent rules and lockdowns through the SDK: they decide about the next call."""

import cloudflare
import grpc
import pytest

CUSTOM = "http_request_firewall_custom"
DENIED = grpc.StatusCode.PERMISSION_DENIED


def test_a_list_decides_in_all_zones_that_name_it(api):
    lists = api.sdk.rules.lists
    made = lists.create(account_id=api.account, name="bad", kind="ip", description="d")
    assert (made.num_items, made.num_referencing_filters) == (0, 0)
    for name in ("a.test", "b.test"):
        rule = {"action": "block", "expression": "ip.src in $bad"}
        api.sdk.rulesets.phases.update(CUSTOM, zone_id=api.zone(name), rules=[rule])
    assert api.call("a.test") == b"hello"
    before = api.gateway.revision
    done = lists.items.create(made.id, account_id=api.account, body=[{"ip": "127.0.0.0/8", "comment": "us"}])
    assert api.gateway.revision == before + 1
    assert {api.refused("a.test"), api.refused("b.test")} == {DENIED}
    assert lists.bulk_operations.get(done.operation_id, account_id=api.account).status == "completed"
    assert lists.get(made.id, account_id=api.account).num_referencing_filters == 2
    (item,) = lists.items.list(made.id, account_id=api.account)
    assert (item.ip, item.comment) == ("127.0.0.0/8", "us")
    assert lists.items.get(item.id, account_id=api.account, list_id=made.id).id == item.id
    with pytest.raises(cloudflare.BadRequestError, match="name the list"):
        lists.delete(made.id, account_id=api.account)
    lists.items.delete(made.id, account_id=api.account, items=[{"id": item.id}])
    assert api.call("a.test") == api.call("b.test") == b"hello"
    for zone in api.sdk.zones.list():
        api.sdk.rulesets.phases.update(CUSTOM, zone_id=zone.id, rules=[])
    assert "lists" not in api.zones.get("a.test")[0].document
    lists.delete(made.id, account_id=api.account)
    assert list(lists.list(account_id=api.account)) == []


def test_items_by_page_and_search(api):
    lists = api.sdk.rules.lists
    made = lists.create(account_id=api.account, name="many", kind="ip")
    body = [{"ip": f"192.0.2.{number}"} for number in range(30)] + [{"ip": "2001:db8::/32"}]
    lists.items.update(made.id, account_id=api.account, body=body)
    assert len({one.ip for one in lists.items.list(made.id, account_id=api.account, per_page=7)}) == 31
    found = lists.items.list(made.id, account_id=api.account, search="2001")
    assert [one.ip for one in found] == ["2001:db8::/32"]
    lists.items.create(made.id, account_id=api.account, body=[{"ip": "192.0.2.0", "comment": "again"}])
    assert lists.get(made.id, account_id=api.account).num_items == 31
    assert lists.update(made.id, account_id=api.account, description="d").description == "d"
    numbers = lists.create(account_id=api.account, name="numbers", kind="asn")
    lists.items.create(numbers.id, account_id=api.account, body=[{"asn": 64496}])
    names = lists.create(account_id=api.account, name="names", kind="hostname")
    lists.items.create(names.id, account_id=api.account, body=[{"hostname": {"url_hostname": "a.test"}}])
    for wrong in ([{"ip": "192.0.2.1/24"}], [{"asn": 1}], [{}]):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            lists.items.create(made.id, account_id=api.account, body=wrong)
        assert caught.value.errors[0].source.pointer.startswith("/0")
    for said in ({"name": "Not a name"}, {"name": "many"}, {"name": "x", "kind": "redirect"}):
        with pytest.raises(cloudflare.BadRequestError):
            lists.create(account_id=api.account, **{"kind": "ip", **said})
    with pytest.raises(cloudflare.NotFoundError):
        lists.get("0" * 32, account_id=api.account)


def test_access_rules(api):
    zone, rules = api.zone(), api.sdk.firewall.access_rules
    local = {"target": "ip_range", "value": "127.0.0.0/8"}
    made = rules.create(zone_id=zone, mode="block", configuration=local, notes="Attack 26/02")
    assert api.refused("shop.test") is DENIED
    assert rules.get(made.id, zone_id=zone).to_dict() == made.to_dict()
    changed = rules.edit(made.id, zone_id=zone, mode="whitelist", configuration=local)
    assert (changed.id, changed.mode, changed.notes) == (made.id, "whitelist", "Attack 26/02")
    assert api.call("shop.test") == b"hello"
    for number in range(5):
        one = {"target": "ip", "value": f"192.0.2.{number}"}
        rules.create(zone_id=zone, mode="block", configuration=one)
    assert len(list(rules.list(zone_id=zone, per_page=2))) == 6
    assert [one.id for one in rules.list(zone_id=zone, notes="attack")] == [made.id]
    assert [one.id for one in rules.list(zone_id=zone, mode="whitelist")] == [made.id]
    found = rules.list(zone_id=zone, configuration={"target": "ip", "value": "192.0.2.3"})
    assert [one.configuration.value for one in found] == ["192.0.2.3"]
    either = rules.list(zone_id=zone, match="any", notes="attack", configuration={"value": "192.0.2.3"})
    assert len(list(either)) == 2
    with pytest.raises(cloudflare.BadRequestError) as caught:
        rules.create(zone_id=zone, mode="block", configuration=local)
    assert caught.value.errors[0].code == 10009
    for mode, value in (("managed_challenge", "192.0.2.9"), ("block", "nowhere")):
        with pytest.raises(cloudflare.BadRequestError):
            rules.create(zone_id=zone, mode=mode, configuration={"target": "ip", "value": value})
    assert rules.delete(made.id, zone_id=zone).id == made.id
    with pytest.raises(cloudflare.NotFoundError):
        rules.get(made.id, zone_id=zone)
    assert list(rules.list(account_id=api.account)) == []
    with pytest.raises(cloudflare.BadRequestError, match="belong to a zone"):
        rules.create(account_id=api.account, mode="block", configuration=local)


def test_user_agents(api):
    zone, rules = api.zone(), api.sdk.firewall.ua_rules
    python = {"target": "ua", "value": "grpc-python*"}
    made = rules.create(zone_id=zone, mode="block", configuration=python, description="ours")
    assert api.refused("shop.test") is DENIED
    off = rules.update(made.id, zone_id=zone, mode="block", configuration=python, paused=True)
    assert (off.id, off.paused, off.description) == (made.id, True, "")
    assert api.call("shop.test") == b"hello"
    assert [one.id for one in rules.list(zone_id=zone, user_agent="python", paused=True)] == [made.id]
    assert list(rules.list(zone_id=zone, paused=False)) == []
    with pytest.raises(cloudflare.BadRequestError) as caught:
        rules.create(zone_id=zone, mode="js_challenge", configuration={"target": "ua", "value": "x"})
    assert caught.value.errors[0].source.pointer == "/mode"
    assert rules.get(made.id, zone_id=zone).configuration.value == "grpc-python*"
    rules.delete(made.id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        rules.delete(made.id, zone_id=zone)


def test_lockdowns(api):
    zone, rules = api.zone(), api.sdk.firewall.lockdowns
    said = {"urls": ["shop.test/*"], "configurations": [{"target": "ip", "value": "192.0.2.1"}]}
    made = rules.create(zone_id=zone, **said, description="office")
    assert api.refused("shop.test") is DENIED
    here = [*said["configurations"], {"target": "ip_range", "value": "127.0.0.0/8"}]
    changed = rules.update(made.id, zone_id=zone, urls=said["urls"], configurations=here)
    assert (changed.id, changed.created_on) == (made.id, made.created_on)
    assert api.call("shop.test") == b"hello"
    assert [one.id for one in rules.list(zone_id=zone, uri_search="shop", ip="127.0")] == [made.id]
    assert list(rules.list(zone_id=zone, description="office")) == []
    with pytest.raises(cloudflare.BadRequestError):
        rules.create(zone_id=zone, urls=["other.test/*"], configurations=here)
    assert rules.get(made.id, zone_id=zone).id == made.id
    rules.delete(made.id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        rules.get(made.id, zone_id=zone)


async def test_the_async_client(api):
    zone = api.zone()
    async with cloudflare.AsyncCloudflare(api_token=api.token, base_url=api.url, max_retries=0) as client:
        local = {"target": "ip", "value": "127.0.0.1"}
        rules = client.firewall.access_rules
        made = await rules.create(zone_id=zone, mode="block", configuration=local)
        assert [one.id async for one in rules.list(zone_id=zone)] == [made.id]
    assert api.refused("shop.test") is DENIED
