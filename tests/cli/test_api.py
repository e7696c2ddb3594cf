"""Commands that go by the admin API say and do what they do by the control socket."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from fastgw.cli import group
from fastgw.store import tokens
from fastgw.store.zones import Zones
from tests.support.served import Served

FILE = """\
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 1

[store]
kind = "sqlite"

[admin]
listen = "127.0.0.1:0"
socket = "admin.sock"

[[zone]]
name = "declared.test"
"""


def token_of(zones: Zones, *scopes: str, where: tuple[str, ...] = ("*",)) -> str:
    policy = tokens.Policy(tokens.judged_scopes(scopes), where)
    return tokens.create(zones, tokens.Token("", "t", "", (policy,)), "tests")[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    (folder / "served.toml").write_text(FILE)
    zones = Zones(None, None, folder / "fastgw.db")
    zones.load()
    made = {"all": token_of(zones, "*"), "reader": token_of(zones, "zones:read")}
    zones.close()
    with Served(folder / "served.toml", "--control", str(folder / "control.sock")) as gateway:
        url = re.search(r"(http://[^/]+)/client", gateway.logged("admin API at http"))[1]
        yield {"url": url, "folder": folder, **made}


def run(served, *words: str, by: str = "api", code: int = 0, token: str = "all"):
    env = {"FASTGW_CONTROL": str(served["folder"] / "control.sock")}
    if by == "api":
        env = {"FASTGW_API": served["url"], "FASTGW_API_TOKEN": served[token]}
    elif by == "socket":
        env = {"FASTGW_API": f"unix:{served['folder']}/admin.sock", "FASTGW_API_TOKEN": served[token]}
    result = CliRunner().invoke(group, words, prog_name="fastgw", env=env)
    assert result.exit_code == code, f"{result.stdout}{result.stderr}{result.exception!r}"
    return result


ORDERS = (
    ("zones", "add", "shop.test", "paused=true"),
    ("records", "add", "shop.test", "api", "10.0.0.7", "origin_protocol=h2c"),
    ("records", "set", "shop.test", "api", "weight=3"),
    ("settings", "set", "shop.test", "proxy_read_timeout", "30s"),
    ("zones", "list"),
    ("zones", "get", "shop.test"),
    ("records", "list", "shop.test", "--json"),
    ("settings", "get", "shop.test", "grpc"),
    ("rules", "list", "shop.test"),
    ("tokens", "list", "shop.test"),
    ("zones", "diff", "shop.test"),
    ("zones", "rollback", "shop.test"),
    ("zones", "export", "shop.test"),
    ("usage", "shop.test", "--json"),
    ("zones", "rm", "shop.test"),
)


def test_same_output_on_each_way(served):
    said = {}
    for by in ("control", "api", "socket"):
        lines = [run(served, *words, by=by).stdout for words in ORDERS]
        said[by] = [re.sub(r"\d+ *|by .* at", "N ", line) for line in lines]
        actors = {row["actor"] for row in json.loads(run(served, "zones", "history", "--json", by=by).stdout)}
    assert said["api"] == said["control"] == said["socket"]
    assert any(actor.startswith("token t (") for actor in actors), "the log says by whose token"


@pytest.mark.parametrize(
    "words",
    [
        ("zones", "get", "nobody.test"),
        ("zones", "add", "bad name.test"),
        ("zones", "add", "declared.test"),
        ("zones", "set", "declared.test", "paused=true"),
        ("records", "add", "nobody.test", "a", "10.0.0.1"),
        ("settings", "set", "declared.test", "grpc", "perhaps"),
        ("usage", "--since", "yesterday"),
    ],
)
def test_same_refusals_on_each_way(served, words):
    by_control, by_api = (run(served, *words, by=by, code=1).stderr for by in ("control", "api"))
    assert by_api == by_control
    assert by_api


def test_a_token_that_may_less(served):
    run(served, "zones", "list", token="reader")
    assert "needs the scope" in run(served, "zones", "get", "declared.test", token="reader", code=1).stderr
    assert "needs the scope" in run(served, "zones", "add", "x.test", token="reader", code=1).stderr
    assert "no zone x.test" in run(served, "zones", "get", "x.test", code=1).stderr


def test_who_cannot_be_asked(served, tmp_path):
    def said(**env: str) -> str:
        result = CliRunner().invoke(group, ["zones", "list"], prog_name="fastgw", env=env)
        assert result.exit_code == 1
        return result.stderr

    url = served["url"]
    assert "wants a token" in said(FASTGW_API=url)
    assert "cannot be read" in said(FASTGW_API=url, FASTGW_API_TOKEN_FILE=str(tmp_path / "none"))
    assert "Invalid API Token" in said(FASTGW_API=url, FASTGW_API_TOKEN="x" * 40)
    assert "without TLS" in said(FASTGW_API="http://example.com", FASTGW_API_TOKEN="x")
    assert "write https" in said(FASTGW_API="ftp://example.com", FASTGW_API_TOKEN="x")
    assert "does not answer" in said(FASTGW_API=f"unix:{tmp_path}/none", FASTGW_API_TOKEN="x")
    assert "no token has" in said(FASTGW_API=url, FASTGW_API_TOKEN="a\nb")
    (tmp_path / "token").write_text(served["all"] + "\n")
    done = CliRunner().invoke(
        group,
        ["zones", "list", "--api", url, "--api-token-file", str(tmp_path / "token")],
        prog_name="fastgw",
    )
    assert done.exit_code == 0, done.stderr
    assert "declared.test" in done.stdout
