"""Rows become entries, and names that change become a new snapshot."""

from __future__ import annotations

import copy
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastgw import Gateway, entries
from fastgw import gateway as bridge
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.rows import ZoneBlock
from fastgw._core.proxy.snapshot import Snapshot
from fastgw.config import load
from fastgw.entries import Entries
from fastgw.policy.compile import compile_zones
from fastgw.serve import lookup
from fastgw.serve.hosts import HostsFile
from fastgw.tls.trust import Shelf
from tests.support.dns_server import DnsServer, addresses, code

ZONE = {"name": "gw.test", "settings": {"grpc": "on"}}


def zone(*records: dict[str, object], **more: object) -> dict[str, object]:
    dns = [{"name": "@", "proxied": True, "origin_protocol": "h2c", **record} for record in records]
    return {"server": {"listen": ["h2c://127.0.0.1:0"], "workers": 2}, "zone": [{**ZONE, "dns": dns, **more}]}


def made(config: dict[str, object], **found: list[str]) -> Entries:
    (one,) = load(config).zones
    rows = compile_zones([one])[0]
    known = {name.replace("_", "."): literals for name, literals in found.items()}
    assert set(rows.names) == known.keys(), "no other names are to be resolved"
    return entries.build(rows, 0, known, entries.Supplies(Shelf(), Endpoints(), ("X25519",)))


def endpoints(config: dict[str, object], **found: list[str]) -> list[tuple[str, int, int]]:
    (origin,) = made(config, **found).origins
    return [(one.label, one.weight, one.priority) for one in origin.endpoints]


def test_all_targets_and_all_their_addresses_are_endpoints():
    config = zone(
        {"content": "10.0.0.9", "priority": 1},
        {"content": "a.example", "weight": 3, "origin_port": 50051},
        {"content": "::1", "weight": 2},
        {"content": "unix:/run/app.sock"},
    )
    assert endpoints(config, a_example=["10.0.0.2", "2001:db8::2"]) == [
        ("10.0.0.2:50051", 3, 0),
        ("[2001:db8::2]:50051", 3, 0),
        ("[::1]:443", 2, 0),
        ("unix:/run/app.sock", 1, 0),
        ("10.0.0.9:443", 1, 1),
    ]


def test_a_socket_has_the_address_of_a_socket():
    (origin,) = made(zone({"content": "unix:/run/app.sock"})).origins
    assert origin.label == "unix:/run/app.sock"
    assert origin.endpoints[0].address == struct.pack("=H", socket.AF_UNIX) + b"/run/app.sock\0"


def test_two_targets_at_one_place_are_one_endpoint_with_both_shares():
    config = zone(
        {"content": "10.0.0.1", "weight": 600},
        {"content": "a.example", "weight": 500},
        {"content": "b.example"},
    )
    found = {"a_example": ["10.0.0.1"], "b_example": ["10.0.0.2"]}
    assert endpoints(config, **found) == [("10.0.0.1:443", 1000, 0), ("10.0.0.2:443", 1, 0)]


def test_two_targets_at_one_place_serve_at_the_better_priority():
    config = zone({"content": "10.0.0.1", "priority": 1, "weight": 5}, {"content": "a.example", "weight": 3})
    assert endpoints(config, a_example=["10.0.0.1"]) == [("10.0.0.1:443", 3, 0)]


def test_a_name_without_an_address_is_left_out_as_long_as_there_are_others():
    config = zone({"content": "a.example"}, {"content": "b.example"})
    assert endpoints(config, a_example=[], b_example=["10.0.0.1"]) == [("10.0.0.1:443", 1, 0)]
    (origin,) = made(config, a_example=[], b_example=[]).origins
    assert [(one.label, one.address) for one in origin.endpoints] == [("a.example:443", b"")]


def test_the_first_64_addresses_are_used_the_better_ones_first(caplog):
    config = zone({"content": "a.example", "priority": 1}, {"content": "10.0.0.1"})
    with caplog.at_level(logging.WARNING, "fastgw"):
        found = endpoints(config, a_example=[f"10.0.1.{number}" for number in range(64)])
    assert len(found) == 64
    assert found[0] == ("10.0.0.1:443", 1, 0)
    assert found[-1] == ("10.0.1.62:443", 1, 1)
    assert "gw.test has 65 addresses; the first 64 are used" in caplog.text


