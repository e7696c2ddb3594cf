"""Origins tried as the gateway would: each step that can fail, by its sentence, in bounded time."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastgw.policy.records import Record
from fastgw.policy.settings import Settings
from fastgw.policy.tls import ZoneTls
from fastgw.policy.zone import Zone
from fastgw.probe.echo import EchoOrigin
from fastgw.serve.reach import Reached, reach
from tests.support.certs import Authority
from tests.tls.pki import Pki


def zone(port: int, ssl: str = "strict", store: Path | None = None, **more: Any) -> Zone:
    record = Record("api.gw.test", "A", "127.0.0.1", True, port, **more)
    return Zone("gw.test", Settings(grpc=True, ssl=ssl), (record,), trust_store=store)


def tried(*zones: Zone, timeout: float = 5.0) -> list[str]:
    return [one.sentence for one in reach(zones, timeout)]


@pytest.fixture
def origin(ca: Authority) -> Iterator[int]:
    leaf = ca.leaf("api.gw.test", file="reached")
    with EchoOrigin(certificate=(str(leaf.certificate), str(leaf.key))) as running:
        yield running.address[1]


def test_a_good_one(origin, ca):
    assert reach([zone(origin, store=ca.file)]) == [
        Reached("api.gw.test", "127.0.0.1", f"127.0.0.1:{origin}")
    ]
    assert tried(zone(origin, "full")) == [""]


def test_its_certificate_is_judged_as_the_zone_says(origin, ca):
    (unknown,) = tried(zone(origin))
    assert "failed the TLS handshake" in unknown
    (other,) = tried(zone(origin, store=ca.file, origin_server_name="other.test"))
    assert "shows a certificate for api.gw.test, not for other.test" in other


def test_a_common_name_counts_where_the_zone_says_so(tmp_path):
    pki = Pki(tmp_path)
    root = pki.make("root", ca=True)
    pair = pki.make("old", common="api.gw.test", issuer=root)
    with EchoOrigin(certificate=(str(pair.certificate), str(pair.key))) as running:
        plain = zone(running.address[1], store=root.certificate)
        assert tried(dataclasses.replace(plain, tls=ZoneTls(legacy_cn_match=True))) == [""]
        assert "shows a certificate for no name" in tried(plain)[0]


def test_cleartext_where_tls_is_wanted_and_the_other_way_round(origin, ca):
    with EchoOrigin() as clear:
        assert tried(zone(clear.address[1], origin_protocol="h2c")) == [""]
        assert "TLS" in tried(zone(clear.address[1], "full"), timeout=3.0)[0]
    assert tried(zone(origin, origin_protocol="h2c"), timeout=3.0)[0]


@contextlib.contextmanager
def silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_silent_ones_take_no_longer_than_one_of_them():
    with contextlib.ExitStack() as stack:
        zones = [
            Zone(
                f"z{index}.test",
                Settings(grpc=True),
                (Record(f"z{index}.test", "A", "127.0.0.1", True, stack.enter_context(silent())),),
            )
            for index in range(12)
        ]
        begin = time.monotonic()
        sentences = tried(*zones, timeout=0.5)
        assert time.monotonic() - begin < 3
    assert len(sentences) == 12
    assert all("did not answer within 0.5 s" in sentence for sentence in sentences)


def test_one_that_closes_at_once():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shut() -> None:
            with contextlib.suppress(OSError):
                listener.accept()[0].close()

        thread = threading.Thread(target=shut)
        thread.start()
        (sentence,) = tried(zone(listener.getsockname()[1], origin_protocol="h2c"))
        thread.join()
    assert sentence


def test_a_name_without_an_address_and_a_socket_that_is_not_there(tmp_path):
    path = f"unix:{tmp_path}/gone.sock"
    records = (
        Record("a.gw.test", "CNAME", "surely-nowhere.invalid", True),
        Record("b.gw.test", "UNIX", path, True, origin_protocol="h2c"),
        Record("c.gw.test", "A", "127.0.0.1", False, 1),
        Record("t.gw.test", "TXT", "words"),
    )
    found = {one.name: one for one in reach([Zone("gw.test", Settings(grpc=True), records)])}
    assert found.keys() == {"a.gw.test", "b.gw.test"}
    assert (found["a.gw.test"].rule, found["b.gw.test"].rule) == ("origin-unresolved", "origin-unreachable")
    assert found["a.gw.test"].sentence == "the name surely-nowhere.invalid has no address"
    assert "gone.sock does not accept connections" in found["b.gw.test"].sentence


def test_two_names_of_one_endpoint_are_tried_once(ca):
    with EchoOrigin() as origin:
        port = origin.address[1]
        records = tuple(
            Record(name, "A", "127.0.0.1", True, port, "h2c") for name in ("a.gw.test", "b.gw.test")
        )
        found = reach([Zone("gw.test", Settings(grpc=True), records)])
        assert {one.name for one in found} == {"a.gw.test", "b.gw.test"}
        assert not any(one.sentence for one in found)
        assert origin.connections == 1


def test_no_zones():
    assert reach([]) == []
