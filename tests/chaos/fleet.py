"""The origins of a chaos run as processes, and what their journals say."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import fastgw
from tests.support.certs import Leaf

ROOT = Path(__file__).resolve().parents[2]
DYING = 0.1  # seconds from SIGKILL until the peer hears of it, on a busy machine
PATIENCE = 20.0  # seconds for a process to say something or to end


def python(*arguments: object, **more: object) -> subprocess.Popen[str]:
    """`python -m …` with this fastgw and these tests."""
    paths = os.pathsep.join((str(Path(fastgw.__file__).parents[1]), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, **more
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Spell:
    """From a signal until the origin was back."""

    signal: signal.Signals
    begun: float
    ended: float = float("inf")


@dataclass
class Origin:
    """A process of `module`, on a port of its own; `spells`: when it was ended, and for how long."""

    module: str
    journal: Path
    arguments: tuple[object, ...] = ()
    leaf: Leaf | None = None
    port: int = field(default_factory=free_port)
    spells: list[Spell] = field(default_factory=list)

    def start(self) -> None:
        leaf = () if self.leaf is None else (self.leaf.certificate, self.leaf.key)
        self._process = python(self.module, self.port, self.journal, *self.arguments, *leaf)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("an origin did not start")

    def restart(self, number: signal.Signals, pause: float) -> None:
        """End it with this signal, wait, start it again on the same port."""
        spell = Spell(number, time.monotonic())
        self.spells.append(spell)
        self.end(number)
        time.sleep(pause)
        self.start()
        spell.ended = time.monotonic()

    def turn(self) -> None:
        """A raw origin becomes honest, or stops being so."""
        self._process.send_signal(signal.SIGUSR1)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()

    @property
    def name(self) -> str:
        return self.journal.stem

    def killed(self, begun: float, ended: float) -> bool:
        """Was it killed while a call from `begun` to `ended` ran? It dies some time after the signal."""
        return any(
            spell.signal == signal.SIGKILL and begun <= spell.begun + DYING and spell.begun <= ended + DYING
            for spell in self.spells
        )

    def stopping(self, begun: float, ended: float) -> bool:
        """Was it asked to stop while a call from `begun` to `ended` ran?"""
        return any(
            spell.signal == signal.SIGTERM and begun <= spell.begun + DYING and spell.begun <= ended
            for spell in self.spells
        )

    def restarts(self, number: signal.Signals) -> int:
        return sum(spell.signal == number for spell in self.spells)


class Fleet:
    """Three grpcio origins, one that sends GOAWAY and one that refuses streams, `every` so many seconds."""

    def __init__(self, folder: Path, leaf: Leaf | None, every: float = 1.0) -> None:
        self.grpcio = [
            Origin("tests.chaos.origin", folder / f"grpcio-{number}.log", leaf=leaf) for number in range(3)
        ]
        self.goaway = Origin("tests.chaos.raw", folder / "goaway.log", ("goaway", every))
        self.refuse = Origin("tests.chaos.raw", folder / "refuse.log", ("refuse", every))
        self.all = [*self.grpcio, self.goaway, self.refuse]

    def __enter__(self) -> Fleet:
        for origin in self.all:
            origin.start()
        return self

    def __exit__(self, *failure: object) -> None:
        for origin in self.all:
            origin.end()

    def events(self) -> list[tuple[float, str]]:
        """When which origin was ended, and was back."""
        return [
            event
            for origin in self.grpcio
            for spell in origin.spells
            for event in (
                (spell.begun, f"{origin.name} {spell.signal.name}"),
                (spell.ended, f"{origin.name} is back"),
            )
        ]

    def reached(self) -> Counter[str]:
        """How often each call has reached an application."""
        return Counter(line[5:] for line in self._lines() if line.startswith("call "))

    def count(self, what: str) -> int:
        return sum(line == what for line in self._lines())

    def _lines(self) -> list[str]:
        files = [origin.journal for origin in self.all if origin.journal.exists()]
        return [line for file in files for line in file.read_text().splitlines()]
