"""fastgw check, fastgw version and the group: output and exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastgw import __version__
from fastgw.cli import group
from fastgw.config.checks import RULES
from fastgw.probe.echo import EchoOrigin

GOOD = """\
[server]
listen = ["h2c://127.0.0.1:0"]
[[zone]]
name = "gw.test"
grpc = "on"
dns = [{ name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c", origin_port = 50051 }]
"""


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(group, arguments, prog_name="fastgw", env=env)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "fastgw.toml"
    path.write_text(GOOD)
    return path


def test_a_good_file(good):
    result = run("check", str(good))
    assert (result.exit_code, result.stdout) == (0, f"{good}: good, 1 zone, 1 proxied record\n")
    assert result.stderr == ""


def test_warnings_are_printed_and_do_not_count(good):
    good.write_text(GOOD.replace('grpc = "on"\n', ""))
    result = run("check", str(good))
    assert result.exit_code == 0
    assert f"{good}:3: warning: zone[0]: has grpc and http off" in result.stderr


def test_errors_go_to_stderr_with_exit_code_1(good):
    good.write_text(GOOD.replace("origin_port", "origin_prt").replace("[server]", "[server]\nworkers = 0"))
    result = run("check", str(good))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{good}:2: server.workers: is 0; there must be 1 to 256 workers" in result.stderr
    assert (
        f"{good}:7: zone[0].dns[0].origin_prt: is not a known key\n  hint: did you mean 'origin_port'?"
        in result.stderr
    )
    assert result.stderr.endswith(f"{good}: 2 errors\n")


def test_json(good):
    good.write_text(GOOD.replace("origin_port", "origin_prt"))
    result = run("check", str(good), "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert not found["good"]
    assert found["problems"][0]["line"] == 6
    assert found["problems"][0]["field"] == "zone[0].dns[0].origin_prt"


def test_a_flag_from_the_environment(good):
    assert json.loads(run("check", str(good), env={"FASTGW_CHECK_FORMAT": "json"}).stdout)["good"]


def test_no_such_file(tmp_path):
    result = run("check", str(tmp_path / "gone.toml"))
    assert result.exit_code == 1
    assert "gone.toml: the file does not exist" in result.stderr


def test_version():
    assert run("version").stdout.startswith(f"fastgw {__version__} (")
    assert json.loads(run("version", "--json").stdout)["fastgw"] == __version__


def test_help_names_the_commands():
    result = run("--help")
    assert result.exit_code == 0
    for name in ("serve", "check", "version"):
        assert f"\n  {name} " in result.stdout
        assert run(name, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serv"], "Did you mean 'serve'?"),
        (["serve"], "either -c FILE or --to HOST:PORT"),
        (["serve", "-c", "a.toml", "--to", "127.0.0.1:1"], "either -c FILE or --to HOST:PORT"),
        (["serve", "--to", "127.0.0.1"], "'127.0.0.1' has no port; write HOST:PORT"),
        (["serve", "--to", "http://127.0.0.1:1"], "write h2c:// for cleartext, https:// for TLS"),
        (["serve", "--to", "127.0.0.1:0"], "port 0, where no origin can be"),
        (["serve", "--to", "127.0.0.1:1", "--listen", "x"], "'x' has no port"),
        (["serve", "--to", "127.0.0.1:1", "--workers", "0"], "write a number from 1 to 256"),
        (["serve", "--to", "127.0.0.1:1", "--h2c", "--listen", "127.0.0.1:0"], "contradict each other"),
        (["serve", "-c", "a.toml", "--h2c"], "go with --to"),
        (["check", "--format", "yaml"], "'yaml' is not one of 'text', 'json'"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_serve_with_a_bad_file_is_exit_code_1(good):
    good.write_text(GOOD.replace("origin_port", "origin_prt"))
    result = run("serve", "-c", str(good))
    assert result.exit_code == 1
    assert "is not a known key" in result.stderr


def test_notes_never_count_and_warnings_do_if_asked(good):
    assert run("check", str(good), "--strict").exit_code == 0
    good.write_text(GOOD + 'plan = "pro"\n')
    assert run("check", str(good), "--strict").exit_code == 0
    assert "note: zone[0].dns[0].origin_port" in run("check", str(good)).stderr
    good.write_text(GOOD.replace('grpc = "on"\n', ""))
    assert run("check", str(good)).exit_code == 0
    result = run("check", str(good), "--strict", "--quiet")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"{good}: 1 warning, which --strict counts\n")
    assert "note:" not in result.stderr


def test_several_files(good, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text(GOOD.replace("origin_port", "origin_prt"))
    result = run("check", str(good), str(bad))
    assert result.exit_code == 1
    assert result.stdout == f"{good}: good, 1 zone, 1 proxied record\n"
    assert result.stderr.endswith(f"{bad}: 1 error\n")


def test_standard_input():
    text = GOOD.replace("origin_port", "origin_prt")
    result = CliRunner().invoke(group, ["check", "-"], input=text, prog_name="fastgw")
    assert result.exit_code == 1
    assert "<stdin>:6: zone[0].dns[0].origin_prt: is not a known key" in result.stderr


def test_sarif(good):
    good.write_text(GOOD.replace("origin_port", "origin_prt"))
    result = run("check", str(good), "--format", "sarif")
    assert result.exit_code == 1
    log = json.loads(result.stdout)
    assert log["version"] == "2.1.0"
    (first, *_) = log["runs"][0]["results"]
    assert first["ruleId"] == "invalid"
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 6


def test_the_rules_are_listed():
    assert len(run("check", "--rules").stdout.splitlines()) == len(RULES)
    assert [row["id"] for row in json.loads(run("check", "--rules", "--json").stdout)] == list(RULES)


def test_probe_says_which_origin_fails(good):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        good.write_text(GOOD.replace("50051", str(port)))
        result = run("check", str(good), "--probe", "--probe-timeout", "2")
    assert result.exit_code == 1
    wanted = (
        f"{good}:6: zone[0].dns[0].content: leads to an origin of gw.test that fails: 127.0.0.1:{port} does"
    )
    assert wanted in result.stderr


def test_probe_is_content_with_an_origin_that_answers(good):
    with EchoOrigin() as origin:
        good.write_text(GOOD.replace("50051", str(origin.address[1])))
        result = run("check", str(good), "--probe")
    assert (result.exit_code, result.stdout) == (0, f"{good}: good, 1 zone, 1 proxied record\n")


def test_the_schema():
    found = json.loads(run("schema").stdout)
    assert found["title"] == "fastgw.toml"
    assert "zone" in found["properties"]
    assert json.loads(run("schema", "--compact").stdout) == found


def test_init_writes_what_is_good_and_never_overwrites(tmp_path):
    place = tmp_path / "new" / "gateway"
    result = run("init", str(place))
    assert (result.exit_code, result.stdout) == (0, f"{place / 'fastgw.toml'}\n")
    assert f"must trust {place / 'ca.pem'}" in result.stderr
    checked = run("check", str(place / "fastgw.toml"), "--strict")
    assert checked.exit_code == 0, checked.stderr
    assert json.loads((place / "fastgw.schema.json").read_text())["properties"]
    before = {path: path.read_bytes() for path in place.iterdir()}
    again = run("init", str(place))
    assert again.exit_code == 3
    assert "fastgw.toml is already there, and nothing is overwritten" in again.stderr
    assert {path: path.read_bytes() for path in place.iterdir()} == before


@pytest.mark.parametrize("name", ["fastgw.toml", "ca.pem", "ca.key", "localhost.pem", "localhost.key"])
def test_init_touches_nothing_if_one_file_is_there(name, tmp_path):
    (tmp_path / name).write_text("mine")
    assert run("init", str(tmp_path)).exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
