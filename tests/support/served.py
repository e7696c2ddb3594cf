"""`fastgw serve` as a process: its ready line, its signals, its memory, its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import fastgw

PATIENCE = 30.0  # seconds for any line

# AddressSanitizer keeps what was freed for a while: memory says nothing then.
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")


class Served:
    """`with Served(file) as gateway:` runs `fastgw serve -c file`; `address` is where it listens."""

    def __init__(self, file: Path, *arguments: str) -> None:
        home = Path(fastgw.__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": str(home), "XDG_DATA_HOME": str(file.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastgw", "serve", "-c", str(file), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.out: list[str] = []
        self.log: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self.out)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.log)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Served:
        try:
            self.ready = self._line(self.out, "fastgw ready")
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._kill()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", int(port)) for port in re.findall(r"://127\.0\.0\.1:(\d+)", self.ready)]

    @property
    def address(self) -> tuple[str, int]:
        return self.addresses[0]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def logged(self, words: str) -> str:
        """The line of standard error with these words, waited for."""
        return self._line(self.log, words)

    def end(self, timeout: float) -> tuple[int, float]:
        """Exit code, and the seconds it took from now; TimeoutExpired if it takes longer than `timeout`."""
        begun = time.monotonic()
        code = self._process.wait(timeout)
        return code, time.monotonic() - begun

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def resident(self) -> int:
        """Octets of memory the process has in RAM."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """What the process has used so far, in user mode and in the kernel."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _kill(self) -> None:
        if self.running:
            self._process.kill()
        self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _read(self, stream: object, into: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            into.append(line.rstrip("\n"))  # noqa: PERF401  others look while it grows

    def _line(self, lines: list[str], words: str) -> str:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            for line in lines:
                if words in line:
                    return line
            if not self.running and not any(reader.is_alive() for reader in self._readers):
                break
            time.sleep(0.01)
        raise AssertionError(f"no line with {words!r}; standard output {self.out}, error {self.log}")
