"""A real browser for tests: Debian's Chromium, driven by playwright, with what every page is held to."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from tests.admin.conftest import Api

AXE = Path(__file__).parent / "axe/axe.min.js"
SERIOUS = ("serious", "critical")
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


def where() -> str:
    """Chromium. Without it tests are left out; where everything has to be tested they fail."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        said = "there is no chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """One for many pages: to start it takes a second."""
    path = where()
    with sync_playwright() as play:
        browser = _launched(play, path)
        try:
            yield browser
        finally:
            browser.close()


def _launched(play: Playwright, path: str) -> Browser:
    return play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])


class Window:
    """A window with somebody in it who may do everything; gathers what the browser complains about."""

    def __init__(self, browser: Browser, api: Api, *, scheme: str = "light", size: Any = None) -> None:
        self.api = api
        self.context = browser.new_context(
            base_url=f"{api.root}/dashboard/", color_scheme="dark" if scheme == "dark" else "light",
            viewport=size or WIDE, reduced_motion="reduce", locale="en-GB", timezone_id="UTC",
        )  # fmt: skip
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self._asked(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.api.root, "data:")):
            self.strangers.append(url)

    def log_in(self) -> None:
        """By the form."""
        self.page.goto("login")
        self.page.get_by_label("Token of the admin API").fill(self.api.token)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/dashboard/")

    def see(self, path: str) -> Page:
        """A page below the root of the dashboard."""
        self.page.goto(path.lstrip("/") or ".")
        return self.page

    def violations(self) -> list[str]:
        """What axe finds that keeps people out."""
        # By the devtools: the policy of the page allows no foreign script.
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
            ".map((one) => [one.impact, one.id, one.nodes.slice(0, 3).map((node) => node.html + ' ' + "
            "node.failureSummary)])"
        )
        return [f"{impact} {id_}: {nodes}" for impact, id_, nodes in found if impact in SERIOUS]

    def close(self) -> None:
        """The window, not the browser."""
        self.context.close()
