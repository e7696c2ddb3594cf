"""TLS sessions toward origins: the next connection takes up the last one's; whom it trusts stays the same."""

from __future__ import annotations

import ssl

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, eventually, record, tried
from tests.support.calls import toml as config
from tests.support.certs import Authority
from tests.support.grpc_echo import Echo
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, server_context


def one_call(peer):
    """Answer one call and leave without a word, as a process that dies does."""
    peer.begin()
    stream_id, _ = peer.request()
    peer.head(stream_id, GRPC_HEAD)
    peer.send(frames.data(stream_id, frames.message(b"one")))
    peer.head(stream_id, OK, end=True)


def tickets_off(context):
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET


def tls12(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def total(house, name):
    return house.gateway.stats()["total"][name]


def call(house, echo):
    """One call, and wait until its connection is gone."""
    assert echo.unary(b"x", timeout=5) == b"one"
    eventually(lambda: total(house, "origin_connections_open") == 0)


@pytest.mark.parametrize(
    ("tune", "resumed"),
    [(None, 3), (tls12, 3), (tickets_off, 0)],
    ids=["TLS 1.3", "TLS 1.2", "no tickets"],
)
def test_connections_that_follow_are_resumed(gateway, origin_leaf, open_channel, tune, resumed):
    with RawOrigin(one_call, origin_leaf, tune=tune) as origin:
        house = gateway(toml=config(record("@", origin.port)))
        echo = Echo(open_channel(house.address))
        for _ in range(4):
            call(house, echo)
        assert origin.peers == 4
        assert total(house, "origin_handshakes_resumed") == resumed
        assert total(house, "origin_connections_failed") == 0


def test_a_refused_ticket_costs_nothing_but_a_whole_handshake(gateway, origin_leaf, open_channel):
    with RawOrigin(one_call, origin_leaf) as origin:
        house = gateway(toml=config(record("@", origin.port)))
        echo = Echo(open_channel(house.address))
        call(house, echo)
        origin._context = server_context(origin_leaf)  # has other keys
        call(house, echo)
        assert total(house, "origin_handshakes_resumed") == 0
        call(house, echo)
        assert total(house, "origin_handshakes_resumed") == 1
        assert total(house, "origin_connections_failed") == 0


def test_an_origin_that_a_ticket_confuses_is_asked_without(gateway, origin_leaf, open_channel):
    """Its handshake comes to nothing while the session is offered; it is not offered a second time."""
    with RawOrigin(one_call, origin_leaf) as origin:
        house = gateway(toml=config(record("@", origin.port)))
        echo = Echo(open_channel(house.address, options=(("grpc.enable_retries", 0),)))
        call(house, echo)
        good, origin._context = origin._context, server_context(origin_leaf, ("other",))
        assert Refused(lambda: echo.unary(b"x", timeout=5)).code == grpc.StatusCode.UNAVAILABLE
        origin._context = good
        call(house, echo)
        assert total(house, "origin_handshakes_resumed") == 0


def test_another_trust_store_is_another_session(gateway, origin_leaf, open_channel, tmp_path):
    """The origin's ticket is still good, and its certificate no longer is."""
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger", "a stranger")
    with RawOrigin(one_call, origin_leaf) as origin:
        house = gateway(toml=config(record("@", origin.port)))
        echo = Echo(open_channel(house.address, options=(("grpc.enable_retries", 0),)))
        call(house, echo)
        call(house, echo)
        assert total(house, "origin_handshakes_resumed") == 1
        text = house.file.read_text()
        other = tmp_path / "other.toml"
        other.write_text(text.replace(f'"{house.ca.file}"', f'"{stranger.file}"'))
        house.gateway.publish(other)
        refused = Refused(lambda: echo.unary(b"x", timeout=5))
        assert refused.fastgw_error == tried("origin_cert_invalid; side=origin; phase=tls", origin.port)
        assert total(house, "origin_handshakes_resumed") == 1
        house.gateway.publish(house.file)
        call(house, echo)


def test_another_server_name_is_another_session(gateway, origin_leaf, open_channel):
    with RawOrigin(one_call, origin_leaf) as origin:
        other = record("api", origin.port, 'origin_server_name = "else.test"')
        house = gateway(toml=config(record("@", origin.port), other))
        call(house, Echo(open_channel(house.address)))
        wrong = Echo(open_channel(house.address, name="api.gw.test"))
        refused = Refused(lambda: wrong.unary(b"x", timeout=5))
        assert refused.fastgw_error.startswith("origin_cert_invalid; ")
        assert total(house, "origin_handshakes_resumed") == 0
