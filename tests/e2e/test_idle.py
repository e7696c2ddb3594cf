"""Connections that only stay open: what each costs, and that they work again when they are wanted."""

from __future__ import annotations

import contextlib
import time

import pytest

from fastgw._core.io.records import ways
from tests.support import frames
from tests.support.calls import record, toml
from tests.support.frames import message
from tests.support.raw import RawClient, h2_context
from tests.support.served import SANITIZED, Served

CONNECTIONS = 400
MOST = (
    7.0 if ways() else 25.0
)  # KiB each: measured are 4.6, and 23.5 where OpenSSL keeps nearly 21 of its own
REST = 1.0  # seconds; the gateway takes a connection for idle after half of one
BODY = message(b"idle" * 25)


def call(client: RawClient, stream_id: int) -> None:
    client.head(stream_id, frames.request(b"/fastgw.test.Echo/Unary"))
    client.send(frames.data(stream_id, BODY, end=True))
    answer = client.answer(stream_id)
    assert (answer.grpc_status, answer.body) == (0, BODY)


def test_an_idle_connection_costs_little(origin, config_file, ca):
    """After one call; what the first connections allocate for all is not counted."""
    context = h2_context(ca.file)
    with Served(config_file(toml(record("@", origin.port)))) as gateway, contextlib.ExitStack() as stack:

        def opened(count: int) -> list[RawClient]:
            clients = []
            for _ in range(count):
                client = stack.enter_context(RawClient(gateway.address, context=context))
                client.begin()
                call(client, 1)
                clients.append(client)
            return clients

        opened(20)
        time.sleep(REST)
        before = gateway.resident()
        clients = opened(CONNECTIONS)
        time.sleep(REST)
        each = (gateway.resident() - before) / CONNECTIONS / 1024
        print(f"{each:.1f} KiB per idle connection")
        assert SANITIZED or each <= MOST
        for client in clients:
            call(client, 3)


@pytest.mark.parametrize("tls", [True, False])
def test_a_connection_works_after_each_rest(origin, gateway, tls):
    house = gateway(
        toml=toml(record("@", origin.port), listen='"127.0.0.1:0", "h2c://127.0.0.1:0"', settings="")
    )
    with house.raw(tls=tls, listener=0 if tls else 1) as client:
        client.begin()
        for stream_id in (1, 3, 5):
            call(client, stream_id)
            time.sleep(REST)
        client.expect_alive()
