"""What explain says a gateway would answer is what a gateway answers: name, statuses and sentence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastgw import Gateway
from fastgw.config import Config, load
from fastgw.probe.message import percent_decode
from fastgw.why.find import hostname_of
from fastgw.why.steps import Request, answer, explain
from tests.support import frames
from tests.support.calls import record, toml
from tests.support.house import House, host_and_port
from tests.support.raw import RawClient, h2_context
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, RawServer

ZONES = """
[[zone]]
name = "off.test"
cert = {{ file = "{{cert}}", key = "{{key}}" }}
settings = {{ http = "on" }}
dns = [{off}]

[[zone]]
name = "paused.test"
cert = {{ file = "{{cert}}", key = "{{key}}" }}
settings = {{ ssl = "off" }}
paused = true
dns = [{paused}]
"""
ROUTES = """
[[zone.route]]
match = [{ service = "s", method = "M" }]
timeout = "3s"

[[zone.route]]
match = [{ service = "s" }, { host = "api", headers = { x-slow = "1" } }]
timeout = "90s"
"""


def text_of(port: int) -> str:
    bare = '{ name = "bare", content = "127.0.0.1" }'
    stop = '{ name = "low.any", content = "127.0.0.1" }'
    dns = (record("@", port), record("api", port), record("*.any", port), bare, stop)
    more = ZONES.format(
        off=record("@", port).replace("@", "off.test"), paused=record("@", port).replace("@", "paused.test")
    )
    return toml(*dns) + ROUTES + more


def play(peer: RawServer) -> None:
    """Says in its trailers which grpc-timeout it was given."""
    peer.begin()
    for stream_id, fields in peer.requests():
        peer.head(stream_id, GRPC_HEAD)
        given = dict(fields).get(b"grpc-timeout", b"none")
        peer.head(stream_id, [*OK, (b"x-given", given)], end=True)


@pytest.fixture
def house(gateway: Callable[..., House], origin_leaf: Any) -> Iterator[House]:
    with RawOrigin(play, origin_leaf) as origin:
        yield gateway(toml=text_of(origin.port))


def said(client: RawClient, stream_id: int, request: Request) -> Any:
    """The answer to exactly the head that is explained."""
    block = frames.literal((name.encode(), value.encode()) for name, value in request.head)
    first, *others = (block[at : at + PIECE] for at in range(0, len(block), PIECE))
    client.send(frames.headers(stream_id, first, end=True, end_headers=not others))
    for number, piece in enumerate(others, 1):
        client.send(frames.continuation(stream_id, piece, end_headers=number == len(others)))
    return client.answer(stream_id)


PIECE = 16_000
HTML = (("content-type", "text/html"),)
WIDE = (("x-wide", "v" * 33_000),)
MANY = tuple((f"x-{number}", "v") for number in range(300))

CASES = {
    "carried": (Request("gw.test", "/a/B"), None),
    "carried by its wildcard": (Request("deep.low2.any.gw.test:443", "/a/B"), None),
    "another port and case": (Request("GW.Test.:8443", "/a/B"), None),
    "unknown": (Request("nobody.example", "/a/B"), "zone_unknown"),
    "no record": (Request("new.gw.test", "/a/B"), "zone_unknown"),
    "stopped": (Request("x.low.any.gw.test", "/a/B"), "zone_unknown"),
    "no hostname": (Request("a..b", "/a/B"), "zone_unknown"),
    "long": (Request("x" * 50 + "." + "y" * 60, "/a/B"), "zone_unknown"),
    "DNS-only": (Request("bare.gw.test", "/a/B"), "zone_unknown"),
    "unknown, HTTP": (Request("nobody.example", "/", HTML, "GET"), "zone_unknown"),
    "gRPC off": (Request("off.test", "/a/B"), "grpc_disabled"),
    "gRPC off, HTTP on": (Request("off.test", "/", HTML, "GET"), None),
    "HTTP off": (Request("gw.test", "/", HTML, "GET"), "http_disabled"),
    "GET of gRPC": (Request("gw.test", "/a/B", (), "GET"), "http_disabled"),
    "paused": (Request("paused.test", "/a/B"), "ssl_mode_insufficient"),
    "wide": (Request("gw.test", "/a/B", WIDE), "head_too_large"),
    "many": (Request("gw.test", "/a/B", MANY), "head_too_large"),
    "wide and unknown": (Request("nobody.example", "/a/B", WIDE), "head_too_large"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_denial_is_the_gateways(case: str, house: House) -> None:
    request, name = CASES[case]
    denial = answer(explain(load(house.file), request))
    assert (denial.name if denial is not None else None) == name
    sni = request.authority.partition(":")[0] if hostname_of(request.authority) else "gw.test"
    with RawClient(house.address, context=h2_context(), server_name=sni) as client:
        client.begin()
        got = said(client, 1, request)
    if denial is None:
        assert b"fastgw-error" not in got.head
        return
    side = "client" if name == "head_too_large" else "gateway"
    assert got.head[b"fastgw-error"] == f"{name}; side={side}; phase=policy".encode()
    if request.grpc:
        assert got.grpc_status == denial.grpc_status
        assert percent_decode(got.head[b"grpc-message"]) == denial.message
    else:
        assert got.head[b":status"] == b"%d" % denial.http_status
        assert json.loads(got.body)["message"] == denial.message


def test_a_connection_for_another_name(house: House) -> None:
    """A zone without a certificate is served with the default one, which does not cover its name."""
    config = load(house.file)
    zones = tuple(
        dataclasses.replace(zone, certificate=None) if zone.name == "off.test" else zone
        for zone in config.zones
    )
    bare: Config = dataclasses.replace(config, zones=zones)
    request = Request("off.test", "/a/B")
    denial = answer(explain(bare, request))
    assert denial is not None
    assert denial.name == "misdirected"
    with Gateway(bare) as gateway:
        address = host_and_port(gateway.addresses[0])
        with RawClient(address, context=h2_context(), server_name="off.test") as client:
            client.begin()
            got = said(client, 1, request)
    assert got.head[b"fastgw-error"] == b"misdirected; side=gateway; phase=policy"
    assert (got.grpc_status, percent_decode(got.head[b"grpc-message"])) == (
        denial.grpc_status,
        denial.message,
    )


DEADLINES = {
    "none": ("gw.test", "/a/B", (), None),
    "the route's": ("gw.test", "/s/M", (), 3000),
    "the call's, shorter": ("gw.test", "/s/M", (("grpc-timeout", "2S"),), 2000),
    "the route's, shorter": ("gw.test", "/s/M", (("grpc-timeout", "1M"),), 3000),
    "of the service": ("api.gw.test", "/s/N", (), 90_000),
    "by metadata": ("api.gw.test", "/a/B", (("x-slow", "1"),), 90_000),
    "other metadata": ("api.gw.test", "/a/B", (("x-slow", "2"),), None),
    "another host": ("gw.test", "/a/B", (("x-slow", "1"),), None),
    "the call's alone": ("gw.test", "/a/B", (("grpc-timeout", "1500m"),), 1500),
}
UNITS = {b"n": 1e-6, b"u": 1e-3, b"m": 1.0, b"S": 1e3, b"M": 6e4, b"H": 3.6e6}


@pytest.mark.parametrize("case", DEADLINES)
def test_a_deadline_is_the_one_the_origin_is_told(case: str, house: House) -> None:
    name, path, fields, wanted = DEADLINES[case]
    request = Request(name, path, fields)
    route = next(step for step in explain(load(house.file), request) if step.id == "route")
    assert route.facts["deadline_ms"] == wanted
    with house.raw() as client:
        client.begin()
        given = said(client, 1, request).trailers[b"x-given"]
    if wanted is None:
        assert given == b"none"
    else:
        assert wanted - 1000 <= int(given[:-1]) * UNITS[given[-1:]] <= wanted


def test_an_answer_in_cleartext_needs_no_certificate(house: House) -> None:
    config = load(house.file)
    bare = dataclasses.replace(
        config,
        zones=tuple(
            dataclasses.replace(zone, certificate=None) if zone.name == "off.test" else zone
            for zone in config.zones
        ),
        listen=tuple(dataclasses.replace(place, tls=False) for place in config.listen),
    )
    with Gateway(bare) as gateway, RawClient(host_and_port(gateway.addresses[0])) as client:
        client.begin()
        for stream_id, name, wanted in ((1, "gw.test", None), (3, "off.test", "grpc_disabled")):
            request = Request(name, "/a/B")
            denial = answer(explain(bare, request))
            assert (denial.name if denial is not None else None) == wanted
            got = said(client, stream_id, request).head.get(b"fastgw-error", b"")
            assert got.partition(b";")[0].decode() == (wanted or "")


def test_frames_that_are_sent_are_those_that_are_counted() -> None:
    """The head that is judged is one that a client can send."""
    head = Request("gw.test", "/a/B", (("content-type", "application/grpc+proto"),)).head
    assert sorted(name for name, _ in head) == sorted([name.decode() for name, _ in frames.request()]), (
        "one content-type"
    )
