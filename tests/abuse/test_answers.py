"""Answers that come early, late, or after informational heads: each stream ends, and ends rightly."""

from __future__ import annotations

import time

from tests.abuse.peers import HEAD, TRAILERS, client, live, stats, toml, until
from tests.support import frames
from tests.support.frames import Code, Setting, Type


def test_an_origin_that_fails_after_an_informational_head(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request(), end=True)
    origin = raw_origin.accept()
    origin.begin()
    stream = origin.request()
    origin.head(stream, [(b":status", b"103"), (b"link", b"</a>")])
    origin.send(frames.rst_stream(stream, Code.INTERNAL_ERROR))
    answer = raw.answer(1)
    assert dict(answer.heads[0])[b":status"] == b"103"
    assert dict(answer.heads[1])[b":status"] == b"200"
    assert answer.grpc_status == 13


def test_informational_heads_without_end_fill_no_memory(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request(), end=True)
    origin = raw_origin.accept()
    origin.begin()
    stream = origin.request()
    block = frames.literal([(b":status", b"103"), (b"link", b"x" * 8000)])
    origin.sock.settimeout(10)
    for _ in range(4000):
        origin.send(frames.headers(stream, block))
    origin.send(frames.ping(b"alldone!"))
    origin.expect(Type.PING)
    assert stats(house)["octets_lent"] < 4 << 20
    origin.head(stream, [*HEAD, *TRAILERS], end=True)
    assert raw.answer(1).grpc_status == 0


def test_an_origin_that_answers_and_never_takes_the_request(house, raw_origin):
    raw = client(house)
    raw.head(1, frames.request())
    origin = raw_origin.accept()
    origin.begin((Setting.INITIAL_WINDOW_SIZE, 0))
    stream = origin.request()
    raw.send(frames.data(1, b"x" * 10000), frames.data(1, b"x" * 10000, end=True))
    assert until(lambda: stats(house)["octets_waiting"] == 20000)
    origin.head(stream, [*HEAD, *TRAILERS], end=True)
    assert raw.answer(1).grpc_status == 0
    assert origin.expect_reset(stream, Code.CANCEL)
    assert until(lambda: not live(house))


def test_a_client_that_still_sends_when_the_end_of_the_answer_had_to_wait(house, raw_origin):
    raw = client(house, (Setting.INITIAL_WINDOW_SIZE, 0))
    raw.head(1, frames.request())
    origin = raw_origin.accept()
    origin.begin()
    stream = origin.request()
    origin.head(stream, HEAD)
    origin.send(frames.data(stream, frames.message(b"m")))
    origin.head(stream, TRAILERS, end=True)
    origin.send(frames.rst_stream(stream, Code.NO_ERROR))
    raw.expect(Type.HEADERS)
    assert until(lambda: stats(house)["octets_waiting"] == 6)
    time.sleep(0.05)
    raw.send(frames.window_update(1, 100))
    assert raw.expect(Type.DATA).payload == frames.message(b"m")
    assert raw.expect(Type.HEADERS).ends_stream
    raw.expect_reset(1, Code.NO_ERROR)
    assert until(lambda: not live(house))


def test_a_drain_ends_when_the_last_call_is_cancelled(raw_origin, gateway):
    house = gateway(toml=toml(raw_origin.port, drain_timeout="20s"))
    raw = client(house)
    raw.head(1, frames.request())
    origin = raw_origin.accept()
    origin.begin()
    origin.request()
    house.gateway.drain()
    mark = raw.expect(Type.PING)
    raw.send(frames.ping(mark.payload, ack=True))
    assert raw.expect(Type.GOAWAY).last_stream_id == 1
    raw.send(frames.rst_stream(1))
    raw.expect_closed()
    raw.sock.close()
    assert house.gateway.wait(3)
