"""A transport on a loop, against Python's sockets and TLS on loopback."""

import contextlib
import os
import select
import socket
import ssl
from pathlib import Path

import pytest
from OpenSSL import SSL

from fastgw._core.io.records import ways
from fastgw._core.io.transport_door import Line, Station
from tests.io.io_support import (
    SUITE,
    SocketPeer,
    address_of,
    client_context,
    identity,
    loopback,
    python_client,
    python_server,
    server_context,
    sockaddr,
    until,
)

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
MODES = ["clear", "tls", *(["own"] if ways() else [])]
SEALED = MODES[1:]
SERVER = server_context()
OWN = server_context(suite=SUITE)
SECOND = server_context("second")


def descriptors():
    """What is open; the descriptor that lists them is gone before it is looked at."""
    folder = Path("/proc/self/fd")
    return {(link.name, str(link.readlink())) for link in list(folder.iterdir()) if link.is_symlink()}


@pytest.fixture
def station():
    """Afterwards no descriptor, memory or timer may be left."""
    station = Station()
    before = descriptors()
    yield station
    assert not descriptors() - before
    assert (station.lent, station.timers) == (0, 0)


def accepted(station, mode="tls", *, context=None, buffer=None, server_name=None, timeout_ms=5000, **options):
    """A line that accepted and a peer that connected; neither has said anything."""
    near, far = loopback(buffer)
    line = Line(station, **options)
    assert line.accept(
        far.detach(),
        {"clear": 0, "tls": address_of(SERVER), "own": address_of(OWN)}[mode],
        own=mode == "own",
        timeout_ms=timeout_ms,
        names={b"second.test": address_of(SECOND)},
    )
    if mode != "clear":
        return line, SocketPeer(near, context or python_client(), server_name=server_name)
    return line, SocketPeer(near)


def opened(station, mode="tls", **options):
    line, peer = accepted(station, mode, **options)
    until(lambda: line.state["phase"] == "open" and peer.open, peer.pump, station.turn)
    assert line.state["own"] == (mode == "own")
    return line, peer


def finish(line, peer):
    line.close()
    peer.socket.close()


def connected(station, peer_context=None, *, verify=True, server_name=b"origin.test", tls=True):
    """A line that connects and the peer that accepted it."""
    line = Line(station)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = sockaddr(listener.getsockname()[1])
        assert line.connect(
            address, address_of(client_context()) if tls else 0, server_name=server_name, verify=verify
        )
        assert line.state["phase"] == "connecting"
        near, _ = listener.accept()
    return line, SocketPeer(near, peer_context, **({"server_side": True} if peer_context else {}))


def settled(line):
    return line.state["phase"] == "open" or line.state["failure"] != "fine"


def pump_quietly(peer):
    def pump():
        try:
            peer.pump()
        except ssl.SSLError as error:
            peer.error = error

    return pump


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "shown"), [("second.test", "second"), (None, "origin")])
def test_accepting_with_tls(station, version, name, shown):
    line, peer = opened(station, context=python_client(version=version), server_name=name)
    assert peer.tls.getpeercert(binary_form=True) == identity(shown).der
    state = line.state
    assert (state["failure"], state["sni_seen"], state["timers"]) == ("fine", name is not None, 0)
    assert state["watched"] == select.EPOLLIN
    peer.send(b"question")
    line.send(b"answer")
    until(lambda: bytes(peer.received) == b"answer" and line.state["octets_in"] == 8, peer.pump, station.turn)
    assert line.take() == b"question"
    assert line.state["octets_out"] == 6
    finish(line, peer)


