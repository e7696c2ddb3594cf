"""RFC 9113 section 3.3: in cleartext HTTP/2 begins at once, by prior knowledge, and is never upgraded to."""

from __future__ import annotations

import socket

import pytest

from tests.abuse.peers import HEAD, TRAILERS, RawOrigin, client, toml
from tests.support import frames as f
from tests.support.frames import Code, Type

pytestmark = pytest.mark.rfc("9113 3.3")

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: gw.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
)


@pytest.fixture
def origin():
    made = RawOrigin()
    yield made
    made.close()


def test_a_client_that_knows_is_served(gateway, origin: RawOrigin) -> None:
    with client(gateway(toml=toml(origin.port))) as peer:
        peer.head(1, f.request(), end=True)
        served = origin.accept()
        served.begin()  # which sees that the preface is what we say first
        served.head(served.request(), HEAD + TRAILERS, end=True)
        assert peer.answer(1).grpc_status == 0


@pytest.mark.parametrize("listener", [0, 1], ids=["tls", "h2c"])
def test_an_upgrade_is_not_taken(gateway, origin: RawOrigin, listener: int) -> None:
    """RFC 9113 section 3.1: the upgrade of HTTP/1.1 is a thing of the past."""
    house = gateway(toml=toml(origin.port))
    with house.raw(tls=listener == 0, listener=listener) as peer:
        peer.send(UPGRADE, f.PREFACE, f.settings())
        goaway = peer.expect_goaway(Code.PROTOCOL_ERROR)
        assert goaway.last_stream_id == 0


def test_the_port_for_tls_does_not_speak_cleartext(gateway, origin: RawOrigin) -> None:
    house = gateway(toml=toml(origin.port))
    with socket.create_connection(house.address, 5) as sock:
        sock.sendall(f.PREFACE + f.settings())
        said = b""
        try:
            while octets := sock.recv(65536):
                said += octets
        except ConnectionResetError:
            pass
    assert said == b"" or said[0] == 21, "nothing or an alert"


def test_the_gateway_does_not_wait_for_the_client(gateway, origin: RawOrigin) -> None:
    with gateway(toml=toml(origin.port)).raw(tls=False, listener=1) as peer:
        assert peer.read().type == Type.SETTINGS
        peer.send(f.PREFACE, f.settings())
        peer.expect_alive()