def test_what_may_not_share_connections_is_not_one_endpoint():
    records = [
        {"name": "a", "content": "10.0.0.1"},
        {"name": "b", "content": "10.0.0.1"},
        {"name": "c", "content": "10.0.0.1", "origin_protocol": "h2"},
        {"name": "d", "content": "10.0.0.1", "origin_protocol": "h2"},
        {"name": "e", "content": "10.0.0.1", "origin_protocol": "h2", "origin_server_name": "c.gw.test"},
    ]
    states = [one.endpoints[0].state for one in made(zone(*records)).origins]
    # a and b are one row; c and e ask for the same name.
    assert states == [0, 1, 2]


def test_the_wishes_of_a_zone_reach_its_origins():
    origin = {
        "balance": "hash",
        "hash_key": "x-user",
        "panic_threshold": 10,
        "slow_start": "1s",
        "eject_after": 3,
        "eject_for": "2s",
        "connections": 4,
        "waiting": 5,
        "calls": 6,
        "min_ready": 2,
        "connection_age": "8s",
        "keepalive": "9s",
    }
    (made_one,) = made(zone({"content": "10.0.0.1"}, origin=origin)).origins
    assert made_one._asdict() == {
        "label": "10.0.0.1:443",
        "endpoints": made_one.endpoints,
        "balance": "hash",
        "hash_key": "x-user",
        "panic_percent": 10,
        "slow_start_ms": 1000,
        "eject_failures": 3,
        "eject_ms": 2000,
        "connections_most": 4,
        "waiting_most": 5,
        "calls_most": 6,
        "ready_least": 2,
        "age_ms": 8000,
        "keepalive_ms": 9000,
    }


def test_without_wishes_an_origin_has_the_defaults_of_the_core():
    (one,) = made(zone({"content": "10.0.0.1"})).origins
    assert one == type(one)(one.label, one.endpoints)
    row = made(zone({"content": "10.0.0.1"})).zone
    assert row.routes == [entries.RouteEntry([], retry_on=())]


def test_routes_reach_their_zone():
    route = {
        "match": [{"host": "@", "service": "a.B", "method": "C", "headers": {"x-b": "2", "x-a": "1"}}],
        "timeout": "1s",
        "idle_timeout": "2s",
        "age": "3s",
        "retry": {"on": ["unavailable", "aborted"], "attempts": 5, "bytes": 6},
    }
    row = made(zone({"content": "10.0.0.1"}, route=[route])).zone
    first, last = row.routes
    match = entries.MatchEntry("gw.test", "/a.B/C", (("x-a", "1"), ("x-b", "2")))
    assert first == entries.RouteEntry([match], 1000, 2000, 3000, (10, 14), 5, 6)
    assert last.matches == []


def test_checked_endpoints_are_listed_with_what_a_check_needs():
    health = {"check": "watch", "service": "a.B"}
    config = zone({"content": "10.0.0.1"}, {"content": "unix:/run/app.sock"}, origin={"health": health})
    one, other = made(config).checked.values()
    assert (one.key, one.address, one.context, one.kind) == (0, ("10.0.0.1", 443), None, "watch")
    assert (other.key, other.address, other.service, other.interval) == (1, "/run/app.sock", "a.B", 5.0)
    assert made(zone({"content": "10.0.0.1"})).checked == {}


def test_the_core_takes_the_entries():
    route = {"match": [{"host": "*.gw.test", "service": "a.B"}, {"headers": {"x-a": "1"}}]}
    config = zone(
        {"content": "10.0.0.1", "priority": 1},
        {"content": "unix:/run/app.sock"},
        {"content": "a.example"},
        route=[route],
    )
    registry = Endpoints()
    (one,) = load(config).zones
    supplies = entries.Supplies(Shelf(), registry, ("X25519",))
    built = entries.build(compile_zones([one])[0], 0, {"a.example": ["10.0.0.2"]}, supplies)
    block = ZoneBlock(built.zone, built.hosts, built.origins, (), registry)
    snapshot = Snapshot(revision=1, added=[block])
    assert snapshot.explain("gw.test") == ("proxied", "gw.test", "gw.test", "gw.test")
    assert [row["endpoint"] for row in registry.stats()] == [
        "10.0.0.1:443",
        "unix:/run/app.sock",
        "10.0.0.2:443",
    ]


# names that change while the gateway runs


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[DnsServer]:
    """A DNS server that gateways of this test ask, with short times."""
    for name, seconds in {
        "TTL_LEAST": 0.05,
        "BACKOFF_LEAST": 0.05,
        "SETTLE": 0.01,
        "ANSWER_WAIT": 0.4,
    }.items():
        monkeypatch.setattr(lookup, name, seconds)
    with DnsServer() as started:

        def make(changed: Callable[[], None]) -> lookup.Lookup:
            return lookup.Lookup(
                changed, resolver=started.resolver, hosts=HostsFile(tmp_path / "hosts"), route=lambda _: True
            )

        monkeypatch.setattr(bridge, "Lookup", make)
        yield started


