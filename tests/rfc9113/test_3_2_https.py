"""RFC 9113 section 3.2: HTTP/2 over TLS begins with "h2" in ALPN, on either side."""

from __future__ import annotations

import ssl

import grpc
import pytest

from tests.support import frames as f
from tests.support.calls import Refused, record, toml, tried
from tests.support.grpc_echo import Echo
from tests.support.raw import RawClient, h2_context
from tests.support.raw_origin import RawOrigin, RawServer, echo_calls

pytestmark = pytest.mark.rfc("9113 3.2")


@pytest.mark.parametrize("protocols", [("h2",), ("http/1.1", "h2"), ("h2", "http/1.1"), ("h3", "x", "h2")])
def test_h2_is_chosen_wherever_it_stands(gateway, origin, protocols: tuple[str, ...]) -> None:
    context = h2_context(protocols=protocols)
    with RawClient(gateway(origin).address, context=context, server_name="gw.test") as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() == "h2"
        client.begin()
        client.expect_alive()


@pytest.mark.parametrize("protocols", [("http/1.1",), ("h2c",), ("h",), ("h22",), ("http/1.1", "http/1.0")])
def test_no_other_protocol_is_spoken(gateway, origin, protocols: tuple[str, ...]) -> None:
    """h2c is not for TLS."""
    context = h2_context(protocols=protocols)
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        RawClient(gateway(origin).address, context=context, server_name="gw.test")


def test_nothing_is_served_without_alpn(gateway, origin) -> None:
    context = h2_context(protocols=())
    with RawClient(gateway(origin).address, context=context, server_name="gw.test") as client:
        client.send(f.PREFACE, f.settings())
        assert client.expect_closed() == []


def test_an_origin_is_offered_h2_and_chooses_it(gateway, origin_leaf, open_channel) -> None:
    chosen = []

    def play(peer: RawServer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        chosen.append(peer.sock.selected_alpn_protocol())
        echo_calls(peer)

    with RawOrigin(play, origin_leaf, alpn=("http/1.1", "h2")) as origin:
        echo = Echo(open_channel(gateway(toml=toml(record("@", origin.port))).address))
        assert echo.unary(b"x", timeout=5) == b"x"
    assert chosen == ["h2"]


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)], ids=["none", "http/1.1"])
def test_an_origin_without_h2_gets_no_call(gateway, origin_leaf, open_channel, alpn: tuple[str, ...]) -> None:
    said = []

    def play(peer: RawServer) -> None:
        said.append(peer.sock.recv(65536))

    with RawOrigin(play, origin_leaf, alpn=alpn) as origin:
        echo = Echo(open_channel(gateway(toml=toml(record("@", origin.port))).address))
        refused = Refused(lambda: echo.unary(b"x", timeout=5))
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    assert refused.fastgw_error == tried("origin_no_h2; side=origin; phase=tls", origin.port)
    assert b"".join(said) == b""
