"""Another configuration for a running gateway: read, put in force or refused, and the verdict remembered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastgw.config.load import ConfigLike
from fastgw.errors import FastgwError
from fastgw.gateway import Gateway
from fastgw.serve.notify import Notifier

Read = Callable[[], ConfigLike | None]
"""What is to be served now; None: it is in force already. Raise FastgwError."""

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a reload ended. `why`: empty if it is in force. `at`: seconds since 1970."""

    revision: int
    why: str
    warnings: tuple[str, ...]
    at: float


class Reloader:
    """Reads again what `read` reads; from any thread, one at a time."""

    def __init__(self, gateway: Gateway, read: Read | None, notifier: Notifier) -> None:
        self.last: Verdict | None = None
        self._gateway = gateway
        self._read = read
        self._notifier = notifier
        self._lock = threading.Lock()

    def reload(self) -> Verdict:
        """Put in force what is read now; what is in force is kept if that is refused."""
        with self._lock:
            self._notifier.reloading()
            self.last = self._try()
            self._notifier.ready()
            return self.last

    def _try(self) -> Verdict:
        if self._read is None:
            why = "there is no file to read again"
            logger.warning("%s", why)
            return Verdict(self._gateway.revision, why, (), time.time())
        try:
            config = self._read()
            if config is not None:
                self._gateway.publish(config)
        except FastgwError as error:
            logger.error("the configuration in force is kept, the new one is refused:\n%s", error)
            return Verdict(self._gateway.revision, str(error), (), time.time())
        warnings = tuple(str(warning) for warning in self._gateway.warnings)
        for warning in warnings:
            logger.warning("%s", warning)
        revision = self._gateway.revision
        logger.info("configuration %d is in force", revision)
        return Verdict(revision, "", warnings, time.time())
