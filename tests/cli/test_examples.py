"""Every example that a `--help` shows is run for real: beside a gateway that serves, in a prepared folder.

An example is an indented line `fastgw …` of the help. What it may need is prepared for it by `Place`; one
that is meant to end otherwise than with 0 is listed in CODES, with the reason.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import click
import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import fastgw
from fastgw.cli import group
from fastgw.serve.control import ask
from tests.support.certs import Authority
from tests.support.served import PATIENCE, Served

Words = tuple[str, ...]

# Exit codes other than 0, which belong to the example.
CODES = {
    # Shows what a refusal looks like: the increment is 0.
    'fastgw explain --after-preface "00 00 04 08 00 00 00 00 00 00 00 00 00"': 1,
    # Shows how a mistake is drawn: there is no field http.hots.
    "fastgw rules check 'http.hots eq \"api.example.com\"'": 1,
}

# These start a gateway of their own, and end when they are told to.
SERVING = ("fastgw serve",)
# These end the gateway they talk to, so they get one for themselves.
ENDING = ("fastgw drain",)
# These want a folder with nothing in it.
EMPTY = ("fastgw init",)

# Paths that examples name as people have them, and what stands for them here.
PATHS = {"/etc/fastgw/": "{folder}/", "/var/lib/fastgw": "{folder}/state"}

# Endpoints that examples look at, and what stands for them here.
ENDPOINTS = {
    "fastgw doctor grpc.example.com": (
        "fastgw doctor 127.0.0.1:{tls} --server-name grpc.example.com --ca ca.pem"
    ),
    "127.0.0.1:8443": "127.0.0.1:{tls}",
    "localhost:50051": "localhost:{clear}",
}

FILE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1

[[zone]]
name = "example.com"
grpc = "on"
cert = { file = "example.com.pem", key = "example.com.key" }
dns = [{ name = "grpc", content = "10.0.0.7", proxied = true }]
"""
SHOP = {
    "name": "shop.example",
    "grpc": "on",
    "paused": False,
    "cert": {"file": "example.pem", "key": "example.key"},
    "dns": [
        {"name": "grpc", "content": "10.0.0.9", "proxied": True, "weight": 2},
        {"name": "spare", "content": "10.0.0.8"},
        {"name": "spare2", "content": "10.0.0.8"},
    ],
    "rule": [{"expression": 'grpc.service eq "shop.Admin" and not ip.src in $office', "action": "block"}],
    "lists": {"office": ["10.0.0.0/8"]},
    "access": {"service_tokens": [{"id": "5a1e.access", "name": "billing", "secret_sha256": "ab" * 32}]},
}
OLD = {"name": "old.example", "grpc": "on"}


