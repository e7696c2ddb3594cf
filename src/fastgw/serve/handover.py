"""How one process hands its listening sockets to the next: descriptors, two environment variables, one pipe.

The sockets are the same in both processes, so connections that wait in their queues belong to both: whoever
accepts next has them, and none is lost when the old process lets go.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SOCKETS = "FASTGW_SOCKETS"  # "h2c://127.0.0.1:80=7,8 https://[::]:443=9,10": places and their descriptors
READY = "FASTGW_READY_FD"  # where the next process says that it serves, or why it cannot
FIRST = 3  # the first descriptor that systemd passes
START_TIMEOUT = 60.0  # seconds the next process may take until it serves
END_TIMEOUT = 2.0  # seconds it may take to end when it is not wanted any more

_OF_SYSTEMD = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
_NOT_PASSED = (*_OF_SYSTEMD, "WATCHDOG_PID")  # what names this process, or was meant for it alone
_SAID_MAX = 4096
_SERVES = b"ready"

Bequest = Sequence[tuple[str, Sequence[int]]]


@dataclass(slots=True)
class Inherited:
    """Sockets that were bound by someone else: the process before this one, or systemd.

    named     by the place in the configuration they were bound for, from the process before
    unnamed   from systemd, each with the name of its unit
    """

    named: list[tuple[str, list[socket.socket]]] = field(default_factory=list)
    unnamed: list[tuple[str, socket.socket]] = field(default_factory=list)
    succeeds: bool = False
    _ready: int = -1

    def take(self, place: str, family: int, address: tuple[Any, ...]) -> list[socket.socket]:
        """The sockets for one place, by its text or by where they are bound; they are the caller's then."""
        for number, (text, found) in enumerate(self.named):
            if text == place:
                del self.named[number]
                return found
        return self._take_unnamed([family], address[:2])

    def take_dual(self, port: int) -> list[socket.socket]:
        """Sockets of systemd at [::] that take IPv4 too."""
        return self._take_unnamed([socket.AF_INET6], ("::", port), dual=True)

    def _take_unnamed(
        self, families: list[int], address: tuple[Any, ...], dual: bool = False
    ) -> list[socket.socket]:
        found, rest = [], []
        for name, one in self.unnamed:
            fits = one.family in families and one.getsockname()[:2] == address
            if fits and dual:
                fits = not one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            if fits:
                found.append(one)
            else:
                rest.append((name, one))
        self.unnamed = rest
        return found

    def left(self) -> list[str]:
        """What no place of the configuration wanted."""
        unnamed = (f"{name} ({_where(one)})" for name, one in self.unnamed)
        return [*(text for text, _ in self.named), *unnamed]

    def say_ready(self) -> None:
        """Tell the process before this one that it may go."""
        self._say(_SERVES)

    def say_failed(self, why: str) -> None:
        """Tell it to stay, and why."""
        self._say(why.encode(errors="replace")[:_SAID_MAX] or b"no reason given")

    def _say(self, what: bytes) -> None:
        if self._ready < 0:
            return
        with contextlib.suppress(OSError):
            os.write(self._ready, what)
        os.close(self._ready)
        self._ready = -1

    def close(self) -> None:
        """Let go of what was not taken."""
        for _, found in self.named:
            for one in found:
                one.close()
        for _, one in self.unnamed:
            one.close()
        self.named, self.unnamed = [], []


def inherit(environment: MutableMapping[str, str]) -> Inherited:
    """What this process was given. The variables are removed: no other child must take them for its own."""
    got = Inherited()
    places = environment.pop(SOCKETS, "")
    ready = environment.pop(READY, "")
    count, process, names = (environment.pop(name, "") for name in _OF_SYSTEMD)
    if ready.isdigit():
        got._ready, got.succeeds = int(ready), True
        os.set_inheritable(got._ready, False)
    for entry in places.split():
        place, _, numbers = entry.rpartition("=")
        sockets = [one for one in map(_listening, numbers.split(",")) if one is not None]
        if sockets:
            got.named.append((place, _apart(sockets)))
    if count.isdigit() and process == str(os.getpid()):
        labels = names.split(":") if names else []
        for number in range(int(count)):
            one = _listening(str(FIRST + number))
            if one is not None:
                got.unnamed.append((labels[number] if number < len(labels) else "unknown", one))
    return got


def _listening(number: str) -> socket.socket | None:
    """The listening TCP socket with this descriptor, not blocking; None if it is something else."""
    if not number.isdigit():
        return None
    try:
        one = socket.socket(fileno=int(number))
        fits = (
            one.family in (socket.AF_INET, socket.AF_INET6)
            and one.type == socket.SOCK_STREAM
            and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
    except OSError:
        return None
    if not fits:
        one.detach()
        return None
    one.set_inheritable(False)
    one.setblocking(False)
    return one


def _apart(sockets: list[socket.socket]) -> list[socket.socket]:
    """Each socket once: several descriptors of one socket came from workers that shared it."""
    found: dict[int, socket.socket] = {}
    for one in sockets:
        if found.setdefault(os.fstat(one.fileno()).st_ino, one) is not one:
            one.close()
    return list(found.values())


def _where(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Successor:
    """The next process, from its start until it says that it serves. Raise OSError if it cannot be started.

    command    program and arguments, as this process was started
    bequest    places and descriptors of their sockets, which stay open here
    """

    def __init__(self, command: Sequence[str], bequest: Bequest, timeout: float = START_TIMEOUT) -> None:
        self._reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
        environment[SOCKETS] = " ".join(
            f"{place}={','.join(map(str, numbers))}" for place, numbers in bequest
        )
        environment[READY] = str(writer)
        passed = [writer, *(number for _, numbers in bequest for number in numbers)]
        try:
            self._process = subprocess.Popen(list(command), env=environment, pass_fds=passed)
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Readable when there is something to judge."""
        return self._reader

    def verdict(self) -> str | None:
        """None: it is still starting; empty: it serves; else why it does not, as the end of a sentence."""
        try:
            said = os.read(self._reader, _SAID_MAX)
        except BlockingIOError:
            if time.monotonic() < self._deadline:
                return None
            self.end()
            return f"did not serve within {self._timeout:g} s and was ended"
        if said == _SERVES:
            os.close(self._reader)
            # It is nobody's child from now on: whoever comes to end here need not wait for it.
            self._process.returncode = 0
            return ""
        code = self.end()
        if said:
            return f"could not start: {said.decode(errors='replace')}"
        return f"ended with {_end_text(code)} before it served"

    def end(self) -> int:
        """It is not wanted any more."""
        for ask in (self._process.terminate, self._process.kill):
            try:
                code = self._process.wait(END_TIMEOUT)
                break
            except subprocess.TimeoutExpired:
                ask()
        else:
            code = self._process.wait()
        os.close(self._reader)
        return code


def _end_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def reporting(inherited: Inherited) -> Iterator[None]:
    """Tell the process before this one why the body failed; what is raised goes on."""
    try:
        yield
    except SystemExit as ended:
        if ended.code:
            inherited.say_failed(f"exit code {ended.code}")
        raise
    except BaseException as error:
        inherited.say_failed(" ".join(str(error).split()) or type(error).__name__)
        raise
