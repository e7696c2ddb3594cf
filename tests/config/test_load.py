"""What a good configuration becomes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastgw.config import Config, Listen, load, load_text
from fastgw.config.model import FileTable, schema
from fastgw.config.settings import SettingsTable
from fastgw.errors import ConfigError
from fastgw.policy.catalogue import CATALOGUE
from fastgw.policy.records import Record

WHOLE = """\
[server]
listen = ["127.0.0.1:8443"]
workers = 1

[[zone]]
name = "gw.test"
cert = { file = "gateway.pem", key = "gateway.key" }
settings = { grpc = "on", ssl = "strict" }
trust_store = "ca.pem"                     # replaces the public roots toward this zone's origins
dns = [
  { name = "@",   type = "A", content = "127.0.0.1", proxied = true, origin_port = 50443, \
origin_server_name = "origin.test" },
  { name = "api", type = "A", content = "127.0.0.1", proxied = true, origin_port = 50444, \
origin_server_name = "origin.test" },
]
"""


def test_the_file_of_the_first_stage_loads_as_it_stands(files: Path):
    path = files / "whole.toml"
    path.write_text(WHOLE)
    config = load(path)
    assert config.warnings == ()
    assert config.source == path
    assert config.listen == (Listen("127.0.0.1", 8443),)
    assert config.workers == 1
    zone = config.zones[0]
    assert (zone.name, zone.settings.grpc, zone.settings.http, zone.settings.ssl) == (
        "gw.test",
        True,
        False,
        "strict",
    )
    assert zone.trust_store == files / "ca.pem"
    assert zone.certificate is not None
    assert zone.certificate.key == files / "gateway.key"
    assert zone.records[1] == Record("api.gw.test", "A", "127.0.0.1", True, 50444, "h2", "origin.test")


def test_the_smallest_file(files: Path):
    text = """\
[[zone]]
name = "gw.test"
grpc = "on"
cert = { file = "gateway.pem", key = "gateway.key" }
dns  = [{ name = "api", content = "10.0.0.7", proxied = true, origin_port = 50051 }]
"""
    config = load_text(text, files / "small.toml")
    assert config.listen == (Listen("0.0.0.0", 443), Listen("::", 443, optional=True))
    assert (config.workers, config.drain_timeout_ms, config.access_log) == (None, 30_000, None)
    assert config.zones[0].settings.grpc
    assert config.zones[0].settings.ssl == "full"


def zone(**changes):
    return {
        "zone": [{"name": "gw.test", "grpc": "on", "dns": [], **changes}],
        "server": {"listen": ["h2c://[::1]:0"]},
    }


def test_a_dictionary_serves_as_well():
    config = load(zone(dns=[{"name": "*", "content": "::1", "proxied": True, "origin_protocol": "h2c"}]))
    assert config.listen == (Listen("::1", 0, tls=False),)
    assert config.zones[0].records == (Record("*.gw.test", "AAAA", "::1", True, 443, "h2c"),)
    assert load(config) is config


def test_a_dictionary_is_judged_without_lines():
    with pytest.raises(ConfigError, match=re.escape("config: zone[0].dns[0].content: is missing")):
        load(zone(dns=[{"name": "a"}]))


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("@", "1.2.3.4", ("gw.test", "A", "1.2.3.4")),
        ("API", "1.2.3.4", ("api.gw.test", "A", "1.2.3.4")),
        ("a.gw.test", "1.2.3.4", ("a.gw.test", "A", "1.2.3.4")),
        ("a.gw.test.", "1.2.3.4", ("a.gw.test", "A", "1.2.3.4")),
        ("gw.test", "1.2.3.4", ("gw.test", "A", "1.2.3.4")),
        ("*", "Origin.Example.", ("*.gw.test", "CNAME", "origin.example")),
        ("*.a", "::0001", ("*.a.gw.test", "AAAA", "::1")),
        ("*.gw.test", "1.2.3.4", ("*.gw.test", "A", "1.2.3.4")),
        ("b\u00fccher", "b\u00fccher.example", ("xn--bcher-kva.gw.test", "CNAME", "xn--bcher-kva.example")),
        ("_grpc", "1.2.3.4", ("_grpc.gw.test", "A", "1.2.3.4")),
    ],
)
def test_names_and_types(name, content, wanted):
    record = load(zone(dns=[{"name": name, "content": content}])).zones[0].records[0]
    assert (record.name, record.type, record.content) == wanted


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("30s", 30_000), ("500ms", 500), ("1.5s", 1500), ("2m", 120_000), ("0s", 0)]
)
def test_durations(text, milliseconds):
    data = zone()
    data["server"]["drain_timeout"] = text
    assert load(data).drain_timeout_ms == milliseconds


def test_an_override_stands_in_for_the_file(files: Path):
    (files / "override.toml").write_text(WHOLE)
    config = load(files / "override.toml", {"listen": ["127.0.0.1:0"], "workers": 2})
    assert (config.listen, config.workers) == ((Listen("127.0.0.1", 0),), 2)


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: the file does not exist"):
        load(tmp_path / "nowhere.toml")


def test_lines_with_windows_endings(files: Path):
    path = files / "windows.toml"
    path.write_bytes(WHOLE.replace("grpc =", "gprc =").replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError, match=re.escape("windows.toml:8: zone[0].settings.gprc")):
        load(path)


def test_the_catalogue_is_what_the_file_knows():
    assert CATALOGUE.keys() == SettingsTable.model_fields.keys()


def test_the_schema_names_every_table():
    assert schema()["properties"].keys() == FileTable.model_fields.keys()
    assert {"RecordTable", "SettingsTable", "ZoneTable", "ServerTable"} <= schema()["$defs"].keys()


def test_a_config_is_frozen():
    with pytest.raises(AttributeError):
        Config((), ()).workers = 2  # type: ignore[misc]
