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
