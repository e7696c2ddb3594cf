"""fastgw serve and its signals while calls run: they finish, nothing new begins, the process ends in time."""

from __future__ import annotations

import signal
import socket
import threading
import time

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml
from tests.support.frames import Code, Type, message
from tests.support.grpc_echo import Echo, channel
from tests.support.raw import ClosedError, RawClient, h2_context
from tests.support.served import Served


@pytest.fixture
def served(config_file, origin):
    """`served(server='drain_timeout = "1s"')`: the process in front of `origin`."""
    running = []

    def start(server: str = "") -> Served:
        one = Served(config_file(toml(record("@", origin.port), server=server)))
        running.append(one)
        return one.__enter__()

    yield start
    for one in running:
        one.__exit__(None, None, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_calls_finish(served, origin, ca, number):
    gateway = served()
    opened = channel(gateway.address, ca_pem=ca.pem)
    echo = Echo(opened)
    said = threading.Semaphore(0)

    def chatter():
        yield b"before"
        assert said.acquire(timeout=10)
        yield b"after"

    sleeping = echo.sleep.future(b"0.6", timeout=10)
    chat = echo.chat(chatter(), timeout=10)
    assert next(chat) == b"before"
    eventually(lambda: origin.calls == 2)
    gateway.signal(number)
    gateway.logged(f"{number.name}: draining")
    eventually(lambda: refuses(gateway))
    assert gateway.running
    said.release()
    assert list(chat) == [b"after"], "a stream goes on while we drain"
    assert sleeping.result() == b"0.6"
    code, seconds = gateway.end(15)
    assert code == 0
    assert seconds < 8, "it ends when its calls have, not when the time is over"
    assert gateway.out == [gateway.ready], "standard output has the ready line and nothing else"
    opened.close()


def refuses(gateway: Served) -> bool:
    try:
        socket.create_connection(gateway.address, 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_goaway_comes_in_two_steps(served, ca):
    """First that no more is wanted, a round trip later which was the last (RFC 9113 section 6.8)."""
    gateway = served()
    with RawClient(gateway.address, context=h2_context(ca.file)) as client:
        client.begin()
        client.head(1, frames.request(b"/fastgw.test.Echo/Chat"))
        client.send(frames.data(1, message(b"one")))
        client.expect(Type.DATA)
        gateway.signal(signal.SIGTERM)
        first = client.expect(Type.GOAWAY)
        assert (first.last_stream_id, first.code) == (2**31 - 1, Code.NO_ERROR)
        ping = client.expect(Type.PING)
        client.head(3, frames.request())  # under way when GOAWAY was
        client.send(frames.ping(ping.payload, ack=True))
        second = client.expect(Type.GOAWAY)
        assert (second.last_stream_id, second.code) == (3, Code.NO_ERROR)
        client.send(frames.data(3, message(b"still taken"), end=True))
        assert client.answer(3).body == message(b"still taken")
        client.send(frames.data(1, message(b"two"), end=True))
        answer = client.answer(1)
        assert (answer.body, answer.grpc_status) == (message(b"two"), 0)
        client.expect_closed()
    assert gateway.end(15)[0] == 0


def test_no_calls_no_waiting(served, ca):
    gateway = served()
    with RawClient(gateway.address, context=h2_context(ca.file)) as idle:
        idle.begin()
        gateway.signal(signal.SIGTERM)
        ping = idle.expect(Type.PING)
        idle.send(frames.ping(ping.payload, ack=True))
        idle.expect_closed()
    code, seconds = gateway.end(15)
    assert code == 0
    assert seconds < 5  # the time for running calls is not waited for


def test_a_call_that_does_not_end_is_cut_at_the_timeout(served, origin, ca):
    gateway = served('drain_timeout = "500ms"')
    opened = channel(gateway.address, ca_pem=ca.pem, options=(("grpc.enable_retries", 0),))
    stuck = Echo(opened).sleep.future(b"20", timeout=20)
    eventually(lambda: origin.calls == 1)
    begun = time.monotonic()
    gateway.signal(signal.SIGTERM)
    refused = Refused(stuck.result)
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    assert gateway.end(15)[0] == 0
    assert 0.4 < time.monotonic() - begun < 10
    eventually(lambda: origin.ended == 1)
    opened.close()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(served, origin, ca, second):
    gateway = served()
    opened = channel(gateway.address, ca_pem=ca.pem)
    stuck = Echo(opened).sleep.future(b"20", timeout=20)
    eventually(lambda: origin.calls == 1)
    gateway.signal(signal.SIGTERM)
    gateway.logged("draining")
    gateway.signal(second)
    code, seconds = gateway.end(15)
    assert (code, stuck.done() or stuck.cancel()) == (0, True)
    assert seconds < 5
    opened.close()


def test_a_client_that_is_deaf_to_goaway_does_not_hold_it_up_beyond_the_timeout(served, ca):
    gateway = served('drain_timeout = "500ms"')
    with RawClient(gateway.address, context=h2_context(ca.file)) as deaf:
        deaf.begin()
        gateway.signal(signal.SIGTERM)
        code, seconds = gateway.end(15)
        assert code == 0
        assert seconds < 8
        with pytest.raises((ClosedError, AssertionError)):
            deaf.expect_alive()


def test_ready_means_ready(served, ca):
    """The line names real ports, and a call made at once gets through."""
    gateway = served()
    assert gateway.address[1] > 0
    with RawClient(gateway.address, context=h2_context(ca.file)) as client:
        client.begin()
        client.head(1, frames.request())
        client.send(frames.data(1, message(b"x"), end=True))
        assert client.answer(1).grpc_status == 0
