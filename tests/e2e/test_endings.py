"""How calls end early: deadlines, cancellation, early answers, resets; each side hears of the other."""

from __future__ import annotations

import itertools
import threading
import time

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml, tried
from tests.support.frames import Code, Type, message
from tests.support.grpc_echo import SERVICE, Echo, same
from tests.support.house import alive
from tests.support.raw import ClosedError
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin


@pytest.fixture
def between(gateway, origin_leaf):
    """`between(play)`: a gateway in front of a raw origin, which listens at `between.port`."""
    origins = []

    def start(play):
        origin = RawOrigin(play, origin_leaf)
        origins.append(origin.__enter__())
        start.port = origin.port
        return gateway(toml=toml(record("@", origin.port)))

    yield start
    for origin in origins:
        origin.__exit__(None, None, None)


def test_the_head_reaches_the_origin_before_any_data(between):
    arrived = threading.Event()

    def play(peer):
        peer.begin()
        stream_id, fields = peer.request()
        assert (b":path", b"/s/M") in fields
        arrived.set()
        assert peer.expect(Type.DATA).payload == message(b"late")
        peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(b"/s/M"))
        assert arrived.wait(2), "HEADERS waited for DATA"
        time.sleep(0.1)
        client.send(frames.data(1, message(b"late"), end=True))
        assert client.answer(1).grpc_status == 0


def test_the_answers_head_reaches_the_client_before_any_data(between):
    go_on = threading.Event()

    def play(peer):
        peer.begin()
        stream_id, _ = peer.request()
        peer.head(stream_id, GRPC_HEAD)
        assert go_on.wait(5)
        peer.head(stream_id, OK, end=True)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        head = client.expect(Type.HEADERS)
        assert not head.ends_stream
        assert client.fields(head) == GRPC_HEAD
        go_on.set()
        assert client.answer(1).grpc_status == 0


def test_a_deadline_reaches_the_origin(origin, echo):
    """The client gives up by itself and tells; the origin has grpc-timeout too."""
    refused = Refused(lambda: echo.sleep(b"10", timeout=0.3))
    assert refused.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused.seconds < 2
    eventually(lambda: alive_calls(origin) == 0)
    assert echo.unary(b"next", timeout=5) == b"next"


def alive_calls(origin):
    return origin.calls - origin.ended


def test_grpc_timeout_is_passed_on(between):
    seen = []

    def play(peer):
        peer.begin()
        for stream_id, fields in peer.requests():
            seen.append(dict(fields).get(b"grpc-timeout"))
            peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(b"/s/M", b"gw.test", (b"grpc-timeout", b"1500m")), end=True)
        assert client.answer(1).grpc_status == 0
        client.head(3, frames.request(b"/s/M", b"gw.test", (b"grpc-timeout", b"1500m")), end=True)
        assert client.answer(3).grpc_status == 0
    assert seen[0].endswith(b"u"), "shorter by the time the connection took"
    assert 500_000 <= int(seen[0][:-1]) < 1_500_000
    assert seen[1] == b"1500m", "no time has passed: no octet is changed"


def test_a_cancel_reaches_the_origin(origin, echo):
    call = echo.endless(b"x" * 100, timeout=30)
    next(call)
    call.cancel()
    eventually(lambda: alive_calls(origin) == 0)
    future = echo.sleep.future(b"10", timeout=30)
    eventually(lambda: origin.calls == 2)
    future.cancel()
    eventually(lambda: alive_calls(origin) == 0)


@pytest.mark.parametrize("code", [Code.CANCEL, Code.NO_ERROR, Code.INTERNAL_ERROR, Code.ENHANCE_YOUR_CALM])
def test_a_clients_reset_keeps_its_code(between, code):
    heard = []
    begun = threading.Event()

    def play(peer):
        peer.begin()
        peer.request()
        begun.set()
        heard.append(peer.expect(Type.RST_STREAM).code)
        stream_id, _ = peer.request()
        peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request())
        assert begun.wait(5)
        client.send(frames.data(1, b"\0"), frames.rst_stream(1, code))
        client.head(3, frames.request(), end=True)
        assert client.answer(3).grpc_status == 0
    assert heard == [code if code != Code.NO_ERROR else Code.CANCEL]


