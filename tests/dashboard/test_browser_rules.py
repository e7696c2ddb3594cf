"""A rule in a real Chromium: written by the form, and its counter rises while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.dashboard.scenes import ask, caller

expect = pytest.importorskip("playwright.sync_api").expect
browser_module = pytest.importorskip("tests.dashboard.browser")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def window(api) -> Iterator:
    with browser_module.chromium() as browser:
        made = browser_module.Window(browser, api)
        made.log_in()
        yield made
        made.close()
        assert made.complaints == []
        assert made.strangers == []


def test_a_rule_is_written_and_counts_before_the_eyes(api, window):
    id_ = api.zone("shop.test")
    page = window.see(f"/zones/{id_}/rules")
    page.get_by_text("Add a rule").click()
    form = page.locator("#rule-form")
    form.get_by_label("Expression").fill('http.request.uri.path eq "/fastgw.test.Echo/Unary"')
    form.get_by_label("Description").fill("no echo")
    form.get_by_role("button", name="Add the rule").click()
    expect(page.get_by_role("status")).to_contain_text("The rule is there")
    count = page.locator("[data-count^=denied]")
    expect(count).to_have_text("0")
    with caller(api, "shop.test") as opened:
        for _ in range(4):
            assert ask(opened, "/fastgw.test.Echo/Unary") is grpc.StatusCode.PERMISSION_DENIED
    expect(count).to_have_text("4")
    page.get_by_label("Expression to try").fill('http.hots eq "shop.test"')
    page.locator("#tester").get_by_role("button", name="Try it").click()
    expect(page.locator("#tested")).to_contain_text("^~~~")
    # The page after a form is exchanged in place; its counters go on.
    with caller(api, "shop.test") as opened:
        ask(opened, "/fastgw.test.Echo/Unary")
    expect(count).to_have_text("5")
