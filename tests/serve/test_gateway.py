"""The bridge: what it hands to the core, in which order, and what it takes back."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import socket
import struct
import threading
import time

import pytest

from fastgw import ConfigError, FastgwError, Gateway, StartupError
from fastgw.policy import limits
from fastgw.serve.access_log import peer_text
from fastgw.tls.context import context_address
from tests.support.calls import eventually


def test_each_worker_gets_a_socket_for_each_address(core, config):
    with Gateway(config) as gateway:
        ports = [int(address.rpartition(":")[2]) for address in gateway.addresses]
        assert gateway.addresses == [f"127.0.0.1:{port}" for port in ports]
        assert gateway.listeners == [f"https://127.0.0.1:{ports[0]}", f"h2c://127.0.0.1:{ports[1]}"]
        assert 0 not in ports
        assert len(core.made) == 2
        for worker in core.made:
            assert [(one.getsockname()[1], tls) for one, tls in worker.sockets] == [
                (ports[0], True),
                (ports[1], False),
            ]
            assert not any(os.get_blocking(one.fileno()) for one, _ in worker.sockets)
            assert worker.drain_timeout_ms == 100
        socket.create_connection(("127.0.0.1", ports[0]), 1).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]), 1)


def test_the_snapshot_says_what_the_configuration_says(core, config):
    with Gateway(config):
        snapshot = core.made[0].snapshots[0]
        assert core.made[1].snapshots == [snapshot]
    assert snapshot.revision == 1
    assert [(zone.name, zone.number, zone.grpc, zone.http, zone.encrypted) for zone in snapshot.zones] == [
        ("gw.test", 0, True, False, True)
    ]
    assert snapshot.hosts == [("api.gw.test", True, 0, None)]
    assert snapshot.origins[0].label == "127.0.0.1:50443"
    (endpoint,) = snapshot.origins[0].endpoints
    assert (endpoint.address, endpoint.server_name) == (b"127.0.0.1 50443", "api.gw.test")
    assert (endpoint.connect_timeout_ms, endpoint.handshake_timeout_ms) == (19_000, 10_000)
    assert (endpoint.label, endpoint.verify) == ("127.0.0.1:50443", True)
    assert endpoint.context
    certificate = snapshot.certificates[0]
    assert certificate.names == ["gw.test", "*.gw.test"]
    assert core.armed == [certificate.context, snapshot.front]
    assert snapshot.default is certificate
    assert context_address(certificate.keep) == certificate.context
    assert [context_address(one) for one in snapshot.blocks[0].keep] == [endpoint.context]


def test_each_worker_gets_every_limit_by_the_key_of_the_core(core, config):
    with Gateway({**config, "limits": {"connections": 7, "stall_timeout": "2s"}}):
        pass
    wanted = {**dict(limits.DEFAULTS), "connections": 7, "stall_timeout_ms": 2000}
    del wanted["counters_memory"]  # it is the process's
    assert [worker.limits for worker in core.made] == [wanted, wanted]
    assert all(type(value) is int for value in core.made[0].limits.values())


def test_an_h2c_origin_has_no_context(core, config):
    config["zone"][0]["settings"]["ssl"] = "full"
    config["zone"][0]["dns"][0]["origin_protocol"] = "h2c"
    with Gateway(config):
        assert core.made[0].snapshots[0].origins[0].endpoints[0].context == 0


def test_publish_swaps_the_snapshot_and_keeps_what_did_not_change(core, config):
    with Gateway(config) as gateway:
        changed = copy.deepcopy(config)
        changed["zone"][0]["dns"].append({"name": "b", "content": "127.0.0.1", "proxied": True})
        assert gateway.publish(changed) == gateway.revision == 2
        first, second = core.made[1].snapshots
        assert second.revision == 2
        assert len(second.hosts) == 2
        assert second.certificates == first.certificates
        assert second.origins[0] == first.origins[0]
        assert second.origins[1].endpoints[0].state != first.origins[0].endpoints[0].state
        assert second.blocks[0] is not first.blocks[0]
        assert len(core.armed) == 2  # the front and one certificate


def test_another_way_of_judging_the_origin_is_another_endpoint(core, config):
    with Gateway(config) as gateway:
        changed = copy.deepcopy(config)
        changed["zone"][0]["settings"]["ssl"] = "full"
        gateway.publish(changed)
        first, second = core.made[0].snapshots
        before, after = first.origins[0].endpoints[0], second.origins[0].endpoints[0]
        assert before.state != after.state
        assert before.context != after.context


def test_a_zone_keeps_its_number_when_others_come_and_go(core, config, authority):
    other = copy.deepcopy(config["zone"][0])
    other.update(
        name="else.test", cert={"file": authority / "else.test.pem", "key": authority / "else.test.key"}
    )
    other["cert"] = {key: str(value) for key, value in other["cert"].items()}
    with Gateway(config) as gateway:
        gateway.publish({**config, "zone": [other, *config["zone"]]})
        gateway.publish({**config, "zone": [other]})
        numbers = [{zone.name: zone.number for zone in one.zones} for one in core.made[0].snapshots]
        assert numbers == [{"gw.test": 0}, {"gw.test": 0, "else.test": 1}, {"else.test": 1}]
        assert gateway.stats()["zones"] == {"gw.test": {"calls": 10}, "else.test": {"calls": 1}}


def test_a_refused_configuration_changes_nothing(core, config):
    with Gateway(config) as gateway:
        with pytest.raises(ConfigError):
            gateway.publish({"zone": []})
        assert gateway.revision == 1
        assert len(core.made[0].snapshots) == 1


def test_a_snapshot_goes_when_all_workers_have_passed_it_and_none_holds_it(core, config):
    with Gateway(config) as gateway:
        held = gateway._snapshots
        held[0].seekers = 1
        gateway.publish(config)
        old, new = gateway._snapshots
        core.made[0].revision = 2
        gateway.stats()
        assert gateway._snapshots == [old, new], "worker 1 has not passed it"
        assert not old.released, "a worker looks names up in it"
        old.seekers = 0
        core.made[1].revision = 2
        old.users = 1
        gateway.stats()
        assert gateway._snapshots == [old, new], "somebody holds it"
        assert old.released
        assert not new.released
        old.users = 0
        gateway.stats()
        assert gateway._snapshots == [new]
        assert held is not gateway._snapshots


def test_what_cannot_change_is_said(core, config, caplog):
    with Gateway(config) as gateway, caplog.at_level(logging.WARNING, "fastgw"):
        gateway.publish({**config, "server": {**config["server"], "workers": 1}})
    assert "workers has changed, which takes effect at the next start" in caplog.text
    assert "limits" not in caplog.text


def test_changed_limits_wait_for_the_next_start(core, config, caplog):
    with Gateway(config) as gateway, caplog.at_level(logging.WARNING, "fastgw"):
        gateway.publish({**config, "limits": {"resets_burst": 5}})
    assert "limits has changed, which takes effect at the next start" in caplog.text


def test_stats_are_summed(core, config):
    with Gateway(config) as gateway:
        stats = gateway.stats()
        assert stats["total"] == {
            "calls": 21,
            "connections": 2,
            "counters": 0,
            "counters_displaced": 0,
            "counters_uncounted": 0,
            "counters_used": 0,
            "replies": {"both": 2, "by 0": 1, "by 1": 1},
        }
        assert [row["calls"] for row in stats["workers"]] == [10, 11]
        assert stats["zones"] == {"gw.test": {"calls": 10}}
        assert [row["endpoint"] for row in stats["endpoints"]] == ["127.0.0.1:50443"]
    assert gateway.stats() == stats


def test_leaving_drains_and_an_exception_does_not(core, config):
    with Gateway(config):
        pass
    assert [worker.calls for worker in core.made] == [["drain"], ["drain"]]
    core.made.clear()
    with pytest.raises(KeyError), Gateway(config):
        raise KeyError
    assert [worker.calls for worker in core.made] == [["stop"], ["stop"]]


def test_a_drain_that_takes_too_long_is_cut(core, config, monkeypatch):
    monkeypatch.setattr("fastgw.gateway.GRACE", 0.1)
    core.stubborn = True
    gateway = Gateway(config)
    gateway.start()
    begun = time.monotonic()
    gateway.stop()
    assert 0.2 <= time.monotonic() - begun < 5
    assert core.made[0].calls == ["drain", "stop"]
    gateway.stop()


def test_the_async_form_does_not_hold_up_the_loop(core, config):
    core.stubborn = True

    async def main():
        turns = 0
        async with Gateway(config) as gateway:
            assert await gateway.apply(config) == 2
            waiting = asyncio.ensure_future(gateway.stop_async())
            while not waiting.done():
                turns += 1
                await asyncio.sleep(0.01)
        return turns

    assert asyncio.run(main()) > 5


def test_several_gateways_live_side_by_side(core, config):
    before = threading.active_count()  # the suite has a clock of its own running
    with Gateway(config) as one, Gateway(config) as two:
        assert not set(one.addresses) & set(two.addresses)
    assert threading.active_count() == before


def test_a_taken_port_is_one_plain_sentence(core, config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config["server"]["listen"] = ["127.0.0.1:0", f"127.0.0.1:{port}"]
        with pytest.raises(
            StartupError, match=f"cannot listen at https://127.0.0.1:{port}: the port is taken"
        ):
            Gateway(config).start()
    assert core.made == []


def test_the_port_of_another_gateway_is_taken_too(core, config):
    with Gateway(config) as gateway:
        config["server"]["listen"] = [gateway.addresses[0]]
        with pytest.raises(StartupError, match="the port is taken"):
            Gateway(config).start()


def test_ipv6(core, config):
    config["server"]["listen"] = ["[::1]:0"]
    try:
        with Gateway(config) as gateway:
            assert gateway.addresses[0].startswith("[::1]:")
    except StartupError as error:
        pytest.skip(str(error))


def test_a_certificate_that_vanished_is_one_plain_sentence(core, config, authority, tmp_path):
    for name in ("gw.test.pem", "gw.test.key"):
        (tmp_path / name).write_bytes((authority / name).read_bytes())
    config["zone"][0]["cert"] = {"file": str(tmp_path / "gw.test.pem"), "key": str(tmp_path / "gw.test.key")}
    gateway = Gateway(config)
    (tmp_path / "gw.test.pem").unlink()
    with pytest.raises(
        StartupError, match=r"a certificate cannot be used: it names .*, which does not exist"
    ):
        gateway.start()
    assert gateway.addresses == []


def test_life_has_an_order(core, config):
    gateway = Gateway(config)
    with pytest.raises(StartupError, match="is not running"):
        gateway.publish(config)
    with gateway:
        assert gateway.running
        with pytest.raises(StartupError, match="has been started before"):
            gateway.start()
    assert not gateway.running
    with pytest.raises(FastgwError, match="has been started before"):
        gateway.start()


def test_a_worker_that_fails_is_noticed(core, config, caplog):
    with Gateway(config) as gateway:
        core.made[0].fail(MemoryError("no memory"))
        gateway._threads[0].join(1)
        assert not gateway.running
        assert isinstance(gateway.failure, MemoryError)


def test_finished_calls_become_lines(core, config, tmp_path):
    config["log"] = {"access": str(tmp_path / "access.log")}
    with Gateway(config):
        assert all(worker.log for worker in core.made)
        core.made[0].finished = [{"zone": 0, "path": b"/demo.Echo/\xff", "grpc_status": 0}] * 1500
        core.made[1].finished = [{"zone": 7}]
        eventually(lambda: (tmp_path / "access.log").read_text().count("\n") >= 1501)
        lines = (tmp_path / "access.log").read_text().splitlines()
        core.made[0].finished = [{"zone": 0}]
    assert len(lines) == 1501
    assert json.loads(lines[0]) == {"zone": "gw.test", "path": "/demo.Echo/\\xff", "grpc_status": 0}
    assert len((tmp_path / "access.log").read_text().splitlines()) == 1502, (
        "what is left at the end is written too"
    )


def test_a_line_is_made_for_people(core, config, tmp_path):
    config["log"] = {"access": str(tmp_path / "access.log")}
    peer = struct.pack("=H", socket.AF_INET) + struct.pack(">H", 50051) + bytes([127, 0, 0, 1]) + bytes(20)
    with Gateway(config):
        core.made[0].finished = [{"wall_ns": 1_700_000_000_123_456_789, "ray": 255, "zone": -1, "peer": peer}]
    assert json.loads((tmp_path / "access.log").read_text()) == {
        "time": "2023-11-14T22:13:20.123Z",
        "ray": "00000000000000ff",
        "zone": "",
        "peer": "127.0.0.1:50051",
    }


def test_peers_are_of_two_families():
    v6 = struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", 443, 0) + bytes(15) + b"\1" + bytes(4)
    assert peer_text(v6) == "[::1]:443"
    assert peer_text(b"") == ""
