"""Zones change while calls run: what has begun keeps its rows, what begins sees the new ones."""

from __future__ import annotations

import queue
import shutil
import socket
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import fastgw
from fastgw import entries, published
from fastgw.config import Config, load
from fastgw.policy.records import Record
from fastgw.policy.settings import Settings
from fastgw.policy.zone import Zone
from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml
from tests.support.grpc_echo import Echo
from tests.support.house import alive, host_and_port
from tests.support.raw import RawClient


@pytest.fixture
def config(config_file, origin) -> Config:
    return load(config_file(toml(record("@", origin.port), workers=2)))


def others(count: int) -> tuple[Zone, ...]:
    names = [f"zone{number}.example" for number in range(count)]
    return tuple(Zone(name, Settings(grpc=True), (Record(name, "A", "10.0.0.1", True),)) for name in names)


def test_calls_do_not_feel_that_zones_change(config, origin, open_channel):
    (mine,) = config.zones
    zones = others(300)
    failures: list[object] = []
    over = threading.Event()

    def call(echo: Echo) -> None:
        try:
            while not over.is_set():
                assert echo.unary(b"x" * 100, timeout=10) == b"x" * 100
        except BaseException as failure:
            failures.append(failure)

    with fastgw.Gateway(replace(config, zones=(mine, *zones))) as gateway:
        address = host_and_port(gateway.addresses[0])
        threads = [threading.Thread(target=call, args=(Echo(open_channel(address)),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in range(150):
            number = turn % len(zones)
            changed = replace(zones[number], settings=Settings(grpc=turn % 2 == 0))
            zones = (*zones[:number], changed, *zones[number + 1 :])
            wish = replace(mine.origin, waiting=1000 + turn) if turn % 3 == 0 else mine.origin
            gateway.publish(replace(config, zones=(replace(mine, origin=wish), *zones)))
        over.set()
        for thread in threads:
            thread.join(20)
        assert failures == []
        assert eventually(lambda: gateway.stats() and len(gateway._snapshots) == 1)
    assert alive(gateway) == {}


def test_a_stream_outlives_its_zone(config, open_channel):
    with fastgw.Gateway(config) as gateway:
        echo = Echo(open_channel(host_and_port(gateway.addresses[0])))
        said: queue.Queue[bytes | None] = queue.Queue()
        answers = echo.chat(iter(said.get, None), timeout=20)
        said.put(b"before")
        assert next(answers) == b"before"
        for count in range(20):
            gateway.publish(replace(config, zones=others(count)))
        assert Refused(lambda: echo.unary(b"x", timeout=5)).fastgw_error.startswith("zone_unknown")
        assert gateway.stats()
        first, *_, last = gateway._snapshots
        assert (first.users, first.seekers) == (1, 0)
        assert len(gateway._snapshots) <= 3, "those between are gone"
        assert last.seekers == 2
        said.put(b"after")
        assert next(answers) == b"after"
        said.put(None)
        assert list(answers) == []
        assert eventually(lambda: gateway.stats() and len(gateway._snapshots) == 1)
    assert alive(gateway) == {}


def test_a_stream_goes_on_while_certificate_files_change(config_file, ca, origin, open_channel, tmp_path):
    """Two hundred handshakes beside it, while half a pair changes at a time: none fails, the stream lives."""
    folder = tmp_path / "renewed"
    folder.mkdir()
    leaf = ca.leaf("gw.test", file="renewed")
    pair = [Path(shutil.copy(path, folder)) for path in (leaf.certificate, leaf.key)]
    text = toml(record("@", origin.port), workers=2)
    text = text.replace("{cert}", str(pair[0])).replace("{key}", str(pair[1]))
    roots = ssl.create_default_context(cadata=ca.pem.decode())
    roots.set_alpn_protocols(["h2"])

    def shown(address: tuple[str, int]) -> bytes | None:
        with (
            socket.create_connection(address, timeout=5) as sock,
            roots.wrap_socket(sock, server_hostname="gw.test") as tls,
        ):
            assert tls.selected_alpn_protocol() == "h2"
            return tls.getpeercert(True)

    with fastgw.Gateway(config_file(text)) as gateway:
        address = host_and_port(gateway.addresses[0])
        said: queue.Queue[bytes | None] = queue.Queue()
        answers = Echo(open_channel(address)).chat(iter(said.get, None), timeout=60)
        seen = [shown(address)]
        fresh = b""
        ends = time.monotonic() + 20
        number = 0
        while number < 200 or seen[-1] != fresh:
            assert time.monotonic() < ends, "the new certificate is not shown"
            if number == 20:
                new = ca.leaf("gw.test", file="renewed")
                fresh = ssl.PEM_cert_to_DER_cert(new.certificate_pem.decode())
                pair[0].write_bytes(new.certificate_pem)
            if number == 100:
                assert eventually(lambda: gateway._shelf.troubles), "half of it is there"
                pair[1].write_bytes(new.key_pem)
            said.put(b"%d" % number)
            assert next(answers) == b"%d" % number
            seen.append(shown(address))
            number += 1
        assert list(dict.fromkeys(seen)) == [seen[0], fresh], "the old one, then the new one"
        assert gateway._shelf.troubles == {}
        said.put(None)
        assert list(answers) == []
        assert eventually(lambda: gateway.stats() and len(gateway._snapshots) == 1)
    assert alive(gateway) == {}


def test_workers_let_go_of_endpoints_that_are_gone(config, open_channel, monkeypatch):
    """Each change brings another endpoint; those that were used and left are forgotten by all."""
    (mine,) = config.zones
    (target,) = mine.records
    with fastgw.Gateway(config) as gateway:
        echo = Echo(open_channel(host_and_port(gateway.addresses[0])))
        for number in range(30):
            # Nobody is at these ports: the calls fail, and leave a pool without connections.
            records = (target._replace(origin_port=1 + number),)
            gateway.publish(replace(config, zones=(replace(mine, records=records),)))
            Refused(lambda: echo.unary(b"x", timeout=5))
        assert len(gateway._endpoints) == 31
        gateway.publish(config)
        assert eventually(lambda: gateway.stats() and len(gateway._snapshots) == 1)
        held = gateway._endpoints.sweep(0)
        assert len(held) == 29, "their pools are still there; the last snapshot goes with the next"
        monkeypatch.setattr(published, "ENDPOINTS_KEPT", 0)
        for plan in ("pro", "business", "free"):
            gateway.publish(replace(config, zones=(replace(mine, plan=plan),)))
            assert echo.unary(b"x", timeout=5) == b"x"
            assert eventually(lambda: gateway.stats() and len(gateway._snapshots) == 1)
        assert eventually(lambda: not gateway._endpoints.sweep(0))
        assert len(gateway._endpoints) == 1
    assert alive(gateway) == {}


@pytest.mark.parametrize(
    ("demands", "denied"), [({"demand": 1}, True), ({"version_least": 0x0304}, False), ({}, False)]
)
def test_what_is_demanded_of_clients_must_have_been_demanded(
    config_file, origin, monkeypatch, demands, denied
):
    """In cleartext no client certificate was asked for; of the version of TLS nothing can be said."""
    made = entries.Certificate
    monkeypatch.setattr(entries, "Certificate", lambda *words, **more: made(*words, **{**more, **demands}))
    text = toml(record("@", origin.port), listen='"h2c://127.0.0.1:0"')
    with (
        fastgw.Gateway(config_file(text)) as gateway,
        RawClient(host_and_port(gateway.addresses[0])) as client,
    ):
        client.begin()
        client.head(1, frames.request())
        client.body(1, frames.message(b"x"))
        answer = client.answer(1)
        error = (answer.trailers or answer.head).get(b"fastgw-error", b"")
        assert error.startswith(b"misdirected") == denied
        assert denied or answer.grpc_status == 0
