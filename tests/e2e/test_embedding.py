"""A gateway inside a Python process: both forms of `with`, publish while calls run, nothing left behind."""

from __future__ import annotations

import asyncio
import threading

import grpc
import pytest
from cryptography import x509

import fastgw
from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml
from tests.support.frames import message
from tests.support.grpc_echo import SERVICE, Echo, Origin, same
from tests.support.house import alive, host_and_port
from tests.support.raw import RawClient, h2_context
from tests.support.raw_origin import RawOrigin, echo_calls


@pytest.fixture
def text(config_file):
    """Configurations with the test certificates filled in, as files."""
    return lambda *records, **more: config_file(toml(*records, **more))


def test_async_with_in_the_loop_that_calls(text, origin, ca):
    async def main():
        async with fastgw.Gateway(text(record("@", origin.port))) as gateway:
            credentials = grpc.ssl_channel_credentials(ca.pem)
            options = (("grpc.ssl_target_name_override", "gw.test"), ("grpc.default_authority", "gw.test"))
            async with grpc.aio.secure_channel(gateway.addresses[0], credentials, options) as channel:
                unary = channel.unary_unary(SERVICE + "Unary", same, same)
                assert await unary(b"hello", timeout=5) == b"hello"
        assert not gateway.running
        assert alive(gateway) == {}

    asyncio.run(main())


def test_with(text, origin, open_channel):
    with fastgw.Gateway(text(record("@", origin.port))) as gateway:
        host, port = host_and_port(gateway.addresses[0])
        assert (host, gateway.listeners) == ("127.0.0.1", [f"https://127.0.0.1:{port}"])
        assert port > 0
        assert Echo(open_channel((host, port))).unary(b"hello", timeout=5) == b"hello"
    assert alive(gateway) == {}
    assert gateway.stats()["total"]["exchanges_finished"] == 1, "the counters can still be read"


def test_nothing_is_held_once_calls_are_over(gateway, origin, open_channel):
    """Finished, failed, denied and cancelled calls alike; only the origin connection stays."""
    house = gateway(origin)
    with_channel = open_channel(house.address)
    echo = Echo(with_channel)
    assert echo.unary(b"x" * 300_000, timeout=5) == b"x" * 300_000
    assert list(echo.chat(iter([b"x"] * 100), timeout=5)) == [b"x"] * 100
    Refused(lambda: echo.fail(b"why", timeout=5))
    Refused(lambda: echo.unary(b"", metadata=[("x-large", "l" * 40000)], timeout=5))
    endless = echo.endless(b"x" * 60000, timeout=5)
    next(endless)
    endless.cancel()
    with house.raw() as client:
        client.begin()
        client.head(1, frames.request(b"/s/M", b"nobody.example"), end=True)
        client.answer(1)
        client.head(3, frames.request(b"/fastgw.test.Echo/Sleep"))
        client.body(3, message(b"20"), end=False)
    eventually(lambda: alive(house.gateway, "links_open") == {})
    # grpcio's connection and one to the origin; the raw client's goes when its end has been read
    eventually(lambda: alive(house.gateway)["links_open"] == 2)
    with_channel.close()
    eventually(lambda: alive(house.gateway) == {"links_open": 1})
    total = house.gateway.stats()["total"]
    assert total["exchanges_started"] == total["exchanges_finished"]


def test_publish_while_a_stream_runs(text, origin, origin_leaf, open_channel):
    """The stream stays with the origin it has; new calls go where the new configuration says."""
    with Origin(origin_leaf) as other, fastgw.Gateway(text(record("@", origin.port))) as gateway:
        echo = Echo(open_channel(host_and_port(gateway.addresses[0])))
        go_on = [threading.Event() for _ in range(4)]

        def chatter():
            for number, event in enumerate(go_on):
                assert event.wait(10)
                yield b"%d" % number

        chat = echo.chat(chatter(), timeout=20)
        go_on[0].set()
        assert next(chat) == b"0"

        assert gateway.publish(text(record("@", other.port))) == 2
        assert echo.unary(b"moved", timeout=5) == b"moved"
        assert (origin.calls, other.calls) == (1, 1)
        go_on[1].set()
        assert next(chat) == b"1"

        gateway.publish(text(record("@", other.port), grpc="off"))
        assert Refused(lambda: echo.unary(b"x", timeout=5)).code == grpc.StatusCode.PERMISSION_DENIED
        go_on[2].set()
        assert next(chat) == b"2"

        gateway.publish(text(record("@", origin.port)))
        assert echo.unary(b"back", timeout=5) == b"back"
        assert origin.calls == 2
        go_on[3].set()
        assert list(chat) == [b"3"]
        assert gateway.stats()["total"]["connections_accepted"] == 1, "no connection was dropped"
    assert alive(gateway) == {}


