"""Keeps a gateway in the foreground: signals drain, abort, reload or replace it; embedding does without."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from fastgw.config.load import ConfigLike
from fastgw.errors import FastgwError
from fastgw.gateway import GRACE, Gateway
from fastgw.serve.handover import Inherited, Successor
from fastgw.serve.notify import Notifier

TURN = 0.5  # seconds between two looks at the workers' health
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

logger = logging.getLogger("fastgw")


def supervise(
    gateway: Gateway,
    ready: Callable[[Gateway], None],
    reload: Callable[[], ConfigLike] | None = None,
    *,
    command: Sequence[str] = (),
    inherited: Inherited | None = None,
) -> bool:
    """Start `gateway`, call `ready`, stay until a signal or a failure ends it; only in the main thread.

    SIGTERM, SIGINT and SIGQUIT drain, a second one ends at once; SIGHUP publishes what `reload` returns, and
    keeps what is in force if that is refused; SIGUSR2 runs `command` as the next process, hands it the
    sockets, and drains once it serves. `inherited` is what the process before this one has handed over.
    True if the end was asked for.
    """
    inherited = inherited or Inherited()
    with _signals() as pipe:
        gateway.start(inherited)
        try:
            ready(gateway)
            keeper = _Keeper(gateway, pipe, reload, command)
            if not inherited.succeeds:
                keeper.notifier.ready()
            inherited.say_ready()
            asked = keeper.until_ending()
            if asked:
                keeper.notifier.stopping()
                _drain(gateway, pipe)
        finally:
            gateway.stop(drain=False)
        return asked


class _Keeper:
    """What arrives while the gateway serves: signals, and the word of a process that is to succeed it."""

    def __init__(
        self,
        gateway: Gateway,
        pipe: int,
        reload: Callable[[], ConfigLike] | None,
        command: Sequence[str],
    ) -> None:
        self.notifier = Notifier()
        self._gateway = gateway
        self._pipe = pipe
        self._reload = reload
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
            self.notifier.reloading()
            _reload(self._gateway, self._reload)
            self.notifier.ready()
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
                self._successor = Successor(self._command, self._gateway.bequest)
            except OSError as error:
                logger.error("SIGUSR2: the next process cannot be started: %s; this one goes on", error)
                return
            self._hung_up = False
            logger.info("SIGUSR2: process %d is starting to take over", self._successor.pid)

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
        self.notifier.hand_over(successor.pid)
        return True


def _drain(gateway: Gateway, pipe: int) -> None:
    gateway.drain()
    deadline = time.monotonic() + gateway.drain_timeout + GRACE
    while not gateway.wait(0) and time.monotonic() < deadline:
        if any(number in _ENDING for number in _arrived(pipe, 0.05)):
            logger.info("asked twice: ending at once")
            return


def _reload(gateway: Gateway, reload: Callable[[], ConfigLike] | None) -> None:
    if reload is None:
        logger.warning("SIGHUP: there is no file to read again")
        return
    try:
        revision = gateway.publish(reload())
    except FastgwError as error:
        logger.error("the configuration in force is kept, the new one is refused:\n%s", error)
        return
    for warning in gateway.warnings:
        logger.warning("%s", warning)
    logger.info("configuration %d is in force", revision)


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Send the numbers of our signals down a pipe while the body runs; yields the end to read from."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, _ignore) for number in (*_ENDING, signal.SIGHUP, signal.SIGUSR2)}
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
