"""Client connections that grow old, and drains that take their time: told to go, nobody is cut."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import grpc
import pytest

from tests.support import frames
from tests.support.calls import eventually, record, toml
from tests.support.frames import Code, Type, message
from tests.support.grpc_echo import Echo
from tests.support.house import House
from tests.support.raw import h2_context


@pytest.fixture
def house(gateway, origin) -> Callable[..., House]:
    """`house('client_connection_age = "1s"')`: a gateway with these limits in front of `origin`."""

    def start(limits: str, server: str = "", listen: str = "127.0.0.1:0") -> House:
        text = toml(record("@", origin.port), server=server, listen=f'"{listen}"')
        return gateway(toml=f"{text}[limits]\n{limits}\n")

    return start


def total(house: House) -> dict[str, int]:
    return house.gateway.stats()["total"]


def test_an_old_connection_is_told_to_go_and_its_calls_finish(house):
    """GOAWAY twice with a round trip between (RFC 9113 section 6.8); what was begun ends well."""
    one = house('client_connection_age = "400ms"')
    with one.raw() as client:
        client.begin()
        begun = time.monotonic()
        client.head(1, frames.request(b"/fastgw.test.Echo/Chat"))
        client.send(frames.data(1, message(b"one")))
        first = client.expect(Type.GOAWAY)
        assert 0.3 < time.monotonic() - begun < 1
        assert (first.last_stream_id, first.code) == (2**31 - 1, Code.NO_ERROR)
        ping = client.expect(Type.PING)
        client.head(3, frames.request())
        client.send(frames.ping(ping.payload, ack=True))
        second = client.expect(Type.GOAWAY)
        assert (second.last_stream_id, second.code) == (3, Code.NO_ERROR)
        client.send(frames.data(3, message(b"x"), end=True))
        assert client.answer(3).grpc_status == 0
        client.send(frames.data(1, message(b"two"), end=True))
        assert client.answer(1).grpc_status == 0
        client.expect_closed()
    assert (total(one)["connections_aged"], total(one)["connections_drained"]) == (1, 1)


def test_no_age_is_the_default(house):
    one = house("head_fields = 256")
    with one.raw() as client:
        client.begin()
        time.sleep(0.3)
        client.expect_alive()
    assert total(one)["connections_aged"] == 0


def test_a_client_that_does_not_answer_the_ping_goes_when_its_calls_have(house):
    one = house('client_connection_age = "100ms"\nbegin_timeout = "200ms"')
    with one.raw() as client:
        client.begin()
        assert client.expect(Type.GOAWAY).last_stream_id == 2**31 - 1
        assert client.expect(Type.GOAWAY).last_stream_id == 0
        client.expect_closed()


def told(house: House, count: int, counted: str) -> list[float]:
    """When each of `count` clients was told to go, as the gateway counts them; seconds of the clock."""
    found: list[float] = []
    ends = time.monotonic() + 10
    while len(found) < count and time.monotonic() < ends:
        now = time.monotonic()
        found += [now] * (total(house)[counted] - len(found))
        time.sleep(0.002)
    assert len(found) == count
    return found


def test_those_that_came_together_go_apart(house):
    """The age differs by up to a tenth to either side."""
    one = house('client_connection_age = "2s"', listen="h2c://127.0.0.1:0")
    with contextlib.ExitStack() as stack:
        begun = time.monotonic()
        clients = [stack.enter_context(one.raw(tls=False)) for _ in range(24)]
        for client in clients:
            client.begin()
        took = time.monotonic() - begun
        found = told(one, 24, "connections_aged")
        assert found[0] - begun > 1.79, "not before nine tenths, counted from before the first one came"
        assert found[-1] - begun < 3 + took
        assert found[-1] - found[0] > took + 0.05


def test_calls_go_on_over_connections_that_grow_old(house, open_channel):
    one = house('client_connection_age = "60ms"')
    echo = Echo(open_channel(one.address))
    ends = time.monotonic() + 1.5
    calls = 0
    while time.monotonic() < ends:
        assert echo.unary(b"hello", timeout=5) == b"hello"
        calls += 1
    assert total(one)["connections_accepted"] > 5
    assert calls > 20
    assert total(one)["exchanges_finished"] == calls


@pytest.mark.parametrize(
    ("spread", "drain", "least", "most"),
    [("0s", "10s", 0.0, 0.2), ("800ms", "10s", 0.45, 1.1), ("1h", "1s", 0.25, 0.75)],
)
def test_a_drain_takes_its_time(house, spread, drain, least, most):
    """No more than half of drain_timeout: the calls need the rest."""
    one = house(f'drain_spread = "{spread}"', f'drain_timeout = "{drain}"')
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(one.raw()) for _ in range(24)]
        for client in clients:
            client.begin()
        eventually(lambda: total(one)["connections_open"] == 24)
        one.gateway.drain()
        found = told(one, 24, "connections_drained")
        assert least <= found[-1] - found[0] <= most
        assert all(client.expect(Type.GOAWAY).last_stream_id == 2**31 - 1 for client in clients)
    assert one.gateway.wait(5)
    assert total(one)["connections_aged"] == 0


def test_calls_begin_on_a_connection_that_is_to_go_later(house, open_channel):
    one = house('drain_spread = "10s"', 'drain_timeout = "1s"')
    echo = Echo(open_channel(one.address))
    assert echo.unary(b"one", timeout=5) == b"one"
    one.gateway.drain()
    with pytest.raises(ConnectionRefusedError):
        eventually(lambda: socket.create_connection(one.address, 1).close())
    begun = time.monotonic()
    while time.monotonic() - begun < 0.5 and total(one)["connections_drained"] == 0:
        assert echo.unary(b"two", timeout=5) == b"two"
    assert one.gateway.wait(5)
    with pytest.raises(grpc.RpcError):
        echo.unary(b"three", timeout=5)


def test_a_handshake_that_has_begun_may_end_while_we_drain(house, ca):
    """It was accepted; a second is enough for the rest, and then it is told to go like all others."""
    one = house("head_fields = 256")
    with socket.create_connection(one.address, 5) as slow, socket.create_connection(one.address, 5) as mute:
        eventually(lambda: total(one)["connections_open"] == 2)
        one.gateway.drain()
        begun = time.monotonic()
        time.sleep(0.2)
        wrapped = h2_context(ca.file).wrap_socket(slow, server_hostname="gw.test")
        wrapped.sendall(frames.PREFACE + frames.settings())
        heard = frames.Reader()
        seen: list[frames.Frame] = []
        while not any(frame.type == Type.GOAWAY for frame in seen):
            octets = wrapped.recv(65536)
            assert octets, seen
            seen += heard.feed(octets)
        wrapped.close()
        assert mute.recv(1) == b""
        assert 0.7 < time.monotonic() - begun < 2.5
    assert one.gateway.wait(5)
