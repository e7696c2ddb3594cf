"""What tests of the admin API share: a gateway with its API, clients for both, zones that can be called."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudflare
import grpc
import httpx
import pytest

from fastgw.admin import Admin, AdminServer, Desk
from fastgw.admin.auth import FAILURE_WINDOW, FAILURES, REQUESTS, WINDOW, Meter
from fastgw.dashboard import routes
from fastgw.gateway import Gateway
from fastgw.store import tokens
from fastgw.store.base import Edit
from fastgw.store.zones import Zones
from tests.support.certs import Authority, Leaf
from tests.support.grpc_echo import Echo, Origin, channel

FILE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1

[store]
kind = "sqlite"

[admin]
listen = "127.0.0.1:0"
"""


class Api:
    """A gateway in this process, its API at `url`; `sdk`: the unmodified client of the reference product."""

    def __init__(self, directory: Path, ca: Authority, origin: Origin, more: str = "") -> None:
        self.directory, self.ca, self.origin = directory, ca, origin
        self.more = more
        (directory / "fastgw.toml").write_text(FILE + more)
        self.closing = contextlib.ExitStack()
        self.zones = Zones(directory / "fastgw.toml")
        config = self.zones.load()
        self.gateway = self.closing.enter_context(Gateway(config))
        self.zones.publish = self.gateway.publish
        self.admin = Admin(Desk(self.gateway, self.zones), pages=routes)
        assert config.admin is not None
        self.server = AdminServer(self.admin.app, config.admin)
        self.server.start()
        self.closing.callback(self.zones.close)
        self.closing.callback(self.server.close)
        self.root = self.server.addresses[0]
        self.url = f"{self.root}/client/v4"
        self.token = self.new_token("*")
        (mine,) = tokens.tokens(self.zones)
        self.own = f"@tokens/{mine.id}"
        self.sdk = self.client(self.token)
        self.http = self.closing.enter_context(
            httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.token}"})
        )
        self.bare = self.closing.enter_context(httpx.Client())
        self.account = self.sdk.accounts.list().result[0].id

    def clean(self) -> None:
        """As it was when it was made."""
        (self.directory / "fastgw.toml").write_text(FILE + self.more)
        self.zones.load()
        store = self.zones.store
        assert store is not None
        kept = [*store.snapshot().zones, *(one.name for one in store.objects("@") if one.name != self.own)]
        if kept:
            self.zones.write([Edit(name, None, None, "delete") for name in kept], "tests")
        for path in self.admin.desk.directory.glob("*"):
            path.unlink()
        self.admin.gatekeeper.failures = Meter(FAILURES, FAILURE_WINDOW)
        self.admin.gatekeeper.requests = Meter(REQUESTS, WINDOW)

    def new_token(self, *scopes: str, zones: tuple[str, ...] = ("*",), **more: Any) -> str:
        policy = tokens.Policy(tokens.judged_scopes(scopes), zones)
        return tokens.create(self.zones, tokens.Token("", "tests", "", (policy,), **more), "tests")[1]

    def client(self, token: str) -> cloudflare.Cloudflare:
        made = cloudflare.Cloudflare(api_token=token, base_url=self.url, max_retries=0)
        self.closing.callback(made.close)
        return made

    def leaf(self, name: str) -> Leaf:
        return self.ca.leaf(name, f"*.{name}")

    def zone(self, name: str = "shop.test", *, grpc: bool = True) -> str:
        """The id of a new zone that serves its apex."""
        id_ = self.sdk.zones.create(account={"id": self.account}, name=name).id
        leaf = self.leaf(name)
        self.sdk.custom_certificates.create(
            zone_id=id_, certificate=leaf.certificate.read_text(), private_key=leaf.key.read_text()
        )
        self.record(id_, name)
        if grpc:
            self.sdk.zones.settings.edit("grpc", zone_id=id_, value="on")
        return id_

    def record(self, zone: str, name: str, **more: Any) -> Any:
        said = {"origin_port": self.origin.port, **more.pop("extra_body", {})}
        made = {"type": "A", "content": "127.0.0.1", "proxied": True, "ttl": 1, **more}
        return self.sdk.dns.records.create(zone_id=zone, name=name, extra_body=said, **made)

    def call(self, name: str, text: bytes = b"hello") -> bytes:
        """One call on a new connection."""
        host, _, port = self.gateway.addresses[0].rpartition(":")
        with channel((host, int(port)), ca_pem=self.ca.pem, name=name) as opened:
            return Echo(opened).unary(text, timeout=5)

    def refused(self, name: str) -> grpc.StatusCode:
        """How a call fails."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(name)
        code: grpc.StatusCode = caught.value.code()
        return code


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, ca: Authority, origin_leaf: Leaf) -> Iterator[Api]:
    """One for all tests of a file: to start it takes longer than most of them."""
    with Origin(origin_leaf) as origin:
        made = Api(tmp_path_factory.mktemp("admin"), ca, origin)
        with made.closing:
            yield made


@pytest.fixture
def api(lasting: Api) -> Iterator[Api]:
    """Without zones, and without tokens but one that may do everything."""
    yield lasting
    lasting.clean()
