"""A transport that looks at the ClientHello on its way to TLS."""

import ssl

import pytest

from fastgw._core.io.fingerprint import fingerprint
from fastgw._core.io.transport_door import Line, Station
from tests.io.io_support import address_of, loopback, python_client, server_context

SERVER = server_context()


def hello():
    """The first octets of a client of Python's TLS."""
    outgoing = ssl.MemoryBIO()
    client = python_client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="gw.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def accepted(station, look):
    near, far = loopback(None)
    line = Line(station)
    assert line.accept(far.detach(), address_of(SERVER), look=look)
    return near, line


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_the_hello_is_looked_at_and_the_handshake_goes_on(pieces):
    station, octets = Station(), hello()
    near, line = accepted(station, True)
    size = -(-len(octets) // pieces)
    for at in range(0, len(octets), size):
        assert line.state["ja4"] is None
        near.sendall(octets[at : at + size])
        station.turn(1000)
    assert line.state["ja4"] == fingerprint([octets])["ja4"]
    assert near.recv(5)[0] == 22, "the server has answered"
    line.close()
    assert station.lent == 0


def test_a_client_that_goes_in_the_middle_leaves_nothing():
    station, octets = Station(), hello()
    near, line = accepted(station, True)
    near.sendall(octets[:50])
    station.turn(1000)
    assert station.lent > 0
    near.close()
    station.turn(1000)
    assert line.state["ja4"] is None
    line.close()
    assert station.lent == 0


def test_nobody_looks_unless_asked():
    station, octets = Station(), hello()
    near, line = accepted(station, False)
    near.sendall(octets)
    station.turn(1000)
    assert near.recv(5)[0] == 22
    assert line.state["ja4"] is None
    line.close()
