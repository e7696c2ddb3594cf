"""The admin API listens: uvicorn on a thread and a loop of its own, beside the workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from fastgw.config.admin import AdminPlace
from fastgw.errors import StartupError
from fastgw.policy.names import admin_place, joined

CONNECTIONS_MAX = 256
HEAD_MAX = 32 * 1024  # octets of a request's head
PATIENCE = 10.0  # seconds for a head to arrive
STUCK = 20.0  # seconds for a client to take something of its answer
KEEP = 60.0  # seconds between two requests of one connection
GRACE = 3.0  # seconds that running requests have at the end
_BACKLOG = 128

logger = logging.getLogger("fastgw")


class _Patient(H11Protocol):
    """Ends connections on which no request comes, or only a piece of one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._waits_since = self._took_at = self.loop.time()
        self._untaken = 0
        self._look = self.loop.call_later(PATIENCE, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._idle and self.timeout_keep_alive_task is not None:
            self._waits_since = self.loop.time()  # the first octets of the next request
        super().data_received(data)

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _check(self) -> None:
        waits = self.loop.time() - self._waits_since
        if self._is_stuck():
            logger.warning("admin API: a client takes nothing of its answer any more and was let go")
            self.transport.abort()
            return
        # Between two requests the timer of uvicorn runs instead.
        if self._idle and self.timeout_keep_alive_task is None and waits >= PATIENCE:
            self.transport.close()  # which waits until the last answer has been taken
        self._look = self.loop.call_later(PATIENCE / 2, self._check)

    def _is_stuck(self) -> bool:
        """Has it taken nothing for a while, though there is something?"""
        untaken = self.transport.get_write_buffer_size()
        if untaken == 0 or untaken != self._untaken:
            self._untaken, self._took_at = untaken, self.loop.time()
        return untaken > 0 and self.loop.time() - self._took_at >= STUCK


class AdminServer:
    """Serves `app` at `place` until it is closed.

    follows   another process may still listen there
    given     sockets that listen at `place.listen` already, from that process or from systemd

    Raise StartupError.
    """

    def __init__(
        self,
        app: Starlette,
        place: AdminPlace,
        *,
        follows: bool = False,
        given: Sequence[socket.socket] = (),
    ) -> None:
        self._sockets: list[socket.socket] = []
        self.addresses: list[str] = []
        self.ending: Callable[[], None] = lambda: None  # called first when it is closed
        self._place = place
        self._path = place.socket
        self._own: tuple[int, int] | None = None
        try:
            if place.listen is not None:
                self._sockets += given or [_bound(place.listen, follows)]
                host, port = self._sockets[0].getsockname()[:2]
                scheme = "http" if place.cert is None else "https"
                self.addresses.append(f"{scheme}://{joined(host, port)}")
            if place.socket is not None:
                self._sockets.append(_bound_path(place.socket, follows))
                self._own = _identity(place.socket)
                self.addresses.append(f"unix:{place.socket}")
            cert = place.cert
            config = uvicorn.Config(
                app,
                http=_Patient,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level=logging.WARNING,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_keep_alive=int(KEEP),
                timeout_graceful_shutdown=int(GRACE),
                h11_max_incomplete_event_size=HEAD_MAX,
                ssl_certfile=None if cert is None else str(cert.file),
                ssl_keyfile=None if cert is None else str(cert.key),
            )
            config.load()
        except BaseException:
            self._let_go()
            raise
        self._server = uvicorn.Server(config)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fastgw-admin", daemon=True)

    @property
    def bequest(self) -> list[tuple[str, list[int]]]:
        """What the next process may go on to listen with: connections in its queue find somebody."""
        if self._place.listen is None:
            return []
        taken = [one.fileno() for one in self._sockets if one.family != socket.AF_UNIX]
        return [(admin_place(self._place.listen), taken)]

    def start(self) -> None:
        """Returns when it answers."""
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        if not self._server.started:
            self.close()
            raise StartupError(f"the admin API does not start: {self._failure}")

    def close(self) -> None:
        """Let running requests end, then go. Harmless if repeated."""
        self.ending()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(GRACE + 2)
        self._let_go()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=self._sockets))
        except BaseException as error:
            self._failure = error
            logger.exception("the admin API has failed")

    def _let_go(self) -> None:
        for one in self._sockets:
            one.close()
        if self._path is not None and self._own is not None and _identity(self._path) == self._own:
            with contextlib.suppress(OSError):
                self._path.unlink()


def _bound(place: tuple[str, int], follows: bool) -> socket.socket:
    """A TCP socket. Two processes share the place while one takes over from the other, and only then."""
    named = joined(*place)
    try:
        family, kind, number, _, address = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)[0]
        if not follows and place[1]:
            with socket.socket(family, kind, number) as probe:
                probe.bind(address)
        one = socket.socket(family, kind, number)
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(address)
            one.listen(_BACKLOG)
        except BaseException:
            one.close()
            raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StartupError(f"the admin API cannot listen at {named}: {why}") from None
    return one


def _bound_path(path: Path, follows: bool) -> socket.socket:
    """A unix socket for the owner and the group of this process; it takes its place in one step."""
    if not follows:
        _require_free(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)
    try:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        one.bind(os.fspath(beside))
        one.listen(_BACKLOG)
        os.rename(beside, path)
    except OSError as error:
        one.close()
        why = (error.strerror or str(error)).lower()
        raise StartupError(f"the socket {path} of the admin API cannot be made: {why}") from None
    finally:
        os.umask(mask)
    return one


def _require_free(path: Path) -> None:
    if path.exists() and not path.is_socket():
        raise StartupError(f"the socket {path} of the admin API cannot be made: there is something else")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        try:
            one.connect(os.fspath(path))
        except OSError:
            return
    raise StartupError(f"somebody else answers at the socket {path} of the admin API")


def _identity(path: Path | None) -> tuple[int, int] | None:
    """What tells our socket from that of a process that has taken the place over."""
    if path is None:
        return None
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
