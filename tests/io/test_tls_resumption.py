"""TLS sessions that are taken up again, against Python's own TLS: what may be resumed, and what not."""

import ssl

import pytest

from fastgw._core.io.tls_door import TlsDoor
from tests.io.io_support import DONE, FAILED, Peer, address_of, client_context, python_server
from tests.io.test_tls import VERSIONS, shake


def server(kind="origin", version=None, tickets=2):
    """A context of its own: its tickets are no good elsewhere."""
    context = python_server.__wrapped__(kind, version=version)
    context.num_tickets = tickets
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    return context


def connect(context, earlier=None, *, verify=True, name=b"origin.test"):
    door = TlsDoor(address_of(client_context()), server_name=name, verify=verify, earlier=earlier)
    peer = Peer(context, server_side=True)
    return door, peer, shake(door, peer)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_next_connection_takes_it_up(version, verify):
    context = server(version=version)
    first, _, _ = connect(context, verify=verify)
    assert not first.resumed
    assert first.keep()
    second, peer, result = connect(context, first, verify=verify)
    assert result == DONE
    assert second.resumed
    assert peer.tls.session_reused
    assert second.alpn_is_h2
    third, _, _ = connect(context, second if second.keep() else first, verify=verify)
    assert third.resumed


def test_there_is_nothing_before_the_ticket():
    door = TlsDoor(address_of(client_context()), server_name=b"origin.test", verify=True)
    assert not door.keep(), "the handshake has not begun"
    silent, _, result = connect(server(version=ssl.TLSVersion.TLSv1_3, tickets=0))
    assert result == DONE
    assert not silent.keep(), "the server gives no tickets"


@pytest.mark.parametrize("tickets", [1, 2, 3, 8])
def test_any_number_of_tickets_is_seen(tickets):
    """The new session may lie where an older one has lain."""
    context = server(version=ssl.TLSVersion.TLSv1_3, tickets=tickets)
    for _ in range(20):
        assert connect(context)[0].keep()


def test_a_session_without_ticket_is_taken_up_by_its_number():
    context = server(version=ssl.TLSVersion.TLSv1_2, tickets=0)
    first, peer, _ = connect(context)
    assert first.keep()
    assert connect(context, first)[0].resumed
    assert peer.open, "the server remembers sessions of connections that it has not lost"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_connection_does_not_spoil_it(version):
    context = server(version=version)
    first, _, _ = connect(context)
    assert first.keep()
    first.close()
    assert connect(context, first)[0].resumed


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refused_ticket_means_a_whole_handshake(version):
    first, _, _ = connect(server(version=version))
    assert first.keep()
    second, _, result = connect(server(version=version), first)
    assert result == DONE
    assert not second.resumed
    third, _, result = connect(server("self_signed", version=version), first)
    assert result == FAILED, "and that one is judged"
    assert third.error()[1]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["self_signed", "expired"])
def test_what_was_not_verified_is_not_taken_up_where_it_has_to_be(kind, version):
    context = server(kind, version=version)
    first, _, result = connect(context, verify=False)
    assert result == DONE
    assert first.keep()
    assert connect(context, first, verify=False)[0].resumed
    second, _, result = connect(context, first)
    assert result == FAILED
    assert second.error()[1]


def test_sessions_that_nobody_takes_up_are_given_back():
    """For AddressSanitizer, which sees what is freed twice or not at all."""
    context = server()
    first, _, _ = connect(context)
    for _ in range(5):
        assert first.keep()
    second = TlsDoor(address_of(client_context()), server_name=b"origin.test", verify=True, earlier=first)
    first.close()
    second.close()
    second.close()
    assert not second.keep()