def test_a_call_cancelled_while_it_waits_for_a_connection_never_begins(between):
    seen = []

    def play(peer):
        time.sleep(0.2)
        peer.begin()
        for stream_id, fields in peer.requests():
            seen.append(dict(fields)[b":path"])
            peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(b"/s/Gone"))
        client.head(3, frames.request(b"/s/Stays"))
        client.send(frames.data(1, b"x" * 9000), frames.rst_stream(1), frames.data(3, b"", end=True))
        assert client.answer(3).grpc_status == 0
    assert seen == [b"/s/Stays"]


def test_a_client_that_vanishes_cancels_its_calls(gateway, origin):
    house = gateway(origin)
    with house.raw() as client:
        client.begin()
        for stream_id in (1, 3, 5):
            client.head(stream_id, frames.request(b"/fastgw.test.Echo/Sleep"))
            client.send(frames.data(stream_id, message(b"20"), end=True))
        eventually(lambda: origin.calls == 3)
    eventually(lambda: alive_calls(origin) == 0)
    eventually(lambda: alive(house.gateway, "links_open") == {})


def test_an_answer_while_the_client_still_uploads(gateway, origin, open_channel):
    """grpcio sends for ever; the origin says UNIMPLEMENTED at once."""
    house = gateway(origin)
    channel = open_channel(house.address)
    endless = channel.stream_unary(SERVICE + "Unknown", same, same)
    refused = Refused(lambda: endless(itertools.repeat(b"x" * 1000), timeout=20))
    assert (refused.code, refused.fastgw_error) == (grpc.StatusCode.UNIMPLEMENTED, "")
    assert refused.seconds < 5
    assert Echo(channel).unary(b"next", timeout=5) == b"next"
    eventually(lambda: house.gateway.stats()["total"]["exchanges_open"] == 0)


def test_a_whole_answer_then_no_error_is_a_success(between):
    def play(peer):
        peer.begin()
        for stream_id, _ in peer.requests():
            peer.head(stream_id, GRPC_HEAD)
            peer.send(frames.data(stream_id, message(b"early")))
            peer.head(stream_id, OK, end=True)
            peer.send(frames.rst_stream(stream_id, Code.NO_ERROR))

    house = between(play)
    with house.raw() as client:
        client.begin()
        client.head(1, frames.request())
        client.send(frames.data(1, message(b"begun")))
        answer = client.answer(1)
        assert (answer.grpc_status, answer.body) == (0, message(b"early"))
        client.expect_reset(1, Code.NO_ERROR)
        client.expect_alive()
        assert house.gateway.stats()["total"]["replies"] == {}


