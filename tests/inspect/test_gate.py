"""What the rules of a zone do to real calls: who is denied, with which words, in both tongues."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

import fastgw
from fastgw.policy.inspection import Response, Rule
from tests.inspect.conftest import Ask, put
from tests.inspect.words import allow, asking, block, log, skip
from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml
from tests.support.grpc_echo import Echo
from tests.support.house import House, alive, host_and_port

Open = Callable[..., grpc.Channel]
UNARY = b"/fastgw.test.Echo/Unary"
FAIL = 'grpc.method eq "Fail"'
MINE = "ip.src eq 127.0.0.1"


def test_a_call_is_blocked_by_name(ask: Ask, open_channel: Open) -> None:
    house = ask(custom=[block("no-admin", FAIL, description="no failing")])
    echo = Echo(open_channel(house.address))
    assert echo.unary(b"x", timeout=5) == b"x"
    refused = Refused(lambda: echo.fail(b"x", timeout=5))
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert refused.message == "zone gw.test: custom rule no-admin (no failing) blocks this call"
    assert refused.fastgw_error == "rule_blocked; side=gateway; phase=policy; rule=no-admin"
    assert house.gateway.stats()["rules"] == {"gw.test": {"no-admin": {"held": 1, "denied": 1}}}
    assert house.gateway.stats()["total"]["replies"]["rule_blocked"] == 1
    assert house.gateway.stats()["zones"]["gw.test"]["denied"] == 1


# phase, how its rule is called in the message
STEPS = {
    "access": "IP access rule",
    "lockdown": "zone lockdown",
    "agent": "user agent rule",
    "custom": "custom rule",
    "managed": "managed rule",
}


@pytest.mark.parametrize("phase", STEPS)
def test_each_phase_denies_by_itself(ask: Ask, open_channel: Open, phase: str) -> None:
    house = ask(**{phase: [block("wall", MINE)]})
    echo = Echo(open_channel(house.address))
    for call in (
        lambda: echo.unary(b"x", timeout=5),
        lambda: echo.collect(iter([b"x"] * 100), timeout=5),
        lambda: list(echo.chat(iter([b"x"] * 100), timeout=5)),
    ):
        refused = Refused(call)
        assert refused.code is grpc.StatusCode.PERMISSION_DENIED
        assert refused.message == f"zone gw.test: {STEPS[phase]} wall blocks this call"
    put(house, asking())
    assert echo.unary(b"x", timeout=5) == b"x"


def test_who_is_allowed_and_what_is_skipped_passes(ask: Ask, open_channel: Open) -> None:
    house = ask(access=[allow("friend", MINE)], custom=[block("wall", "ssl")])
    echo = Echo(open_channel(house.address))
    assert echo.unary(b"x", timeout=5) == b"x"
    put(house, asking(custom=[skip("pass", MINE, "managed")], managed=[block("wall", "ssl")]))
    assert echo.unary(b"x", timeout=5) == b"x"
    put(house, asking(custom=[skip("pass", MINE, current=True), block("wall", "ssl")]))
    assert echo.unary(b"x", timeout=5) == b"x"


def test_ssl_mode_and_switch_come_before_the_rules(
    gateway: Callable[..., House], origin: Any, open_channel: Open
) -> None:
    house = gateway(origin, grpc="off")
    put(house, asking(custom=[block("wall", "ssl")]))
    refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    assert refused.fastgw_error.startswith("grpc_disabled;")


def test_a_paused_zone_inspects_nothing(ask: Ask, open_channel: Open) -> None:
    house = ask(custom=[block("wall", "ssl")])
    config = house.gateway.config
    zones = tuple(dataclasses.replace(zone, paused=True) for zone in config.zones)
    house.gateway.publish(dataclasses.replace(config, zones=zones))
    assert Echo(open_channel(house.address)).unary(b"x", timeout=5) == b"x"


FIELDS = {
    "ip.src eq 127.0.0.1": True,
    "ip.src in {127.0.0.0/8}": True,
    "cf.edge.server_ip eq 127.0.0.1": True,
    "cf.edge.server_ip in {10.0.0.0/8}": False,
    "cf.edge.server_port eq {port}": True,
    "cf.edge.client_tcp": True,
    "cf.timings.client_tcp_rtt_msec lt 1000": True,
    "cf.edge.l4.delivery_rate ge 0": True,
    "ssl": True,
    'cf.tls_version eq "TLSv1.3"': True,
    'starts_with(cf.tls_cipher, "TLS_")': True,
    "len(cf.tls_client_random) eq 44": True,
    'http.host eq "gw.test"': True,
    'http.request.method eq "POST"': True,
    f'http.request.uri.path eq "{UNARY.decode()}"': True,
    'grpc.service eq "fastgw.test.Echo"': True,
    'cf.zone.name eq "gw.test"': True,
    "len(cf.ray_id) eq 16": True,
    "len(uuidv4(cf.random_seed)) eq 36": True,
    'cf.worker.upstream_zone eq ""': True,
    "cf.tls_client_auth.cert_presented": False,
    'cf.tls_client_auth.cert_subject_dn eq ""': True,
    "cf.bot_management.score gt 80": True,
    "len(cf.bot_management.ja4) eq 36": True,
    'ip.src.country ne "DE"': True,
    'ip.src.country eq "DE"': False,
    'any(http.request.headers["user-agent"][*] contains "grpc")': True,
    "http.request.timestamp.sec gt 1700000000": True,
}


def test_what_is_known_of_a_call(ask: Ask, open_channel: Open) -> None:
    """All in one zone, so that one program asks for all of it."""
    house = ask()
    port = house.address[1]
    rules = [log(f"r{number}", text.replace("{port}", str(port))) for number, text in enumerate(FIELDS)]
    put(house, asking(custom=rules))
    echo = Echo(open_channel(house.address))
    for _ in range(3):
        echo.unary(b"x", timeout=5)
    counted = house.gateway.stats()["rules"]["gw.test"]
    held = [text for number, text in enumerate(FIELDS) if f"r{number}" in counted]
    assert held == [text for text, holds in FIELDS.items() if holds]
    assert all(row == {"held": 3, "denied": 0} for row in counted.values())


def test_in_cleartext_nothing_of_tls_is_known(gateway: Callable[..., House], origin: Any) -> None:
    house = gateway(toml=toml(record("@", origin.port), listen='"h2c://127.0.0.1:0"'))
    known = 'ssl or cf.tls_version ne "" or cf.tls_cipher ne "" or cf.tls_client_random ne ""'
    put(
        house,
        asking(
            custom=[log("known", known), block("wall", 'cf.tls_client_auth.cert_fingerprint_sha256 eq ""')]
        ),
    )
    with house.raw(tls=False) as client:
        client.begin()
        client.head(1, frames.request(UNARY), end=True)
        assert client.answer(1).head[b"fastgw-error"].endswith(b"rule=wall")
    assert list(house.gateway.stats()["rules"]["gw.test"]) == ["wall"]


RESPONSE = Response(451, "not in {your} country: 100 %\n", "text/plain", 9)


def ordinary(method: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [
        (b":method", method),
        (b":scheme", b"https"),
        (b":path", b"/"),
        (b":authority", b"gw.test"),
        *more,
    ]


def test_a_custom_response_in_grpc(ask: Ask, open_channel: Open) -> None:
    house = ask(custom=[block("wall", "ssl", RESPONSE)])
    refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.message == RESPONSE.content
    assert refused.fastgw_error == "rule_blocked; side=gateway; phase=policy; rule=wall"
    put(house, asking(custom=[block("wall", "ssl", Response(404))]))
    refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    assert (refused.code, refused.message) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "zone gw.test: custom rule wall blocks this call",
    )


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 30_720])
def test_a_custom_response_in_http(ask: Ask, size: int) -> None:
    content = "0123456789" * 3072
    response = Response(418, content[:size], "application/json")
    house = ask(custom=[block("wall", "ssl", response)])
    with house.raw() as client:
        client.begin()
        client.send(frames.window_update(0, 1 << 20))
        for stream_id in (1, 3):
            client.head(stream_id, ordinary(b"GET"), end=True)
            answer = client.answer(stream_id)
            assert answer.head[b":status"] == b"418"
            assert answer.head[b"fastgw-error"].endswith(b"; rule=wall")
            if size:
                assert answer.body.decode() == response.content
                assert answer.head[b"content-type"] == b"application/json"
                assert answer.head[b"content-length"] == b"%d" % size
            else:
                assert json.loads(answer.body)["error"] == "rule_blocked"
        client.head(5, ordinary(b"HEAD"), end=True)
        answer = client.answer(5)
        assert (answer.head[b":status"], answer.body) == (b"418", b"")
        client.expect_alive()


def test_a_custom_response_waits_for_the_clients_window(ask: Ask) -> None:
    house = ask(custom=[block("wall", "ssl", Response(403, "x" * 30_720))])
    with house.raw() as client:
        client.begin((frames.Setting.INITIAL_WINDOW_SIZE, 1000))
        client.head(1, ordinary(b"GET"), end=True)
        client.send(frames.window_update(1, 100_000))
        assert client.answer(1).body == b"x" * 30_720
    eventually(lambda: not set(alive(house.gateway)) - {"links_open"})


def test_a_denied_request_in_http_says_who_denied_it(ask: Ask) -> None:
    house = ask(custom=[block("wall", "ssl", description="closed")])
    with house.raw() as client:
        client.begin()
        client.head(1, ordinary(b"GET"), end=True)
        answer = client.answer(1)
        assert answer.head[b":status"] == b"403"
        assert (
            json.loads(answer.body)["message"] == "zone gw.test: custom rule wall (closed) blocks this call"
        )


def test_counters_live_on_as_long_as_the_rule_does(ask: Ask, open_channel: Open) -> None:
    house = ask(custom=[log("one", "ssl"), log("two", "ssl")])
    echo = Echo(open_channel(house.address))

    def counted() -> dict[str, int]:
        rows = house.gateway.stats()["rules"].get("gw.test", {})
        return {name: row["held"] for name, row in rows.items()}

    echo.unary(b"x", timeout=5)
    assert counted() == {"one": 1, "two": 1}
    put(house, asking(agent=[log("new", "ssl")], custom=[log("two", 'http.host ne ""')]))
    echo.unary(b"x", timeout=5)
    assert counted() == {"new": 1, "two": 2}
    put(house, asking(custom=[log("one", "ssl")]))
    echo.unary(b"x", timeout=5)
    assert counted() == {"one": 1}, "a rule that was gone begins anew"
    put(house, asking())
    assert counted() == {}


def test_the_access_log_names_the_rule(
    gateway: Callable[..., House], origin: Any, open_channel: Open, tmp_path: Path
) -> None:
    config = gateway(origin).gateway.config
    logged = dataclasses.replace(config, access_log=str(tmp_path / "access.log"))
    with fastgw.Gateway(logged) as started:
        _calls_that_rules_are_about(started, open_channel)

    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    assert [(row["rule"], row["error"]) for row in lines] == [("seen", ""), ("wall", "rule_blocked")]


def _calls_that_rules_are_about(gateway: fastgw.Gateway, open_channel: Open) -> None:
    rules = [log("seen", "ssl"), block("wall", FAIL), log("quiet", "ssl", logging=False)]
    zones = tuple(dataclasses.replace(zone, inspection=asking(custom=rules)) for zone in gateway.config.zones)
    gateway.publish(dataclasses.replace(gateway.config, zones=zones))
    echo = Echo(open_channel(host_and_port(gateway.addresses[0])))
    echo.unary(b"x", timeout=5)
    Refused(lambda: echo.fail(b"x", timeout=5))


def test_a_reload_under_load_changes_what_is_asked(ask: Ask, open_channel: Open) -> None:
    """Programs grow and go while calls run: each call is judged by one of them."""
    house = ask(custom=[log("always", "ssl")])
    echo = Echo(open_channel(house.address))
    ends = time.monotonic() + 1.0
    number = 0
    while time.monotonic() < ends:
        number += 1
        rules = [
            Rule(f"r{at}", f'http.request.headers["x-{number}-{at}"][0] eq "a"', "block")
            for at in range(number % 40)
        ]
        put(house, asking(custom=[log("always", "ssl"), *rules]))
        assert echo.unary(b"x", timeout=5) == b"x"
    assert house.gateway.stats()["rules"]["gw.test"]["always"]["held"] == number
