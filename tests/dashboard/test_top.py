"""fastgw top: the figures of the dashboard in a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from fastgw.cli import group
from fastgw.cli.top import view
from tests.dashboard.scenes import ask, caller


def run(api, *words: str, token: str | None = None):
    env = {"FASTGW_API": api.root, "FASTGW_API_TOKEN": api.token if token is None else token}
    return CliRunner().invoke(group, ["top", *words], env=env)


@pytest.fixture
def busy(api):
    """Calls all the time."""
    api.zone("shop.test")
    ended = threading.Event()

    def load() -> None:
        with caller(api, "shop.test") as opened:
            while not ended.wait(0.005):
                ask(opened, "/fastgw.test.Echo/Unary")

    thread = threading.Thread(target=load)
    thread.start()
    yield api
    ended.set()
    thread.join()


def test_one_second_is_printed_where_there_is_no_terminal(busy):
    run(busy, "--json")  # the first row may be of before
    done = run(busy)
    assert done.exit_code == 0, done.output
    assert "/fastgw.test.Echo/Unary" in done.output
    assert "shop.test" in done.output
    assert "OK" in done.output
    assert "\x1b" not in done.output


def test_json_has_the_same(busy):
    done = run(busy, "--once", "--json")
    assert json.loads(done.output)["calls"] > 10


def test_q_ends_it(busy):
    mine, theirs = pty.openpty()
    env = {**os.environ, "FASTGW_API": busy.root, "FASTGW_API_TOKEN": busy.token, "TERM": "xterm"}
    started = subprocess.Popen(
        [sys.executable, "-m", "fastgw", "top"], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 20
    while b"Unary" not in seen and time.monotonic() < deadline:
        seen += os.read(mine, 65536)
    os.write(mine, b"q")
    try:
        assert started.wait(10) == 0
    finally:
        started.kill()
        os.close(mine)
    assert b"calls/s" in seen


@pytest.mark.parametrize(
    ("words", "token", "said"),
    [
        ((), "", "wants a token"),
        ((), "x" * 40, "Invalid API Token"),
        (("--api", "http://gateway.example.com:1"), None, "without TLS"),
        (("--api", "ftp://127.0.0.1"), None, "write https://"),
        (("--api", "unix:/nowhere/at/all"), None, "does not answer"),
        (("--api-token-file", "/nowhere/at/all"), "", "cannot be read"),
    ],
)
def test_why_it_does_not_work(api, words, token, said):
    if "cannot be read" in said:
        done = CliRunner().invoke(group, ["top", *words], env={"FASTGW_API": api.root})
    else:
        done = run(api, *words, token=token)
    assert done.exit_code == 1
    assert said in done.output


def test_texts_of_clients_are_no_markup():
    from rich.console import Console

    row = {
        **dict.fromkeys(("calls", "denied", "failed", "running", "streams", "connections"), 0.0),
        "latency": {"p50": None, "p90": 0.5, "p99": 12.0},
        "methods": [{"path": "/[red]x[/red]/y", "zone": "a", "calls": 1}],
        "statuses": {},
        "causes": {"[bold]": 1},
        "workers": [],
    }
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(view(row))
    text = console.export_text()
    assert "/[red]x[/red]/y" in text
    assert "500 us" in text
