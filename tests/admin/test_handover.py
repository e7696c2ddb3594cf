"""With [admin]: a reload and the next process refuse no request and lose no count; kill -9 costs seconds."""

from __future__ import annotations

import json
import os
import re
import signal
import threading

import httpx
import pytest
from click.testing import CliRunner

from fastgw.cli import group
from fastgw.serve.usage import PERIOD
from fastgw.store import tokens
from fastgw.store.zones import Zones
from tests.support.calls import eventually, record
from tests.support.dynasty import Dynasty
from tests.support.grpc_echo import Echo, channel
from tests.support.served import Served

FILE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1
drain_timeout = "5s"

[store]
kind = "sqlite"

[admin]
listen = "127.0.0.1:0"
socket = "admin.sock"

[[zone]]
name = "gw.test"
cert = {{ file = "{cert}", key = "{key}" }}
settings = {{ grpc = "on", ssl = "strict" }}
trust_store = "{ca}"
dns = [{dns}]
"""


@pytest.fixture
def file(tmp_path, ca, origin):
    leaf = ca.leaf("gw.test")
    path = tmp_path / "served.toml"
    dns = record("@", origin.port)
    path.write_text(FILE.format(cert=leaf.certificate, key=leaf.key, ca=ca.file, dns=dns))
    return path


@pytest.fixture
def token(tmp_path):
    zones = Zones(None, None, tmp_path / "fastgw.db")
    zones.load()
    policy = tokens.Policy(tokens.judged_scopes(["*"]))
    made = tokens.create(zones, tokens.Token("", "t", "", (policy,)), "tests")[1]
    zones.close()
    return made


def root_of(gateway: Served) -> str:
    found = re.search(r"admin API at (http://[^/]+)", gateway.logged("admin API at http"))
    assert found is not None
    return found[1]


class Askers:
    """Ask the API all the time, each time on a new connection."""

    def __init__(self, *clients) -> None:
        self._over = threading.Event()
        self.good, self.failures = [0] * len(clients), []
        self._threads = [
            threading.Thread(target=self._ask, args=(number, client)) for number, client in enumerate(clients)
        ]
        for one in self._threads:
            one.start()

    def _ask(self, number, client) -> None:
        while not self._over.is_set():
            try:
                with client() as asked:
                    answer = asked.get("/fastgw/v1/revision")
                assert answer.status_code == 200, answer.text
                self.good[number] += 1
            except Exception as error:
                self.failures.append(repr(error))

    def end(self) -> None:
        self._over.set()
        for one in self._threads:
            one.join()


def call(address, ca, times: int) -> None:
    with channel(address, ca_pem=ca.pem, name="gw.test") as opened:
        for _ in range(times):
            Echo(opened).unary(b"hello", timeout=5)


def calls(client) -> int:
    rows = client.get("/fastgw/v1/usage").json()["result"]
    return sum(row["calls"] for row in rows if row["product"] == "traffic")


def test_the_next_process_answers_without_a_gap(file, token, ca, tmp_path):
    with Dynasty(file, "--control", "none") as gateway:
        root, headers = root_of(gateway), {"authorization": f"Bearer {token}"}

        def by_port() -> httpx.Client:
            return httpx.Client(base_url=root, headers=headers, timeout=10)

        def by_socket() -> httpx.Client:
            transport = httpx.HTTPTransport(uds=str(tmp_path / "admin.sock"))
            return httpx.Client(base_url=root, headers=headers, timeout=10, transport=transport)

        call(gateway.address, ca, 3)
        with by_port() as client:
            eventually(lambda: calls(client) == 3)
        askers = Askers(by_port, by_port, by_socket)
        try:
            for _ in range(2):
                before = gateway.replace()
                eventually(lambda before=before: not running(before), 15)
                call(gateway.address, ca, 2)
                os.kill(gateway.pid, signal.SIGHUP)
            with by_port() as client:
                eventually(lambda: calls(client) == 7)
        finally:
            askers.end()
        assert askers.failures == []
        assert min(askers.good) > 3
        assert (tmp_path / "admin.sock").is_socket()


def running(pid: int) -> bool:
    try:
        return " Z " not in open(f"/proc/{pid}/stat").read()
    except FileNotFoundError:
        return False


def stored(store) -> list[int]:
    words = ["usage", "--store", str(store), "--product", "traffic", "--json"]
    rows = json.loads(CliRunner().invoke(group, words, prog_name="fastgw").stdout)
    return [row["calls"] for row in rows]


def test_usage_survives_a_kill_and_a_restart(file, token, ca):
    headers = {"authorization": f"Bearer {token}"}
    with Served(file, "--control", "none") as gateway:
        call(gateway.address, ca, 4)
        with httpx.Client(base_url=root_of(gateway), headers=headers) as client:
            eventually(lambda: calls(client) == 4)  # who asks has it written
        call(gateway.address, ca, 3)
        store = file.parent / "fastgw.db"
        eventually(lambda: stored(store) == [7], PERIOD + 5)
        gateway.signal(signal.SIGKILL)
    assert stored(store) == [7]
    with Served(file, "--control", "none") as gateway:
        call(gateway.address, ca, 1)
        gateway.signal(signal.SIGTERM)
        assert gateway.end(15)[0] == 0
    assert stored(store) == [8], "the end of a process writes what it knows"
