"""fastgw demo, with an echo origin in the gateway's place: what it prints and how it fails."""

import socket
import sys
import tomllib
import types
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fastgw.cli.demo as room
from fastgw.errors import StartupError
from fastgw.probe.echo import EchoOrigin


class StandIn:
    """Has of Gateway what the demo uses; answers the calls itself."""

    reaches_origin = True

    def __init__(self, config: Path) -> None:
        self.config = tomllib.loads(config.read_text())
        cert = self.config["zone"][0]["cert"]
        self._echo = EchoOrigin(certificate=(cert["file"], cert["key"]))

    def __enter__(self) -> "StandIn":
        self._echo.__enter__()
        if self.reaches_origin:
            origin = self.config["zone"][0]["dns"][0]
            socket.create_connection((origin["content"], origin["origin_port"]), 5).close()
        host, port = self._echo.address
        self.addresses = [f"{host}:{port}"]
        return self

    def __exit__(self, *error: object) -> None:
        self._echo.__exit__(None, None, None)


class Lonely(StandIn):
    reaches_origin = False


class Refusing(StandIn):
    def __enter__(self) -> "StandIn":
        raise StartupError("127.0.0.1:0 is taken")


def _run(monkeypatch: pytest.MonkeyPatch, gateway: type) -> Result:
    module = types.ModuleType("fastgw.gateway")
    module.Gateway = gateway  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastgw.gateway", module)
    return CliRunner().invoke(room.demo)


def test_four_calls_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(monkeypatch, StandIn)
    assert result.exit_code == 0, result.output
    for kind in ("unary", "client streaming", "server streaming", "bidirectional"):
        assert f"\n{kind} " in result.output
    assert result.output.count("OK, head after") == 4
    assert '"red", "green", "blue"' in result.output


def test_a_failure_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(monkeypatch, Refusing)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "fastgw demo: 127.0.0.1:0 is taken"


def test_calls_that_miss_the_origin_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(monkeypatch, Lonely)
    assert result.exit_code == 1
    assert "not by the origin" in result.output


def test_a_wrong_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (room._Step("Unary", "unary", (b"hello",), (b"goodbye",)),)
    monkeypatch.setattr(room, "_STEPS", steps)
    result = _run(monkeypatch, StandIn)
    assert result.exit_code == 1
    assert 'brought "hello", not "goodbye"' in result.output
