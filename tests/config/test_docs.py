"""What docs/configuration.md and docs/origins.md show is good, and the tables know every key."""

import re
from pathlib import Path

import pytest

from fastgw.config import load_text
from fastgw.config.model import schema
from fastgw.policy.catalogue import CATALOGUE
from tests.guards.tree import ROOT
from tests.support.certs import Authority

PAGE = (ROOT / "docs/configuration.md").read_text()
ORIGINS = (ROOT / "docs/origins.md").read_text()
INSPECTION = (ROOT / "docs/inspection.md").read_text()
SETTINGS = (ROOT / "docs/settings.md").read_text()
BLOCKS, MORE, THIRD, FOURTH = (
    re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S) for page in (PAGE, ORIGINS, SETTINGS, INSPECTION)
)
ZONE = """
[[zone]]
name = "example.com"
grpc = "on"
cert = { file = "example.com.pem", key = "example.com.key" }
dns = [{ name = "api", content = "10.0.0.7", proxied = true }]
"""
# Their keys are on pages of their own, or are those of one value.
APART = {"LimitsTable", "SettingsTable"}


@pytest.mark.parametrize("toml", [*BLOCKS, *MORE, *THIRD, *FOURTH])
def test_each_example_is_good(toml: str, tmp_path: Path, ca: Authority) -> None:
    leaf = ca.leaf("example.com", "*.example.com")
    for name, source in (("example.com.pem", leaf.certificate), ("example.com.key", leaf.key)):
        (tmp_path / name).write_bytes(source.read_bytes())
        (tmp_path / name).chmod(0o600)
    # What lies on machines that are not this one: secrets, databases.
    toml = re.sub(r"\$\{file:[^}]*\}", "x" * 32, toml)
    for name in re.findall(r"/var/lib/GeoIP/([\w.-]+)", toml):
        (tmp_path / name).touch()
    toml = toml.replace("/var/lib/GeoIP/", "")
    if "[[zone]]" not in toml:
        toml += ZONE
    assert load_text(toml, tmp_path / "fastgw.toml").warnings == ()


def test_each_way_of_balancing_is_on_the_page_of_origins() -> None:
    table = re.findall(r"^\| `(\w+)` \| (?:each|one|of two|the one)", ORIGINS, re.M)
    assert set(table) == set(schema()["$defs"]["OriginTable"]["properties"]["balance"]["enum"])


def test_each_key_of_a_line_is_on_the_page_of_origins() -> None:
    finished = (ROOT / "src/fastgw/_core/proxy/meter.pyx").read_text().split("out.append({")[1].split("})")[0]
    keys = set(re.findall(r'"(\w+)":', finished)) - {"wall_ns"}
    assert {"endpoint", "lease_ns"} <= keys
    assert [key for key in keys if f"`{key}`" not in ORIGINS] == []


def test_each_key_has_its_line_with_an_effect() -> None:
    assert BLOCKS
    found = schema()
    for name, table in {**found["$defs"], "FileTable": found}.items():
        for key in table["properties"] if name not in APART and not name.endswith("Value") else ():
            assert re.search(rf"^\| `{key}` \|.*\|.*\| \S.* \|$", PAGE, re.M), f"{name}.{key}"


def test_each_setting_has_its_line() -> None:
    for key, row in CATALOGUE.items():
        line = re.search(rf"^\| `{key}` \|.*$", SETTINGS, re.M)
        assert line, key
        assert row.kept or row.effect in line[0]
