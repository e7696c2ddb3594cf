"""The gateway of a chaos run: its configuration, which changes all the time, and its processes in turn."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from tests.chaos.fleet import PATIENCE, Fleet, python
from tests.support.certs import Authority

USUAL = ("is in force", "published ", "starting to take over", "serves now", "draining", "warning: ")


class Files:
    """`write` puts down a configuration that means the same as the one before and looks quite different."""

    def __init__(self, folder: Path, ca: Authority, fleet: Fleet, policy: bool, seed: int) -> None:
        self.file = folder / "fastgw.toml"
        self.access_log = folder / "access.log"
        self._ca, self._fleet, self._policy = ca, fleet, policy
        self._dice = random.Random(seed)
        self._leafs = [ca.leaf("gw.test", "*.gw.test", file=f"gateway{number}") for number in range(2)]
        self.write()

    def write(self) -> None:
        dice = self._dice
        leaf = dice.choice(self._leafs)
        targets = []
        for origin in self._fleet.all:
            secure = 'origin_server_name = "origin.test"' if origin.leaf else 'origin_protocol = "h2c"'
            rest = f'content = "127.0.0.1", proxied = true, origin_port = {origin.port}, {secure}'
            targets.append(f'{{ name = "@", {rest}, weight = {dice.randrange(1, 4)} }}')
            targets += [f'{{ name = "n{number}", {rest} }}' for number in range(dice.randrange(3))]
        dice.shuffle(targets)
        balance = dice.choice(("round_robin", "least_calls", "peak_ewma", "random"))
        listed = ",\n  ".join(targets)
        policy = '"unavailable"' if self._policy else ""
        text = f"""\
[server]
listen = ["127.0.0.1:0"]
workers = 2
drain_timeout = "20s"

[log]
access = "{self.access_log}"

[[zone]]
name = "gw.test"
cert = {{ file = "{leaf.certificate}", key = "{leaf.key}" }}
settings = {{ grpc = "on", ssl = "strict" }}
trust_store = "{self._ca.file}"
dns = [
  {listed}
]
origin = {{ balance = "{balance}", eject_after = {dice.choice((0, 5))}, eject_for = "100ms" }}
retry = {{ on = [{policy}] }}
"""
        half = self.file.with_suffix(".new")
        half.write_text(text)
        half.replace(self.file)


class Gateway:
    """`with Gateway(files) as gateway:` serves; `pid` is who does so now.

    reloads, publications, replacements   that have happened
    events                                what they said, and when
    complaints                            what any of the processes said beyond the usual
    totals                                what each process has counted in its life
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.reloads = self.publications = self.replacements = 0
        self.complaints: list[str] = []
        self.events: list[tuple[float, str]] = []
        self.totals: list[dict[str, Any]] = []
        self._process = python("tests.chaos.keeper", files.file, stderr=subprocess.PIPE)
        self.pid = self._process.pid
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._count)]
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        for reader in self._readers:
            reader.start()
        found = re.search(r"://127\.0\.0\.1:(\d+)", ready)
        if found is None:
            self._process.kill()
            raise RuntimeError(f"the gateway did not start: {self.complaints}")
        self.target = f"127.0.0.1:{found[1]}"

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *failure: object) -> None:
        for pid in {self.pid, self._process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.events.append((time.monotonic(), line.strip().removeprefix("fastgw: ")))
            self.reloads += "is in force" in line
            self.publications += "published" in line
            found = re.search(r"process (\d+) serves now", line)
            if found:
                self.pid = int(found[1])
                self.replacements += 1
            elif not any(words in line for words in USUAL):
                self.complaints.append(line.rstrip("\n"))

    def _count(self) -> None:
        assert self._process.stdout is not None
        self.totals += [json.loads(line) for line in self._process.stdout if line.startswith("{")]

    def reload(self) -> None:
        self.files.write()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)

    def replace(self) -> None:
        """Ask for a successor and wait until it serves."""
        before, ends = self.replacements, time.monotonic() + 2 * PATIENCE
        os.kill(self.pid, signal.SIGUSR2)
        while self.replacements == before:
            if time.monotonic() > ends:
                raise RuntimeError(f"nobody took over: {self.complaints}")
            time.sleep(0.01)

    def end(self) -> bool:
        """Drain. Have all processes ended?"""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        for reader in self._readers:
            reader.join(2 * PATIENCE)
        return not any(reader.is_alive() for reader in self._readers)
