"""What pages show and change: the switches of a zone, denials with their reasons."""

from __future__ import annotations

import time

import grpc
import pytest

from fastgw._core.proxy.reply import LocalReply
from fastgw.dashboard.explanations import EXPLANATIONS
from fastgw.dashboard.pages.network import CALLS, GRPC, NEIGHBOURS
from fastgw.gateway import Gateway
from fastgw.policy.catalogue import CATALOGUE
from tests.dashboard.conftest import Visitor


def until(found, seconds=10.0):
    """What `found` says as soon as it says something."""
    deadline = time.monotonic() + seconds
    while not (told := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return told


def test_the_switch_lets_calls_in_and_keeps_them_out(api, visitor):
    id_ = api.zone("shop.test", grpc=False)
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    page = visitor.see(f"/zones/{id_}/network")
    assert 'aria-checked="false" aria-label="gRPC"' in visitor.last.text
    page = visitor.send(f"/zones/{id_}/network/do/change", id="grpc", value="on")
    assert "gRPC is on. This is in force now." in page
    assert 'aria-checked="true" aria-label="gRPC"' in visitor.last.text
    assert api.call("shop.test") == b"hello"
    visitor.send(f"/zones/{id_}/network/do/change", id="grpc", value="off")
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED


def test_values_that_do_not_fit_are_refused_in_the_words_of_the_api(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/network")
    said = visitor.send(f"/zones/{id_}/network/do/change", id="proxy_read_timeout", value="soon")
    assert visitor.last.status_code == 400
    assert "Nothing was changed. Invalid value for zone setting" in said
    said = visitor.send(f"/zones/{id_}/network/do/change", id="nonsense", value="on")
    assert "Undefined zone setting: nonsense" in said
    said = visitor.send(f"/zones/{id_}/network/do/change", id="max_upload", value="200")
    assert "Maximum Upload Size is 200" in said


def test_every_neighbour_is_a_setting():
    for card in (GRPC, *CALLS, *NEIGHBOURS):
        assert card.id in CATALOGUE
        assert card.text.endswith(".")


def test_a_zone_of_the_file_is_shown_and_not_changed(api, visitor):
    file = api.directory / "fastgw.toml"
    leaf = api.leaf("file.test")
    file.write_text(
        file.read_text() + f'[[zone]]\nname = "file.test"\ncert = {{ file = "{leaf.certificate}", '
        f'key = "{leaf.key}" }}\n'
    )
    api.zones.load()
    visitor.see("/zones")
    id_ = next(zone.id for zone in api.sdk.zones.list() if zone.name == "file.test")
    assert "declared in the configuration file" in visitor.see(f"/zones/{id_}/network")
    assert visitor.last.text.count("disabled") >= 10
    said = visitor.send(f"/zones/{id_}/network/do/change", id="grpc", value="on")
    assert visitor.last.status_code == 403
    assert "edit the file" in said


def test_a_denial_is_shown_with_its_reason(api, visitor):
    id_ = api.zone("shop.test", grpc=False)
    visitor.see("/failures")
    api.refused("shop.test")
    assert until(lambda: "grpc_disabled" in visitor.see("/failures"))
    assert "The gRPC switch of the zone is off. Switch gRPC on. Network" in visitor.words
    assert f'href="/dashboard/zones/{id_}/network"' in visitor.last.text
    assert "PERMISSION_DENIED" in visitor.words
    assert "/fastgw.test.Echo/Unary" in visitor.words
    assert "grpc_disabled" in visitor.see("/failures?zone=shop.test")
    assert "No call was denied" in visitor.see("/failures?zone=other.test")
    assert "Denied last" in visitor.see(f"/zones/{id_}/network")


def test_a_gateway_that_tells_nothing_of_calls_is_not_said_to_deny_none(visitor, monkeypatch):
    monkeypatch.setattr(Gateway, "tells_calls", False)
    assert "neither an access log nor [admin]" in visitor.see("/failures?zone=quiet.test")


def test_every_local_reply_is_explained():
    names = {reply.name.lower() for reply in LocalReply if reply.name not in ("NO_REPLY", "REPLY_COUNT")}
    assert names <= set(EXPLANATIONS)


def test_the_overview_is_for_those_who_may_see_the_gateway(api, visitor):
    assert "Calls per second" in visitor.see("/")
    other = Visitor(api, api.new_token("zones:read"))
    assert "gateway:read" in other.see("/")
    assert other.http.get("/live").status_code == 403
    assert "Denials" not in other.see("/zones")


@pytest.mark.parametrize("path", ["/zones/" + "0" * 32, "/zones/nonsense/network"])
def test_what_is_not_there_is_said_so(visitor, path):
    visitor.see(path)
    assert visitor.last.status_code == 404
    assert "Not found" in visitor.words