@pytest.mark.parametrize("size", [14, 5000, 100_000])
@pytest.mark.parametrize("mode", SEALED)
def test_octets_behind_the_handshake_are_not_forgotten(station, mode, size):
    """The client's first octets often travel with its Finished."""
    line, peer = accepted(station, mode)
    sent = os.urandom(size)
    while not peer.open:
        peer.reads = True
        if peer.incoming.pending == 0:
            station.turn(10)
        octets = peer.socket.recv(65536) if select.select([peer.socket], [], [], 0)[0] else b""
        peer.incoming.write(octets)
        peer.step()
        if not peer.open:
            peer.socket.send(peer.outgoing.read())
    peer.tls.write(sent)
    peer.socket.send(peer.outgoing.read())
    until(lambda: line.state["octets_in"] == size, lambda: station.turn(10))
    assert line.take() == sent
    assert (line.state["phase"], line.state["own"]) == ("open", mode == "own")
    finish(line, peer)


@pytest.mark.parametrize("version", VERSIONS)
def test_connecting_with_tls(station, version):
    line, peer = connected(station, python_server(version=version))
    until(lambda: line.state["phase"] == "open" and peer.open, station.turn, peer.pump)
    assert not line.state["sni_seen"]
    line.send(b"hello")
    until(lambda: peer.received == b"hello", peer.pump)
    peer.send(b"back")
    until(lambda: line.state["octets_in"] == 4, peer.pump, station.turn)
    finish(line, peer)


def test_connecting_in_the_clear(station):
    line, peer = connected(station, tls=False)
    line.send(b"too early, but kept")
    assert line.state["plain"] == 19
    until(lambda: line.state["phase"] == "open", station.turn)
    assert line.state["timers"] == 0
    until(lambda: peer.received == b"too early, but kept", peer.pump, station.turn, line.flush)
    finish(line, peer)


def test_nodelay_on_both_sides(station):
    for line, peer in (accepted(station), connected(station)):
        with socket.socket(fileno=os.dup(line.state["fd"])) as copy:
            assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        finish(line, peer)


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("expired", b"origin.test", "expired"),
        ("self_signed", b"origin.test", "self-signed"),
        ("stranger", b"origin.test", "unknown authority"),
        ("second", b"origin.test", "wrong name: it is for second.test, not for origin.test"),
        ("second", b"127.0.0.1", "wrong name: it is for second.test, not for 127.0.0.1"),
    ],
)
def test_a_certificate_that_does_not_hold(station, kind, name, text):
    line, peer = connected(station, python_server(kind), server_name=name)
    until(lambda: settled(line), station.turn, pump_quietly(peer))
    assert (line.state["failure"], line.state["detail"]) == ("certificate_invalid", text)
    assert line.state["timers"] == 0
    until(lambda: peer.ended or hasattr(peer, "error"), pump_quietly(peer))
    assert "alert" in str(peer.error), "the peer is told"
    finish(line, peer)
    line, peer = connected(station, python_server(kind), server_name=name, verify=False)
    until(lambda: settled(line), station.turn, peer.pump)
    assert line.state["phase"] == "open"
    finish(line, peer)


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
@pytest.mark.parametrize("version", VERSIONS)
def test_no_h2_with_the_client(station, alpn, version):
    line, peer = accepted(station, context=python_client(alpn=alpn, version=version))
    until(lambda: settled(line), pump_quietly(peer), station.turn)
    assert line.state["failure"] == "alpn_not_h2"
    assert line.state["phase"] == "handshake"
    if alpn:
        until(lambda: hasattr(peer, "error"), pump_quietly(peer))
        assert "no application protocol" in str(peer.error)
    finish(line, peer)


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
def test_no_h2_with_the_origin(station, alpn):
    line, peer = connected(station, python_server(alpn=alpn))
    until(lambda: settled(line), station.turn, pump_quietly(peer))
    assert line.state["failure"] == "alpn_not_h2"
    finish(line, peer)


def test_a_handshake_longer_than_the_socket_takes(station):
    near, far = loopback(4096)
    line, peer = Line(station), SocketPeer(near, python_client())
    context = server_context("long")
    assert line.accept(far.detach(), address_of(context))
    peer.step()
    near.send(peer.outgoing.read())
    until(lambda: line.state["blocked"], lambda: station.turn(100))
    assert line.state["phase"] == "handshake"
    assert line.state["watched"] == select.EPOLLIN | select.EPOLLOUT
    until(lambda: line.state["phase"] == "open" and peer.open, peer.pump, station.turn)
    assert not line.state["blocked"]
    assert line.state["watched"] == select.EPOLLIN
    finish(line, peer)