RESETS = {
    Code.NO_ERROR: grpc.StatusCode.UNAVAILABLE,
    Code.REFUSED_STREAM: grpc.StatusCode.UNAVAILABLE,
    Code.CANCEL: grpc.StatusCode.CANCELLED,
    Code.ENHANCE_YOUR_CALM: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.INADEQUATE_SECURITY: grpc.StatusCode.PERMISSION_DENIED,
    Code.PROTOCOL_ERROR: grpc.StatusCode.INTERNAL,
    Code.INTERNAL_ERROR: grpc.StatusCode.INTERNAL,
    Code.STREAM_CLOSED: grpc.StatusCode.INTERNAL,
    Code.HTTP_1_1_REQUIRED: grpc.StatusCode.INTERNAL,
}
AGAIN = Code.REFUSED_STREAM, "before the head"
MOMENTS = ["before the head", "after the head", "after a message"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_origin_that_resets(between, open_channel, moment):
    # A refused stream is tried again at once, and once more after a short wait.
    codes = iter([code for code in RESETS for _ in range(3 if (code, moment) == AGAIN else 1)])

    def play(peer):
        peer.begin()
        for stream_id, _ in peer.requests():
            if moment != MOMENTS[0]:
                peer.head(stream_id, GRPC_HEAD)
            if moment == MOMENTS[2]:
                peer.send(frames.data(stream_id, message(b"one")))
            peer.send(frames.rst_stream(stream_id, next(codes)))

    house = between(play)
    echo = Echo(open_channel(house.address, options=(("grpc.enable_retries", 0),)))
    for code, status in RESETS.items():
        got = []
        refused = Refused(lambda got=got: got.extend(echo.count(b"", timeout=5)))
        if moment != MOMENTS[0] and code == Code.NO_ERROR:
            status = grpc.StatusCode.INTERNAL
        assert refused.code == status, code
        attempt = 3 if (code, moment) == AGAIN else 1
        assert refused.fastgw_error == tried("origin_reset; side=origin; phase=stream", between.port, attempt)
        assert f"reset the stream with error code {int(code)}" in refused.message
        assert got == ([b"one"] if moment == MOMENTS[2] else [])
    assert house.gateway.stats()["total"]["replies"] == {"origin_reset": len(RESETS)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_origin_that_closes(between, open_channel, moment):
    def play(peer):
        peer.begin()
        stream_id, _ = peer.request()
        if peer.number > 0:
            peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)
            peer.expect_closed()
        if moment != MOMENTS[0]:
            peer.head(stream_id, GRPC_HEAD)
        if moment == MOMENTS[2]:
            peer.send(frames.data(stream_id, message(b"one")))
        time.sleep(0.05)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        answer = client.answer(1)
        assert answer.grpc_status == grpc.StatusCode.UNAVAILABLE.value[0]
        error = tried("origin_reset; side=origin; phase=stream", between.port)
        assert answer.trailers[b"fastgw-error"].decode() == error
        assert b"closed the connection before the call ended" in answer.trailers[b"grpc-message"]
        assert answer.body == (message(b"one") if moment == MOMENTS[2] else b"")
        client.head(3, frames.request(), end=True)
        assert client.answer(3).grpc_status == 0, "the next call gets a new connection"


def test_an_origin_that_goes_away(between):
    """Calls up to GOAWAY's last stream finish on the old connection, later ones go to a new one."""

    def play(peer):
        peer.begin()
        first, _ = peer.request()
        if peer.number == 0:
            peer.send(frames.goaway(first))
            time.sleep(0.2)
        peer.head(first, [*GRPC_HEAD, (b"x-connection", b"%d" % peer.number), *OK], end=True)
        peer.expect_closed()

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        time.sleep(0.1)
        client.head(3, frames.request(), end=True)
        assert client.answer(3).head[b"x-connection"] == b"1"
        assert client.answer(1).head[b"x-connection"] == b"0"


def test_calls_above_goaways_last_stream_are_unavailable(between):
    def play(peer):
        peer.begin()
        peer.request()
        peer.send(frames.goaway(0))
        peer.expect_closed()

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        answer = client.answer(1)
        assert answer.grpc_status == grpc.StatusCode.UNAVAILABLE.value[0]
        assert b"went away" in answer.trailers[b"grpc-message"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda stream_id: frames.data(stream_id, b"before the head"),
        lambda stream_id: frames.headers(stream_id, frames.literal([(b":status", b"abc")])),
        lambda stream_id: frames.headers(stream_id, frames.literal([(b":status", b"200"), (b"Upper", b"x")])),
        lambda stream_id: frames.headers(stream_id, frames.literal([(b"grpc-status", b"0")]), end=True),
    ],
    ids=["data first", "no number", "upper case", "no status"],
)
def test_an_answer_that_is_not_http2(between, wrong):
    def play(peer):
        peer.begin()
        stream_id, _ = peer.request()
        if peer.number == 0:
            peer.send(wrong(stream_id))
        for stream_id, _ in peer.requests():
            peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)

    with between(play).raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        answer = client.answer(1)
        assert answer.grpc_status == grpc.StatusCode.INTERNAL.value[0]
        error = tried("origin_bad_response; side=origin; phase=stream", between.port)
        assert answer.head[b"fastgw-error"].decode() == error
        client.head(3, frames.request(), end=True)
        try:
            assert client.answer(3).grpc_status == 0
        except ClosedError as error:
            raise AssertionError("the client's connection must not suffer") from error


def test_a_foreign_answer_passes_unchanged(between):
    busy = [(b":status", b"503"), (b"content-type", b"text/html"), (b"retry-after", b"7")]

    def play(peer):
        peer.begin()
        stream_id, _ = peer.request()
        peer.head(stream_id, busy)
        peer.send(frames.data(stream_id, b"<h1>busy</h1>", end=True))
        peer.expect_closed()

    house = between(play)
    with house.raw() as client:
        client.begin()
        client.head(1, frames.request(), end=True)
        answer = client.answer(1)
        assert answer.heads == [busy]
        assert answer.body == b"<h1>busy</h1>"
    assert house.gateway.stats()["total"]["foreign_answers"] == 1
