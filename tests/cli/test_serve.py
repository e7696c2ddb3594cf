"""fastgw serve as a process: the ready line, signals, exit codes."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest

import fastgw

PATIENCE = 30.0  # seconds a process may take to say something, or to end

GOOD = """\
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 2
drain_timeout = "1s"
[[zone]]
name = "gw.test"
grpc = "on"
dns = [{ name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c", origin_port = 50051 }]
"""
Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `fastgw serve` with arguments; it does not outlive the test."""
    started: list[subprocess.Popen[str]] = []
    home = Path(fastgw.__file__).parents[1]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONPATH": str(home)}

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fastgw", "serve", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def line(process: subprocess.Popen[str], stream: str = "stdout") -> str:
    """The next line of a stream, waited for at most PATIENCE."""
    descriptor = getattr(process, stream).fileno()
    text = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not text.endswith(b"\n"):
            if not selector.select(PATIENCE):
                raise TimeoutError(stream)
            octet = os.read(descriptor, 1)  # one by one: what follows is for the next reader
            if not octet:
                break
            text += octet
    return text.decode().rstrip("\n")


def port_of(ready: str) -> int:
    found = re.search(r"127\.0\.0\.1:(\d+)", ready)
    assert found is not None, ready
    return int(found[1])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fastgw.toml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_from_ready_to_drained(serve, file, number):
    process = serve("-c", str(file))
    ready = line(process)
    port = port_of(ready)
    assert ready == f"fastgw ready: h2c://127.0.0.1:{port} workers=2 zones=1"
    socket.create_connection(("127.0.0.1", port), 1).close()
    process.send_signal(number)
    rest, logged = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert rest == "", "nothing but the ready line goes to standard output"
    assert f"{number.name}: draining" in logged
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_hangup_reads_the_file_again_and_keeps_the_old_one_if_it_is_bad(serve, file):
    process = serve("-c", str(file))
    port = port_of(line(process))
    file.write_text(GOOD.replace("gw.test", "other.test"))
    process.send_signal(signal.SIGHUP)
    assert line(process, "stderr") == "fastgw: configuration 2 is in force"
    file.write_text(GOOD.replace("grpc =", "gprc ="))
    process.send_signal(signal.SIGHUP)
    assert line(process, "stderr") == "fastgw: the configuration in force is kept, the new one is refused:"
    assert line(process, "stderr") == f"{file}:7: zone[0].gprc: is not a known key"
    socket.create_connection(("127.0.0.1", port), 1).close()
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_a_taken_port_is_exit_code_3(serve, file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = serve("-c", str(file), "--listen", f"h2c://127.0.0.1:{port}")
        out, logged = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (3, "")
    assert (
        logged == f"fastgw: cannot listen at h2c://127.0.0.1:{port}: the port is taken by another process\n"
    )


def test_without_a_file(serve, tmp_path):
    process = serve("--to", "127.0.0.1:50051", "--listen", "127.0.0.1:0", "--listen", "h2c://127.0.0.1:0")
    ready = line(process)
    assert re.fullmatch(
        r"fastgw ready: https://127\.0\.0\.1:\d+ h2c://127\.0\.0\.1:\d+ workers=1 zones=1", ready
    )
    process.terminate()
    _, logged = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    authority = tmp_path / "data" / "fastgw" / "ca.pem"
    assert authority.is_file()
    assert f"clients must trust {authority}" in logged
    assert f"grpcurl -cacert {authority} localhost:{port_of(ready)} list" in logged
    assert "for a cleartext origin: --to h2c://127.0.0.1:50051" in logged


def test_without_a_file_and_without_tls_there_is_no_authority(serve, tmp_path):
    process = serve("--to", "h2c://localhost:50051", "--listen", "h2c://127.0.0.1:0")
    line(process)
    process.terminate()
    _, logged = process.communicate(timeout=PATIENCE)
    assert "grpcurl -plaintext" in logged
    assert not (tmp_path / "data").exists()


def test_a_worker_that_will_not_end_is_cut_by_a_second_signal(serve, file):
    file.write_text(GOOD.replace('"1s"', '"1h"'))
    process = serve("-c", str(file))
    port = port_of(line(process))
    with socket.create_connection(("127.0.0.1", port), 1):
        process.terminate()
        line(process, "stderr")
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


class Echo(grpc.GenericRpcHandler):
    """Answers every call with its own message."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda message, _: message)


def test_a_client_that_trusts_the_authority_gets_through_by_every_name(serve, tmp_path):
    origin = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Echo()])
    port = origin.add_insecure_port("127.0.0.1:0")
    origin.start()
    log = tmp_path / "access.log"
    process = serve("--to", f"h2c://localhost:{port}", "--listen", "127.0.0.1:0", "--access-log", str(log))
    here = port_of(line(process))
    trust = grpc.ssl_channel_credentials((tmp_path / "data" / "fastgw" / "ca.pem").read_bytes())
    for host in ("localhost", "127.0.0.1"):
        with grpc.secure_channel(f"{host}:{here}", trust) as channel:
            assert channel.unary_unary("/demo.Echo/Say")(b"hello", timeout=5) == b"hello"
    process.terminate()
    process.communicate(timeout=PATIENCE)
    origin.stop(0)
    rows = [json.loads(row) for row in log.read_text().splitlines()]
    assert [(row["zone"], row["path"], row["grpc_status"]) for row in rows] == [
        ("localhost", "/demo.Echo/Say", 0)
    ] * 2
