"""The processes of a soak: a gateway with its files, and origins that die and come back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

import fastgw
from tests.support.calls import record
from tests.support.certs import Authority, Leaf

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 15.0  # seconds for a process to say something
MARGIN = 1.5  # seconds after an origin is back in which calls may still feel that it was away


def _python(*arguments: object, **more: Any) -> subprocess.Popen[str]:
    paths = os.pathsep.join((str(Path(fastgw.__file__).parents[1]), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, **more)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Origin:
    """An echo origin on a port of its own; `away` lists the spells in which it could not be relied on."""

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf
        self.port = _free_port()
        self.away: list[tuple[float, float]] = []
        self.restarts = 0
        self._start()

    def _start(self) -> None:
        self._process = _python("tests.soak.origin", self.port, self.leaf.certificate, self.leaf.key)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("an origin did not start")

    def restart(self, number: signal.Signals, pause: float) -> None:
        """End it with this signal, wait, start it again on the same port."""
        at = len(self.away)
        self.away.append((time.monotonic(), float("inf")))
        self.end(number)
        time.sleep(pause)
        self._start()
        self.away[at] = (self.away[at][0], time.monotonic() + MARGIN)
        self.restarts += 1

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def was_away(self, begun: float, ended: float) -> bool:
        return any(first <= ended and begun <= last for first, last in self.away)


class Files:
    """The configuration a soak reloads, and the certificates that take turns in it."""

    def __init__(self, folder: Path, ca: Authority, steady: Origin, shaky: list[Origin]) -> None:
        self._ca = ca
        self.file = folder / "fastgw.toml"
        self.access_log = folder / "access.log"
        self._leafs = [ca.leaf("gw.test", "*.gw.test", file=f"gateway{number}") for number in range(3)]
        self._steady, self._shaky = steady, shaky

    def write(self, dice: random.Random) -> bool:
        """Another configuration; now and then one that must be refused. Is it a good one?"""
        good = dice.random() > 0.1
        leaf = dice.choice(self._leafs)
        first, second = dice.sample([origin.port for origin in self._shaky], 2)
        extra = [record(f"n{number}", first) for number in range(dice.randrange(40))]
        records = [record("steady", self._steady.port), record("a", first), record("b", second), *extra]
        text = f"""\
[server]
listen = ["127.0.0.1:0", "h2c://127.0.0.1:0"]
workers = 2
drain_timeout = "3s"

[log]
access = "{self.access_log}"

[[zone]]
name = "gw.test"
cert = {{ file = "{leaf.certificate}", key = "{leaf.key}" }}
settings = {{ grpc = "{"on" if good else "perhaps"}", ssl = "strict" }}
trust_store = "{self._ca.file}"
dns = [{", ".join(records)}]
"""
        half = self.file.with_suffix(".new")
        half.write_text(text)
        half.replace(self.file)
        return good


class Gateway:
    """A gateway process; `last` is what it counted in the end, `complaints` what it said beyond the usual."""

    def __init__(self, file: Path) -> None:
        self.complaints: deque[str] = deque(maxlen=50)
        self.refused = self.reloads = 0
        self.last: dict[str, Any] = {}
        self._process = _python(
            "tests.soak.keeper", file, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
        )
        self._asking = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.tls, self.plain = (
            ("127.0.0.1", int(address.rpartition(":")[2])) for address in json.loads(self._line() or "[]")
        )

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "is in force" in line:
                self.reloads += 1
            elif "new one is refused" in line:
                self.refused += 1
            elif line.startswith(("fastgw: a worker", "Traceback", "Fatal", "  File")):
                self.complaints.append(line.rstrip("\n"))

    def stats(self) -> dict[str, Any]:
        """Its counters now."""
        with self._asking:
            assert self._process.stdin is not None
            self._process.stdin.write("?")
            self._process.stdin.flush()
            return json.loads(self._line())  # type: ignore[no-any-return]

    def total(self) -> dict[str, Any]:
        return self.stats()["total"]  # type: ignore[no-any-return]

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def resident(self) -> int:
        """Octets of memory the process has in RAM."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> int:
        """Drain it; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        self.last = json.loads(self._line())
        return self._process.wait(PATIENCE)
