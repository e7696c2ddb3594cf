"""A TLS session on memory, against Python's own TLS: handshakes, names, ALPN, verification, records."""

import contextlib
import ssl
import types
from itertools import chain, repeat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from fastgw._core.io import openssl, tls
from fastgw._core.io.tls_door import TlsDoor
from tests.io.io_support import (
    DONE,
    ENDED,
    FAILED,
    WANTS,
    Peer,
    address_of,
    client_context,
    identity,
    python_client,
    python_server,
    server_context,
)

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def shake(door, peer, cut=1 << 20):
    """Carry octets both ways until the door's handshake has a result; `cut` bounds each push."""
    result = door.handshake()
    for _ in range(10):
        peer.incoming.write(door.pull())
        with contextlib.suppress(ssl.SSLError):
            peer.step()
        sealed = peer.outgoing.read()
        for at in range(0, len(sealed), cut):
            assert door.push(sealed[at : at + cut])
            if result == WANTS:
                result = door.handshake()
            if result == DONE:
                assert door.read()[0] == WANTS
        if result == FAILED or (result == DONE and peer.open and not sealed):
            break
    peer.incoming.write(door.pull())
    return result


@pytest.fixture(scope="module")
def contexts():
    return {kind: server_context(kind) for kind in ("origin", "second")}


def serve(contexts, **names):
    return TlsDoor(
        address_of(contexts["origin"]),
        names={name.replace("_", ".").encode(): address_of(contexts[kind]) for name, kind in names.items()},
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_python_client_shakes_hands_and_talks(contexts, version):
    door, peer = serve(contexts), Peer(python_client(version=version), server_name="origin.test")
    assert shake(door, peer) == DONE
    assert door.alpn_is_h2
    assert door.named
    assert not door.resumed
    assert door.may_update_keys == (version == ssl.TLSVersion.TLSv1_3)
    assert peer.tls.selected_alpn_protocol() == "h2"
    assert door.write(b"hello") == (DONE, 5)
    peer.incoming.write(door.pull())
    peer.step()
    assert peer.received == b"hello"
    peer.tls.write(b"world")
    door.push(peer.outgoing.read())
    assert door.read() == (WANTS, b"world")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_handshake_in_small_pieces(contexts, version, cut):
    door, peer = serve(contexts), Peer(python_client(version=version), server_name="origin.test")
    assert shake(door, peer, cut=cut) == DONE
    assert peer.open


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "shown"), [("second.test", "second"), ("origin.test", "origin"), (None, "origin")]
)
def test_the_name_chooses_the_certificate(contexts, version, name, shown):
    door = serve(contexts, second_test="second")
    peer = Peer(python_client(version=version), server_name=name)
    assert shake(door, peer) == DONE
    assert peer.tls.getpeercert(binary_form=True) == identity(shown).der
    assert door.named == (name is not None)
    assert door.asked == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["second.test", "origin.test"])
def test_resumption_still_asks_for_the_name(contexts, version, name):
    context = python_client(version=version)
    first = Peer(context, server_name=name)
    door = serve(contexts, second_test="second")
    assert shake(door, first) == DONE
    door.write(b"so that the ticket is read")
    first.incoming.write(door.pull())
    first.step()
    door = serve(contexts, second_test="second")
    second = Peer(context, server_name=name, session=first.tls.session)
    assert shake(door, second) == DONE
    assert second.tls.session_reused
    assert door.resumed
    assert door.named
    assert door.asked == 1
    assert door.alpn_is_h2


def test_a_second_hello_asks_again(contexts):
    """RFC 8446 section 4.1.4: the client's key share was for another group than the server's only one."""
    server = server_context()
    server.set_tmp_ecdh(ec.SECP384R1())
    door = serve({"origin": server, "second": contexts["second"]}, second_test="second", origin_test="second")
    peer = Peer(python_client(), server_name="second.test")
    door.handshake()
    peer.step()
    door.push(peer.outgoing.read())
    assert door.handshake() == WANTS
    assert door.waiting < 200
    assert shake(door, peer) == DONE
    assert door.asked == 2
    assert peer.tls.getpeercert(binary_form=True) == identity("second").der


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("alpn", [("http/1.1",), ("h", "h22", "h2c")])
def test_alpn_without_h2_is_refused_with_an_alert(contexts, version, alpn):
    door, peer = serve(contexts), Peer(python_client(alpn=alpn, version=version))
    assert shake(door, peer) == FAILED
    text, certificate, alpn_refused = door.error()
    assert (text, certificate, alpn_refused) == ("no application protocol", False, True)
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        peer.step()


def test_h2_is_chosen_wherever_it_stands(contexts):
    door, peer = serve(contexts), Peer(python_client(alpn=("http/1.1", "x", "h2")))
    assert shake(door, peer) == DONE
    assert peer.tls.selected_alpn_protocol() == "h2"


