"""Where clients are: a database of addresses, asked by rules, IP access and Access in real calls."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tests.inspect.test_places import write
from tests.support.grpc_echo import Echo

FILE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1
geoip = ["{database}"]

[[zone]]
name = "gw.test"
grpc = "on"
ssl = "strict"
cert = {{ file = "{{cert}}", key = "{{key}}" }}
trust_store = "{{ca}}"
dns = [
  {{ name = "@", content = "127.0.0.1", proxied = true, {tail} }},
]
{more}
"""

TAIL = 'origin_port = {}, origin_server_name = "origin.test"'
HOME = {"country": {"iso_code": "XA"}, "autonomous_system_number": 64496}
AWAY = {"country": {"iso_code": "XB"}, "autonomous_system_number": 64497}


@pytest.fixture
def echo(gateway, origin, open_channel, tmp_path: Path):
    database = write(tmp_path / "places.mmdb", {"127.0.0.0/8": HOME})

    def start(more: str) -> Echo:
        running = gateway(toml=FILE.format(database=database, tail=TAIL.format(origin.port), more=more))
        return Echo(open_channel(running.address))

    return start


def status(echo: Echo) -> str:
    try:
        echo.unary(b"x")
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def access(country: str) -> str:
    return f"""
[[zone.access.applications]]
name = "all"
policies = [{{ name = "home", decision = "bypass", include = [{{ country = ["{country}"] }}] }}]
"""


def rule(expression: str) -> str:
    return f"[[zone.rule]]\naction = \"block\"\nexpression = '{expression}'\n"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ('ip_access = [{ value = "XA", mode = "block" }]', "PERMISSION_DENIED"),
        ('ip_access = [{ value = "XB", mode = "block" }]', "OK"),
        ('ip_access = [{ value = "AS64496", mode = "block" }]', "PERMISSION_DENIED"),
        (rule('ip.src.country in {"XA" "XC"}'), "PERMISSION_DENIED"),
        (rule("ip.src.asnum eq 64497"), "OK"),
        (rule("ip.geoip.asnum eq 64496"), "PERMISSION_DENIED"),
        (rule('ip.src.continent eq "EU"'), "OK"),
        (access("XA"), "OK"),
        (access("XB"), "PERMISSION_DENIED"),
    ],
)
def test_a_client_is_where_the_database_says(echo, more: str, wanted: str):
    assert status(echo(more)) == wanted


def test_a_new_database_holds_for_connections_that_are_open(gateway, origin, open_channel, tmp_path: Path):
    database = write(tmp_path / "places.mmdb", {"127.0.0.0/8": HOME})
    text = FILE.format(
        database=database,
        tail=TAIL.format(origin.port),
        more='ip_access = [{ value = "XB", mode = "block" }]',
    )
    running = gateway(toml=text)
    client = Echo(open_channel(running.address))
    assert status(client) == "OK"
    write(tmp_path / "new", {"127.0.0.0/8": AWAY}).replace(database)
    running.gateway.publish(running.gateway.config)
    assert status(client) == "PERMISSION_DENIED"


def test_a_file_that_is_none_keeps_the_last_good_one(gateway, origin, open_channel, tmp_path: Path):
    database = write(tmp_path / "places.mmdb", {"127.0.0.0/8": HOME})
    text = FILE.format(
        database=database,
        tail=TAIL.format(origin.port),
        more='ip_access = [{ value = "XA", mode = "block" }]',
    )
    running = gateway(toml=text)
    database.write_bytes(b"none")
    with pytest.raises(Exception, match="no database of addresses"):
        running.gateway.publish(running.gateway.config)
    assert status(Echo(open_channel(running.address))) == "PERMISSION_DENIED"
