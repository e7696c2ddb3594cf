"""The largest message of each direction, by zone and by route: what is larger goes no further."""

from __future__ import annotations

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, record, toml
from tests.support.frames import message
from tests.support.grpc_echo import Echo
from tests.support.raw_origin import RawOrigin, RawServer

ECHO = "fastgw.test.Echo"
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def text(port: int, settings: str, *routes: str) -> str:
    parts = [toml(record("@", port), settings=settings)]
    return "".join([*parts, *(f"[[zone.route]]\n{route}\n" for route in routes)])


@pytest.fixture
def house(gateway, origin):
    """Requests of 1000 octets and responses of 2000; Collect takes any, Count answers in no more than 2."""
    return gateway(
        toml=text(
            origin.port,
            "max_request_message_bytes = 1000, max_response_message_bytes = 2000",
            f'match = [{{ service = "{ECHO}", method = "Collect" }}]\nmax_request_message_bytes = 0',
            f'match = [{{ service = "{ECHO}", method = "Count" }}]\nmax_response_message_bytes = 2',
        )
    )


def test_a_request_may_be_as_large_as_the_zone_says(house, open_channel, origin):
    echo = Echo(open_channel(house.address))
    assert echo.unary(b"x" * 1000, timeout=5) == b"x" * 1000
    for size in (1001, 20_000, 3_000_000):
        refused = Refused(lambda size=size: echo.unary(b"x" * size, timeout=5))
        assert (refused.code, refused.fastgw_error.partition("; endpoint")[0]) == (
            EXHAUSTED,
            "message_too_large; side=client; phase=stream",
        )
        assert refused.message == f"zone gw.test: a message of the request has {size} octets, limit 1000"
    assert house.gateway.stats()["total"]["replies"]["message_too_large"] == 3
    assert echo.unary(b"next", timeout=5) == b"next"


def test_each_message_of_a_stream_counts_and_not_their_sum(house, open_channel):
    echo = Echo(open_channel(house.address))
    assert len(list(echo.chat(iter([b"x" * 900] * 100), timeout=10))) == 100
    refused = Refused(lambda: list(echo.chat(iter([b"x", b"y" * 1001, b"z"]), timeout=5)))
    assert refused.code == EXHAUSTED


def test_a_route_says_otherwise(house, open_channel):
    echo = Echo(open_channel(house.address))
    assert echo.collect(iter([b"x" * 1500]), timeout=5) == b"x" * 1500
    assert list(echo.count(b"10", timeout=5)) == [b"m%d" % number for number in range(10)]
    got = []

    def read() -> None:
        got.extend(echo.count(b"12", timeout=5))

    refused = Refused(read)
    assert (refused.code, refused.message) == (
        EXHAUSTED,
        "zone gw.test: a message of the response has 3 octets, limit 2",
    )
    assert refused.fastgw_error.startswith("message_too_large; side=origin; phase=stream")


def test_a_response_may_be_as_large_as_the_zone_says(house, open_channel):
    echo = Echo(open_channel(house.address))
    assert len(echo.collect(iter([b"x" * 1000] * 2), timeout=5)) == 2000
    refused = Refused(lambda: echo.collect(iter([b"x" * 1000] * 3), timeout=5))
    assert refused.message == "zone gw.test: a message of the response has 3000 octets, limit 2000"


def test_the_prefix_is_enough(house):
    with house.raw() as client:
        client.begin()
        client.head(1, frames.request(b"/fastgw.test.Echo/Unary"), end=False)
        client.send(frames.data(1, b"\0\0\0\x03\xe9"))
        answer = client.answer(1)
        assert answer.grpc_status == EXHAUSTED.value[0]
        client.head(3, frames.request(b"/fastgw.test.Echo/Unary"), end=False)
        client.send(frames.data(3, message(b"next"), end=True))
        assert client.answer(3).body == message(b"next")


def test_an_answer_that_is_not_grpc_has_no_messages(gateway, origin_leaf):
    page = b"<!doctype html><p>no gRPC here</p>"

    def play(peer: RawServer) -> None:
        peer.begin()
        for stream_id, _ in peer.requests():
            peer.head(stream_id, [(b":status", b"503"), (b"content-type", b"text/html")])
            peer.send(frames.data(stream_id, page, end=True))

    with RawOrigin(play, origin_leaf) as origin:
        house = gateway(toml=text(origin.port, "max_response_message_bytes = 10"))
        with house.raw() as client:
            client.begin()
            client.head(1, frames.request(), end=True)
            assert client.answer(1).body == page
