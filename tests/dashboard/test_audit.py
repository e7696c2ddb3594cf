"""The log of changes can be filtered, and says what was there before and what is there now."""

from __future__ import annotations

from tests.dashboard.scenes import EVIL


def test_a_change_is_shown_before_and_after(api, visitor):
    id_ = api.zone("shop.test")
    api.sdk.zones.settings.edit("grpc", zone_id=id_, value="off")
    said = visitor.see("/audit")
    assert '- "grpc": "on"' in said
    assert '+ "grpc": "off"' in said
    assert "shop.test" in said
    assert "tests" in said


def test_it_is_filtered(api, visitor):
    api.sdk.zones.create(account={"id": api.account}, name="audited.test")
    other = api.sdk.zones.create(account={"id": api.account}, name="filtered.test").id
    visitor.see("/audit?zone.name=audited.test")
    assert "<strong>audited.test" in visitor.last.text
    assert "<strong>filtered.test" not in visitor.last.text
    api.sdk.zones.delete(zone_id=other)
    visitor.see("/audit?zone.name=filtered.test&action.type=delete")
    assert visitor.last.text.count("<strong>filtered.test") >= 1
    assert "create</span>" not in visitor.last.text
    assert "No change fits" in visitor.see("/audit?zone.name=nowhere.test")
    assert "since" in visitor.see("/audit?since=yesterday")
    assert visitor.last.status_code == 400


def test_hashes_of_tokens_are_not_shown_and_strange_texts_are_text(api, visitor):
    id_ = api.zone("shop.test")
    api.record(id_, "evil.shop.test", comment=EVIL)
    api.new_token("zones:read")
    visitor.see("/audit")
    assert "<img" not in visitor.last.text
    assert "&lt;img" in visitor.last.text
    assert "hash" not in visitor.words
