"""Many who write at once lose nothing; who writes on what has changed is told; each write leaves its row."""

import json
from concurrent.futures import ThreadPoolExecutor

import cloudflare
import httpx
import pytest


def test_a_hundred_writers_lose_no_update(api):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    headers = {"authorization": f"Bearer {api.token}"}

    def write(number: int) -> int:
        said = {"name": f"n{number}", "type": "A", "content": f"10.0.0.{number}", "ttl": 1}
        return httpx.post(
            f"{api.url}/zones/{zone}/dns_records", json=said, headers=headers, timeout=30
        ).status_code

    before = api.zones.store.revision
    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(write, range(100))) == {200}
    assert api.zones.store.revision == before + 100
    found = {one.content for one in api.sdk.dns.records.list(zone_id=zone, per_page=1000)}
    assert found == {f"10.0.0.{number}" for number in range(100)}
    assert len(api.zones.config.zones[0].records) == 100


def test_if_match(api):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    seen = api.http.get(f"/zones/{zone}").headers["etag"]
    path, said = f"/zones/{zone}/settings/grpc", {"value": "on"}
    done = api.http.patch(path, json=said, headers={"if-match": seen})
    assert done.status_code == 200
    stale = api.http.patch(path, json={"value": "off"}, headers={"if-match": seen})
    assert (stale.status_code, stale.json()["errors"][0]["code"]) == (409, 100409)
    assert api.sdk.zones.settings.get("grpc", zone_id=zone).value == "on"
    assert api.http.patch(path, json=said, headers={"if-match": done.headers["etag"]}).status_code == 200
    assert api.http.delete(f"/zones/{zone}", headers={"if-match": seen}).status_code == 409


def test_each_write_has_its_row(api):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    api.sdk.zones.settings.edit("grpc", zone_id=zone, value="on")
    api.sdk.zones.delete(zone_id=zone)
    rows = list(api.sdk.audit_logs.list(account_id=api.account, zone={"name": "shop.test"}, per_page=2))
    mine = rows[:3]
    assert [one.action.type for one in mine] == ["delete", "update", "create"]
    assert json.loads(mine[1].old_value) == {"name": "shop.test"}
    assert json.loads(mine[1].new_value)["settings"] == {"grpc": "on"}
    assert {one.resource.id for one in mine} == {zone}
    assert all(one.actor.to_dict()["name"] == "tests" for one in mine)
    assert api.http.get(f"/accounts/{api.account}/audit_logs/").status_code in (307, 404)
    newer = list(
        api.sdk.accounts.logs.audit.list(
            account_id=api.account, since="2020-01-01", before="2099-01-01", limit=2, direction="asc"
        )
    )
    assert len(newer) >= 3, "the cursor leads to all of them"
    assert (
        api.http.get(f"/accounts/{api.account}/audit_logs", params={"since": "yesterday"}).status_code == 400
    )


def test_nothing_has_happened_if_it_cannot_be_stored(api, monkeypatch):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    revision = api.gateway.revision
    api.zones.store._db.execute("PRAGMA query_only = ON")
    try:
        with pytest.raises(cloudflare.InternalServerError) as caught:
            api.sdk.zones.settings.edit("grpc", zone_id=zone, value="on")
    finally:
        api.zones.store._db.execute("PRAGMA query_only = OFF")
    assert caught.value.status_code == 503
    assert api.gateway.revision == revision
    assert api.sdk.zones.settings.get("grpc", zone_id=zone).value == "off"


async def test_the_async_client(api):
    async with cloudflare.AsyncCloudflare(api_token=api.token, base_url=api.url, max_retries=0) as client:
        assert (await client.user.tokens.verify()).status == "active"
        made = [await client.zones.create(account={"id": api.account}, name=f"z{n}.test") for n in range(3)]
        found = [one.name async for one in client.zones.list(per_page=2)]
        assert found == ["z0.test", "z1.test", "z2.test"]
        done = await client.zones.settings.edit("grpc", zone_id=made[0].id, value="on")
        assert done.value == "on"
        record = await client.dns.records.create(
            zone_id=made[0].id, name="api", type="A", content="10.0.0.1", ttl=1
        )
        assert [one.id async for one in client.dns.records.list(zone_id=made[0].id)] == [record.id]
        await client.dns.records.delete(record.id, zone_id=made[0].id)
        with pytest.raises(cloudflare.BadRequestError):
            await client.zones.create(account={"id": api.account}, name="z0.test")
        with pytest.raises(cloudflare.NotFoundError):
            await client.zones.get(zone_id="0" * 32)
        await client.zones.delete(zone_id=made[0].id)
        assert (await client.ips.list()).ipv4_cidrs == ["127.0.0.1/32"]
        assert (await client.user.get()).first_name == "tests"
