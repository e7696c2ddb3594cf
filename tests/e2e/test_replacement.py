"""SIGUSR2: the next process takes the sockets over; nobody is refused, and a bad start is nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.calls import eventually, record, toml
from tests.support.dynasty import Dynasty
from tests.support.grpc_echo import Echo, channel

ROUNDS = 5


@pytest.fixture
def dynasty(config_file, origin) -> Iterator[Callable[..., Dynasty]]:
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, workers: int = 2) -> Dynasty:
            file = config_file(
                toml(record("@", origin.port), workers=workers, server='drain_timeout = "20s"')
            )
            return stack.enter_context(Dynasty(file, *arguments))

        yield start


class Clients:
    """Call and connect all the time, in three threads; what went wrong is kept."""

    def __init__(self, address: tuple[str, int], ca: bytes) -> None:
        self._address = address
        self._ca = ca
        self._over = threading.Event()
        self.calls = 0
        self.fresh = 0
        self.connections = 0
        self.failures: list[str] = []
        doings = (self._call, self._call_anew, self._connect)
        self._threads = [threading.Thread(target=self._run, args=(doing,)) for doing in doings]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def go_on(self) -> None:
        """Until there have been more calls of both kinds."""
        calls, fresh = self.calls, self.fresh
        eventually(lambda: self.calls > calls + 20 and self.fresh > fresh + 3, 20)

    def _run(self, doing: Callable[[], None]) -> None:
        try:
            doing()
        except BaseException as error:
            self.failures.append(repr(error))

    def _say(self, echo: Echo) -> None:
        try:
            assert echo.unary(b"hello", timeout=10) == b"hello"
        except grpc.RpcError as error:
            self.failures.append(f"{error.code()} {error.details()}")

    def _call(self) -> None:
        """One channel for all time: it hears GOAWAY and connects again."""
        opened = channel(self._address, ca_pem=self._ca)
        echo = Echo(opened)
        while not self._over.wait(0.002):
            self._say(echo)
            self.calls += 1
        opened.close()

    def _call_anew(self) -> None:
        """A connection for each call."""
        while not self._over.wait(0.01):
            opened = channel(self._address, ca_pem=self._ca)
            self._say(Echo(opened))
            self.fresh += 1
            opened.close()

    def _connect(self) -> None:
        """TCP only: is anybody there?"""
        while not self._over.wait(0.001):
            with socket.create_connection(self._address, 5):
                self.connections += 1


def test_five_replacements_refuse_and_fail_nobody(dynasty, ca):
    gateway = dynasty()
    with Clients(gateway.address, ca.pem) as clients:
        eventually(lambda: clients.calls > 10)
        before = []
        for _ in range(ROUNDS):
            before.append(gateway.replace())
            clients.go_on()
        code, _ = gateway.end(20)
    assert clients.failures == []
    assert code == 0, "the first process has drained and ended well"
    assert len(set(before)) == ROUNDS
    assert min(clients.calls, clients.fresh, clients.connections) > ROUNDS
    assert gateway.log.count("fastgw: asked twice: ending at once") == 0
    print(f"{clients.calls} calls, {clients.fresh} on new connections, {clients.connections} connections")


def test_a_stream_lives_on_in_the_old_process_until_it_ends(dynasty, ca):
    gateway = dynasty(workers=1)
    opened = channel(gateway.address, ca_pem=ca.pem)
    said = threading.Semaphore(0)

    def chatter():
        yield b"before"
        assert said.acquire(timeout=20)
        yield b"after"

    chat = Echo(opened).chat(chatter(), timeout=20)
    assert next(chat) == b"before"
    gateway.replace()
    assert Echo(opened).unary(b"new", timeout=10) == b"new", "served by the next one"
    assert gateway.running, "the first one waits for the stream"
    said.release()
    assert list(chat) == [b"after"]
    assert gateway.end(10)[0] == 0
    opened.close()


@pytest.mark.parametrize(("first", "then"), [(1, 3), (3, 1)])
def test_the_number_of_workers_may_change(dynasty, ca, first, then):
    """With fewer workers each takes several sockets: none is left with a queue that nobody accepts from."""
    gateway = dynasty(workers=first)
    file = next(Path(argument) for argument in gateway._process.args if argument.endswith(".toml"))
    file.write_text(file.read_text().replace(f"workers = {first}", f"workers = {then}"))
    with Clients(gateway.address, ca.pem) as clients:
        eventually(lambda: clients.calls > 10)
        gateway.replace()
        eventually(lambda: gateway.sockets == max(first, then))
        seen = clients.fresh
        eventually(lambda: clients.fresh > seen + 20, 20)
        gateway.end(20)
    assert clients.failures == []
    assert f"workers={then}" in gateway.out[-1]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense = 1", "is not a known key"),
        ('listen = ["192.0.2.1:443"]', "this machine does not have that address"),
    ],
)
def test_a_successor_that_cannot_start_changes_nothing(dynasty, ca, line, why):
    gateway = dynasty()
    file = next(Path(argument) for argument in gateway._process.args if argument.endswith(".toml"))
    good = file.read_text()
    listen = next(row for row in good.splitlines() if row.startswith("listen"))
    file.write_text(good.replace(listen, line if "listen" in line else f"{listen}\n{line}"))
    with Clients(gateway.address, ca.pem) as clients:
        eventually(lambda: clients.calls > 5)
        gateway.signal(signal.SIGUSR2)
        said = gateway.logged("this one goes on")
        assert said.startswith("fastgw: the next process could not start: ")
        assert why in said
        seen = clients.calls
        eventually(lambda: clients.calls > seen + 20)
        file.write_text(good)
        gateway.replace()
        gateway.end(20)
    assert clients.failures == []


def test_the_end_ends_the_successor_too(dynasty):
    """SIGTERM while the next one starts: both go, and nobody listens."""
    gateway = dynasty()
    gateway.signal(signal.SIGUSR2)
    line = gateway.logged("is starting to take over")
    gateway.signal(signal.SIGUSR2)
    gateway.signal(signal.SIGTERM)
    code, _ = gateway.end(10)
    assert code == 0
    heir = int(re.search(r"process (\d+)", line)[1])
    serves = [row for row in gateway.log if "serves now" in row]
    if not serves:
        with pytest.raises(ProcessLookupError):
            os.kill(heir, 0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(gateway.address, 1)
    gateway.pid = heir if serves else gateway.pid
