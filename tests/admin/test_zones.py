"""Zones and settings through the unmodified SDK: what is written is in force when it is answered."""

import time

import cloudflare
import grpc
import pytest

from fastgw.store.ids import zone_id


def test_a_zone_from_nothing_to_a_call_and_back(api):
    made = api.sdk.zones.create(account={"id": api.account}, name="Shop.TEST")
    assert (made.name, made.status, made.paused, made.type) == ("shop.test", "active", False, "full")
    assert made.id == zone_id("shop.test")
    assert api.sdk.zones.get(zone_id=made.id).to_dict() == made.to_dict()
    leaf = api.leaf("shop.test")
    api.sdk.custom_certificates.create(
        zone_id=made.id, certificate=leaf.certificate.read_text(), private_key=leaf.key.read_text()
    )
    assert api.refused("shop.test") is grpc.StatusCode.UNIMPLEMENTED
    api.record(made.id, "shop.test")
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    assert api.sdk.zones.settings.edit("grpc", zone_id=made.id, value="on").value == "on"
    assert api.call("shop.test") == b"hello"
    api.sdk.zones.settings.edit("grpc", zone_id=made.id, value="off")
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    assert api.sdk.zones.delete(zone_id=made.id).id == made.id
    with pytest.raises(cloudflare.NotFoundError) as caught:
        api.sdk.zones.get(zone_id=made.id)
    assert caught.value.errors[0].code == 1003
    assert api.refused("shop.test") is not grpc.StatusCode.OK


def test_a_pause_lets_everything_through(api):
    id_ = api.zone(grpc=False)
    assert api.sdk.zones.edit(zone_id=id_, paused=True).paused is True
    assert api.call("shop.test") == b"hello"
    assert api.sdk.zones.edit(zone_id=id_, paused=False).paused is False
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED


def test_pages_end_with_an_empty_one(api):
    for number in range(7):
        api.sdk.zones.create(account={"id": api.account}, name=f"z{number}.test")
    names = [one.name for one in api.sdk.zones.list(per_page=3)]
    assert names == [f"z{number}.test" for number in range(7)], "the SDK asks until a page is empty"
    page = api.http.get("/zones", params={"page": 2, "per_page": 3}).json()
    assert page["result_info"] == {"page": 2, "per_page": 3, "count": 3, "total_count": 7, "total_pages": 3}
    assert api.http.get("/zones", params={"page": 99}).json()["result"] == []
    for wrong in ("0", "-1", "x", "1.5", "9" * 30):
        assert api.http.get("/zones", params={"page": wrong}).status_code == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "b.test"}, ["b.test"]),
        ({"name.contains": "B"}, ["b.test"]),
        ({"name.starts_with": "a", "name.ends_with": "other"}, []),
        ({"name.starts_with": "a", "name.ends_with": "other", "match": "any"}, ["a.test", "c.other"]),
        ({"status": "active", "order": "name", "direction": "desc"}, ["c.other", "b.test", "a.test"]),
        ({"status": "pending"}, []),
        ({"account.id": "0" * 32}, []),
        ([("type", "partial"), ("type", "full")], ["a.test", "b.test", "c.other"]),
        ({"type": "partial,secondary"}, []),
    ],
)
def test_filters(api, query, names):
    for name in ("a.test", "b.test", "c.other"):
        api.sdk.zones.create(account={"id": api.account}, name=name)
    assert [one["name"] for one in api.http.get("/zones", params=query).json()["result"]] == names


@pytest.mark.parametrize(
    ("name", "code"),
    [("", 100400), ("a b.test", 1049), ("10.0.0.1", 1049), ("x" * 300, 1049), ("shop.test", 1061)],
)
def test_names_that_cannot_be(api, name, code):
    api.sdk.zones.create(account={"id": api.account}, name="shop.test")
    with pytest.raises(cloudflare.BadRequestError) as caught:
        api.sdk.zones.create(account={"id": api.account}, name=name)
    assert caught.value.errors[0].code == code, caught.value.errors


