"""Zones are added, paused and removed by forms."""

from __future__ import annotations

import grpc


def test_a_zone_is_added_and_found(api, visitor):
    assert "There is no zone yet" in visitor.see("/zones")
    said = visitor.send("/zones/do/add", name="Shop.Test")
    assert "The zone shop.test is there" in said
    assert visitor.last.url.path.endswith(api.sdk.zones.list().result[0].id)
    assert "shop.test" in visitor.see("/zones?name=shop")
    assert "No zone has this in its name" in visitor.see("/zones?name=nowhere")


def test_what_the_api_refuses_is_said_in_its_words(visitor):
    visitor.send("/zones/do/add", name="a.test")
    said = visitor.send("/zones/do/add", name="a.test")
    assert "Nothing was changed. a.test already exists" in said
    assert 'value="a.test"' in visitor.last.text


def test_a_paused_zone_carries_what_a_switch_keeps_out(api, visitor):
    id_ = api.zone("shop.test", grpc=False)
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    visitor.see(f"/zones/{id_}")
    assert "nothing inspected" in visitor.send(f"/zones/{id_}/do/pause", paused="on")
    assert api.call("shop.test") == b"hello"
    assert "The pause is over" in visitor.send(f"/zones/{id_}/do/pause", paused="off")
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED


def test_a_zone_is_removed_by_its_name_only(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}")
    assert "Nothing was removed" in visitor.send(f"/zones/{id_}/do/remove", name="shop")
    assert "was removed" in visitor.send(f"/zones/{id_}/do/remove", name="shop.test")
    assert list(api.sdk.zones.list()) == []


def test_many_zones_come_in_pages(api, visitor):
    for number in range(51):
        api.sdk.zones.create(account={"id": api.account}, name=f"z{number:02}.test")
    assert "Page 1 of 2" in visitor.see("/zones")
    assert "z50.test" not in visitor.words
    assert "z50.test" in visitor.see("/zones?page=2")
