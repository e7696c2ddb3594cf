"""What zones have used is counted by day and product, and can be read by those who may see the zones."""

import csv
import io
import time

import pytest

from fastgw.store.ids import zone_id
from fastgw.store.usage import today
from tests.support.calls import eventually


def used(api, **query):
    answer = api.http.get(f"{api.root}/fastgw/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    return {(row["zone"], row["product"]): row for row in answer.json()["result"]}


def settled(api, zone, calls):
    """The zone's traffic, once so many calls have been counted."""
    return eventually(lambda: (row := used(api).get((zone, "traffic"))) and row["calls"] >= calls and row)


def test_calls_messages_and_octets(api):
    api.zone("counted.test")
    for _ in range(3):
        api.call("counted.test", b"x" * 100)
    row = settled(api, "counted.test", 3)
    assert (row["calls"], row["request_messages"], row["response_messages"]) == (3, 3, 3)
    assert row["request_octets"] >= 300
    assert row["response_octets"] >= 300
    assert (row["denied"], row["failed"]) == (0, 0)
    assert row["period"] == today(time.time())
    assert row["zone_id"] == zone_id("counted.test")
    assert ("counted.test", "rules") not in used(api), "nothing was asked of it"


def test_denied_calls_are_calls(api):
    api.zone("off.test", grpc=False)
    api.refused("off.test")
    row = settled(api, "off.test", 1)
    assert (row["calls"], row["denied"], row["failed"]) == (1, 1, 0)


def write(api, zone, **keys):
    """The zone with more than one resource can say yet."""
    found = api.http.get(f"{api.root}/fastgw/v1/requests", params={"do": "zones.get", "zone": zone})
    document = {**found.json()["result"]["zone"]["document"], **keys}
    done = api.http.post(f"{api.root}/fastgw/v1/requests", json={"do": "zones.put", "document": document})
    assert done.status_code == 200, done.text


def test_each_product_counts_its_own_calls(api):
    api.zone("all.test")
    api.call("all.test")
    rule = {"expression": "cf.bot_management.score lt 1", "action": "block", "id": "bots"}
    write(api, "all.test", rule=[rule])
    api.call("all.test")
    allow = {"name": "everybody", "decision": "bypass", "include": [{"everyone": True}]}
    write(api, "all.test", access={"applications": [{"name": "all", "policies": [allow]}]})
    api.call("all.test")
    api.record(zone_id("all.test"), "all.test", content="127.0.0.2")
    api.http.patch(f"/zones/{zone_id('all.test')}/argo/smart_routing", json={"value": "on"})
    settled(api, "all.test", 3)
    api.call("all.test")
    settled(api, "all.test", 4)
    rows = {product: row["calls"] for (zone, product), row in used(api, zone="all.test").items()}
    assert rows == {"traffic": 4, "rules": 3, "bots": 3, "access": 2, "smart_routing": 1}


def test_filters_sums_and_csv(api):
    for name in ("one.test", "two.test"):
        api.zone(name)
        api.call(name)
        settled(api, name, 1)
    day = today(time.time())
    assert {zone for zone, _ in used(api, zone="one.test")} == {"one.test"}
    assert used(api, product="bots", zone="one.test") == {}
    assert used(api, until="2020-01-01") == {}
    assert ("one.test", "traffic") in used(api, since=day, until=day)
    assert used(api, by="month", zone="one.test")["one.test", "traffic"]["period"] == day[:7]
    assert used(api, by="all", zone="one.test")["one.test", "traffic"]["period"] == ""
    first = api.http.get(f"{api.root}/fastgw/v1/usage", params={"per_page": 1, "zone": "one.test"}).json()
    assert (len(first["result"]), first["result_info"]["total_count"]) == (1, 1)
    table = api.http.get(f"{api.root}/fastgw/v1/usage.csv")
    assert table.headers["content-type"].startswith("text/csv")
    rows = {row["zone"]: row for row in csv.DictReader(io.StringIO(table.text))}
    assert int(rows["two.test"]["calls"]) >= 1


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"by": "hour"}, {"product": "tea"}])
def test_what_cannot_be_meant(api, query):
    assert api.http.get(f"{api.root}/fastgw/v1/usage", params=query).status_code == 400


def test_a_token_sees_its_zones_only(api):
    for name in ("mine.test", "theirs.test"):
        api.zone(name)
        api.call(name)
        settled(api, name, 1)
    token = api.new_token("zones:read", zones=(zone_id("mine.test"),))
    headers = {"authorization": f"Bearer {token}"}
    rows = api.http.get(f"{api.root}/fastgw/v1/usage", headers=headers).json()["result"]
    assert {row["zone"] for row in rows} == {"mine.test"}
    assert "theirs" not in api.http.get(f"{api.root}/fastgw/v1/usage.csv", headers=headers).text
    none = api.new_token("dns:read")
    refused = api.http.get(f"{api.root}/fastgw/v1/usage", headers={"authorization": f"Bearer {none}"})
    assert refused.status_code == 403


def test_the_summary_of_a_zone(api):
    zone = api.zone("summed.test")
    api.call("summed.test")
    settled(api, "summed.test", 1)
    found = api.http.get(f"/zones/{zone}/analytics/dashboard", params={"since": "-2880"}).json()["result"]
    assert len(found["timeseries"]) == 3
    last = found["timeseries"][-1]
    assert last["requests"] == {"all": 1, "cached": 0, "uncached": 1}
    assert last["bandwidth"]["all"] == found["totals"]["bandwidth"]["all"] > 0
    assert last["since"] == f"{today(time.time())}T00:00:00Z"
    assert found["timeseries"][0]["requests"]["all"] == 0
    short = api.http.get(f"/zones/{zone}/analytics/dashboard", params={"continuous": "false"}).json()
    assert len(short["result"]["timeseries"]) == 1
    for query in (
        {"since": "tomorrow"},
        {"since": "9999-12-31"},
        {"since": "1970-01-01"},
        {"until": "-9" * 9},
    ):
        assert api.http.get(f"/zones/{zone}/analytics/dashboard", params=query).status_code == 400, query
