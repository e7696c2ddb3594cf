"""A transport that is told whom it speaks with: the header in pieces before TLS, wrong ones, none at all."""

import socket

import pytest

from fastgw._core.io.transport_door import Line, Station
from tests.io.io_support import address_of, server_context
from tests.io.test_proxy_protocol import FOUR, SIX, binary, sockaddr, text


def opened(context=0, timeout_ms=5000):
    station = Station()
    line = Line(station)
    ours, theirs = socket.socketpair()
    assert line.accept(ours.detach(), context, told=True, timeout_ms=timeout_ms)
    return station, line, theirs


@pytest.mark.parametrize(
    "header", [text(FOUR, 5), text(SIX, 5), binary(FOUR, 5), binary(SIX, 5, more=bytes(400))]
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_header_in_pieces_and_what_follows_it(header, piece):
    station, line, theirs = opened()
    octets = header + b"behind"
    for at in range(0, len(octets), piece):
        theirs.send(octets[at : at + piece])
        for _ in range(3):
            station.turn(0)
    assert line.state["phase"] == "open"
    assert line.take() == b"behind"
    client = FOUR if header in (text(FOUR, 5), binary(FOUR, 5)) else SIX
    assert line.state["told"].startswith(sockaddr(client, 5))
    line.close()
    assert station.lent == 0


def test_a_part_of_a_header_does_not_keep_the_loop_busy():
    station, line, theirs = opened()
    theirs.send(b"PROXY TCP4 ")
    station.turn(0)
    before = line.state["ready"]
    for _ in range(5):
        station.turn(0)
    assert line.state["ready"] == before


@pytest.mark.parametrize("octets", [b"\x16\x03\x01", b"PRI * HTTP/2.0", b"PROXY nonsense\r\n"])
def test_another_beginning_is_a_failure(octets):
    station, line, theirs = opened(address_of(CONTEXT))
    theirs.send(octets)
    station.turn(0)
    assert line.state["failure"] == "proxy_header_wrong"
    line.close()


CONTEXT = server_context()


def test_the_time_for_a_header_is_limited():
    station, line, theirs = opened(address_of(CONTEXT), timeout_ms=20)
    theirs.send(b"PROXY TCP4 ")
    for _ in range(10):
        station.turn(20)
    assert line.state["failure"] == "handshake_timed_out"
    line.close()
    assert station.lent == 0


def test_an_end_within_the_header():
    station, line, theirs = opened()
    theirs.send(b"PROXY TCP4 ")
    theirs.close()
    for _ in range(3):
        station.turn(0)
    assert line.state["failure"] == "peer_ended"
    line.close()
