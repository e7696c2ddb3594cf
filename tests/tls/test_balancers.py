"""Behind a load balancer: whose word about the client counts, and what becomes of connections without it."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest

from tests.support.calls import eventually
from tests.support.house import House
from tests.support.raw import RawClient, h2_context
from tests.tls.pki import Pki

HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.9 4711 443\r\n"


@pytest.fixture
def house(request, tmp_path, ca):
    leaf = Pki(tmp_path / "pki").make("gw", "gw.test")
    networks = request.param
    text = f"""\
[server]
listen = ["h2c://127.0.0.1:0", "127.0.0.1:0"]
workers = 1
drain_timeout = "100ms"
proxy_protocol = {json.dumps(networks)}
[log]
access = "{tmp_path}/access.log"
[limits]
handshake_timeout = "300ms"
[[zone]]
name = "gw.test"
cert = {{ file = "{leaf.certificate}", key = "{leaf.key}" }}
settings = {{ grpc = "on" }}
dns = [{{ name = "@", content = "127.0.0.1", proxied = true, origin_port = 9, origin_protocol = "h2c" }}]
"""
    with House(text, tmp_path, ca) as house:
        yield house


def logged(folder):
    file = folder / "access.log"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


FIELDS = [
    (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/a.B/C"), (b":authority", b"gw.test"),
    (b"content-type", b"application/grpc"), (b"te", b"trailers"),
]  # fmt: skip


@pytest.mark.parametrize("house", [["127.0.0.0/8"], ["10.0.0.0/8", "127.0.0.1"]], indirect=True)
@pytest.mark.parametrize("tls", [False, True])
def test_the_client_is_who_the_balancer_says(house, tmp_path, tls):
    address, context = house.addresses[tls], h2_context() if tls else None
    with RawClient(address, context=context, first=HEADER) as client:
        client.begin()
        client.head(1, FIELDS, end=True)
        client.answer(1)
    rows = eventually(lambda: logged(tmp_path))
    assert any("203.0.113.7" in str(row) for row in rows), rows


@pytest.mark.parametrize("house", [["127.0.0.1"]], indirect=True)
@pytest.mark.parametrize(
    "beginning", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PROXY TCP4 nonsense\r\n", b"\x16\x03\x01"]
)
def test_who_does_not_say_is_closed_and_counted(house, beginning):
    for listener in (0, 1):
        with socket.create_connection(house.addresses[listener], timeout=5) as raw:
            raw.sendall(beginning)
            with contextlib.suppress(ConnectionResetError):  # what it has not read makes the kernel say so
                assert raw.recv(100) == b""
    assert house.gateway.stats()["total"]["proxy_headers_wrong"] == 2


@pytest.mark.parametrize("house", [["127.0.0.1"]], indirect=True)
def test_who_says_nothing_is_closed_in_time(house):
    with socket.create_connection(house.addresses[0], timeout=5) as raw:
        raw.sendall(b"PROXY ")
        assert raw.recv(100) == b""


@pytest.mark.parametrize("house", [["10.0.0.0/8"], []], indirect=True)
def test_the_word_of_others_is_no_header(house, tmp_path):
    with socket.create_connection(house.addresses[0], timeout=5) as raw:
        raw.sendall(HEADER)
        while raw.recv(1000):
            pass
    assert house.gateway.stats()["total"]["proxy_headers_wrong"] == 0
    assert not any("203.0.113.7" in str(row) for row in logged(tmp_path))
