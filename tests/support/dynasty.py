"""`fastgw serve` and the processes that take over from it, by SIGUSR2."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from tests.support.served import PATIENCE, Served


class Dynasty(Served):
    """`fastgw serve` and those that succeed it; `pid` is who serves now."""

    def __init__(self, file: Path, *arguments: str) -> None:
        super().__init__(file, *arguments)
        self.pid = self._process.pid
        self._told = 0

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.pid != self._process.pid:
                os.kill(self.pid, signal.SIGKILL)
        super().__exit__(None, None, None)

    def replace(self) -> int:
        """Ask for a successor and wait until it serves; returns who served before."""
        before = self.pid
        os.kill(before, signal.SIGUSR2)
        ends = time.monotonic() + 3 * PATIENCE
        while time.monotonic() < ends:
            found = [match for line in self.log if (match := re.search(r"process (\d+) serves now", line))]
            if len(found) > self._told:
                self._told = len(found)
                self.pid = int(found[-1][1])
                return before
            time.sleep(0.01)
        raise AssertionError(f"nobody took over; standard error {self.log}")

    @property
    def sockets(self) -> int:
        """How many listening sockets the process that serves has, each counted once."""
        listening = set()
        for table in ("tcp", "tcp6"):
            rows = Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]
            listening |= {row.split()[9] for row in rows if row.split()[3] == "0A"}
        own = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                own.add(os.readlink(entry))
        return sum(f"socket:[{inode}]" in own for inode in listening)
