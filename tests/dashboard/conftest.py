"""What tests of the dashboard share: a gateway with its pages, and a visitor without a browser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.admin.conftest import Api
from tests.support.certs import Authority, Leaf
from tests.support.grpc_echo import Origin


class Visitor:
    """A browser without scripts."""

    def __init__(self, api: Api, token: str = "") -> None:
        self.http = httpx.Client(base_url=f"{api.root}/dashboard", follow_redirects=True)
        self.csrf = ""
        self.last = self.http.post("/login", data={"token": token or api.token})

    def see(self, path: str = "/") -> str:
        """A page as text."""
        self.last = self.http.get(path)
        found = re.search(r'name="csrf" value="([^"]+)"', self.last.text)
        self.csrf = found[1] if found else self.csrf
        return self.words

    def send(self, path: str, /, **fields: str) -> str:
        """Post a form; what is seen then."""
        self.last = self.http.post(path, data={"csrf": self.csrf, **fields})
        return self.words

    @property
    def words(self) -> str:
        """What can be read on the page, without marks."""
        text = re.sub(r"<(script|style)\b.*?</\1>", " ", self.last.text, flags=re.S)
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, ca: Authority, origin_leaf: Leaf) -> Iterator[Api]:
    """One for all tests of a file."""
    with Origin(origin_leaf) as origin:
        made = Api(tmp_path_factory.mktemp("dashboard"), ca, origin)
        with made.closing:
            yield made


@pytest.fixture
def api(lasting: Api) -> Iterator[Api]:
    """Without zones, and without tokens but one that may do everything."""
    yield lasting
    lasting.clean()


@pytest.fixture
def visitor(api: Api) -> Iterator[Visitor]:
    """Somebody who may do everything."""
    made = Visitor(api)
    made.see("/zones")
    yield made
    made.http.close()


@pytest.fixture
def stranger() -> Iterator[httpx.Client]:
    """Somebody without a cookie."""
    with httpx.Client() as made:
        yield made