def test_something_else_than_tls(station):
    line, peer = accepted(station)
    peer.socket.send(b"GET / HTTP/1.1\r\n\r\n")
    until(lambda: settled(line), station.turn)
    assert line.state["failure"] == "handshake_failed"
    assert line.state["detail"] == "http request"
    finish(line, peer)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 300_000, 5_000_000])
def test_big_transfers_through_small_buffers(station, mode, size):
    line, peer = opened(station, mode, buffer=8192, echo=True)
    sent = os.urandom(size)
    peer.send(sent)
    until(lambda: len(peer.received) == size, peer.pump, station.turn, seconds=8)
    assert peer.received == sent
    assert line.state["octets_in"] == line.state["octets_out"] == size
    assert not line.state["blocked"]
    assert line.state["watched"] == select.EPOLLIN
    finish(line, peer)


@pytest.mark.parametrize("mode", MODES)
def test_while_the_peer_does_not_read_nothing_more_is_sealed(station, mode):
    line, peer = opened(station, mode, buffer=8192)
    line.send(b"x" * 3_000_000)
    while station.turn(20):
        pass
    state = line.state
    assert state["blocked"]
    assert state["watched"] == select.EPOLLIN | select.EPOLLOUT
    for _ in range(3):
        station.turn()
        line.flush()
    later = line.state
    assert later["blocked"]
    assert later["plain"] > 2_000_000
    assert later["sealed"] <= 131_072
    assert mode == "clear" or later["plain"] == state["plain"]
    before = later["ready"]
    station.turn(10)
    assert line.state["ready"] == before, "a blocked line does not spin"
    until(lambda: len(peer.received) == 3_000_000, peer.pump, station.turn)
    assert not line.state["blocked"]
    finish(line, peer)


@pytest.mark.parametrize("mode", MODES)
def test_one_flush_has_a_bound_and_goes_on_by_itself(station, mode):
    line, peer = opened(station, mode)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    line.send(b"x" * 1_000_000)
    assert line.state["octets_out"] <= 262_144
    assert line.state["blocked"]
    until(lambda: len(peer.received) == 1_000_000, peer.pump, station.turn)
    finish(line, peer)


@pytest.mark.parametrize("mode", SEALED)
def test_records_cut_anywhere_by_the_network(station, mode):
    line, peer = opened(station, mode)
    peer.tls.write(b"a" * 100 + b"b" * 20)
    for octet in peer.outgoing.read():
        peer.socket.send(bytes([octet]))
        station.turn(100)
    assert line.take() == b"a" * 100 + b"b" * 20
    finish(line, peer)


@pytest.mark.parametrize(
    ("mode", "room"),
    [("clear", 1), ("clear", 16_384), *((mode, room) for mode in SEALED for room in (16_385, 20_000))],
)
def test_little_room_loses_nothing(station, mode, room):
    """With TLS one record more than is asked of the kernel must find room; in the clear anything will do."""
    line, peer = accepted(station, mode, room=room if room != 16_385 else 16_484)
    until(lambda: line.state["phase"] == "open" and peer.open, peer.pump, station.turn)
    sent = os.urandom(60_000)
    peer.send(sent)
    until(lambda: line.state["octets_in"] == len(sent), peer.pump, station.turn)
    assert line.take() == sent
    finish(line, peer)


@pytest.mark.parametrize("first", [16_300, 16_405, 17_000])
@pytest.mark.parametrize("room", [16_484, 20_000, 40_000])
@pytest.mark.parametrize("mode", SEALED)
def test_a_record_that_was_almost_there_finds_room(station, mode, room, first):
    line, peer = opened(station, mode, room=room)
    sent = os.urandom(100_000)
    peer.tls.write(sent)
    sealed = peer.outgoing.read()
    peer.socket.setblocking(True)
    for part in (sealed[:first], sealed[first:]):
        peer.socket.sendall(part)
        for _ in range(10):
            station.turn(1)
    assert line.take() == sent
    finish(line, peer)