def until(look: Callable[[], object], timeout: float = 5) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.01)
    return False


def published(core, number: int) -> list[list[bytes]]:
    """The addresses of the first origin, snapshot by snapshot, as worker `number` got them."""
    return [[one.address for one in row.origins[0].endpoints] for row in core.made[number].snapshots]


def test_a_name_that_leads_elsewhere_is_published_to_all_workers(core, server):
    server.script["a.example", "A"] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.2", "10.0.0.3")]
    server.script["a.example", "AAAA"] = addresses()
    with Gateway(zone({"content": "a.example"})) as gateway:
        assert until(lambda: gateway.revision == 2)
        assert until(lambda: len(core.made[1].snapshots) == 2)
        for number in (0, 1):
            assert published(core, number) == [[b"10.0.0.1 443"], [b"10.0.0.2 443", b"10.0.0.3 443"]]
        assert [row["endpoint"] for row in gateway.stats()["endpoints"]] == [
            "10.0.0.1:443",
            "10.0.0.2:443",
            "10.0.0.3:443",
        ]
        time.sleep(0.2)
        assert gateway.revision == 2


def test_a_name_that_is_not_there_yet_is_served_when_it_comes(core, server):
    server.script["a.example"] = [code("SERVFAIL")] * 4 + [addresses("10.0.0.1")]
    with Gateway(zone({"content": "a.example"})) as gateway:
        assert published(core, 0)[0] == [b""]
        assert until(lambda: gateway.revision >= 2)
        assert until(lambda: published(core, 0)[-1] == [b"10.0.0.1 443"])


def test_a_change_that_a_publish_has_seen_is_not_published_again(core, server, monkeypatch):
    monkeypatch.setattr(lookup, "SETTLE", 0.5)
    server.script["a.example", "A"] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.2")]
    server.script["a.example", "AAAA"] = addresses()
    config = zone({"content": "a.example"})
    with Gateway(config) as gateway:
        assert until(lambda: gateway._lookup.revision == 1)
        assert gateway.publish(config) == 2
        assert published(core, 0)[-1] == [b"10.0.0.2 443"]
        time.sleep(0.8)
        assert gateway.revision == 2


def test_names_that_are_gone_from_the_configuration_are_asked_for_no_more(core, server):
    server.script["a.example"] = server.script["b.example"] = addresses("10.0.0.1", ttl=0)
    with Gateway(zone({"content": "a.example"})) as gateway:
        gateway.publish(zone({"content": "b.example"}))
        assert server.wait_for(4, "b.example")
        count = len([name for name, _, _ in server.asked if name == "a.example"])
        assert server.wait_for(8, "b.example")
        assert len([name for name, _, _ in server.asked if name == "a.example"]) == count


def test_a_change_that_meets_a_broken_certificate_is_made_with_the_one_before(
    core, server, config, tmp_path, caplog
):
    server.script["a.example", "A"] = [addresses("10.0.0.1", ttl=0)]
    server.script["a.example", "AAAA"] = addresses()
    wanted = copy.deepcopy(config)
    for key in ("file", "key"):
        source = wanted["zone"][0]["cert"][key]
        target = tmp_path / f"mine.{key}"
        target.write_bytes(Path(source).read_bytes())
        wanted["zone"][0]["cert"][key] = str(target)
    wanted["zone"][0]["dns"][0]["content"] = "a.example"
    with Gateway(wanted) as gateway:
        whole = (tmp_path / "mine.key").read_bytes()
        (tmp_path / "mine.key").write_text("half")
        server.script["a.example", "A"] = addresses("10.0.0.2")
        assert until(lambda: gateway.revision >= 2)
        assert "what was there before stays in force" in caplog.text
        assert list(gateway._shelf.troubles) == [tmp_path / "mine.file"]
        (tmp_path / "mine.key").write_bytes(whole)
        assert until(lambda: not gateway._shelf.troubles)


def test_a_start_that_fails_leaves_no_thread_and_may_be_repeated(core, server):
    server.script["a.example"] = addresses("10.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = zone({"content": "a.example"})
        config["server"] = {"listen": [f"h2c://127.0.0.1:{taken.getsockname()[1]}"]}
        gateway = Gateway(config)
        with pytest.raises(bridge.StartupError, match="the port is taken"):
            gateway.start()
    gateway.start()
    gateway.stop()
    assert published(core, 0) == [[b"10.0.0.1 443"]]
