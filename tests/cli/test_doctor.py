"""fastgw doctor: exit codes, text and JSON, environment, and what it says about wrong usage."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastgw.cli import group
from fastgw.doctor.lines import LINES
from tests.doctor.endpoints import grpcio, octets, silent
from tests.support.certs import Authority, Leaf


def run(*arguments: str, **more: dict[str, str]) -> Result:
    return CliRunner().invoke(group, ["doctor", *arguments], prog_name="fastgw", **more)


@pytest.fixture
def leaf(ca: Authority) -> Leaf:
    return ca.leaf("localhost", "127.0.0.1", file="doctor")


def test_all_is_well(ca: Authority, leaf: Leaf) -> None:
    with grpcio(leaf) as port:
        result = run(f"127.0.0.1:{port}", "--ca", str(ca.file), "--server-name", "localhost", "--pings", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", name] for name in LINES]
    assert lines[-1] == f"127.0.0.1:{port} is fit for gRPC"


def test_one_line_failed(leaf: Leaf) -> None:
    with grpcio(leaf) as port:
        result = run(f"127.0.0.1:{port}")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("failed"))
    assert lines[at].split()[:2] == ["failed", "chain"]
    assert lines[at + 1].startswith(" " * 19 + "hint: if that is an intermediate")
    assert lines[-1] == f"127.0.0.1:{port} is not fit for gRPC (1 failed)"


def test_a_warning_alone_is_no_failure() -> None:
    with grpcio(None, None) as port:
        result = run(f"localhost:{port}", "--plaintext")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"localhost:{port} is fit for gRPC (1 warning, 6 skipped)"


def test_json(ca: Authority, leaf: Leaf) -> None:
    with grpcio(leaf) as port:
        environment = {
            "FASTGW_DOCTOR_JSON": "1",
            "FASTGW_DOCTOR_CA": str(ca.file),
            "FASTGW_DOCTOR_PINGS": "0",
        }
        result = run(f"localhost:{port}", "--server-name", "else.test", env=environment)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert {name: found[name] for name in ("host", "port", "server_name", "good")} == {
        "host": "localhost",
        "port": port,
        "server_name": "else.test",
        "good": False,
    }
    assert [row["line"] for row in found["lines"]] == list(LINES)
    assert {row["line"]: row["verdict"] for row in found["lines"] if row["verdict"] != "ok"} == {
        "names": "failed",
        "ping": "skipped",
    }
    assert all(set(row) == {"line", "verdict", "seen", "hint"} for row in found["lines"])


def test_the_timeout_bounds_it() -> None:
    with octets(silent) as port:
        result = run(f"127.0.0.1:{port}", "--timeout", "0.2")
    assert "no TLS handshake within 0.2 s" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'HOST[:PORT]'"),
        (["https://a.test/"], "'https://a.test/' is a URL; write HOST or HOST:PORT."),
        (["a.test:port"], "'a.test:port' has the port 'port', which is not a number from 0 to 65535"),
        (["a.test:0"], "'a.test:0' has port 0, where nothing can listen."),
        (["a..test"], "HOST is 'a..test', which has an empty label"),
        (["a.test", "--server-name", "b c"], "--server-name is 'b c', which has the label 'b c'"),
        (["a.test", "--cert", "{ca}"], "--cert and --key go together."),
        (
            ["a.test", "--cert", "{ca}", "--key", "{ca}"],
            "--cert: the client certificate and its key cannot be used",
        ),
        (["a.test", "--ca", "{key}"], "--ca: {key} holds no PEM certificate."),
        (["a.test", "--ca", "nowhere.pem"], "File 'nowhere.pem' does not exist"),
        (["a.test", "--plaintext", "--ca", "{ca}"], "are about TLS, which --plaintext leaves out."),
        (["a.test", "--pings", "1000"], "is not in the range 0<=x<=100"),
        (["a.test", "--timeout", "0"], "is not in the range 0.1<=x<=600"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], sentence: str, ca: Authority, leaf: Leaf) -> None:
    words = {"{ca}": str(ca.file), "{key}": str(leaf.key)}

    def fill(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    result = run(*map(fill, arguments))
    assert result.exit_code == 2
    assert fill(sentence) in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("text", ["[::1]", "::1", "[::1]:443", "127.0.0.1"])
def test_addresses_may_be_asked(text: str) -> None:
    result = run(text, "--timeout", "0.2", "--json")
    assert json.loads(result.stdout)["host"] == text.replace("]:443", "").strip("[]")


def test_each_option_has_its_variable() -> None:
    text = run("--help").stdout
    for option in re.findall(r"^  (?:-\w, )?--([a-z-]+)", text, re.M):
        if option != "help":
            assert f"FASTGW_DOCTOR_{option.replace('-', '_').upper()}" in text


def test_the_page_has_every_line() -> None:
    page = (Path(__file__).parents[2] / "docs/doctor.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == list(LINES)
