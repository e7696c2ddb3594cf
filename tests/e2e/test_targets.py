"""Several targets of one name, sockets, names that change, routes: real calls to real origins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import pytest

from fastgw import gateway as bridge
from fastgw.serve import lookup
from fastgw.serve.hosts import HostsFile
from tests.support.calls import Refused
from tests.support.dns_server import DnsServer, addresses
from tests.support.grpc_echo import Echo, Origin, channel

HEAD = """\
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 1
[[zone]]
name = "gw.test"
settings = { grpc = "on" }
"""


@pytest.fixture
def origins() -> Iterator[Callable[[], Origin]]:
    """`origins()`: one more cleartext origin."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Origin(None))


@pytest.fixture
def echo(gateway) -> Iterator[Callable[..., Echo]]:
    """`echo(records, more)`: the service behind a gateway with these records, which is `echo.house`."""
    with ExitStack() as stack:

        def start(*records: str, more: str = "") -> Echo:
            dns = "".join(
                f'  {{ name = "@", proxied = true, origin_protocol = "h2c", {record} }},\n'
                for record in records
            )
            start.house = gateway(toml=f"{HEAD}dns = [\n{dns}]\n{more}")  # type: ignore[attr-defined]
            opened = channel(start.house.address, ca_pem=None, options=(("grpc.enable_retries", 0),))  # type: ignore[attr-defined]
            stack.callback(opened.close)
            return Echo(opened)

        yield start


def at(origin: Origin, more: str = "") -> str:
    return f'content = "127.0.0.1", origin_port = {origin.port}{more}'


def test_calls_are_shared_by_weight(origins, echo):
    heavy, light = origins(), origins()
    through = echo(at(heavy, ", weight = 3"), at(light))
    for _ in range(20):
        assert through.unary(b"x", timeout=5) == b"x"
    assert (heavy.calls, light.calls) == (15, 5)


def test_a_spare_serves_when_the_first_choice_is_gone(origins, echo):
    first, spare = origins(), origins()
    through = echo(at(spare, ", priority = 1"), at(first), more="[zone.origin]\neject_after = 1\n")
    for _ in range(4):
        through.unary(b"x", timeout=5)
    assert (first.calls, spare.calls) == (4, 0)
    first.stop()
    for _ in range(4):
        assert through.unary(b"x", timeout=5) == b"x"
    assert (first.calls, spare.calls) == (4, 4)
    stats = {row["endpoint"]: row for row in echo.house.gateway.stats()["endpoints"]}
    assert stats[f"127.0.0.1:{first.port}"]["ejected"]
    assert stats[f"127.0.0.1:{spare.port}"]["calls_started"] == 4


def test_an_origin_at_a_socket(echo, tmp_path):
    origin = Origin(None)
    path = tmp_path / "app.sock"
    assert origin._server.add_insecure_port(f"unix:{path}")
    with origin:
        through = echo(f'content = "unix:{path}"')
        assert through.unary(b"x", timeout=5) == b"x"
        assert b"".join(through.chat(iter([b"a", b"b"]), timeout=5)) == b"ab"
        assert origin.calls == 2
        assert [row["endpoint"] for row in echo.house.gateway.stats()["endpoints"]] == [f"unix:{path}"]


def test_a_name_that_leads_elsewhere_is_followed_and_running_calls_stay(echo, monkeypatch, tmp_path):
    monkeypatch.setattr(lookup, "TTL_LEAST", 0.05)
    one, other = Origin(None), Origin(None)
    assert other._server.add_insecure_port(f"127.0.0.2:{one.port}") == one.port
    with DnsServer() as server, one, other:
        monkeypatch.setattr(
            bridge,
            "Lookup",
            lambda changed: lookup.Lookup(
                changed, resolver=server.resolver, hosts=HostsFile(tmp_path / "none"), route=lambda _: True
            ),
        )
        server.script["a.example"] = addresses("127.0.0.1", ttl=0)
        through = echo(f'content = "a.example", origin_port = {one.port}')
        words: list[bytes] = []

        def slowly() -> Iterator[bytes]:
            yield b"before"
            while echo.house.gateway.revision == 1:
                time.sleep(0.01)
            through.unary(b"x", timeout=5)
            yield b"after"

        chat = through.chat(slowly(), timeout=20)
        words.append(next(chat))
        server.script["a.example"] = addresses("127.0.0.2", ttl=0)
        words += chat
        assert words == [b"before", b"after"]
        assert (one.calls, other.calls) == (1, 1)
        echo.house.gateway.stop()


def test_a_route_is_for_the_calls_it_names(origins, echo):
    origin = origins()
    through = echo(
        at(origin),
        more="""
[[zone.route]]
match = [{ service = "fastgw.test.Echo" }]
idle_timeout = "60s"
[[zone.route]]
match = [{ service = "fastgw.test.Echo", method = "Sleep", headers = { "x-hurry" = "1" } }]
timeout = "200ms"
""",
    )
    begun = time.monotonic()
    refused = Refused(lambda: through.sleep(b"5", timeout=10, metadata=[("x-hurry", "1")]))
    assert refused.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begun < 3
    assert through.sleep(b"0.5", timeout=10) == b"0.5"
    assert through.unary(b"x", timeout=10, metadata=[("x-hurry", "1")]) == b"x"


def test_a_status_is_tried_again_where_the_route_says_so(origins, echo):
    first, second = origins(), origins()
    through = echo(
        at(first),
        at(second),
        more="""
[zone.retry]
on = ["aborted"]
attempts = 2
[[zone.route]]
match = [{ headers = { "x-once" = "1" } }]
retry = { on = [] }
""",
    )
    assert (
        Refused(lambda: through.fail(b"", timeout=5, metadata=[("x-code", "ABORTED")])).code.name == "ABORTED"
    )
    assert (first.calls, second.calls) == (1, 1)
    once = [("x-code", "ABORTED"), ("x-once", "1")]
    assert Refused(lambda: through.fail(b"", timeout=5, metadata=once)).code.name == "ABORTED"
    assert first.calls + second.calls == 3
