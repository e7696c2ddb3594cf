"""Keeps a gateway in the foreground: signals drain, abort, reload or replace it; embedding does without."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fastgw.errors import StartupError, StoreError
from fastgw.gateway import GRACE, Gateway
from fastgw.policy.names import admin_place
from fastgw.serve.control import Control
from fastgw.serve.desk import Desk
from fastgw.serve.handover import Bequest, Inherited, Successor
from fastgw.serve.notify import Notifier
from fastgw.serve.reload import Read, Reloader
from fastgw.serve.watch import FileWatch, StoreWatch
from fastgw.store.usage import usage_path
from fastgw.store.zones import Zones

TURN = 0.5  # seconds between two looks at the workers' health
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_OTHERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

logger = logging.getLogger("fastgw")


class Serving(Protocol):
    """The admin API while it is served."""

    @property
    def bequest(self) -> Bequest:
        """Its sockets, for the next process."""

    def close(self) -> None:
        """Let running requests end."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What a gateway in the foreground has beside its signals.

    control   where commands find it; None: nowhere. `or_none`: it can do without if that place is taken
    zones     where its configuration comes from, if it may change by single zones
    watch     a file whose change is a reload
    admin     begins to serve the admin API, beside a process that still does, or with the sockets it is given
    """

    control: Path | None = None
    or_none: bool = False
    zones: Zones | None = None
    watch: Path | None = None
    admin: Callable[[Gateway, Zones, Callable[[], object], bool, Sequence[socket.socket]], Serving] | None = (
        None
    )


def supervise(
    gateway: Gateway,
    ready: Callable[[Gateway], None],
    reload: Read | None = None,
    *,
    command: Sequence[str] = (),
    inherited: Inherited | None = None,
    keep: Keep | None = None,
) -> bool:
    """Start `gateway`, call `ready`, stay until a signal or a failure ends it; only in the main thread.

    SIGTERM, SIGINT and SIGQUIT drain, a second one ends at once; SIGHUP publishes what `reload` returns, and
    keeps what is in force if that is refused; SIGUSR1 opens the access log anew; SIGUSR2 runs `command` as
    the next process, hands it the sockets, and drains once it serves. `inherited` is what the process before
    this one has handed over. True if the end was asked for.
    """
    inherited, keep = inherited or Inherited(), keep or Keep()
    notifier = Notifier()
    reloader = Reloader(gateway, reload, notifier)
    desk = Desk(gateway, reloader, keep.zones)
    with contextlib.ExitStack() as closing:
        pipe = closing.enter_context(_signals())
        control = _control(keep, desk, inherited)
        if control is not None:
            closing.callback(control.close)
        closing.callback(gateway.stop, drain=False)
        given = _admin_sockets(gateway, inherited) if keep.admin is not None else []
        gateway.start(inherited)
        if keep.zones is not None:
            keep.zones.publish = gateway.publish
            _keep_usage(gateway, keep.zones)
            store = StoreWatch(keep.zones)
            closing.callback(store.close)
            store.start()
        admin: Serving | None = None
        if keep.admin is not None and keep.zones is not None:
            admin = keep.admin(gateway, keep.zones, desk.drain, inherited.succeeds, given)
            closing.callback(admin.close)
        if control is not None:
            control.show()
        ready(gateway)
        keeper = _Keeper(gateway, pipe, notifier, reloader, command, admin)
        if keep.watch is not None:
            keeper.watch = FileWatch(keep.watch)
        if not inherited.succeeds:
            notifier.ready()
        inherited.say_ready()
        asked = keeper.until_ending()
        if asked:
            desk.draining = True
            notifier.stopping()
            if admin is not None:
                admin.close()
            _drain(gateway, pipe, notifier)
        return asked


def _admin_sockets(gateway: Gateway, inherited: Inherited) -> list[socket.socket]:
    """Those that listen for the admin API already; the gateway would let go of what it has no use for."""
    place = gateway.config.admin
    if place is None or place.listen is None:
        return []
    try:
        family, _, _, _, address = socket.getaddrinfo(*place.listen, type=socket.SOCK_STREAM)[0]
    except OSError:
        return []  # whoever listens there says so
    return inherited.take(admin_place(place.listen), family, tuple(address))


def _keep_usage(gateway: Gateway, zones: Zones) -> None:
    """Beside the store, if there is one. Calls are served without, too."""
    if zones.store is None:
        return
    try:
        gateway.keep_usage(usage_path(zones.store.path))
    except StoreError as error:
        logger.error("usage is counted in memory only: %s", error)


def _control(keep: Keep, desk: Desk, inherited: Inherited) -> Control | None:
    if keep.control is None:
        return None
    try:
        return Control(keep.control, desk.answer, after=os.getppid() if inherited.succeeds else 0)
    except StartupError as error:
        if not keep.or_none:
            raise
        logger.warning("without a control socket: %s", error)
        return None


class _Keeper:
    """What arrives while the gateway serves: signals, and the word of a process that is to succeed it."""

    def __init__(
        self,
        gateway: Gateway,
        pipe: int,
        notifier: Notifier,
        reloader: Reloader,
        command: Sequence[str],
        admin: Serving | None = None,
    ) -> None:
        self._admin = admin
        self.watch: FileWatch | None = None
        self._notifier = notifier
        self._gateway = gateway
        self._pipe = pipe
        self._reloader = reloader
        self._command = command
        self._successor: Successor | None = None
        self._hung_up = False  # SIGHUP came while a successor was starting, which may have missed it

    def until_ending(self) -> bool:
        """True if the end was asked for, False if a worker has failed."""
        asked = False
        try:
            while not asked and self._gateway.running:
                also = () if self._successor is None else (self._successor,)
                asked = any([self._take(number) for number in _arrived(self._pipe, TURN, also)])
                asked = asked or self._succeeded()
                self._notifier.alive()
                if self.watch is not None and self.watch.changed():
                    self._reloader.reload()
            return asked
        finally:
            if self._successor is not None:
                self._successor.end()

    def _take(self, number: int) -> bool:
        """Does this signal ask for the end?"""
        if number in _ENDING:
            logger.info("%s: draining", signal.Signals(number).name)
            return True
        if number == signal.SIGHUP:
            self._hung_up = self._successor is not None
            self._reloader.reload()
        elif number == signal.SIGUSR1:
            self._gateway.reopen_access_log()
        elif number == signal.SIGUSR2:
            self._replace()
        return False

    def _replace(self) -> None:
        if self._successor is not None:
            logger.warning("SIGUSR2: process %d is about to take over already", self._successor.pid)
        elif not self._command:
            logger.warning("SIGUSR2: it is not known how to start the next process")
        else:
            try:
                self._successor = Successor(self._command, self._bequest())
            except OSError as error:
                logger.error("SIGUSR2: the next process cannot be started: %s; this one goes on", error)
                return
            self._hung_up = False
            logger.info("SIGUSR2: process %d is starting to take over", self._successor.pid)

    def _bequest(self) -> Bequest:
        return [*self._gateway.bequest, *(() if self._admin is None else self._admin.bequest)]

    def _succeeded(self) -> bool:
        """Does another process serve now?"""
        successor = self._successor
        verdict = None if successor is None else successor.verdict()
        if successor is None or verdict is None:
            return False
        self._successor = None
        if verdict:
            logger.error("the next process %s; this one goes on", verdict)
            return False
        if self._hung_up:
            with contextlib.suppress(ProcessLookupError):
                os.kill(successor.pid, signal.SIGHUP)
        logger.info("process %d serves now: draining", successor.pid)
        self._notifier.hand_over(successor.pid)
        return True


def _drain(gateway: Gateway, pipe: int, notifier: Notifier) -> None:
    gateway.drain()
    deadline = time.monotonic() + gateway.drain_timeout + GRACE
    while not gateway.wait(0) and time.monotonic() < deadline:
        notifier.alive()
        if any(number in _ENDING for number in _arrived(pipe, 0.05)):
            logger.info("asked twice: ending at once")
            return


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Send the numbers of our signals down a pipe while the body runs; yields the end to read from."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, _ignore) for number in (*_ENDING, *_OTHERS)}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _ignore(number: int, frame: object) -> None:
    """The pipe carries the number; a handler must be there for it to be written."""


def _arrived(pipe: int, timeout: float, also: Sequence[Successor] = ()) -> bytes:
    """Numbers of signals that came, waiting up to `timeout` seconds for the first, or for `also` to speak."""
    watched: list[int] = [pipe, *(one.fileno() for one in also)]
    readable, _, _ = select.select(watched, [], [], timeout)
    return os.read(pipe, 64) if pipe in readable else b""
