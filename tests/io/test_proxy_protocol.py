"""The PROXY protocol: headers of both versions against a model, in pieces, and whose word counts."""

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.io.proxy_protocol import header_of, holds
from fastgw.serve.sockets import network_row

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOUR, SIX = ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv6Address("2001:db8::1")
PORTS = st.integers(0, 65535)


def sockaddr(address, port):
    address = ipaddress.ip_address(address)
    if address.version == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + address.packed + bytes(8)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + address.packed + bytes(4)


def text(client, port, server=None, server_port=443):
    server = server or client
    return f"PROXY TCP{client.version} {client} {server} {port} {server_port}\r\n".encode()


def binary(client, port, command=0x21, more=b""):
    body = client.packed + client.packed + struct.pack("!HH", port, 443) + more
    kind = 0x11 if client.version == 4 else 0x21
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(body)) + body


@given(client=st.ip_addresses(), port=PORTS, rest=st.binary(max_size=40), more=st.binary(max_size=400))
def test_a_header_names_the_client_and_ends_where_it_ends(client, port, rest, more):
    for header in (text(client, port), binary(client, port, more=more)):
        assert header_of(header + rest) == (len(header), sockaddr(client, port))
        for size in (0, 1, len(header) // 2, len(header) - 1):
            assert header_of(header[:size]) is None


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        binary(FOUR, 1, command=0x20),
        SIGNATURE + b"\x20\x00\0\0",
        SIGNATURE + b"\x21\x00\0\0",
        SIGNATURE + b"\x21\x31" + struct.pack("!H", 216) + bytes(216),
    ],
)
def test_a_header_without_a_client(header):
    assert header_of(header) == (len(header), None)


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PROXY\r\n",
        b"PROXY  TCP4 192.0.2.1 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 1 2\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1\0 192.0.2.1 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.1 1 2\r\n",
        b"PROXY " + b"x" * 110,
        b"proxy TCP4 192.0.2.1 192.0.2.1 1 2\r\n",
        SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", 521) + bytes(521),
    ],
)
def test_what_is_no_header(header):
    assert header_of(header) is False


@given(st.binary(max_size=600))
def test_any_octets(octets):
    """A verdict is final: more octets change nothing about it."""
    found = header_of(octets)
    if found is not None:
        assert header_of(octets + b"more") == found


@given(
    network=st.one_of(
        st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
        st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
    ),
    peer=st.ip_addresses(),
    near=st.integers(0, 255),
)
def test_networks_hold_what_the_ipaddress_module_says(network, peer, near):
    text_of = f"{network[0]}/{network[1]}"
    wanted = ipaddress.ip_network(text_of, strict=False)
    for one in (peer, network[0], network[0] + near if int(network[0]) < 2**31 else network[0]):
        expected = one in wanted
        mapped = one.version == 4 and wanted.version == 6 and ipaddress.IPv6Address(f"::ffff:{one}") in wanted
        unmapped = one.version == 6 and wanted.version == 4 and one.ipv4_mapped and one.ipv4_mapped in wanted
        assert holds([network_row(text_of)], sockaddr(one, 5)) == bool(expected or mapped or unmapped)


def test_another_kind_of_peer_is_in_no_network():
    assert holds([network_row("0.0.0.0/0"), network_row("::/0")], struct.pack("=H", socket.AF_UNIX)) is False