def test_a_renewed_certificate_leaves_open_connections_alone(text, origin, ca, open_channel):
    """What a connection was opened with still counts (RFC 9110 section 7.4); new ones see the new one."""
    renewed = ca.leaf("gw.test", file="renewed")

    def config(leaf=None, more=()):
        file = text(record("@", origin.port), *more)
        if leaf is not None:
            words = file.read_text().replace("gateway.pem", leaf.certificate.name)
            file.write_text(words.replace("gateway.key", leaf.key.name))
        return file

    with fastgw.Gateway(config()) as gateway:
        address = host_and_port(gateway.addresses[0])
        old = Echo(open_channel(address))
        assert old.unary(b"before", timeout=5) == b"before"
        for _ in range(2):
            gateway.publish(config(renewed))
            assert old.unary(b"after", timeout=5) == b"after"
        with RawClient(address, context=h2_context(ca.file)) as new:
            shown = x509.load_der_x509_certificate(new.sock.getpeercert(binary_form=True))
            assert shown == x509.load_pem_x509_certificate(renewed.certificate_pem)
            new.begin()
            gateway.publish(config())
            new.head(1, frames.request())
            new.body(1, message(b"x"))
            assert new.answer(1).grpc_status == 0
            gateway.publish(config(more=[record("api", origin.port)]))
            new.head(3, frames.request(authority=b"api.gw.test"))
            assert new.answer(3).trailers[b"fastgw-error"].startswith(b"misdirected")
        assert old.unary(b"back", timeout=5) == b"back"


def test_a_refused_configuration_leaves_calls_alone(text, origin, open_channel, tmp_path):
    with fastgw.Gateway(text(record("@", origin.port))) as gateway:
        echo = Echo(open_channel(host_and_port(gateway.addresses[0])))
        assert echo.unary(b"a", timeout=5) == b"a"
        with pytest.raises(fastgw.ConfigError):
            gateway.publish({"zone": []})
        assert echo.unary(b"b", timeout=5) == b"b"


def test_two_workers_share_the_load(gateway, origin):
    house = gateway(toml=toml(record("@", origin.port), workers=2))
    clients = [house.raw(timeout=10) for _ in range(40)]
    for client in clients:
        client.begin()
        client.head(1, frames.request())
        client.send(frames.data(1, message(b"x"), end=True))
    assert [client.answer(1).grpc_status for client in clients] == [0] * 40
    for client in clients:
        client.sock.close()
    eventually(lambda: house.gateway.stats()["total"]["connections_open"] == 0)
    stats = house.gateway.stats()
    assert all(worker["exchanges_finished"] > 0 for worker in stats["workers"])
    assert stats["total"]["exchanges_finished"] == stats["total"]["connections_accepted"] == 40
    assert stats["zones"]["gw.test"]["calls"] == 40
    assert len(origin.peers) <= 2, "one origin connection for each worker"


def test_cleartext_where_the_file_says_so(gateway, open_channel):
    """An h2c listener beside one with TLS, an h2c origin behind both."""
    with Origin(None) as origin:
        target = record("@", origin.port, 'origin_protocol = "h2c"')
        house = gateway(toml=toml(target, listen='"127.0.0.1:0", "h2c://127.0.0.1:0"'))
        assert [listener.partition("://")[0] for listener in house.gateway.listeners] == ["https", "h2c"]
        for channel in (
            open_channel(house.addresses[0]),
            open_channel(house.addresses[1], ca_pem=None),
        ):
            echo = Echo(channel)
            assert echo.unary(b"x" * 2_000_000, timeout=10) == b"x" * 2_000_000
            assert list(echo.chat(iter([b"a", b"b"]), timeout=5)) == [b"a", b"b"]


def test_a_cleartext_client_of_a_tls_listener_is_turned_away(gateway, origin):
    house = gateway(origin)
    with house.raw(tls=False, timeout=2) as client:
        client.send(frames.PREFACE, frames.settings())
        client.expect_closed()
    eventually(lambda: house.gateway.stats()["total"]["handshakes_failed"] == 1)


def test_stopping_without_a_drain_cuts_calls(text, origin_leaf, open_channel):
    with Origin(origin_leaf) as origin:
        gateway = fastgw.Gateway(text(record("@", origin.port)))
        gateway.start()
        echo = Echo(open_channel(host_and_port(gateway.addresses[0]), options=(("grpc.enable_retries", 0),)))
        stuck = echo.sleep.future(b"20", timeout=20)
        eventually(lambda: origin.calls == 1)
        gateway.stop(drain=False)
        refused = Refused(stuck.result)
        assert refused.code == grpc.StatusCode.UNAVAILABLE
        assert refused.seconds < 2
        assert alive(gateway) == {}
        eventually(lambda: origin.ended == 1)


def test_two_gateways_in_a_row(text, origin_leaf, open_channel):
    """One gateway's origin is another gateway: what passes one passes two."""
    with (
        RawOrigin(echo_calls, origin_leaf) as origin,
        fastgw.Gateway(text(record("@", origin.port))) as inner,
    ):
        port = host_and_port(inner.addresses[0])[1]
        with fastgw.Gateway(text(record("@", port, 'origin_server_name = "gw.test"'))) as outer:
            echo = Echo(open_channel(host_and_port(outer.addresses[0])))
            for _ in range(20):
                assert echo.unary(b"x" * 9000, timeout=5) == b"x" * 9000
