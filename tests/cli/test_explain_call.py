"""fastgw explain HOST PATH: its lines, its JSON, exit codes, and wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastgw.cli import group
from tests.support.certs import Authority

CONFIG = """\
[server]
listen = ["127.0.0.1:8443", "h2c://127.0.0.1:8080"]

[[zone]]
name = "example.com"
cert = { file = "gw.pem", key = "gw.key" }
settings = { grpc = "on", ssl = "strict" }
trust_store = "ca.pem"
dns = [
  { name = "grpc", content = "10.0.0.7", proxied = true, weight = 3 },
  { name = "grpc", content = "10.0.0.8", proxied = true, origin_protocol = "h2c", origin_port = 50051 },
  { name = "grpc", content = "spare.example.net", proxied = true, priority = 1 },
  { name = "*.wild", content = "10.0.0.9", proxied = true, origin_server_name = "o.test" },
  { name = "low.wild", content = "10.0.0.9" },
]
origin = { balance = "peak_ewma", calls = 500 }
retry = { on = ["unavailable"], attempts = 2 }

[[zone.route]]
match = [{ service = "shop.Cart", method = "Add" }]
timeout = "5s"
age = "1h"
retry = { on = ["aborted"], hedge_after = "200ms" }
"""


@pytest.fixture
def file(tmp_path: Path, ca: Authority) -> Path:
    leaf = ca.leaf("grpc.example.com", file="explained")
    (tmp_path / "gw.pem").write_bytes(leaf.certificate_pem)
    (tmp_path / "gw.key").write_bytes(leaf.key_pem)
    (tmp_path / "gw.key").chmod(0o600)
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    path = tmp_path / "fastgw.toml"
    path.write_text(CONFIG)
    return path


def run(*arguments: str, **more: dict[str, str]) -> Result:
    return CliRunner().invoke(group, ["explain", *arguments], prog_name="fastgw", **more)


def test_a_call_that_is_carried(file: Path) -> None:
    result = run("grpc.example.com", "/shop.Cart/Add", "-c", str(file), "-H", "grpc-timeout: 9S")
    assert (result.exit_code, result.stderr) == (0, "")
    roots = file.parent / "ca.pem"
    asked = f"TLS, verified against {roots}, asked for as grpc.example.com"
    assert result.stdout.splitlines() == [
        "accept  listeners: https://127.0.0.1:8443, h2c://127.0.0.1:8080",
        f"tls     certificate {file.parent / 'gw.pem'}, which names grpc.example.com; TLS 1.2 at least; ALPN h2 is needed",
        "head    at least 344 of 32768 octets in 7 of 256 fields",
        "name    grpc.example.com is found exactly in zone example.com: "
        "A 10.0.0.7, A 10.0.0.8, CNAME spare.example.net",
        "kind    a gRPC call: POST, content-type application/grpc",
        "grpc    setting grpc is on",
        "ssl     setting ssl is strict",
        f"origin  10.0.0.7:443 ({asked}; 3 of 4 calls, priority 0), "
        "10.0.0.8:50051 (cleartext; 1 of 4 calls, priority 0), "
        f"spare.example.net:443 ({asked}; all calls, priority 1); peak_ewma",
        "route   route 1 (service shop.Cart, method Add): deadline 5s, the route's timeout; a stream may be silent "
        "for 100s; it lives 1h at most; 3 attempts at most, also on aborted, a second endpoint is asked after 200ms",
        "limits  256 calls on a client's connection at once, 500 calls at the origin at once, "
        "10000 waiting for each endpoint",
        "the call goes to the origin",
    ]


@pytest.mark.parametrize(
    ("host", "line", "end"),
    [
        (
            "a.wild.example.com",
            "name    a.wild.example.com is found by the wildcard *.wild.example.com in zone example.com: A 10.0.0.9",
            "the call goes to the origin",
        ),
        (
            "low.wild.example.com",
            "name    low.wild.example.com is found exactly in zone example.com: A 10.0.0.9, DNS-only",
            "denied: zone_unknown, answered with grpc-status 12 UNIMPLEMENTED: "
            "the record of low.wild.example.com is DNS-only: set proxied = true to serve it here",
        ),
        (
            "x.low.wild.example.com",
            "name    no record; the record of low.wild.example.com stops every wildcard above x.low.wild.example.com",
            "denied: zone_unknown, answered with grpc-status 12 UNIMPLEMENTED: "
            "no zone serves the hostname x.low.wild.example.com",
        ),
        (
            "b\u00fccher.example",
            "name    no record and no wildcard for xn--bcher-kva.example",
            "denied: zone_unknown, answered with grpc-status 12 UNIMPLEMENTED: "
            "no zone serves the hostname xn--bcher-kva.example",
        ),
    ],
)
def test_why_this_record(host: str, line: str, end: str, file: Path) -> None:
    result = run(host, "/s/M", env={"FASTGW_EXPLAIN_CONFIG": str(file)})
    lines = result.stdout.splitlines()
    assert line in lines
    assert lines[-1] == end
    assert result.exit_code == (1 if end.startswith("denied") else 0)


def test_a_certificate_for_another_name(file: Path) -> None:
    text = run("a.wild.example.com", "/s/M", "-c", str(file)).stdout
    assert "that of zone example.com; it does not cover a.wild.example.com, so that clients refuse it" in text


def test_a_request_that_is_not_grpc(file: Path) -> None:
    result = run("grpc.example.com", "/", "-c", str(file), "--method", "GET", "-H", "accept: text/html")
    assert result.exit_code == 1
    assert "denied: http_disabled, answered with HTTP status 403: the request is not gRPC" in result.stdout


def test_json(file: Path) -> None:
    result = run("grpc.example.com:8443", "/shop.Cart/Add", "-c", str(file), "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["decision"], found["denial"], found["grpc"]) == ("forward", None, True)
    steps = {step["step"]: step for step in found["steps"]}
    assert list(steps) == [
        "accept",
        "tls",
        "head",
        "name",
        "kind",
        "grpc",
        "ssl",
        "origin",
        "route",
        "limits",
    ]
    assert steps["name"]["match"] == "exact"
    assert steps["name"]["record"] == "grpc.example.com"
    assert [row["weight"] for row in steps["origin"]["endpoints"]] == [3, 1, 1]
    assert (steps["route"]["route"], steps["route"]["deadline_ms"], steps["route"]["retry_on"]) == (
        1,
        5000,
        ["aborted"],
    )
    denied = json.loads(run("else.test", "/s/M", "-c", str(file), "--json").stdout)
    assert denied["decision"] == "deny"
    assert denied["denial"] == {
        "name": "zone_unknown",
        "http_status": 404,
        "grpc_status": 12,
        "grpc_status_name": "UNIMPLEMENTED",
        "message": "no zone serves the hostname else.test",
    }
    assert denied["steps"][-1]["denied"] == "zone_unknown"


def test_every_obstacle_is_named_and_the_first_is_the_answer(file: Path) -> None:
    text = CONFIG.replace('grpc = "on", ssl = "strict"', 'grpc = "off", ssl = "off"').replace(
        'trust_store = "ca.pem"', ""
    )
    file.write_text(text)
    found = json.loads(run("grpc.example.com", "/s/M", "-c", str(file), "--json").stdout)
    assert [step["denied"] for step in found["steps"] if step["denied"]] == [
        "grpc_disabled",
        "ssl_mode_insufficient",
    ]
    assert found["denial"]["name"] == "grpc_disabled"


def test_a_configuration_that_cannot_be_served(file: Path) -> None:
    file.write_text(CONFIG.replace("10.0.0.7", "10.0.0"))
    result = run("grpc.example.com", "/s/M", "-c", str(file))
    assert result.exit_code == 3
    assert "zone[0].dns[0].content" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["api.example.com"], "For a call, say its path too: HOST /package.Service/Method."),
        (["api.example.com", "s/M"], "PATH is 's/M'; it begins with a slash: /package.Service/Method."),
        (["api.example.com", "/s M"], "PATH is '/s M'"),
        (["00", "00"], "PATH is '00'"),
        (
            ["a.test", "/s/M", "-H", "Upper: 1"],
            "'Upper: 1' is not a field; write 'name: value', the name in lower case.",
        ),
        (["a.test", "/s/M", "-H", "novalue"], "'novalue' is not a field"),
        (["a.test", "/s/M", "--side", "origin"], "--side is about octets: HEX, FILE or -."),
        (["a.test", "/s/M", "--after-preface"], "--after-preface is about octets"),
        (["00", "--json"], "--json is about a call: HOST PATH."),
        (["00", "-H", "a: b"], "--header is about a call"),
        (["b\u00fc..x", "/s/M"], "HOST is 'b\u00fc..x', which has an empty label"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""
