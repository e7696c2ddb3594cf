"""OpenSSL shakes hands, then its connection is ours: when that happens, and that the peer sees no seam."""

import contextlib
import ssl

import pytest
from OpenSSL import SSL

from fastgw._core.io.records import ways
from fastgw._core.io.tls_door import TlsDoor
from tests.io.io_support import (
    DONE,
    ENDED,
    SUITE,
    WANTS,
    Peer,
    address_of,
    client_context,
    python_client,
    server_context,
)
from tests.io.test_tls import shake
from tests.io.test_tls_clients import REQUEST, Ground

TWO, THREE = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

pytestmark = pytest.mark.skipif(ways() == 0, reason="this processor has no instructions for it")


@pytest.fixture(scope="module")
def context():
    return server_context(suite=SUITE)


def serve(context, **terms):
    address = address_of(context)
    return TlsDoor(address, names={b"origin.test": {"context": address, **terms}}, own=True)


def taken(door, peer):
    """Both sides have shaken hands, and everything of the door has been pulled; is it ours now?"""
    result = WANTS
    while result == WANTS:
        peer.incoming.write(door.pull())
        peer.step()
        door.push(peer.outgoing.read())
        result = door.handshake()
    assert result == DONE
    peer.incoming.write(door.pull())
    return door.settle()


def talk(door, peer):
    """A few octets each way, more than one record, then goodbye from both."""
    for size in (5, 20_000, 1):
        peer.tls.write(b"q" * size)
        door.push(peer.outgoing.read())
        assert door.read() == (WANTS, b"q" * size)
        left = size
        while left:
            result, count = door.write(b"a" * left)
            assert result == DONE
            left -= count
        peer.incoming.write(door.pull())
        peer.step()
        assert peer.received == b"a" * size
        peer.received.clear()
    assert door.shutdown() == DONE
    peer.incoming.write(door.pull())
    peer.step()
    assert peer.ended
    with contextlib.suppress(ssl.SSLError):
        peer.tls.unwrap()
    door.push(peer.outgoing.read())
    assert door.read() == (ENDED, b"")


def test_a_connection_without_a_seam(context):
    door, peer = serve(context), Peer(python_client(version=THREE), server_name="origin.test")
    assert taken(door, peer)
    assert (door.alpn_is_h2, door.named, door.resumed, door.may_update_keys) == (True, True, False, True)
    assert door.version == THREE
    talk(door, peer)


@pytest.mark.parametrize(
    ("version", "suite", "terms"),
    [
        (TWO, SUITE, {}),
        (THREE, "TLS_AES_256_GCM_SHA384", {}),
        (THREE, "TLS_CHACHA20_POLY1305_SHA256", {}),
        (THREE, SUITE, {"own_records": False}),
    ],
)
def test_openssl_keeps_all_other_connections(version, suite, terms):
    door = serve(server_context(suite=suite), **terms)
    peer = Peer(python_client(version=version), server_name="origin.test")
    assert not taken(door, peer)
    talk(door, peer)


def test_a_name_nobody_knows_is_no_reason_against_it(context):
    door, peer = serve(context), Peer(python_client(version=THREE))
    assert taken(door, peer)
    talk(door, peer)


@pytest.mark.parametrize("cut", [*range(0, 200, 9), 4000, 4096, 4097, 4200, 5000])
def test_what_comes_with_the_finished_message_is_ours_to_open(context, cut):
    """The client's first octets, cut anywhere, in the same push as its last handshake message."""
    door, peer = serve(context), Peer(python_client(version=THREE), server_name="origin.test")
    peer.step()
    door.push(peer.outgoing.read())
    assert door.handshake() == WANTS
    peer.incoming.write(door.pull())
    peer.step()
    finished = peer.outgoing.read()
    peer.tls.write(b"first" * 1000)
    peer.tls.write(b"second")
    sealed = peer.outgoing.read()
    door.push(finished + sealed[:cut])
    assert door.handshake() == DONE
    peer.incoming.write(door.pull())
    assert door.settle()
    result, octets = door.read()
    assert result == WANTS
    door.push(sealed[cut:])
    assert (octets + door.read()[1]) == b"first" * 1000 + b"second"
    talk(door, peer)


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_handshake_in_small_pieces(context, cut):
    door, peer = serve(context), Peer(python_client(version=THREE), server_name="origin.test")
    assert shake(door, peer, cut=cut) == DONE
    door.push(b"")
    assert door.settle()
    talk(door, peer)


