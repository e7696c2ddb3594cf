"""Records are added, changed, served and removed by forms."""

from __future__ import annotations

import grpc

from tests.dashboard.scenes import EVIL


def _records(api, zone: str) -> dict:
    return {one.name: one for one in api.sdk.dns.records.list(zone_id=zone)}


def test_a_record_is_added_and_served_and_switched(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/dns")
    said = visitor.send(
        f"/zones/{id_}/dns/do/add", type="A", name="api", content="127.0.0.1", proxied="on",
        origin_port=str(api.origin.port), weight="1", priority="0", ttl="1",
    )  # fmt: skip
    assert "The record api.shop.test is there. It is served from now on." in said
    assert api.call("api.shop.test") == b"hello"
    record = _records(api, id_)["api.shop.test"]
    said = visitor.send(f"/zones/{id_}/dns/do/proxy", id=record.id, proxied="off")
    assert "api.shop.test is not served any more" in said
    assert api.refused("api.shop.test") is grpc.StatusCode.UNIMPLEMENTED
    visitor.send(f"/zones/{id_}/dns/do/proxy", id=record.id, proxied="on")
    assert api.call("api.shop.test") == b"hello"
    assert "The record was removed" in visitor.send(f"/zones/{id_}/dns/do/remove", id=record.id)
    assert "api.shop.test" not in _records(api, id_)


def test_a_record_is_changed_and_keeps_what_the_form_does_not_know(api, visitor):
    id_ = api.zone("shop.test")
    record = api.record(id_, "api.shop.test", tags=["team:a"])
    assert "Change api.shop.test" in visitor.see(f"/zones/{id_}/dns?edit={record.id}")
    said = visitor.send(
        f"/zones/{id_}/dns/do/save", record=record.id, type="A", name="api.shop.test", content="127.0.0.2",
        proxied="on", origin_port="8443", comment=EVIL,
    )  # fmt: skip
    assert "The record api.shop.test is changed" in said
    assert "<img" not in visitor.last.text
    changed = _records(api, id_)["api.shop.test"]
    assert (changed.content, changed.tags, changed.comment) == ("127.0.0.2", ["team:a"], EVIL)
    assert changed.model_extra["origin_port"] == 8443


def test_what_is_wrong_with_a_record_is_said_and_what_was_typed_stays(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/dns")
    said = visitor.send(f"/zones/{id_}/dns/do/add", type="A", name="api", content="300.1.1.1", proxied="on")
    assert "Nothing was changed" in said
    assert 'value="300.1.1.1"' in visitor.last.text
    said = visitor.send(
        f"/zones/{id_}/dns/do/add", type="A", name="api", content="127.0.0.1", origin_port="x"
    )
    assert "origin port must be a whole number" in said
    assert "api.shop.test" not in _records(api, id_)


def test_records_of_other_kinds_and_a_search(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/dns")
    said = visitor.send(
        f"/zones/{id_}/dns/do/add", type="MX", name="@", content="mail.shop.test", priority="10", ttl="1"
    )
    assert "It is kept, and not served" in said
    assert "mail.shop.test" in visitor.see(f"/zones/{id_}/dns?search=mail")
    assert "127.0.0.1" not in visitor.words
    assert "No record fits" in visitor.see(f"/zones/{id_}/dns?search=nowhere")


def test_who_may_only_read_sees_no_forms(api):
    from tests.dashboard.conftest import Visitor

    id_ = api.zone("shop.test")
    reader = Visitor(api, api.new_token("zones:read", "dns:read"))
    assert "127.0.0.1" in reader.see(f"/zones/{id_}/dns")
    assert "/dns/do/add" not in reader.last.text
    reader.send(f"/zones/{id_}/dns/do/add", type="A", name="api", content="127.0.0.1")
    assert "api.shop.test" not in _records(api, id_)
    reader.http.close()