@pytest.mark.parametrize(
    ("mode", "notify", "detail"),
    [
        ("clear", False, "the peer closed the connection"),
        *((mode, True, "the peer closed the connection") for mode in SEALED),
        *((mode, False, "the peer closed the connection without close_notify") for mode in SEALED),
    ],
)
def test_what_came_before_the_end_is_returned(station, mode, notify, detail):
    line, peer = opened(station, mode)
    peer.send(b"last words")
    peer.pump()
    if notify:
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.unwrap()
        peer.socket.send(peer.outgoing.read())
    peer.socket.close()
    until(lambda: settled(line) and line.state["failure"] != "fine", station.turn)
    assert line.take() == b"last words"
    assert (line.state["failure"], line.state["detail"]) == ("peer_ended", detail)
    before = line.state["ready"]
    assert station.turn(5) == 0
    assert line.state["ready"] == before, "a failed transport is left alone by the loop"
    line.close()


@pytest.mark.parametrize("mode", MODES)
def test_reset(station, mode):
    line, peer = opened(station, mode)
    peer.reset()
    until(lambda: line.state["failure"] != "fine", station.turn)
    assert (line.state["failure"], line.state["detail"]) == ("peer_reset", "Connection reset by peer")
    line.close()


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_is_read_although_sending_fails(station, mode):
    """An origin may answer early and go while we are still sending."""
    line, peer = opened(station, mode)
    peer.send(b"enough, go away")
    peer.pump()
    peer.socket.close()
    for _ in range(3):
        line.send(b"x" * 1000)
    assert line.state["failure"] == "fine"
    until(lambda: line.state["failure"] != "fine", station.turn)
    assert line.take() == b"enough, go away"
    assert line.state["failure"] == "peer_reset"
    assert (line.state["plain"], line.state["sealed"]) == (0, 0)
    line.close()


@pytest.mark.parametrize("reset", [True, False])
def test_the_peer_goes_during_the_handshake(station, reset):
    line, peer = accepted(station)
    peer.socket.send(b"\x16\x03\x01")
    station.turn(100)
    peer.reset() if reset else peer.socket.close()
    until(lambda: settled(line), station.turn)
    assert line.state["failure"] == "handshake_failed"
    assert line.state["detail"] == (
        "Connection reset by peer" if reset else "the peer closed the connection during the TLS handshake"
    )
    line.close()


@pytest.mark.parametrize("mode", SEALED)
def test_a_forged_record(station, mode):
    """The peer is told, by the alert bad_record_mac."""
    line, peer = opened(station, mode)
    peer.tls.write(b"good")
    peer.socket.send(peer.outgoing.read()[:-1] + b"!")
    until(lambda: line.state["failure"] != "fine", station.turn)
    assert line.state["failure"] == "peer_reset"
    assert any(word in line.state["detail"] for word in ("mac", "decryption", "does not open"))
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        until(lambda: False, peer.pump)
    finish(line, peer)


def test_a_refused_connection(station):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = sockaddr(listener.getsockname()[1])
    line = Line(station)
    if line.connect(address):
        until(lambda: line.state["failure"] != "fine", lambda: station.turn(100))
    assert (line.state["failure"], line.state["detail"]) == ("connect_refused", "Connection refused")
    line.close()


def test_an_unreachable_address(station):
    line = Line(station)
    assert not line.connect(sockaddr(9, "255.255.255.255"))
    assert line.state["failure"] == "connect_unreachable"
    assert (line.state["phase"], line.state["fd"], line.state["timers"]) == ("closed", -1, 0)


