"""Calls that wait in the outbox of an origin's connection when it dies, and calls of one that we end."""

from __future__ import annotations

import socket
import struct
import threading
import time

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, eventually
from tests.support.frames import Setting
from tests.support.grpc_echo import Echo, Origin, channel
from tests.support.raw_origin import RawOrigin, echo_calls

TOML = """\
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 1
[[zone]]
name = "gw.test"
settings = {{ grpc = "on" }}
dns = [{}]
"""
WINDOW = 1 << 24


def record(port: int, priority: int) -> str:
    where = f'content = "127.0.0.1", origin_port = {port}, origin_protocol = "h2c"'
    return f'{{ name = "@", proxied = true, {where}, priority = {priority} }}'


@pytest.fixture
def spare():
    with Origin(None) as origin:
        yield origin


def house_of(gateway, dying, spare=None):
    records = [record(one.port, priority) for priority, one in enumerate((dying, spare)) if one]
    return gateway(toml=TOML.format(", ".join(records)))


def test_what_has_not_left_is_tried_elsewhere(gateway, spare):
    """The origin takes no octets for a while, then dies: a head behind them has reached nobody."""
    begun, gone = threading.Event(), threading.Event()

    def play(peer):
        peer.begin((Setting.INITIAL_WINDOW_SIZE, WINDOW))
        peer.send(frames.window_update(0, WINDOW))
        peer.request()
        begun.set()
        gone.wait(10)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def much():
        while not gone.is_set():
            yield bytes(50_000)

    with RawOrigin(play, None, receive_buffer=4096) as dying:
        house = house_of(gateway, dying, spare)
        with channel(house.address, ca_pem=None, options=(("grpc.enable_retries", 0),)) as opened:
            echo = Echo(opened)
            stuffing = echo.collect.future(much(), timeout=20)
            assert begun.wait(5)
            eventually(lambda: house.gateway.stats()["total"]["octets_waiting"])
            behind = echo.unary.future(b"behind", timeout=20)
            eventually(lambda: house.gateway.stats()["total"]["exchanges_open"] == 2)
            time.sleep(0.1)
            gone.set()
            assert behind.result() == b"behind"
            assert stuffing.code() == grpc.StatusCode.UNAVAILABLE, "the origin had read its head"
    assert spare.calls == 1


def test_what_has_left_is_not_tried_again(gateway, spare):
    def play(peer):
        peer.begin()
        peer.request()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with RawOrigin(play, None) as dying:
        house = house_of(gateway, dying, spare)
        with channel(house.address, ca_pem=None, options=(("grpc.enable_retries", 0),)) as opened:
            refused = Refused(lambda: Echo(opened).unary(b"x", timeout=5))
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    assert spare.calls == 0


def test_calls_of_a_connection_that_breaks_a_rule(gateway):
    """It was the gateway that ended the connection: the reply does not say that the origin closed it."""

    def play(peer):
        if peer.number > 0:
            echo_calls(peer)
            return
        peer.begin()
        peer.request()
        peer.send(frames.frame(frames.Type.DATA, 1, bytes(20_000)))
        peer.expect_closed()

    with RawOrigin(play, None) as origin:
        house = house_of(gateway, origin)
        with channel(house.address, ca_pem=None) as opened:
            refused = Refused(lambda: Echo(opened).unary(b"x", timeout=5))
            assert refused.code == grpc.StatusCode.INTERNAL
            assert refused.fastgw_error.startswith("origin_bad_response; side=origin; phase=stream;")
            assert "frame_too_large" in refused.message
            assert Echo(opened).unary(b"next", timeout=5) == b"next"