def test_no_alpn_at_all_is_not_h2(contexts):
    door, peer = serve(contexts), Peer(python_client(alpn=()))
    assert shake(door, peer) == DONE
    assert not door.alpn_is_h2


def test_no_alert_when_something_else_comes(contexts):
    door = serve(contexts)
    door.push(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert door.handshake() == FAILED
    assert door.error()[0]
    assert not door.error()[1]


def connect(kind, server_name, verify=True, version=None, alpn=("h2",)):
    door = TlsDoor(address_of(client_context()), server_name=server_name, verify=verify)
    peer = Peer(python_server(kind, alpn=alpn, version=version), server_side=True)
    return door, peer, shake(door, peer)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "name"),
    [("origin", b"origin.test"), ("origin", b"127.0.0.1"), ("origin", b"::1"), ("wildcard", b"a.wild.test")],
)
def test_a_good_certificate_is_accepted(kind, name, version):
    door, peer, result = connect(kind, name, version=version)
    assert result == DONE, door.error()
    assert door.alpn_is_h2
    assert peer.open


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("expired", b"origin.test", "expired"),
        ("self_signed", b"origin.test", "self-signed"),
        ("stranger", b"origin.test", "unknown authority"),
        (
            "origin",
            b"elsewhere.test",
            "wrong name: it is for origin.test, 127.0.0.1, ::1, not for elsewhere.test",
        ),
        ("origin", b"127.0.0.2", "wrong name: it is for origin.test, 127.0.0.1, ::1, not for 127.0.0.2"),
        ("wildcard", b"a.b.wild.test", "wrong name: it is for *.wild.test, not for a.b.wild.test"),
        ("partial", b"ab.wild.test", "wrong name: it is for a*.wild.test, not for ab.wild.test"),
    ],
)
def test_a_bad_certificate_is_named(kind, name, text, version):
    door, _, result = connect(kind, name, version=version)
    assert result == FAILED
    assert door.error() == (text, True, False)


@pytest.mark.parametrize("kind", ["expired", "self_signed", "stranger", "second"])
def test_without_verification_any_certificate_will_do(kind):
    assert connect(kind, b"origin.test", verify=False)[2] == DONE
    assert connect(kind, None, verify=False)[2] == DONE


def test_a_python_verify_callback_in_the_context_is_not_called():
    called = []
    context = client_context.__wrapped__()
    context.set_verify(SSL.VERIFY_PEER, lambda *args: called.append(args) or True)
    for kind, result in (("self_signed", FAILED), ("origin", DONE)):
        door = TlsDoor(address_of(context), server_name=b"origin.test", verify=True)
        assert shake(door, Peer(python_server(kind), server_side=True)) == result
    assert called == []


@pytest.mark.parametrize(
    ("name", "sent"), [(b"origin.test", "origin.test"), (b"127.0.0.1", None), (b"::1", None)]
)
def test_an_ip_address_is_not_sent_as_a_name(name, sent):
    seen = []
    context = python_server.__wrapped__()
    context.sni_callback = lambda tls, name, context: seen.append(name)
    door = TlsDoor(address_of(client_context()), server_name=name, verify=False)
    assert shake(door, Peer(context, server_side=True)) == DONE
    assert seen == [sent]


def test_an_origin_without_h2():
    door, _, result = connect("origin", b"origin.test", alpn=("http/1.1",))
    assert result in (DONE, FAILED)
    assert not door.alpn_is_h2


@pytest.fixture(scope="module")
def pair(contexts):
    door, peer = serve(contexts), Peer(python_client())
    assert shake(door, peer) == DONE
    return door, peer


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40_000), min_size=1, max_size=6),
    cuts=st.lists(st.one_of(st.integers(1, 30), st.integers(1, 70_000), st.integers(4090, 4100)), min_size=1),
)
def test_cutting_records_anywhere_changes_nothing(pair, lengths, cuts):
    door, peer = pair
    sent = b"".join(bytes([number % 251]) * length for number, length in enumerate(lengths))
    peer.tls.write(sent)
    sealed, received = peer.outgoing.read(), b""
    for cut in chain(cuts, repeat(20_000)):
        if not sealed:
            break
        door.push(sealed[:cut])
        result, octets = door.read()
        assert result == WANTS
        received += octets
        sealed = sealed[cut:]
    assert received == sent


def test_one_octet_at_a_time(pair):
    door, peer = pair
    peer.tls.write(b"x" * 300 + b"y")
    received = b""
    for octet in peer.outgoing.read():
        door.push(bytes([octet]))
        received += door.read()[1]
    assert received == b"x" * 300 + b"y"


