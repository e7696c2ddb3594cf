"""Who does not read slows down who writes: the gateway keeps no more than its windows, and others go on."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from tests.support import frames
from tests.support.calls import eventually, record, toml
from tests.support.frames import Setting, Type, message
from tests.support.grpc_echo import Echo, Origin, channel
from tests.support.house import alive
from tests.support.raw import RawClient, h2_context
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin
from tests.support.served import SANITIZED, Served

MIB = 1 << 20
HUGE = (1 << 31) - 1
SECONDS = 5.0
STREAM_WINDOW = MIB  # what the gateway takes in for a stream before its reader has taken any
STREAM_STALLED = 400 * 1024  # it is topped up at half: what waits for a stalled stream is more than this
OUTBOX = 256 * 1024  # what lies ready for a socket
SLACK = 2 * MIB  # the promise: no more than this over the windows
BLOCK = b"x" * 65536


def growth(gateway: Served, before: int) -> int:
    """The most the process grows while SECONDS pass."""
    most, ends = 0, time.monotonic() + SECONDS
    while time.monotonic() < ends:
        most = max(most, gateway.resident() - before)
        time.sleep(0.1)
    return most


def test_clients_that_do_not_read(origin, config_file, ca):
    """One keeps its windows open and never reads its socket; one reads, but gives its stream no credit."""
    file = config_file(toml(record("@", origin.port)))
    with Served(file) as gateway:
        context = h2_context(ca.file)
        deaf = RawClient(gateway.address, context=context, receive_buffer=65536)
        mean = RawClient(gateway.address, context=context)
        with deaf, mean:
            deaf.begin((Setting.INITIAL_WINDOW_SIZE, HUGE))
            deaf.send(frames.window_update(0, HUGE - 65535))
            mean.begin()
            mean.send(frames.window_update(0, HUGE - 65535))
            for client in (deaf, mean):  # whatever is allocated once is there before we measure
                client.head(1, frames.request(b"/fastgw.test.Echo/Count"))
                client.send(frames.data(1, message(b"1000"), end=True))
                assert client.answer(1).grpc_status == 0
            before, sent = gateway.resident(), origin.sent
            for client in (deaf, mean):
                client.head(3, frames.request(b"/fastgw.test.Echo/Endless"))
                client.body(3, message(BLOCK))
            grown = growth(gateway, before)
            assert SANITIZED or grown < 2 * (STREAM_WINDOW + OUTBOX) + SLACK
            stalled = origin.sent
            assert stalled - sent > 2 * STREAM_WINDOW, "the windows were used"
            assert stalled - sent < 40 * MIB, "what the kernels and grpcio hold comes on top of the windows"
            time.sleep(0.3)
            assert origin.sent == stalled, "the origin has been stopped"
            mean.expect_alive()
            mean.send(frames.window_update(3, 4 * MIB))
            got = 0
            while got < 4 * MIB:
                got += len(mean.expect(Type.DATA, where=lambda frame: frame.stream_id == 3).payload)
            assert eventually(lambda: origin.sent > stalled), "credit makes it go on"
            got = 0
            while got < 8 * MIB:  # more than all that had piled up
                got += len(deaf.expect(Type.DATA, where=lambda frame: frame.stream_id == 3).payload)


def test_origins_that_do_not_read(origin, config_file, ca, origin_leaf):
    """One keeps its windows open and never reads its socket; grpcio reads its socket, but no messages."""
    stop, go_on = threading.Event(), threading.Event()
    taken = {"gw.test": 0, "api.gw.test": 0}

    def play(peer):
        peer.begin((Setting.INITIAL_WINDOW_SIZE, HUGE))
        peer.send(frames.window_update(0, HUGE - 65535))
        first, _ = peer.request()
        peer.head(first, [*GRPC_HEAD, *OK], end=True)
        stream_id, _ = peer.request()
        go_on.wait(10)
        octets = 0
        while True:
            frame = peer.expect(Type.DATA, where=lambda frame: frame.stream_id == stream_id)
            octets += len(frame.payload)
            if frame.ends_stream:
                break
        peer.head(stream_id, GRPC_HEAD)
        peer.send(frames.data(stream_id, message(b"%d" % (octets - 5 * (octets // (5 + len(BLOCK)))))))
        peer.head(stream_id, OK, end=True)
        peer.expect_closed()

    def upload(name):
        while not stop.is_set():
            yield BLOCK
            taken[name] += len(BLOCK)

    with RawOrigin(play, origin_leaf, receive_buffer=65536, timeout=10) as deaf:
        file = config_file(toml(record("@", origin.port), record("api", deaf.port)))
        with Served(file) as gateway:
            opened = {name: channel(gateway.address, ca_pem=ca.pem, name=name) for name in taken}
            echoes = {name: Echo(opened[name]) for name in taken}
            list(echoes["api.gw.test"].count(b"", timeout=5))
            echoes["gw.test"].unary(BLOCK * 16, timeout=5)
            before = gateway.resident()
            calls = {name: echo.slurp.future(upload(name), timeout=40) for name, echo in echoes.items()}
            grown = growth(gateway, before)
            assert SANITIZED or grown < 2 * (STREAM_WINDOW + OUTBOX) + SLACK
            stalled = dict(taken)
            assert all(STREAM_WINDOW < octets < 40 * MIB for octets in stalled.values()), stalled
            time.sleep(0.3)
            assert taken == stalled, "the clients have been stopped"
            stop.set()
            go_on.set()
            origin.release.set()
            for name, call in calls.items():
                assert int(call.result()) in (taken[name], taken[name] + len(BLOCK)), "not an octet is lost"
            for one in opened.values():
                one.close()


@pytest.mark.parametrize("streams", [1, 20])
def test_calls_pass_streams_whose_client_does_not_take_them(gateway, origin_leaf, open_channel, streams):
    """Same client connection, same origin connection: what one stream cannot take is no other's affair."""
    with Origin(origin_leaf, threads=32) as origin:
        house = gateway(origin)
        with house.raw(timeout=10) as client:
            client.begin()
            client.send(frames.window_update(0, 1 << 30))
            for number in range(streams):
                client.head(1 + 2 * number, frames.request(b"/fastgw.test.Echo/Endless"))
                client.body(1 + 2 * number, message(BLOCK))
            stats = house.gateway.stats
            eventually(lambda: stats()["total"]["octets_waiting"] > streams * STREAM_STALLED)
            assert stats()["total"]["octets_waiting"] <= streams * STREAM_WINDOW
            assert stats()["total"]["origin_connections_open"] == 1
            for number in range(streams, streams + 20):
                client.head(1 + 2 * number, frames.request())
                client.body(1 + 2 * number, message(BLOCK[:60000]))
                assert client.answer(1 + 2 * number).body == message(BLOCK[:60000])
            other = Echo(open_channel(house.address))
            assert other.unary(BLOCK * 40, timeout=10) == BLOCK * 40, "another client is not held up either"
            assert stats()["total"]["origin_connections_open"] == 1
        eventually(lambda: alive(house.gateway, "links_open") == {})


@pytest.mark.parametrize("streams", [1, 20])
def test_calls_pass_uploads_that_their_origin_does_not_take(gateway, origin_leaf, open_channel, streams):
    with Origin(origin_leaf, threads=32) as origin:
        house = gateway(origin)
        echo = Echo(open_channel(house.address))
        calls = [echo.slurp.future(itertools.repeat(BLOCK), timeout=60) for _ in range(streams)]
        stats = house.gateway.stats
        eventually(lambda: stats()["total"]["octets_waiting"] > streams * STREAM_STALLED)
        assert stats()["total"]["octets_waiting"] <= streams * STREAM_WINDOW
        for _ in range(20):
            assert echo.unary(BLOCK, timeout=10) == BLOCK
        assert Echo(open_channel(house.address)).unary(BLOCK * 40, timeout=10) == BLOCK * 40
        total = stats()["total"]
        assert (total["connections_open"], total["origin_connections_open"]) == (2, 1)
        for call in calls:
            call.cancel()
        origin.release.set()
        eventually(lambda: alive(house.gateway, "links_open") == {})