def test_settings_one_by_one_several_and_all(api):
    id_ = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    every = api.http.get(f"/zones/{id_}/settings").json()["result"]
    assert {"grpc", "long_lived_grpc", "ssl", "ciphers", "min_tls_version"} <= {one["id"] for one in every}
    assert all(one["modified_on"] is None for one in every)
    items = [
        {"id": "grpc", "value": "on"},
        {"id": "ssl", "value": "strict"},
        {"id": "proxy_read_timeout", "value": "120"},
    ]
    done = api.http.patch(f"/zones/{id_}/settings", json={"items": items}).json()["result"]
    assert [one["value"] for one in done] == ["on", "strict", 120]
    revision = api.gateway.revision
    bad = api.http.patch(
        f"/zones/{id_}/settings", json={"items": [*items[:1], {"id": "ssl", "value": "flexible"}]}
    )
    assert bad.status_code == 400, "gRPC cannot be carried without TLS toward the origin"
    assert api.gateway.revision == revision
    assert api.sdk.zones.settings.get("ssl", zone_id=id_).value == "strict", "none of several has happened"


@pytest.mark.parametrize(
    ("setting", "value", "status", "code"),
    [
        ("grcp", "on", 404, 1006),
        ("grpc", "yes", 400, 1007),
        ("grpc", True, 400, 1007),
        ("ciphers", ["RC4"], 400, 1007),
        ("proxy_read_timeout", 0, 400, 1007),
        ("advanced_ddos", "off", 403, 1015),
    ],
)
def test_settings_that_cannot_be(api, setting, value, status, code):
    id_ = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    with pytest.raises(cloudflare.APIStatusError) as caught:
        api.sdk.zones.settings.edit(setting, zone_id=id_, value=value)
    assert (caught.value.status_code, caught.value.errors[0].code) == (status, code)


def test_a_setting_is_the_same_when_it_is_read_again(api):
    id_ = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    for setting, value in (("grpc", "on"), ("ciphers", ["ECDHE-RSA-AES128-GCM-SHA256"]), ("max_upload", 200)):
        done = api.http.patch(f"/zones/{id_}/settings/{setting}", json={"value": value}).json()["result"]
        assert (done["value"], done["editable"]) == (value, True)
        assert api.http.get(f"/zones/{id_}/settings/{setting}").json()["result"] == done
        again = api.http.patch(f"/zones/{id_}/settings/{setting}", json={"value": value}).json()["result"]
        assert again == done, "what changes nothing leaves no trace"


def test_what_is_gone_is_404_for_terraform(api):
    for path in (
        f"/zones/{'0' * 32}",
        f"/zones/{'0' * 32}/settings/grpc",
        f"/zones/{'0' * 32}/dns_records/{'1' * 32}",
        "/zones/not-an-id",
    ):
        assert api.http.get(path).status_code == 404, path


def test_what_the_file_declares_is_read_and_not_written(api):
    file = api.directory / "fastgw.toml"
    file.write_text(file.read_text() + '\n[[zone]]\nname = "declared.test"\ngrpc = "on"\n')
    api.zones.load()
    id_ = zone_id("declared.test")
    assert api.sdk.zones.settings.get("grpc", zone_id=id_).value == "on"
    with pytest.raises(cloudflare.PermissionDeniedError, match="declared in the configuration file"):
        api.sdk.zones.settings.edit("grpc", zone_id=id_, value="off")
    assert api.http.get(f"/zones/{id_}").json()["result"]["source"] == "file"


def test_a_change_is_in_force_within_50_ms(api):
    id_ = api.zone()
    host, _, port = api.gateway.addresses[0].rpartition(":")
    from tests.support.grpc_echo import Echo, channel

    with channel((host, int(port)), ca_pem=api.ca.pem, name="shop.test") as opened:
        echo = Echo(opened)
        echo.unary(b"warm", timeout=5)
        times = []
        for number in range(20):
            begun = time.perf_counter()
            api.http.patch(f"/zones/{id_}/settings/grpc", json={"value": "off" if number % 2 == 0 else "on"})
            try:
                echo.unary(b"x", timeout=5)
                carried = True
            except grpc.RpcError:
                carried = False
            times.append(time.perf_counter() - begun)
            assert carried is (number % 2 == 1), "the first call after the answer is decided by it"
    assert sorted(times)[10] < 0.05, times