def test_a_write_is_one_record(pair):
    door, peer = pair
    del peer.received[:]
    data = bytes(range(256)) * 200
    assert door.write(data) == (DONE, 16384)
    assert door.waiting == 16384 + 22
    assert door.write(data[16384:]) == (DONE, 16384)
    assert len(door.pull(100)) == 100
    assert len(door.pull()) == 2 * (16384 + 22) - 100


def test_read_stops_when_room_is_full(contexts):
    door, peer = serve(contexts), Peer(python_client())
    shake(door, peer)
    peer.tls.write(b"a" * 10)
    door.push(peer.outgoing.read())
    assert door.read(4) == (DONE, b"aaaa")
    assert door.read(100) == (WANTS, b"aaaaaa")


def test_trim_loses_nothing(contexts):
    door, peer = serve(contexts), Peer(python_client())
    assert shake(door, peer) == DONE
    for size in (10, 10_000, 10, 16_384):
        door.trim()
        peer.tls.write(b"p" * size)
        sealed = peer.outgoing.read()
        door.push(sealed[:7])
        assert door.read() == (WANTS, b"")
        door.trim()
        door.push(sealed[7:])
        assert door.read() == (WANTS, b"p" * size)
        assert door.write(b"q" * size) == (DONE, size)
        door.trim()
        peer.incoming.write(door.pull())
        door.trim()
        peer.step()
        assert peer.received == b"q" * size
        del peer.received[:]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rest_loses_nothing(contexts, version):
    """Neither in the middle of a record, nor before a long one, nor before writing."""
    door, peer = serve(contexts), Peer(python_client(version=version))
    assert shake(door, peer) == DONE
    for size in (10, 10_000, 16_384):
        assert door.rest()
        assert (door.waiting, door.pull()) == (0, b"")
        peer.tls.write(b"p" * size)
        sealed = peer.outgoing.read()
        door.push(sealed[:7])
        assert not door.rest()
        assert door.read() == (WANTS, b"")
        assert door.rest()
        door.push(sealed[7:])
        assert door.read() == (WANTS, b"p" * size)
        assert door.rest()
        assert door.write(b"q" * size) == (DONE, size)
        peer.incoming.write(door.pull())
        peer.step()
        assert peer.received == b"q" * size
        del peer.received[:]


def test_a_resting_session_can_be_ended(contexts):
    door, peer = serve(contexts), Peer(python_client())
    shake(door, peer)
    assert door.rest()
    assert door.shutdown() == DONE
    peer.incoming.write(door.pull())
    peer.step()
    assert peer.ended


@pytest.mark.parametrize("version", VERSIONS)
def test_close_notify_both_ways(contexts, version):
    door, peer = serve(contexts), Peer(python_client(version=version))
    shake(door, peer)
    door.write(b"last")
    assert door.shutdown() == DONE
    peer.incoming.write(door.pull())
    peer.step()
    assert peer.received == b"last"
    assert peer.ended
    peer.tls.write(b"mine")
    peer.tls.unwrap()
    door.push(peer.outgoing.read())
    assert door.read() == (ENDED, b"mine")


def test_close_notify_ends_reading(contexts):
    door, peer = serve(contexts), Peer(python_client())
    shake(door, peer)
    peer.tls.write(b"bye")
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    door.push(peer.outgoing.read())
    assert door.read() == (ENDED, b"bye")


def test_shutdown_during_the_handshake_leaves_no_error_behind(contexts):
    """An error left in the thread's queue would make the other session's "wants more" a failure."""
    other, peer = serve(contexts), Peer(python_client())
    assert shake(other, peer) == DONE
    door, peer = serve(contexts), Peer(python_client())
    peer.step()
    door.push(peer.outgoing.read())
    assert door.handshake() == WANTS
    assert door.shutdown() == FAILED
    assert other.read() == (WANTS, b"")


def test_a_forged_record_fails_and_the_next_session_is_not_touched(contexts):
    door, peer = serve(contexts), Peer(python_client())
    shake(door, peer)
    peer.tls.write(b"good")
    door.push(peer.outgoing.read()[:-1] + b"!")
    assert door.read()[0] == FAILED
    text, certificate, _ = door.error()
    assert "bad record mac" in text or "decryption failed" in text
    assert not certificate
    assert door.waiting > 0
    other, peer = serve(contexts), Peer(python_client())
    assert shake(other, peer) == DONE
    assert other.read() == (WANTS, b"")


def test_a_cryptography_without_a_function_is_named():
    lib = types.SimpleNamespace(SSL_new=1)
    ffi = types.SimpleNamespace(cast=lambda kind, value: value, addressof=getattr)
    with pytest.raises(ImportError, match=r"cryptography \d.* not offer SSL_free, SSL_read,.*") as info:
        openssl.addresses(lib, ffi)
    assert "\n" not in str(info.value)
    assert "SSL_new," not in str(info.value)


def test_arm_wants_an_address():
    with pytest.raises(ValueError, match="address"):
        tls.arm(0)
