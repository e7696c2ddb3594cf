"""The dashboard as people meet it: in a real Chromium, by mouse and keys, light and dark."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from tests.dashboard.scenes import EVIL, ask, caller, furnish, paths

expect = pytest.importorskip("playwright.sync_api").expect
browser_module = pytest.importorskip("tests.dashboard.browser")
chromium, Window, NARROW = browser_module.chromium, browser_module.Window, browser_module.NARROW

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as launched:
        yield launched


@pytest.fixture
def window(browser, api) -> Iterator:
    """Logged in, in the light; at the end the browser has complained about nothing."""
    made = Window(browser, api)
    made.log_in()
    yield made
    made.close()
    assert made.complaints == []
    assert made.strangers == []


def test_the_grpc_switch_lets_a_real_call_in(api, window):
    id_ = api.zone("shop.test", grpc=False)
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED
    page = window.see("/zones")
    page.get_by_role("link", name="shop.test").click()
    page.get_by_role("navigation").get_by_role("link", name="Network").click()
    switch = page.get_by_role("switch", name="gRPC", exact=True)
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(page.get_by_role("status")).to_contain_text("gRPC is on")
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(switch).to_be_focused()
    assert page.url.endswith(f"/zones/{id_}/network")
    assert api.call("shop.test") == b"hello"
    page.reload()
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    assert api.refused("shop.test") is grpc.StatusCode.PERMISSION_DENIED


def test_what_is_refused_is_said_where_it_was_typed(api, window):
    id_ = api.zone("shop.test")
    page = window.see(f"/zones/{id_}/network")
    page.get_by_label("Read timeout").fill("soon")
    page.get_by_role("button", name="Save Read timeout").click()
    expect(page.get_by_role("alert")).to_contain_text("Invalid value for zone setting")
    expect(page.get_by_label("Read timeout")).to_have_value("soon")
    # The browser notes the status 400 of the answer.
    window.complaints = [one for one in window.complaints if "400" not in one]


def test_the_chart_moves_under_load(api, window):
    api.zone("shop.test")
    page = window.see("/")
    expect(page.locator("#live-state")).to_have_text("live")
    ended = threading.Event()

    def load() -> None:
        with caller(api, "shop.test") as opened:
            while not ended.is_set():
                ask(opened, "/fastgw.test.Echo/Unary")
                time.sleep(0.002)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        figure = page.locator("[data-live=calls]")
        expect(figure).to_have_text(re.compile(r"\d{2,}"))
        expect(page.locator("#live-methods")).to_contain_text("/fastgw.test.Echo/Unary")
        expect(page.locator("#live-statuses")).to_contain_text("OK")
        expect(page.locator("#live")).to_have_attribute("data-points", re.compile(r"^([3-9]|\d{2,})$"))
        expect(page.locator("#chart-calls canvas")).to_be_visible()
        before = page.locator("#live").get_attribute("data-points")
        page.get_by_role("button", name="Pause").click()
        held = figure.inner_text()
        time.sleep(2.5)
        assert figure.inner_text() == held
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#live")).not_to_have_attribute("data-points", before or "")
    finally:
        ended.set()
        thread.join()


def test_text_is_not_written_more_often_than_every_two_seconds(window):
    page = window.see("/")
    expect(page.locator("#live-state")).to_have_text("live")
    page.evaluate(
        "() => { window.times = []; new MutationObserver(() => window.times.push(Date.now()))"
        ".observe(document.querySelector('#live-workers tbody'), {childList: true}) }"
    )
    time.sleep(6.5)
    times = page.evaluate("() => window.times")
    assert len(times) >= 2
    assert all(late - early >= 1850 for early, late in itertools.pairwise(times))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_of_a_page(browser, api, scheme):
    """axe: contrast, names, labels, order of headings."""
    zone = furnish(api)
    with caller(api, "billing.test") as opened:
        ask(opened, "/shop.Cart/Add")
    window = Window(browser, api, scheme=scheme)
    window.see("login")
    found = {"login": window.violations()}
    window.log_in()
    for path in paths(zone):
        page = window.see(path)
        expect(page.locator("h1")).to_be_visible()
        found[path] = window.violations()
    window.close()
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert window.complaints == []
    assert window.strangers == []


def test_axe_would_find_somebody_kept_out(window):
    page = window.see("/zones")
    assert window.violations() == []
    page.evaluate("() => document.querySelector('button.main').replaceChildren()")
    assert any("button-name" in wrong for wrong in window.violations())


def test_strange_texts_do_nothing(api, window):
    zone = furnish(api)
    api.http.post("/user/tokens", json={"name": EVIL, "policies": []})
    window.see("/failures")
    with caller(api, "billing.test") as opened:
        ask(opened, "/<img src=x onerror=alert(3)>/Add", **{"x-evil": EVIL})
    for path in paths(zone):
        page = window.see(path)
        expect(page.locator("h1")).to_be_visible()
        assert page.locator("img, script:not([src])").count() == 0, path
    page = window.see(f"/zones?name={EVIL}")
    expect(page.get_by_label("Zones whose name contains")).to_have_value(EVIL)
    page = window.see("/zones")
    page.get_by_label("Domain").fill(EVIL)
    page.get_by_role("button", name="Add zone").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("img, script:not([src])").count() == 0
    window.complaints = [one for one in window.complaints if "400" not in one]


def test_nothing_is_wider_than_a_phone(browser, api):
    zone = furnish(api)
    window = Window(browser, api, size=NARROW)
    window.log_in()
    for path in paths(zone):
        page = window.see(path)
        wide = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, path
    window.close()


def test_all_is_reached_by_keys_and_colours_are_chosen(window):
    page = window.see("/zones")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    button = page.locator("#theme")
    button.press("Enter")
    button.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == ground
    assert ground == "rgb(20, 23, 26)"


def test_without_scripts_it_works_too(browser, api):
    id_ = api.zone("shop.test", grpc=False)
    context = browser.new_context(base_url=f"{api.root}/dashboard/", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"zones/{id_}/network")
    page.get_by_label("Token of the admin API").fill(api.token)
    page.get_by_role("button", name="Log in").click()
    switch = page.get_by_role("switch", name="gRPC", exact=True)
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    context.close()
    assert api.call("shop.test") == b"hello"
