"""Sockets from elsewhere: read from the environment, matched to places, shared among workers, never lost."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

import pytest

from fastgw.config import Listen
from fastgw.errors import StartupError
from fastgw.serve.handover import READY, SOCKETS, Inherited, Successor, inherit, reporting
from fastgw.serve.notify import Notifier
from fastgw.serve.sockets import bind_all

PLACE = Listen("127.0.0.1", 0, False)


def listening(reuse: bool = True, address: tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    if reuse:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(address)
    one.listen(8)
    return one


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def test_the_variables_are_read_once_and_removed():
    one, two = listening(), listening()
    numbers = f"{one.detach()},{two.detach()}"
    reader, writer = os.pipe()
    environment = {SOCKETS: f"h2c://127.0.0.1:0={numbers}", READY: str(writer), "HOME": "x"}
    got = inherit(environment)
    assert environment == {"HOME": "x"}
    assert got.succeeds
    taken = got.take("h2c://127.0.0.1:0", socket.AF_INET, ("127.0.0.1", 0))
    assert len(taken) == 2
    assert not any(os.get_inheritable(sock.fileno()) or os.get_blocking(sock.fileno()) for sock in taken)
    assert got.take("h2c://127.0.0.1:0", socket.AF_INET, ("127.0.0.1", 0)) == []
    got.say_ready()
    assert os.read(reader, 10) == b"ready"
    assert os.read(reader, 10) == b"", "said once, then closed"
    os.close(reader)
    for sock in taken:
        sock.close()


@pytest.mark.parametrize("numbers", ["", "x", "99999", "0,1"])
def test_what_is_no_listening_socket_is_ignored(numbers):
    got = inherit({SOCKETS: f"h2c://127.0.0.1:0={numbers}"})
    assert (got.named, got.unnamed) == ([], [])
    os.fstat(0)


def test_a_socket_that_came_twice_is_one():
    one = listening()
    twice = one.dup()
    got = inherit({SOCKETS: f"a={one.detach()},{twice.detach()}"})
    assert len(got.named[0][1]) == 1
    got.close()


@pytest.mark.parametrize(
    ("process", "found"), [(str(os.getpid()), ["fastgw.socket", "unknown"]), ("1", []), ("", [])]
)
def test_sockets_of_systemd_are_for_the_process_they_name(monkeypatch, process, found):
    with listening() as one, listening() as two:
        os.dup2(one.fileno(), 200)
        os.dup2(two.fileno(), 201)
    monkeypatch.setattr("fastgw.serve.handover.FIRST", 200)
    got = inherit({"LISTEN_FDS": "2", "LISTEN_PID": process, "LISTEN_FDNAMES": "fastgw.socket"})
    assert [name for name, _ in got.unnamed] == found
    got.close()
    if not found:
        os.close(200)
        os.close(201)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_inherited_socket_has_a_worker_and_every_worker_a_socket(workers):
    old = bind_all([PLACE], 3)
    old[0].open()
    sockets = [share[0] for share in old[0].shares]
    wanted = {inode(one) for one in sockets}
    new = bind_all([PLACE], workers, Inherited([(str(PLACE), sockets)]))
    assert new[0].port == old[0].port
    assert all(new[0].shares)
    assert {inode(one) for share in new[0].shares for one in share} >= wanted
    assert len(new[0].fresh) == max(0, workers - 3), "the rest are new ones beside them"
    new[0].open()
    queued = [socket.create_connection(("127.0.0.1", new[0].port), 1) for _ in range(20)]
    for one in queued:
        one.close()
    new[0].close()


def test_a_socket_that_stands_alone_is_shared():
    alone = listening(reuse=False)
    place = Listen("127.0.0.1", alone.getsockname()[1], False)
    got = bind_all([place], 3, Inherited(unnamed=[("fastgw.socket", alone)]))
    assert len({inode(one) for share in got[0].shares for one in share}) == 1
    assert [len(share) for share in got[0].shares] == [1, 1, 1]
    got[0].close()


def test_one_socket_for_both_families_serves_both_places():
    dual = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = dual.getsockname()[1]
    places = [Listen("0.0.0.0", port, False), Listen("::", port, False, optional=True)]
    got = bind_all(places, 1, Inherited(unnamed=[("x", dual)]))
    assert [listening.port for listening in got] == [port]
    got[0].close()


def test_what_nobody_wants_is_named():
    one = listening()
    got = Inherited([("h2c://127.0.0.1:1", [])], [("old.socket", one)])
    port = one.getsockname()[1]
    assert got.left() == ["h2c://127.0.0.1:1", f"old.socket (127.0.0.1:{port})"]
    got.close()
    assert one.fileno() == -1


def test_new_sockets_do_not_listen_before_they_are_opened():
    """A start that fails has not taken connections it can only drop."""
    got = bind_all([PLACE], 2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", got[0].port), 1)
    got[0].open()
    socket.create_connection(("127.0.0.1", got[0].port), 1).close()
    got[0].close()


def verdict(successor: Successor) -> str:
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        said = successor.verdict()
        if said is not None:
            return said
        time.sleep(0.01)
    raise TimeoutError


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os.write(fd, b'ready')", ""),
        ("os.write(fd, b'the port is taken'); sys.exit(3)", "could not start: the port is taken"),
        ("sys.exit(3)", "ended with exit code 3 before it served"),
        ("os.kill(os.getpid(), 9)", "ended with signal 9 before it served"),
        ("os.close(fd)", "ended with exit code 0 before it served"),
        ("time.sleep(60)", "did not serve within 0.3 s and was ended"),
    ],
)
def test_what_becomes_of_a_successor(code, why):
    one = listening()
    program = f"import os, sys, time; fd = int(os.environ['{READY}']); os.fstat({one.fileno()}); {code}"
    patience = 0.3 if "within" in why else 10
    successor = Successor([sys.executable, "-c", program], [("a", [one.fileno()])], patience)
    assert verdict(successor) == why
    assert one.fileno() >= 0
    one.close()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(successor.pid, 0)


@pytest.mark.parametrize(
    ("error", "said"),
    [(StartupError("the port\n  is taken"), b"the port is taken"), (SystemExit(2), b"exit code 2")],
)
def test_why_it_failed_is_told(error, said):
    reader, writer = os.pipe()
    got = inherit({READY: str(writer)})
    with pytest.raises(type(error)), reporting(got):
        raise error
    assert os.read(reader, 100) == said
    os.close(reader)


def test_systemd_hears_one_datagram_for_each_event(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(1)
        notifier = Notifier(str(tmp_path / "notify"))
        notifier.reloading()
        first, second = heard.recv(1000).decode().split("\n")
        assert first == "RELOADING=1"
        name, _, value = second.partition("=")
        assert name == "MONOTONIC_USEC"
        assert abs(int(value) - time.monotonic_ns() // 1000) < 5_000_000
        notifier.status("two\nlines")
        assert heard.recv(1000) == b"STATUS=two lines"
        notifier.hand_over(7)
        assert heard.recv(1000) == b"MAINPID=7\nREADY=1"
        notifier.stopping()
        heard.settimeout(0.05)
        with pytest.raises(TimeoutError):
            heard.recv(1000)
    notifier = Notifier(str(tmp_path / "nobody"))
    notifier.ready()


def test_an_abstract_name():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0fastgw-test-{os.getpid()}")
        heard.settimeout(1)
        Notifier(f"@fastgw-test-{os.getpid()}").ready()
        assert heard.recv(100) == b"READY=1"
