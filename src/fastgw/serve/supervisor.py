"""Keeps a gateway in the foreground: signals drain, abort or reload it; the embedding API never gets here."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterator

from fastgw.config.load import ConfigLike
from fastgw.errors import FastgwError
from fastgw.gateway import GRACE, Gateway

TURN = 0.5  # seconds between two looks at the workers' health
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

logger = logging.getLogger("fastgw")


def supervise(
    gateway: Gateway, ready: Callable[[Gateway], None], reload: Callable[[], ConfigLike] | None = None
) -> bool:
    """Start `gateway`, call `ready`, stay until a signal or a failure ends it; only in the main thread.

    SIGTERM, SIGINT and SIGQUIT drain, a second one ends at once; SIGHUP publishes what `reload` returns, and
    keeps what is in force if that is refused. True if the end was asked for.
    """
    with _signals() as pipe:
        gateway.start()
        try:
            ready(gateway)
            asked = _until_ending(gateway, pipe, reload)
            if asked:
                _drain(gateway, pipe)
        finally:
            gateway.stop(drain=False)
        return asked


def _until_ending(gateway: Gateway, pipe: int, reload: Callable[[], ConfigLike] | None) -> bool:
    while True:
        for number in _arrived(pipe, TURN):
            if number in _ENDING:
                logger.info("%s: draining", signal.Signals(number).name)
                return True
            if number == signal.SIGHUP:
                _reload(gateway, reload)
        if not gateway.running:
            return False


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
    before = {number: signal.signal(number, _ignore) for number in (*_ENDING, signal.SIGHUP)}
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


def _arrived(pipe: int, timeout: float) -> bytes:
    """Numbers of signals that came, waiting up to `timeout` seconds for the first."""
    readable, _, _ = select.select([pipe], [], [], timeout)
    return os.read(pipe, 64) if readable else b""
