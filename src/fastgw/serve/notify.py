"""What systemd wants to hear from a service of Type=notify, one datagram at a time."""

from __future__ import annotations

import contextlib
import os
import socket
import time


class Notifier:
    """Speaks to the socket that NOTIFY_SOCKET names; mute without one, and after `hand_over`."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        if self._address[:1] == "@":
            self._address = "\0" + self._address[1:]  # an abstract name
        self._period = _watchdog_period()
        self._next = time.monotonic()

    def ready(self) -> None:
        """It serves; also the end of a reload."""
        self._say("READY=1")

    def reloading(self) -> None:
        """It reads its configuration again; the time goes into the same datagram."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It drains."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._say("STATUS=" + " ".join(text.split()))

    def alive(self) -> None:
        """It works; to be said all the time, passed on twice per WatchdogSec."""
        now = time.monotonic()
        if self._period and now >= self._next:
            self._next = now + self._period
            self._say("WATCHDOG=1")

    def hand_over(self, process: int) -> None:
        """Another process is the service from now on; what this one does is of no interest any more."""
        self._say(f"MAINPID={process}\nREADY=1")
        self._address = ""

    def _say(self, text: str) -> None:
        if not self._address:
            return
        # A service that cannot be heard goes on serving.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.settimeout(1)
            one.sendto(text.encode(), self._address)


def _watchdog_period() -> float:
    """Half of what systemd waits for a sign of life, in seconds; 0: it waits for none of this process."""
    limit, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not limit.isdigit() or (process and process != str(os.getpid())):
        return 0.0
    return int(limit) / 2e6
