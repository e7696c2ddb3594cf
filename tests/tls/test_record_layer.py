"""Who seals the records of clients: what `record_layer` says, and clients of many kinds notice nothing."""

from __future__ import annotations

import dataclasses
import os
import selectors
import ssl
import subprocess
import time

import pytest

from fastgw._core.io.records import ways
from fastgw.config import load
from tests.support import frames as f
from tests.support import needs
from tests.support.calls import eventually, record, toml
from tests.support.grpc_echo import Echo
from tests.support.raw import RawClient, h2_context
from tests.support.raw_tls import RawTls

pytestmark = pytest.mark.skipif(ways() == 0, reason="this processor has no instructions for it")

MIB = 1 << 20
BEGIN = f.PREFACE + f.settings() + f.settings(ack=True)
PING, PONG = f.ping(b"awake..."), f.ping(b"awake...", ack=True)


@pytest.fixture
def house(origin, gateway):
    return gateway(toml=toml(record("@", origin.port)))


def own(house):
    return house.gateway.stats()["total"]["connections_own_records"]


def test_grpcio_calls_through_it(house, open_channel):
    """BoringSSL on the other side: small and large messages, both ways at once."""
    echo = Echo(open_channel(house.address))
    assert echo.unary(b"x" * 100) == b"x" * 100
    large = os.urandom(3 * MIB)
    assert echo.unary(large) == large
    assert list(echo.chat(iter([large, b"", b"small"]))) == [large, b"", b"small"]
    assert own(house) == 1


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_switch_is_for_connections_that_come_later(origin, house, version):
    """And for TLS 1.3 only: who came before stays as it is, and every one of them works."""
    config = house.gateway.config
    openssl = dataclasses.replace(config, tls=dataclasses.replace(config.tls, record_layer="openssl"))
    context = h2_context(house.ca.file)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version.replace(".", "_"))
    wanted = 1 if version == "TLSv1.3" else 0
    with RawClient(house.address, context=context) as before:
        before.begin()
        assert own(house) == wanted
        house.gateway.publish(openssl)
        with RawClient(house.address, context=context) as after:
            after.begin()
            for client in (before, after):
                client.head(1, f.request(b"/fastgw.test.Echo/Unary"))
                client.send(f.data(1, f.message(b"hello"), end=True))
                assert client.answer(1).body == f.message(b"hello")
        assert own(house) == wanted
        house.gateway.publish(config)
        with RawClient(house.address, context=context) as again:
            again.begin()
            assert own(house) == 2 * wanted


def test_the_file_says_so(tmp_path):
    for value in ("own", "openssl"):
        path = tmp_path / f"{value}.toml"
        path.write_text(
            f'[server]\nlisten = ["h2c://127.0.0.1:0"]\nrecord_layer = "{value}"\n[[zone]]\nname = "gw.test"'
        )
        assert load(path).tls.record_layer == value


def test_the_program_of_openssl_updates_its_keys(house):
    """`k` updates its own, `K` asks for ours as well; each time a PING comes back."""
    host, port = house.address
    words = [needs.program("openssl"), "s_client", "-connect", f"{host}:{port}", "-servername", "gw.test"]
    process = subprocess.Popen(
        [*words, "-alpn", "h2", "-tls1_3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    heard = b""

    def say(octets, wanted):
        nonlocal heard
        process.stdin.write(octets)
        process.stdin.flush()
        end = time.monotonic() + 5
        while wanted not in heard:
            assert selector.select(max(0, end - time.monotonic())), heard[-200:]
            octets = os.read(process.stdout.fileno(), 65536)
            assert octets, heard[-200:]
            heard += octets
        heard = heard.partition(wanted)[2]

    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        say(BEGIN + PING, PONG)
        for command in (b"k\n", b"K\n", b"k\n", b"K\n", b"K\n"):
            say(command, b"KEYUPDATE\n")
            say(PING, PONG)
        process.kill()
    assert own(house) == 1


@pytest.mark.parametrize("asked", [False, True])
def test_key_updates_between_calls(house, asked):
    """As many as there are calls: only many in a row are too many."""
    with RawTls(house.address, "gw.test") as raw:
        raw.send(BEGIN)
        for _ in range(50):
            raw.update_keys(asked=asked)
            raw.send(PING)
            heard = b""
            while PONG not in heard:
                heard += raw.recv()
    assert own(house) == 1


def test_sessions_are_taken_up_again(house):
    """A ticket that came before OpenSSL was let go; and again from the connection that took it up."""
    session = None
    for number in range(4):
        with RawTls(house.address, "gw.test", session=session) as raw:
            raw.send(BEGIN, PING)
            heard = b""
            while PONG not in heard:
                heard += raw.recv()
            assert raw.resumed == (number > 0)
            earlier, session = session, raw.session()
        if earlier is not None:
            earlier.close()
    session.close()
    assert own(house) == 4


def test_what_follows_the_end_of_a_connection(house):
    """close_notify of the client is answered by ours; an end without one is the client's loss only."""
    context = h2_context(house.ca.file)
    with RawClient(house.address, context=context) as client:
        client.begin()
        client.expect_alive()
    with RawClient(house.address, context=context) as client:
        client.begin()
        client.send(f.ping(b"too long")[:-1] + f.ping(b"12345678") * 3 + f.PREFACE)
        client.expect_closed()
    with RawTls(house.address, "gw.test") as raw:
        raw.send(BEGIN, PING)
        eventually(lambda: own(house) == 3)


def test_all_connections_give_everything_back(house):
    """House looks at what is left when it ends."""
    context = h2_context(house.ca.file)
    clients = [RawClient(house.address, context=context) for _ in range(60)]
    for client in clients:
        client.begin()
    for client in clients:
        client.expect_alive()
    assert own(house) == 60
    for client in clients:
        client.__exit__(None, None, None)
