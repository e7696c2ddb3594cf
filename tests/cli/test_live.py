"""Commands beside a gateway that runs: what they change is in force, what is refused changes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result

import fastgw
from fastgw.cli import group
from fastgw.cli.common import Where
from fastgw.cli.documents import change_zone
from fastgw.serve.control import ask
from tests.support.calls import eventually
from tests.support.certs import Authority, Leaf
from tests.support.grpc_echo import Echo, Origin, channel
from tests.support.served import Served

FILE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1
drain_timeout = "2s"

[[zone]]
name = "gw.test"
grpc = "on"
cert = {{ file = "{cert}", key = "{key}" }}
trust_store = "{ca}"
dns = [{{ name = "@", content = "127.0.0.1", proxied = true, origin_port = {port} }}]
"""


class Command:
    """`command("zones", "list")` asks the gateway at `control`."""

    def __init__(self, control: Path) -> None:
        self.control = control

    def __call__(self, *words: str, code: int = 0, **env: str) -> Result:
        environment = {"FASTGW_CONTROL": str(self.control), **env}
        result = CliRunner().invoke(group, words, prog_name="fastgw", env=environment)
        assert result.exit_code == code, f"{result.stdout}{result.stderr}{result.exception!r}"
        return result

    def json(self, *words: str) -> object:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path / "control.sock")


@pytest.fixture
def file(tmp_path: Path, ca: Authority, gateway_leaf: Leaf, origin: Origin) -> Path:
    path = tmp_path / "served.toml"
    path.write_text(
        FILE.format(cert=gateway_leaf.certificate, key=gateway_leaf.key, ca=ca.file, port=origin.port)
    )
    return path


@pytest.fixture
def serve(file: Path, command: Command, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*more: str, control: str | None = None) -> Served:
        place = str(command.control) if control is None else control
        one = Served(file, "--state-dir", str(tmp_path / "state"), "--control", place, *more)
        started.append(one)
        return one.__enter__()

    yield start
    for one in started:
        one.__exit__(None, None, None)


@pytest.fixture
def call(ca: Authority) -> Iterator[Callable[..., bytes]]:
    """`call(gateway, "gw.test")` makes one call on a new connection."""
    opened = []

    def make(gateway: Served, name: str, text: bytes = b"hello") -> bytes:
        one = channel(gateway.address, ca_pem=ca.pem, name=name)
        opened.append(one)
        return Echo(one).unary(text, timeout=10)

    yield make
    for one in opened:
        one.close()


def shop(ca: Authority, origin: Origin) -> dict[str, object]:
    leaf = ca.leaf("shop.test", "*.shop.test")
    return {
        "name": "shop.test",
        "grpc": "on",
        "cert": {"file": str(leaf.certificate), "key": str(leaf.key)},
        "dns": [{"name": "@", "content": "127.0.0.1", "proxied": True, "origin_port": origin.port}],
    }


def test_a_change_is_in_force_before_the_command_ends(serve, command, call, ca, origin, tmp_path):
    gateway = serve()
    leaf = ca.leaf("shop.test", "*.shop.test")
    with pytest.raises(grpc.RpcError):
        call(gateway, "shop.test")
    command("zones", "add", "shop.test", "grpc=on", "--cert", str(leaf.certificate), "--key", str(leaf.key))
    port = f"origin_port={origin.port}"
    result = command("records", "add", "shop.test", "@", "127.0.0.1", port)
    assert result.stdout == "shop.test is in force with revision 2\n"
    assert call(gateway, "shop.test") == b"hello"
    command("settings", "set", "shop.test", "grpc", "off")
    with pytest.raises(grpc.RpcError) as caught:
        call(gateway, "shop.test")
    assert "grpc_disabled" in dict(caught.value.trailing_metadata())["fastgw-error"]
    command("zones", "rollback", "shop.test")
    assert call(gateway, "shop.test") == b"hello"
    command("zones", "rm", "shop.test")
    assert [row["name"] for row in command.json("zones", "list")] == ["gw.test"]
    ops = [(row["op"], row["actor"]) for row in command.json("zones", "history", "shop.test")]
    assert [op for op, _ in ops] == ["delete", "rollback", "put", "put", "put"]
    assert all(actor for _, actor in ops)


def test_zones_outlive_the_gateway(serve, command, call, ca, origin):
    first = serve()
    assert ask(command.control, {"do": "zones.put", "document": shop(ca, origin)})["ok"]
    first.signal(signal.SIGTERM)
    assert first.end(20)[0] == 0
    assert not command.control.exists()
    assert call(serve(), "shop.test") == b"hello"


def test_who_writes_into_the_store_beside_the_gateway_is_heard(serve, command, call, ca, origin, tmp_path):
    gateway = serve()
    document = tmp_path / "shop.json"
    document.write_text(json.dumps(shop(ca, origin)))
    store = tmp_path / "state" / "fastgw.db"
    result = command("zones", "import", str(document), "--store", str(store))
    assert result.stdout == "1 zone is stored with revision 1\n"
    eventually(lambda: command.json("status")["zones"] == 2)
    assert call(gateway, "shop.test") == b"hello"


