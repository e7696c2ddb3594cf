"""fastgw serve as systemd starts it: a socket at descriptor 3, and a datagram for each change of its life."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import fastgw
from tests.support.calls import record, toml
from tests.support.grpc_echo import Echo, channel

# What systemd does between fork and exec: the socket becomes descriptor 3, the process is named.
EXEC = """
import os, sys
number = int(sys.argv[1])
os.dup2(number, 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="fastgw.socket")
os.execv(sys.executable, [sys.executable, "-m", "fastgw", "serve", "-c", sys.argv[2]])
"""


@pytest.fixture
def heard(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(20)
        yield one


def test_a_life_under_systemd(config_file, origin, ca, heard, tmp_path):
    passed = socket.create_server(("127.0.0.1", 0), backlog=64)
    address = passed.getsockname()
    file = config_file(toml(record("@", origin.port), listen=f'"127.0.0.1:{address[1]}"', workers=2))
    home = Path(fastgw.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(home), "NOTIFY_SOCKET": str(tmp_path / "notify")}
    opened = channel(address, ca_pem=ca.pem)
    early = Echo(opened).unary.future(b"early", timeout=20, wait_for_ready=True)
    number = passed.fileno()
    command = [sys.executable, "-c", EXEC, str(number), str(file)]
    process = subprocess.Popen(command, env=environment, pass_fds=[number], stdout=subprocess.PIPE, text=True)
    heir = 0
    try:
        assert heard.recv(1000) == b"READY=1"
        assert early.result() == b"early", "it waited in the queue until somebody accepted"
        process.send_signal(signal.SIGHUP)
        assert heard.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert heard.recv(1000) == b"READY=1"
        process.send_signal(signal.SIGUSR2)
        first, second = heard.recv(1000).split(b"\n")
        assert (first[:8], second) == (b"MAINPID=", b"READY=1")
        heir = int(first[8:])
        assert heir != process.pid
        assert Echo(opened).unary(b"late", timeout=10) == b"late"
        assert process.wait(20) == 0
        os.kill(heir, signal.SIGTERM)
        assert heard.recv(1000) == b"STOPPING=1"
    finally:
        opened.close()
        for one in filter(None, (process.pid if process.poll() is None else 0, heir)):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate()
        passed.close()
