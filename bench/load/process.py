"""Processes of a run: gateway and origin as servers, gblast as a partner in talk; ends only what it began."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from bench.load.peers import Peer, fill, start_words
from bench.load.workshop import GATEWAY_CORE, HOST, LOAD_CORE, RUN, MissingError, files, tool

ORIGIN, ORIGIN_H2C = 21001, 21002
_START = 20.0  # seconds


def tree(pid: int) -> list[int]:
    """A process and all that came from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 0.5):
        return True
    return False


class Server:
    """A process pinned to one core, or to "0,1", that listens on `port`; stopped at the end of the `with`."""

    def __init__(
        self,
        command: list[str],
        core: int | str,
        port: int,
        log: str,
        environment: Mapping[str, str] | None = None,
        start: float = _START,
    ) -> None:
        if _accepts(port):
            raise MissingError(f"Port {port} is in use: another run, or a process that one left.")
        with (RUN / log).open("ab") as out:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.started = self._wait(port, start)

    def _wait(self, port: int, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._process.poll() is None:
            if _accepts(port):
                return True
            time.sleep(0.03)
        return False

    def stop(self, grace: float = 3.0) -> None:
        """SIGTERM, and SIGKILL to what is left of it after `grace` seconds."""
        pids = tree(self.pid)
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        for pid in pids:
            with contextlib.suppress(OSError):  # most have ended
                if os.getsid(pid) == self.pid:  # the session that was made for it
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()


def start_peer(
    peer: Peer,
    origin: int = ORIGIN,
    origin_h2c: int = ORIGIN_H2C,
    log: bool = False,
    core: int | str = GATEWAY_CORE,
    start: float = _START,
) -> Server:
    words = start_words(peer, origin, origin_h2c, log)
    filled = (fill(word, words) for word in peer.command[1:])
    command = [peer.program(), *(word for word in filled if word)]
    environment = {name: fill(value, words) for name, value in peer.environment.items()}
    return Server(command, core, peer.front, f"{peer.name}.log", environment, start)


def start_origin(origin: int = ORIGIN, origin_h2c: int = ORIGIN_H2C) -> Server:
    place = files()
    ports = ["--tls-port", str(origin), "--plain-port", str(origin_h2c)]
    command = [tool("gorigin"), *ports, "--cert", place["cert"], "--key", place["key"]]
    server = Server(command, LOAD_CORE, origin, "gorigin.log")
    if not server.started:
        server.stop()
        raise MissingError(f"The origin did not start; why stands in {RUN / 'gorigin.log'}.")
    return server


class Blast:
    """The load generator: it says a line, is told to go on, and ends with the `with`."""

    def __init__(self, arguments: list[str]) -> None:
        command = ["taskset", "-c", str(LOAD_CORE), tool("gblast"), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self) -> str:
        return _pipe(self._process.stdout).readline().strip()

    def go(self) -> None:
        pipe = _pipe(self._process.stdin)
        with contextlib.suppress(OSError):
            pipe.write("\n")
            pipe.flush()

    def __enter__(self) -> Blast:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
