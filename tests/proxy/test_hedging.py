"""Hedging: a call that is not answered for a while goes to a second endpoint too; the first answer serves."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.support import frames as f
from tests.support.calls import eventually
from tests.support.frames import Code, Type
from tests.support.house import House
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, RawServer

HEDGED = """\
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 1
[[zone]]
name = "gw.test"
settings = {{ grpc = "on" }}
dns = [
  {{ name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c", origin_port = {first} }},
  {{ name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c", origin_port = {second} }},
]
[zone.origin]
min_ready = 1
[zone.retry]
hedge_after = "{after}"
on = ["unavailable"]
"""
SOON = "60ms"


class Pair:
    """Two origins behind a gateway: each answers as told, by the order in which calls reach any of them."""

    def __init__(self) -> None:
        self.plays: list[Callable[[RawServer, int], None]] = []
        self.seen: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        self.bodies: list[bytes] = []
        self.cancelled: list[Code] = []
        self._lock = threading.Lock()

    def __call__(self, peer: RawServer) -> None:
        peer.begin()
        for stream_id, fields in peer.requests():
            with self._lock:
                turn = len(self.seen)
                self.seen.append((turn, fields))
            frame = peer.expect(Type.DATA)
            with self._lock:
                self.bodies.append(frame.payload)
            self.plays[turn](peer, stream_id)


def answers(peer: RawServer, stream_id: int) -> None:
    peer.head(stream_id, GRPC_HEAD)
    peer.send(f.data(stream_id, f.message(b"mine")))
    peer.head(stream_id, OK, end=True)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def silent(pair: Pair) -> Callable[[RawServer, int], None]:
    def play(peer: RawServer, stream_id: int) -> None:
        frame = peer.expect(Type.RST_STREAM, where=lambda frame: frame.stream_id == stream_id)
        pair.cancelled.append(frame.code)

    return play


@pytest.fixture
def house(gateway, pair):
    with RawOrigin(pair, None) as first, RawOrigin(pair, None) as second:
        yield lambda after=SOON: _ready(
            gateway(toml=HEDGED.format(first=first.port, second=second.port, after=after))
        )


def _ready(house: House) -> House:
    eventually(lambda: house.gateway.stats()["total"]["origin_connections_open"] == 2)
    return house


def call(house: House):
    with house.raw(tls=False) as client:
        client.begin()
        client.head(1, f.request())
        client.send(f.data(1, f.message(b"asked"), end=True))
        return client.answer(1)


def total(house: House, name: str) -> int:
    return house.gateway.stats()["total"][name]


def settled(house: House) -> None:
    eventually(lambda: all(row["calls_running"] == 0 for row in house.gateway.stats()["endpoints"]))
    eventually(lambda: total(house, "octets_waiting") == 0 and total(house, "exchanges_live") == 0)


def test_the_rival_serves_when_the_first_is_silent(house, pair):
    pair.plays = [silent(pair), answers]
    gateway = house()
    answer = call(gateway)
    assert (answer.grpc_status, answer.body) == (0, f.message(b"mine"))
    assert pair.bodies == [f.message(b"asked")] * 2
    eventually(lambda: pair.cancelled == [Code.CANCEL])
    assert total(gateway, "attempts_hedged") == 1
    settled(gateway)


def test_the_first_serves_when_it_is_first(house, pair):
    both = threading.Event()

    def late(peer: RawServer, stream_id: int) -> None:
        assert both.wait(5)
        answers(peer, stream_id)

    def rival(peer: RawServer, stream_id: int) -> None:
        both.set()
        silent(pair)(peer, stream_id)

    pair.plays = [late, rival]
    gateway = house()
    assert call(gateway).body == f.message(b"mine")
    eventually(lambda: pair.cancelled == [Code.CANCEL])
    settled(gateway)


def test_who_answers_in_time_has_no_rival(house, pair):
    pair.plays = [answers]
    gateway = house("2s")
    assert call(gateway).grpc_status == 0
    assert total(gateway, "attempts_hedged") == 0
    settled(gateway)


@pytest.mark.parametrize("loser", ["first", "rival"])
def test_a_failure_of_one_leaves_the_call_to_the_other(house, pair, loser):
    failed = threading.Event()

    def fails(peer: RawServer, stream_id: int) -> None:
        peer.send(f.rst_stream(stream_id, Code.INTERNAL_ERROR))
        failed.set()

    def waits(peer: RawServer, stream_id: int) -> None:
        assert failed.wait(5)
        peer.expect_alive()
        answers(peer, stream_id)

    def waits_for_the_rival(peer: RawServer, stream_id: int) -> None:
        eventually(lambda: len(pair.seen) == 2)
        fails(peer, stream_id)

    pair.plays = [waits_for_the_rival, waits] if loser == "first" else [waits, fails]
    gateway = house()
    answer = call(gateway)
    assert (answer.grpc_status, answer.body) == (0, f.message(b"mine"))
    settled(gateway)


def test_a_status_that_is_tried_again_does_not_win(house, pair):
    def unavailable(peer: RawServer, stream_id: int) -> None:
        peer.head(stream_id, [*GRPC_HEAD, (b"grpc-status", b"14")], end=True)

    def later(peer: RawServer, stream_id: int) -> None:
        eventually(lambda: len(pair.seen) == 2)
        peer.expect_alive()
        answers(peer, stream_id)

    pair.plays = [later, unavailable]
    gateway = house()
    assert call(gateway).grpc_status == 0
    settled(gateway)


def test_a_cancelled_call_cancels_both(house, pair):
    pair.plays = [silent(pair), silent(pair)]
    gateway = house()
    with gateway.raw(tls=False) as client:
        client.begin()
        client.head(1, f.request())
        client.send(f.data(1, f.message(b"asked"), end=True))
        eventually(lambda: len(pair.bodies) == 2)
        client.send(f.rst_stream(1, Code.CANCEL))
        eventually(lambda: pair.cancelled == [Code.CANCEL] * 2)
    settled(gateway)


def test_a_request_that_is_not_over_has_no_rival(house, pair):
    pair.plays = [silent(pair)]
    gateway = house()
    with gateway.raw(tls=False) as client:
        client.begin()
        client.head(1, f.request())
        client.send(f.data(1, f.message(b"asked")))
        eventually(lambda: len(pair.bodies) == 1)
        threading.Event().wait(0.15)
        assert total(gateway, "attempts_hedged") == 0
    settled(gateway)
