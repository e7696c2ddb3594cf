"""All kinds of calls between a grpcio client and a grpcio origin, small, large and many."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import grpc
import grpclib.client
import grpclib.config
import pytest
from grpclib.encoding.base import CodecBase

from tests.support import frames
from tests.support.calls import Refused, eventually
from tests.support.frames import message
from tests.support.grpc_echo import SERVICE, Echo, Origin, same
from tests.support.raw import h2_context

MIB = 1 << 20


def test_the_four_kinds(echo):
    assert echo.unary(b"one", timeout=10) == b"one"
    assert echo.collect(iter([b"a", b"", b"b"]), timeout=10) == b"ab"
    assert list(echo.count(b"3", timeout=10)) == [b"m0", b"m1", b"m2"]
    assert list(echo.chat(iter([b"x", b"", b"y"]), timeout=10)) == [b"x", b"", b"y"]


def test_streams_without_any_message(echo):
    assert echo.unary(b"", timeout=10) == b""
    assert echo.collect(iter([]), timeout=10) == b""
    assert list(echo.count(b"0", timeout=10)) == []
    assert list(echo.chat(iter([]), timeout=10)) == []


def test_both_directions_of_a_stream_take_turns(echo):
    """Each message waits for the answer to the one before: nothing is held back to be sent with more."""
    answered = threading.Semaphore(1)

    def ask():
        for number in range(100):
            assert answered.acquire(timeout=5)
            yield b"%d" % number

    for number, answer in enumerate(echo.chat(ask(), timeout=20)):
        assert answer == b"%d" % number
        answered.release()
    assert number == 99


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code.value[0]], ids=lambda code: code.name
)
def test_every_status_passes(echo, code):
    for call in (
        lambda: echo.fail(b"why", metadata=[("x-code", code.name)], timeout=10),
        lambda: list(echo.fail_late(b"why", metadata=[("x-code", code.name)], timeout=10)),
    ):
        refused = Refused(call)
        assert (refused.code, refused.message, refused.fastgw_error) == (code, "why", "")


def test_an_unknown_method_is_the_origins_answer(echo):
    refused = Refused(lambda: echo.unknown(b"", timeout=10))
    assert (refused.code, refused.fastgw_error) == (grpc.StatusCode.UNIMPLEMENTED, "")


def test_twenty_mebibytes_both_ways(echo):
    large = bytes(range(256)) * (20 * MIB // 256)
    assert echo.unary(large, timeout=30) == large
    assert b"".join(echo.chat(iter([large]), timeout=30)) == large


def test_ten_thousand_messages_on_one_stream(echo):
    sent = [b"%d" % number for number in range(10_000)]
    assert list(echo.chat(iter(sent), timeout=50)) == sent


def test_two_hundred_streams_on_one_connection(origin_leaf, gateway, open_channel):
    with Origin(origin_leaf, threads=210) as origin:
        house = gateway(origin)
        echo = Echo(open_channel(house.address))
        release = threading.Event()

        def hold(number):
            yield b"%d" % number
            release.wait(20)

        calls = [echo.chat(hold(number), timeout=30) for number in range(200)]
        assert [next(call) for call in calls] == [b"%d" % number for number in range(200)]
        total = house.gateway.stats()["total"]
        assert total["exchanges_open"] == 200
        assert total["connections_open"] == 1
        assert total["origin_connections_opened"] <= 3, "streams share origin connections"
        release.set()
        assert all(list(call) == [] for call in calls)
        assert eventually(lambda: house.gateway.stats()["total"]["exchanges_finished"] == 200)


def test_two_hundred_clients_share_few_origin_connections(origin, gateway, open_channel):
    house = gateway(origin)
    raw = [house.raw(timeout=20) for _ in range(190)]
    channels = [Echo(open_channel(house.address)) for _ in range(10)]
    for client in raw:
        client.begin()
    for client in raw:
        client.head(1, frames.request())
        client.send(frames.data(1, message(b"hello"), end=True))
    futures = [echo.unary.future(b"hello", timeout=20) for echo in channels]
    answers = [client.answer(1) for client in raw]
    assert Counter(answer.grpc_status for answer in answers) == {0: 190}
    assert {answer.body for answer in answers} == {message(b"hello")}
    assert {future.result() for future in futures} == {b"hello"}
    total = house.gateway.stats()["total"]
    assert total["connections_open"] == 200
    assert total["origin_connections_opened"] <= 3
    assert len(origin.peers) <= 3
    assert origin.calls == 200
    for client in raw:
        client.sock.close()


class Octets(CodecBase):
    """Messages are octets, for grpclib."""

    __content_subtype__ = "proto"

    def encode(self, message, message_type):
        return message

    def decode(self, data, message_type):
        return data


def test_a_client_that_is_not_grpcio(origin, gateway, ca):
    host, port = gateway(origin).address
    chosen = grpclib.config.Configuration(ssl_target_name_override="gw.test")

    async def main():
        channel = grpclib.client.Channel(host, port, ssl=h2_context(ca.file), codec=Octets(), config=chosen)
        channel._authority = "gw.test"  # it has no option for that
        try:
            unary = grpclib.client.UnaryUnaryMethod(channel, SERVICE + "Unary", bytes, bytes)
            assert await unary(b"hello", timeout=10) == b"hello"
            count = grpclib.client.UnaryStreamMethod(channel, SERVICE + "Count", bytes, bytes)
            assert await count(b"3", timeout=10) == [b"m0", b"m1", b"m2"]
            collect = grpclib.client.StreamUnaryMethod(channel, SERVICE + "Collect", bytes, bytes)
            assert await collect([b"a", b"b"], timeout=10) == b"ab"
            chat = grpclib.client.StreamStreamMethod(channel, SERVICE + "Chat", bytes, bytes)
            assert await chat([b"a", b"b"], timeout=10) == [b"a", b"b"]
            fail = grpclib.client.UnaryUnaryMethod(channel, SERVICE + "Fail", bytes, bytes)
            with pytest.raises(grpclib.GRPCError) as caught:
                await fail(b"why", timeout=10)
            assert (caught.value.status, caught.value.message) == (grpclib.Status.FAILED_PRECONDITION, "why")
        finally:
            channel.close()

    asyncio.run(main())


def test_grpcio_with_asyncio(origin, gateway, ca):
    host, port = gateway(origin).address

    async def main():
        credentials = grpc.ssl_channel_credentials(ca.pem)
        options = (("grpc.ssl_target_name_override", "gw.test"), ("grpc.default_authority", "gw.test"))
        async with grpc.aio.secure_channel(f"{host}:{port}", credentials, options) as channel:
            chat = channel.stream_stream(SERVICE + "Chat", same, same)
            call = chat(iter([b"a", b"b"]), timeout=10)
            assert [answer async for answer in call] == [b"a", b"b"]
            calls = (
                channel.unary_unary(SERVICE + "Unary", same, same)(b"%d" % n, timeout=10) for n in range(50)
            )
            assert await asyncio.gather(*calls) == [b"%d" % number for number in range(50)]

    asyncio.run(main())
