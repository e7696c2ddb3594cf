"""A live gateway against malformed octets from clients and origins: refused, and nobody else notices."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.support import frames as f
from tests.support.certs import Authority, Leaf
from tests.support.frames import Type
from tests.support.grpc_echo import SERVICE, Echo, Origin, channel
from tests.support.house import House
from tests.support.malformed import CASES, Case
from tests.support.raw import RawClient
from tests.support.scripted_origin import RawOrigin

SLEEP = b"/fastgw.test.Echo/Sleep"


@dataclass
class Town:
    """A gateway with an honest origin at its apex and a rude one at `api`, and an honest client."""

    house: House
    rude: RawOrigin
    honest: Echo
    connections: int = 1  # that tests have opened, the honest client's included

    @property
    def stats(self) -> dict[str, object]:
        return dict(self.house.gateway.stats()["total"])

    def refused(self) -> dict[str, int]:
        return dict(self.stats["refused"])  # type: ignore[call-overload]

    def is_well(self, number: int) -> None:
        """The honest client's connection, which was there before, carries calls as ever."""
        message = b"still here %d" % number
        assert self.honest.unary(message, timeout=5) == message


def toml(ca: Authority, leaf: Leaf, honest: Origin, rude: RawOrigin) -> str:
    target = 'type = "A", content = "127.0.0.1", proxied = true, origin_server_name = "origin.test"'
    return textwrap.dedent(f"""\
        [server]
        listen = ["127.0.0.1:0"]
        workers = 1

        [[zone]]
        name = "gw.test"
        cert = {{ file = "{leaf.certificate}", key = "{leaf.key}" }}
        settings = {{ grpc = "on", ssl = "strict" }}
        trust_store = "{ca.file}"
        dns = [
          {{ name = "@", {target}, origin_port = {honest.port} }},
          {{ name = "api", {target}, origin_port = {rude.port} }},
        ]
        """)


@pytest.fixture(scope="module")
def town(
    ca: Authority, gateway_leaf: Leaf, origin_leaf: Leaf, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("town")
    with contextlib.ExitStack() as stack:
        honest = stack.enter_context(Origin(origin_leaf))
        rude = stack.enter_context(RawOrigin(origin_leaf))
        house = stack.enter_context(House(toml(ca, gateway_leaf, honest, rude), folder, ca))
        open_channel = channel(house.address, ca_pem=ca.pem)
        stack.callback(open_channel.close)
        town = Town(house, rude, Echo(open_channel))
        town.is_well(0)
        yield town
        town.is_well(1)
        ends = time.monotonic() + 5
        while any(town.stats[key] for key in EMPTY) and time.monotonic() < ends:
            time.sleep(0.01)
        assert {key: town.stats[key] for key in EMPTY} == dict.fromkeys(EMPTY, 0), "something leaks"
        assert town.stats["connections_accepted"] == town.connections, "the honest client had to come again"


EMPTY = ("exchanges_open", "exchanges_live", "streams_open", "octets_waiting")
FROM_CLIENTS = [case for case in CASES if case.toward == "client"]
FROM_ORIGINS = [case for case in CASES if case.toward == "origin" and case.before != "ended"]


def name(case: Case) -> str:
    return f"{case.section}-{case.before}-{case.name}"


def counted_once(before: dict[str, int], after: dict[str, int], case: Case) -> None:
    reason = case.reason.lower()
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)} == {
        reason: 1
    }


def prepare(client: RawClient, before: str) -> None:
    if before == "nothing":
        return
    client.begin()
    if before != "begun":
        client.head(1, f.request(SLEEP))
    if before == "ended":
        client.send(f.data(1, f.message(b"20"), end=True))
    if before == "reset":
        client.send(f.rst_stream(1))
    client.expect_alive()


@pytest.mark.parametrize("case", FROM_CLIENTS, ids=name)
def test_from_a_client(town: Town, case: Case) -> None:
    before = town.refused()
    town.connections += 1
    with town.house.raw() as client:
        prepare(client, case.before)
        client.send(case.octets)
        if case.stream is None:
            client.expect_goaway(case.code, case.reason.lower().encode())
        else:
            client.expect_reset(case.stream, case.code)
            client.expect_alive()
    counted_once(before, town.refused(), case)
    town.is_well(len(case.octets))


def said(case: Case) -> bytes:
    """What the rude origin says when it was asked."""
    head = f.headers(1, f.literal([(b":status", b"200"), (b"content-type", b"application/grpc")]))
    if case.before == "open":
        return head + case.octets
    if case.before == "reset":
        return head + f.rst_stream(1) + case.octets
    return case.octets


@pytest.mark.parametrize("case", FROM_ORIGINS, ids=name)
def test_from_an_origin(town: Town, case: Case, ca: Authority) -> None:
    town.rude.begin = case.octets if case.before == "nothing" else f.settings()
    town.rude.say = said(case)
    before = town.refused()
    town.connections += 1
    with contextlib.closing(channel(town.house.address, ca_pem=ca.pem, name="api.gw.test")) as rude_channel:
        call = rude_channel.unary_unary(SERVICE + "Unary")
        error = call.future(b"hello", timeout=5).exception()
    assert error is None or error.code() != grpc.StatusCode.DEADLINE_EXCEEDED, error
    heard = town.rude.heard.get(timeout=5)
    kind = Type.GOAWAY if case.stream is None else Type.RST_STREAM
    answers = [frame for frame in heard if frame.type in (Type.GOAWAY, Type.RST_STREAM)]
    assert [(frame.type, frame.code) for frame in answers] == [(kind, case.code)]
    counted_once(before, town.refused(), case)
    town.is_well(len(case.octets))
