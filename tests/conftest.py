"""What tests of the whole house share: a CA, a gRPC origin, gateways in this process, clients for them."""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.certs import Authority, Leaf
from tests.support.grpc_echo import Echo, Origin, channel
from tests.support.house import House

# Gateways that tests start are not found at the usual place: who tests the control socket names another.
os.environ.setdefault("FASTGW_SERVE_CONTROL", "none")


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def gateway_leaf(ca: Authority) -> Leaf:
    """What the gateway shows to clients of zone gw.test."""
    return ca.leaf("gw.test", "*.gw.test", file="gateway")


@pytest.fixture(scope="session")
def origin_leaf(ca: Authority) -> Leaf:
    return ca.leaf("origin.test", "127.0.0.1", file="origin")


@pytest.fixture
def origin(origin_leaf: Leaf) -> Iterator[Origin]:
    """A grpcio server over TLS, named origin.test."""
    with Origin(origin_leaf) as started:
        yield started


@pytest.fixture
def gateway(ca: Authority, gateway_leaf: Leaf, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """`gateway(origin)` or `gateway(toml="…")` starts a gateway; it stops when the test ends.

    In the text, {ca}, {cert} and {key} stand for the files of the test CA and the gateway's certificate.
    """
    with contextlib.ExitStack() as stack:

        def start(to: Origin | None = None, *, toml: str | None = None, **settings: str) -> House:
            text = house_toml(to, **settings) if toml is None else textwrap.dedent(toml)
            for word, path in (
                ("ca", ca.file),
                ("cert", gateway_leaf.certificate),
                ("key", gateway_leaf.key),
            ):
                text = text.replace(f"{{{word}}}", str(path))
            return stack.enter_context(House(text, tmp_path, ca))

        yield start


def house_toml(to: Origin | None, **settings: str) -> str:
    """The configuration most tests want: zone gw.test, one origin for its apex and for api."""
    assert to is not None, "say which origin, or give a toml"
    chosen = {"grpc": "on", "ssl": "strict", **settings}
    inline = ", ".join(f'{name} = "{value}"' for name, value in chosen.items())
    target = (
        f'content = "127.0.0.1", proxied = true, origin_port = {to.port}, origin_server_name = "origin.test"'
    )
    return textwrap.dedent(f"""\
        [server]
        listen = ["127.0.0.1:0"]
        workers = 1

        [[zone]]
        name = "gw.test"
        cert = {{ file = "{{cert}}", key = "{{key}}" }}
        settings = {{ {inline} }}
        trust_store = "{{ca}}"
        dns = [
          {{ name = "@", type = "A", {target} }},
          {{ name = "api", type = "A", {target} }},
          {{ name = "bare", type = "A", content = "127.0.0.1", proxied = false, origin_port = {to.port} }},
        ]
        """)


@pytest.fixture
def open_channel(ca: Authority) -> Iterator[Callable[..., grpc.Channel]]:
    """`open_channel(address, name="gw.test")`: a TLS channel that trusts the test CA; closed at the end."""
    with contextlib.ExitStack() as stack:

        def start(address: tuple[str, int], **more: object) -> grpc.Channel:
            opened = channel(address, **{"ca_pem": ca.pem, **more})  # type: ignore[arg-type]
            stack.callback(opened.close)
            return opened

        yield start


@pytest.fixture
def echo(origin: Origin, gateway: Callable[..., House], open_channel: Callable[..., grpc.Channel]) -> Echo:
    """The echo service of `origin`, called through a gateway of its own."""
    return Echo(open_channel(gateway(origin).address))