def test_tickets_are_counted_and_good(context):
    """Two in a full handshake, one in a resumed one, none where a certificate is asked for."""
    client = python_client(version=THREE)
    door, first = serve(context), Peer(client, server_name="origin.test")
    assert taken(door, first)
    talk(door, first)
    for _ in range(3):
        door, second = serve(context), Peer(client, server_name="origin.test", session=first.tls.session)
        assert taken(door, second)
        assert door.resumed
        assert second.tls.session_reused
        talk(door, second)
        first = second


def test_who_shows_a_certificate_stays_with_openssl(tmp_path):
    """Rules and policies may ask it what stands in the certificate."""
    ground = Ground(tmp_path)
    for shown in ("good", "none", "foreign", "revoked"):
        door = ground.door(demand=REQUEST, own_records=True)
        peer = ground.peer(shown)
        assert taken(door, peer) is (shown == "none")
        assert door.client[1:4] == (shown != "none", shown in ("good", "revoked"), shown == "revoked")
        talk(door, peer)


def test_what_is_not_pulled_is_not_lost(context):
    """Tickets that have not left yet: OpenSSL keeps the connection."""
    door, peer = serve(context), Peer(python_client(version=THREE), server_name="origin.test")
    peer.step()
    door.push(peer.outgoing.read())
    assert door.handshake() == WANTS
    peer.incoming.write(door.pull())
    peer.step()
    door.push(peer.outgoing.read())
    assert door.handshake() == DONE
    assert not door.settle()
    peer.incoming.write(door.pull())
    talk(door, peer)


def test_a_pyopenssl_client(context):
    """It reads the session tickets, and an answer of many records."""
    door, connection = serve(context), SSL.Connection(client_context())
    connection.set_tlsext_host_name(b"origin.test")
    connection.set_alpn_protos([b"h2"])
    connection.set_connect_state()
    result = WANTS
    while result == WANTS:
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        door.push(connection.bio_read(65536))
        result = door.handshake()
        if octets := door.pull():
            connection.bio_write(octets)
    assert door.settle()
    connection.send(b"question")
    door.push(connection.bio_read(65536))
    assert door.read() == (WANTS, b"question")
    for number in range(300):
        door.write(bytes([number & 255]) * number)
    connection.bio_write(door.pull(1 << 20))
    found = b""
    while len(found) < 299 * 150:
        found += connection.recv(65536)
    assert found == b"".join(bytes([number & 255]) * number for number in range(300))


def test_a_session_of_ours_needs_no_openssl(context):
    """Trimming, resting and closing have nothing to do, and nothing stays."""
    door, peer = serve(context), Peer(python_client(version=THREE), server_name="origin.test")
    assert taken(door, peer)
    door.trim()
    assert door.rest()
    assert door.waiting == 0
    talk(door, peer)
    door.close()
    door.close()


def test_a_failure_says_which_rule_was_broken(context):
    door, peer = serve(context), Peer(python_client(version=THREE), server_name="origin.test")
    assert taken(door, peer)
    door.push(b"\x14\x03\x03\0\x01\x01")
    assert door.read() == (3, b"")
    assert door.error() == ("the peer sent a record that is not protected", False, False)
    peer.incoming.write(door.pull())
    with pytest.raises(ssl.SSLError, match=r"(?i)unexpected.message"):
        peer.step()