def test_connecting_takes_too_long(station):
    """A listener whose queue is full answers no SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):
            line = Line(station)
            assert line.connect(sockaddr(listener.getsockname()[1]), connect_timeout_ms=30)
            until(lambda: line.state["changed"], lambda: station.turn(100))
            assert line.state["failure"] == "connect_timed_out"
            assert line.state["changed"] == 1
            line.close()


def test_the_handshake_takes_too_long_even_with_a_drip(station):
    line, peer = accepted(station, timeout_ms=60)

    def drip():
        peer.socket.send(b"\x16" if not drops else b"\x03" if len(drops) < 3 else b"\x00")
        drops.append(1)

    drops = []
    until(
        lambda: line.state["failure"] != "fine", lambda: len(drops) < 4 and drip(), lambda: station.turn(20)
    )
    assert (line.state["failure"], line.state["changed"]) == ("handshake_timed_out", 1)
    finish(line, peer)


def test_the_origin_does_not_answer_the_handshake(station):
    line = Line(station)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line.connect(
            sockaddr(listener.getsockname()[1]),
            address_of(client_context()),
            server_name=b"origin.test",
            connect_timeout_ms=5000,
            handshake_timeout_ms=30,
        )
        until(lambda: line.state["failure"] != "fine", lambda: station.turn(100))
    assert line.state["failure"] == "handshake_timed_out"
    line.close()


@pytest.mark.parametrize("mode", MODES)
def test_ending_sends_what_is_queued_first(station, mode):
    line, peer = opened(station, mode, buffer=8192)
    line.send(b"x" * 200_000)
    until(lambda: line.state["plain"] == 0, peer.pump, station.turn)
    line.end()
    line.end()
    until(lambda: peer.ended, peer.pump, station.turn)
    assert len(peer.received) == 200_000
    assert line.state["failure"] == "fine"
    peer.send(b"still heard") if mode == "clear" else None
    peer.pump()
    peer.socket.close()
    until(lambda: line.state["failure"] != "fine", station.turn)
    assert line.state["failure"] == "peer_ended"
    assert line.take() == (b"still heard" if mode == "clear" else b"")
    line.close()


def test_ending_with_sealed_octets_waiting_puts_close_notify_behind_them(station):
    line, peer = opened(station, buffer=8192)
    line.send(b"x" * 200_000)
    assert line.state["sealed"] > 0
    out = line.state["octets_out"]
    line.end()
    until(lambda: peer.ended, peer.pump, station.turn)
    assert len(peer.received) == out
    assert line.state["sealed"] == 0
    assert line.state["watched"] == select.EPOLLIN
    finish(line, peer)


def test_ending_before_it_is_open_closes(station):
    line, peer = accepted(station)
    line.end()
    assert (line.state["phase"], line.state["fd"], line.state["timers"]) == ("closed", -1, 0)
    line.close()
    finish(line, peer)


def test_renegotiation_ends_the_connection(station):
    """RFC 9113 section 9.2.1. pyOpenSSL's client can still ask for it under TLS 1.2."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_alpn_protos([b"h2"])
    near, far = loopback()
    line = Line(station)
    assert line.accept(far.detach(), address_of(SERVER))
    client = SSL.Connection(context, near)
    near.setblocking(False)
    client.set_connect_state()

    def shake():
        with contextlib.suppress(SSL.WantReadError, SSL.Error):
            client.do_handshake()

    until(lambda: line.state["phase"] == "open", shake, station.turn)
    shake()
    assert client.renegotiate()
    until(lambda: line.state["failure"] != "fine", shake, station.turn)
    assert line.state["detail"] == "the peer asked for TLS renegotiation"
    line.close()
    near.close()


def test_two_transports_on_one_loop(station):
    """A line that connects to a line that accepts and echoes."""
    server, client = Line(station, echo=True), Line(station)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(
            sockaddr(listener.getsockname()[1]),
            address_of(client_context()),
            server_name=b"origin.test",
            verify=True,
        )
        near, _ = listener.accept()
        server.accept(near.detach(), address_of(SERVER))
    until(lambda: client.state["phase"] == "open" == server.state["phase"], station.turn)
    sent = os.urandom(1_500_000)
    client.send(sent)
    until(lambda: client.state["octets_in"] == len(sent), station.turn)
    assert client.take() == sent
    client.close()
    until(lambda: server.state["failure"] == "peer_ended", station.turn)
    server.close()