def test_what_is_refused_changes_nothing(serve, command, call):
    gateway = serve()
    wrong = command("zones", "add", "bad.test", "grcp=on", code=1)
    assert wrong.stderr == "bad.test: grcp: is not a known key\n  hint: did you mean 'grpc'?\n"
    for words, sentence in [
        (("zones", "set", "gw.test", "paused=true"), "the zone gw.test is declared in "),
        (("zones", "rm", "gone.test"), "there is no zone gone.test in the store"),
        (("zones", "get", "gone.test"), "there is no zone gone.test"),
        (("zones", "import", "gone.toml"), "gone.toml cannot be read: no such file"),
        (("records", "rm", "gw.test", "nope"), "gw.test has no record nope"),
        (("settings", "get", "gw.test", "grcp"), "did you mean 'grpc'?"),
        (("zones", "diff", "gw.test"), "the zone gw.test was never changed"),
    ]:
        assert sentence in command(*words, code=1).stderr
    assert command.json("zones", "history") == []
    assert call(gateway, "gw.test") == b"hello"


def test_a_reload_of_a_bad_file_says_why_and_calls_go_on(serve, command, call, file):
    gateway = serve()
    good = file.read_text()
    file.write_text(good.replace("grpc =", "gprc ="))
    result = command("reload", code=1)
    assert result.stdout == ""
    assert result.stderr.startswith(f"{file}:8: zone[0].gprc: is not a known key\n")
    assert call(gateway, "gw.test") == b"hello"
    status = command.json("status")
    assert (status["revision"], status["last_reload"]["ok"]) == (1, False)
    assert "gprc" in status["last_reload"]["error"]
    file.write_text(good + "\n# good again\n")
    assert command("reload").stdout == "configuration 2 is in force\n"
    assert command.json("status")["last_reload"]["ok"] is True


def test_a_file_that_goes_bad_keeps_the_stored_zones_too(serve, command, call, ca, origin, file):
    gateway = serve()
    assert ask(command.control, {"do": "zones.put", "document": shop(ca, origin)})["ok"]
    file.write_text("[[zone]\n")
    command("reload", code=1)
    assert call(gateway, "gw.test") == call(gateway, "shop.test") == b"hello"
    assert ask(command.control, {"do": "zones.put", "document": {**shop(ca, origin), "plan": "pro"}})["ok"]
    assert call(gateway, "gw.test") == b"hello", "a change of a zone does not read the file"


def test_status_of_a_gateway(serve, command, file):
    gateway = serve()
    text = command("status").stdout
    assert re.search(r"^state +serving for 0?\d*s, process \d+$", text, re.M)
    assert str(file) in text
    found = command.json("status")
    port = gateway.address[1]
    assert found["listeners"] == [f"https://127.0.0.1:{port}"]
    assert (found["state"], found["workers"], found["zones"]) == ("serving", 1, 1)
    (certificate,) = found["certificates"]
    assert certificate["zone"] == "gw.test"
    assert certificate["days"] > 0


def test_status_of_nothing(command):
    result = command("status", code=1)
    assert result.stdout == ""
    assert result.stderr.startswith(f"no gateway answers at {command.control}\n  hint: fastgw serve -c FILE")


def test_drain_lets_calls_end(serve, command, call):
    gateway = serve()
    assert "draining; 0 calls may take 2 s to end" in command("drain", "--wait").stdout
    assert gateway.end(5)[0] == 0
    assert not command.control.exists()


@pytest.mark.parametrize(
    "words", [("zones", "list"), ("reload",), ("drain",), ("settings", "list", "gw.test")]
)
def test_without_a_gateway_each_command_says_so(command, words):
    assert "no gateway answers at" in command(*words, code=1).stderr


def test_a_second_gateway_does_not_take_the_place_of_the_first(serve, command, file, tmp_path):
    serve()
    pid = command.json("status")["pid"]
    second = Served(file, "--control", str(command.control))
    with pytest.raises(AssertionError):
        second.__enter__()
    assert "another gateway answers at" in "\n".join(second.log)
    assert second.end(5)[0] == 3
    assert command.json("status")["pid"] == pid