def commands(command: click.Command, words: Words = ("fastgw",)) -> Iterator[tuple[Words, click.Command]]:
    """Every command there is, groups too."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=words[-1])
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))


def examples(command: click.Command) -> list[str]:
    """The lines of the help that can be typed; what stands behind two blanks is a comment."""
    lines = [line.strip() for line in (command.help or "").splitlines()]
    return [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("fastgw ")]


COMMANDS = list(commands(group))
EXAMPLES = list(dict.fromkeys(line for _, command in COMMANDS for line in examples(command)))


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_each_command_has_an_example_and_says_what_it_does(words: Words, command: click.Command) -> None:
    own = [line for line in examples(command) if line.startswith(" ".join(words))]
    assert own, f"{' '.join(words)} --help shows no example"
    assert (command.help or "").strip().partition("\n")[0].endswith((".", ";"))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(words)} {parameter.opts[-1]} has no help"


class Place:
    """A folder with a gateway that serves from it, and what examples need."""

    def __init__(self, folder: Path, ca: Authority) -> None:
        self.folder = folder
        self.control = folder / "control.sock"
        folder.mkdir()
        for stem, name in (("example.com", "example.com"), ("example", "shop.example")):
            leaf = ca.leaf(name, f"*.{name}", "tls.example")
            shutil.copyfile(leaf.certificate, folder / f"{stem}.pem")
            shutil.copyfile(leaf.key, folder / f"{stem}.key")
            (folder / f"{stem}.key").chmod(0o600)
        shutil.copyfile(ca.file, folder / "ca.pem")
        shutil.copyfile(folder / "example.key", folder / "identity.key")
        (folder / "fastgw.toml").write_text(FILE)
        (folder / "recorded.bin").write_bytes(bytes.fromhex("000000040000000000"))
        (folder / "zone.json").write_text(json.dumps(SHOP))
        (folder / "zones.json").write_text(json.dumps({"zone": [SHOP, OLD]}))
        (folder / "zones.toml").write_text('[[zone]]\nname = "new.example"\ngrpc = "on"\n')
        self.admin = folder / "admin.sock"
        served = folder / "served"
        served.write_text(f'{FILE}\n[admin]\nlisten = "127.0.0.1:0"\nsocket = "{self.admin}"\n')
        self._served = Served(served, "--state-dir", str(folder / "kept"), *self._where)

    @property
    def _where(self) -> tuple[str, str]:
        return "--control", str(self.control)

    def __enter__(self) -> Place:
        self._served.__enter__()
        self.begin_anew()
        return self

    def __exit__(self, *failure: object) -> None:
        self._served.__exit__(None, None, None)

    def begin_anew(self) -> None:
        """What examples talk about: shop.example, which was changed twice, old.example, and the token ci."""
        for token in ask(self.control, {"do": "tokens.list"})["tokens"]:
            self._must({"do": "tokens.delete", "token": token["id"]})
        self._must({"do": "tokens.create", "name": "ci", "scopes": ["dns:write"]})
        for row in ask(self.control, {"do": "zones.list"})["zones"]:
            if row["source"] == "store" and row["name"] not in (SHOP["name"], OLD["name"]):
                self._must({"do": "zones.delete", "zone": row["name"]})
        shop = {**SHOP, "cert": {key: str(self.folder / name) for key, name in SHOP["cert"].items()}}  # type: ignore[attr-defined]
        for document in ({**shop, "plan": "pro"}, shop, OLD):
            self._must({"do": "zones.put", "document": document})
        made = self._must({"do": "tokens.create", "name": "top", "scopes": ["gateway:read"]})
        (self.folder / "token").write_text(made["token"]["value"])

    def _must(self, request: dict[str, object]) -> dict[str, Any]:
        answer = ask(self.control, request)
        assert answer["ok"], answer
        return answer

    def copy(self, to: Path) -> None:
        """The files, for one example to do with as it likes."""
        for path in self.folder.iterdir():
            if path.name == "token" or path.suffix in (".toml", ".json", ".pem", ".key", ".bin"):
                shutil.copy(path, to)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Place]:
    with Place(tmp_path_factory.mktemp("examples") / "gateway", ca) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the example is typed."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("FASTGW_SERVE_LISTEN", "127.0.0.1:0")
    return here


@pytest.fixture(scope="module")
def endpoints(ca: Authority) -> Iterator[dict[str, int]]:
    """Ports of a gRPC server that is as it should be, with TLS and without."""
    server = grpc.server(futures.ThreadPoolExecutor(2), options=(("grpc.so_reuseport", 0),))
    states = health.HealthServicer()
    states.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    leaf = ca.leaf("grpc.example.com", "localhost")
    pair = (leaf.key_pem, leaf.certificate_pem)
    ports = {
        "tls": server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials((pair,))),
        "clear": server.add_insecure_port("localhost:0"),
    }
    server.start()
    yield ports
    server.stop(None).wait(5)


@pytest.mark.parametrize("line", EXAMPLES)
def test_example(
    line: str,
    place: Place,
    folder: Path,
    ca: Authority,
    endpoints: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for known, here in ENDPOINTS.items():
        line = line.replace(known, here.format(**endpoints))
    place.begin_anew()
    if not line.startswith(EMPTY):
        place.copy(folder)
    for known, here in PATHS.items():
        line = line.replace(known, here.format(folder=folder))
    if line.startswith(SERVING):
        _serve(line, folder)
        return
    if line.startswith(ENDING):
        with Place(tmp_path / "ending", ca) as own:
            monkeypatch.setenv("FASTGW_CONTROL", str(own.control))
            _run(line)
        return
    monkeypatch.setenv("FASTGW_CONTROL", str(place.control))
    if line.startswith("fastgw top"):
        monkeypatch.setenv("FASTGW_API", f"unix:{place.admin}")
    _run(line)


def _run(line: str) -> None:
    """In this process, unless a shell is needed."""
    expected = CODES.get(line, 0)
    if re.search(r"[<>|&;$]", line):
        done = subprocess.run(
            ["sh", "-c", f'fastgw() {{ "{sys.executable}" -m fastgw "$@"; }}; {line}'],
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        assert (done.returncode, done.stdout) == (expected, ""), done.stderr
        written = Path(line.rpartition(">")[2].strip())
        assert written.read_text().strip(), "the file is not empty"
        return
    arguments = shlex.split(line)[1:]
    result = CliRunner().invoke(group, arguments, prog_name="fastgw")
    assert result.exit_code == expected, f"{result.stdout}{result.stderr}{result.exception!r}"
    assert result.stdout or arguments[:2] == ["zones", "history"], "it says something"
    if {"--json", "json"} & set(arguments):
        json.loads(result.stdout)


def _serve(line: str, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", *line.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=_environment(),
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert ready.startswith("fastgw ready: "), said
    assert process.returncode == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(fastgw.__file__).parents[1])}
