"""The control socket: a unix socket on which one JSON object per line is asked, and one answered."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import pwd
import selectors
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from fastgw.errors import StartupError

REQUEST_MAX = 32 * 1024 * 1024  # octets of a line; an import of many zones is one
PATIENCE = 10.0  # seconds for a request to arrive whole, and for its answer to be taken
IDLE = 60.0  # seconds between two requests of one connection
CONNECTIONS_MAX = 32
ASKING = 60.0  # seconds a command waits for its answer
NONE = "none"  # instead of a path: no control socket

_RUN = Path("/run/fastgw")
_NAME = "control.sock"
_PATH_MAX = 107  # octets: what the kernel has room for

Answer = dict[str, Any]
Do = Callable[[Mapping[str, Any], str], Answer]
"""(request, who asks) -> answer."""

logger = logging.getLogger("fastgw")


def default_path() -> Path | None:
    """Where the socket of this user's gateway is: $XDG_RUNTIME_DIR/fastgw.sock or /run/fastgw/control.sock.

    None if this user can make neither.
    """
    own = _of_session()
    if own is not None:
        return own
    if not _RUN.is_dir():
        with contextlib.suppress(OSError):
            _RUN.mkdir(mode=0o755)
    return _RUN / _NAME if os.access(_RUN, os.W_OK) else None


def likely_paths() -> list[Path]:
    """Where a command looks for the socket of a gateway, best first."""
    own = _of_session()
    return [path for path in (own, _RUN / _NAME) if path is not None]


def _of_session() -> Path | None:
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(folder) / "fastgw.sock" if folder and os.path.isdir(folder) else None


class _Caller:
    """One connection: who it is, and what has arrived of its next line."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = bytearray()
        self.deadline = time.monotonic() + IDLE
        _, self.uid = _peer(connection)

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"


class Control:
    """Answers at `path`, on a thread of its own, whoever is the owner of this process or root.

    The socket is made beside its place and moved there by `show`, so that a process that succeeds another
    takes its place over in one step. `after`: the process before, which may still answer there; 0: there is
    none. Raise StartupError.
    """

    def __init__(self, path: Path, do: Do, *, after: int = 0) -> None:
        self.path = path
        self._do = do
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fastgw-control", daemon=True)
        self._callers: dict[socket.socket, _Caller] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        _require_free(path, after)
        self._beside = path.with_name(f".{path.name}.{os.getpid()}")
        self._listening = _bound(path, self._beside)
        self._own = _identity(self._beside)

    def show(self) -> None:
        """Take the place and begin to answer."""
        os.rename(self._beside, self.path)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """Answer no more; the place is left alone if somebody else has taken it. Harmless if repeated."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._wake.send(b"x")
        if self._thread.is_alive():
            self._thread.join(PATIENCE + 1)
        for caller in list(self._callers.values()):
            self._drop(caller)
        for one in (self._listening, self._wake, self._woken):
            one.close()
        self._selector.close()
        for place in (self._beside, self.path):
            if _identity(place) == self._own:
                with contextlib.suppress(OSError):
                    place.unlink()

    # its thread

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(1.0):
                if key.fileobj is self._listening:
                    self._accept()
                elif isinstance(key.data, _Caller):
                    self._read(key.data)
            now = time.monotonic()
            for caller in [one for one in self._callers.values() if one.deadline < now]:
                self._drop(caller)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        connection.settimeout(PATIENCE)
        caller = _Caller(connection)
        self._callers[connection] = caller
        if caller.uid not in (0, os.geteuid()):
            logger.warning("control: %s may not give orders", caller.name)
            self._say(caller, _no(f"{caller.name} is neither the owner of this gateway nor root"))
        elif len(self._callers) > CONNECTIONS_MAX:
            self._say(caller, _no("too many commands at once"))
        else:
            self._selector.register(connection, selectors.EVENT_READ, caller)
            return
        self._drop(caller)

    def _read(self, caller: _Caller) -> None:
        try:
            octets = caller.socket.recv(1 << 18)
        except OSError:
            octets = b""
        if not octets:
            return self._drop(caller)
        if not caller.received:
            caller.deadline = time.monotonic() + PATIENCE
        caller.received += octets
        while caller.socket in self._callers:
            line, end, rest = caller.received.partition(b"\n")
            if not end:
                break
            caller.received = rest
            self._say(caller, self._answer(bytes(line), caller))
            caller.deadline = time.monotonic() + IDLE
        if len(caller.received) > REQUEST_MAX:
            self._say(caller, _no(f"a request has at most {REQUEST_MAX} octets"))
            self._drop(caller)
        return None

    def _answer(self, line: bytes, caller: _Caller) -> Answer:
        try:
            request = from_json(line)  # knows a limit for what is nested
        except ValueError:
            return _no("a request is one JSON object on one line")
        if not isinstance(request, dict):
            return _no("a request is a JSON object")
        try:
            return self._do(request, caller.name)
        except Exception as error:  # our own mistake: one command fails, the next is answered
            logger.exception("control: %s", request.get("do"))
            return _no(f"the gateway has failed at this: {error!r}")

    def _say(self, caller: _Caller, answer: Answer) -> None:
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"), default=str)
        try:
            caller.socket.sendall(text.encode() + b"\n")
        except OSError:
            self._drop(caller)

    def _drop(self, caller: _Caller) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(caller.socket)
        self._callers.pop(caller.socket, None)
        caller.socket.close()


def _no(sentence: str) -> Answer:
    return {"ok": False, "kind": "request", "error": sentence}


def _bound(path: Path, beside: Path) -> socket.socket:
    """A socket that listens at `beside`; only the owner can connect."""
    if len(os.fsencode(beside)) > _PATH_MAX:
        raise StartupError(f"the control socket {path} has too long a path for a unix socket")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    mask = os.umask(0o177)
    try:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        listening.bind(os.fspath(beside))
        listening.listen(CONNECTIONS_MAX)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise StartupError(f"the control socket {path} cannot be made: {_why(error)}") from None
    finally:
        os.umask(mask)
    return listening


def _require_free(path: Path, after: int) -> None:
    """Nobody answers at `path` but the process `after`. What one left there that is gone does not count."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartupError(f"the control socket {path} cannot be made: {_why(error)}") from None
    if not stat.S_ISSOCK(kind):
        raise StartupError(f"the control socket {path} cannot be made: there is something else")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        try:
            one.connect(os.fspath(path))
        except OSError as error:
            if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
                return
        else:
            if after and _peer(one)[0] == after:
                return
    raise StartupError(
        f"another gateway answers at {path}; --control names another place for this one, or none"
    )


def _peer(connection: socket.socket) -> tuple[int, int]:
    """The number of the process at the other end, and of its user."""
    octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iii"))
    process, user, _ = struct.unpack("iii", octets)
    return process, user


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def ask(path: Path, request: Mapping[str, Any], timeout: float = ASKING) -> Answer:
    """What the gateway at `path` answers. Raise OSError if there is none, or it says nothing for so long."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(timeout)
        one.connect(os.fspath(path))
        # Who is refused is told before the request is read.
        with contextlib.suppress(BrokenPipeError):
            one.sendall(json.dumps(request, ensure_ascii=False, default=str).encode() + b"\n")
        with one.makefile("rb") as lines:
            line = lines.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError(errno.ECONNRESET, "it ended without an answer")
    answer = json.loads(line)
    return answer if isinstance(answer, dict) else {}
