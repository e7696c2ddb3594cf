"""Pictures of every page at two widths, light and dark, for looking at: `make screenshots`."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
from pathlib import Path

from tests.admin.conftest import Api
from tests.dashboard.browser import NARROW, WIDE, Window, chromium
from tests.dashboard.scenes import ask, caller, furnish, paths
from tests.support.certs import Authority
from tests.support.grpc_echo import Origin

METHODS = ("Unary", "Unary", "Unary", "Nothing", "Unary", "Sleep")


def load(api: Api, ended: threading.Event) -> None:
    """Calls of several kinds, some of which are denied."""
    with caller(api, "shop.test") as shop, caller(api, "billing.test") as billing:
        turn = 0
        while not ended.wait(0.004):
            turn += 1
            ask(shop, f"/fastgw.test.Echo/{METHODS[turn % len(METHODS)]}")
            if turn % 25 == 0:
                ask(billing, "/billing.Invoices/List")


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--seconds", type=float, default=12.0, help="of load before the first picture")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = Authority(directory)
        origin = stack.enter_context(Origin(ca.leaf("origin.test", "127.0.0.1", file="origin")))
        (directory / "admin").mkdir()
        api = Api(directory / "admin", ca, origin)
        stack.enter_context(api.closing)
        zone = furnish(api)
        ended = threading.Event()
        thread = threading.Thread(target=load, args=(api, ended))
        browser = stack.enter_context(chromium())
        first = Window(browser, api)
        first.log_in()
        thread.start()
        try:
            ended.wait(asked.seconds)
            for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
                shoot(browser, api, zone, asked.to, scheme, size)
        finally:
            ended.set()
            thread.join()


def shoot(browser, api: Api, zone: str, to: Path, scheme: str, size: dict[str, int]) -> None:
    """Each page once."""
    window = Window(browser, api, scheme=scheme, size=size)
    kind = "phone" if size is NARROW else scheme
    window.see("login").screenshot(path=to / f"login-{kind}.png")
    window.log_in()
    for path in paths(zone):
        page = window.see(path)
        if path == "/":
            page.locator("#live-methods .mono").first.wait_for()
            page.wait_for_timeout(2500)
        name = path.replace(zone, "zone").strip("/").replace("/", "-") or "overview"
        page.screenshot(path=to / f"{name}-{kind}.png", full_page=True)
    window.close()


if __name__ == "__main__":
    main()