def test_at_the_usual_place_the_second_goes_without(serve, command, file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("FASTGW_SERVE_CONTROL")
    with Served(file) as first, Served(file) as second:
        assert "without a control socket: another gateway answers" in second.logged("without a control")
        assert ask(tmp_path / "fastgw.sock", {"do": "status"})["listeners"] == [
            f"https://127.0.0.1:{first.address[1]}"
        ]
        result = CliRunner().invoke(group, ["status"], env={"FASTGW_CONTROL": None})
        assert result.exit_code == 0, result.stderr


def test_the_next_process_takes_the_socket_over(serve, command, call, file, tmp_path):
    pid_file = tmp_path / "pid"
    gateway = serve("--pid-file", str(pid_file))
    before = command.json("status")["pid"]
    assert pid_file.read_text() == f"{before}\n"
    gateway.signal(signal.SIGUSR2)
    heir = int(re.search(r"process (\d+) serves now", gateway.logged("serves now"))[1])
    try:
        assert command.json("status")["pid"] == heir
        assert pid_file.read_text() == f"{heir}\n"
        assert gateway.end(20)[0] == 0
        assert command.json("status")["pid"] == heir
        assert pid_file.read_text() == f"{heir}\n", "who goes leaves what is not his"
        command("zones", "add", "new.test", "grpc=on")
        assert call(gateway, "gw.test") == b"hello"
        command("drain", "--wait")
        eventually(lambda: not pid_file.exists() and not command.control.exists())
    finally:
        if Path(f"/proc/{heir}").exists():
            os.kill(heir, signal.SIGKILL)


def test_a_next_process_that_fails_leaves_the_socket(serve, command, file):
    gateway = serve()
    pid = command.json("status")["pid"]
    file.write_text("no = 1\n")
    gateway.signal(signal.SIGUSR2)
    gateway.logged("this one goes on")
    assert command.json("status")["pid"] == pid


def test_a_file_that_changes_is_read_again(serve, command, file):
    gateway = serve("--watch")
    file.write_text(file.read_text() + "# one more line\n")
    gateway.logged("configuration 2 is in force")
    file.write_text("[[zone]\n")
    gateway.logged("the new one is refused")
    assert command.json("status")["revision"] == 2


def test_the_access_log_is_opened_anew(serve, command, call, file, tmp_path):
    log = tmp_path / "access.log"
    file.write_text(f'[log]\naccess = "{log}"\n' + file.read_text())
    gateway = serve()
    call(gateway, "gw.test")
    eventually(lambda: log.exists() and len(log.read_text().splitlines()) == 1)
    log.rename(tmp_path / "old.log")
    gateway.signal(signal.SIGUSR1)
    eventually(log.exists)
    call(gateway, "gw.test")
    eventually(lambda: len(log.read_text().splitlines()) == 1)
    assert len((tmp_path / "old.log").read_text().splitlines()) == 1


def test_a_damaged_store_is_told_at_the_start_and_left_alone(file, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "fastgw.db").write_bytes(
        b"not a database, but long enough to look like a file of some kind" * 20
    )
    before = (folder / "fastgw.db").read_bytes()
    one = Served(file, "--state-dir", str(folder))
    with pytest.raises(AssertionError):
        one.__enter__()
    assert one.end(5)[0] == 3
    assert "is not a store of zones, nor any SQLite database" in "\n".join(one.log)
    assert (folder / "fastgw.db").read_bytes() == before


def test_a_store_that_breaks_while_it_is_used_stops_no_call(serve, command, call, ca, origin, tmp_path):
    gateway = serve()
    assert ask(command.control, {"do": "zones.put", "document": shop(ca, origin)})["ok"]
    path = tmp_path / "state" / "fastgw.db"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.execute("PRAGMA user_version = 9")
    other.close()
    path.write_bytes(b"\0" * path.stat().st_size)
    answer = ask(command.control, {"do": "zones.put", "document": {**shop(ca, origin), "plan": "pro"}})
    assert not answer["ok"]
    assert call(gateway, "gw.test") == call(gateway, "shop.test") == b"hello"
    assert command.json("status")["state"] == "serving"
    assert "the store" in command("reload", code=1).stderr
    assert call(gateway, "shop.test") == b"hello"


def test_readers_of_the_ready_line(file, command):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    environment = {**os.environ, "PYTHONPATH": str(Path(fastgw.__file__).parents[1])}
    words = ["serve", "-c", str(file), "--ready-fd", str(writer)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastgw", *words],
        stdout=subprocess.DEVNULL,
        pass_fds=[writer],
        env=environment,
    )
    os.close(writer)
    try:
        with open(reader) as lines:
            assert lines.readline().startswith("fastgw ready: https://127.0.0.1:")
            assert lines.read() == "", "and it is closed"
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_two_commands_at_once_do_not_undo_each_other(serve, command):
    serve()
    command("zones", "add", "new.test", "grpc=on")

    def add(number: int) -> int:
        def change(zone: dict) -> None:
            time.sleep(0.01)
            zone.setdefault("dns", []).append({"name": f"n{number}", "content": "10.0.0.1"})

        return change_zone(Where(command.control, None), "new.test", change)["revision"]

    with ThreadPoolExecutor(3) as pool:
        revisions = list(pool.map(add, range(3)))
    assert sorted(revisions) == [2, 3, 4]
    assert len(command.json("records", "list", "new.test")) == 3


def test_a_socket_nobody_answers_at(command):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(command.control))
    assert "no gateway answers" in command("status", code=1).stderr
