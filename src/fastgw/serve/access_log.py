"""The access log: one JSON line per finished call, written by a thread of its own, never by a worker."""

from __future__ import annotations

import datetime
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

from fastgw.errors import StartupError
from fastgw.policy.names import joined

PERIOD = 0.2  # seconds between two looks at the workers
BATCH = 1000  # calls taken from one worker at once

logger = logging.getLogger("fastgw")

Take = Callable[[int], list[dict[str, object]]]


class AccessLog:
    """Drains the rings of finished calls into a file, or into standard output for `-`; None: nowhere.

    `taps` are shown the lines too.
    """

    def __init__(
        self,
        path: str | None,
        takes: Iterable[Take],
        zone_name: Callable[[int], str],
        each_turn: Callable[[], None],
        rule_name: Callable[[int], str] = str,
    ) -> None:
        self._takes = tuple(takes)
        self._zone_name = zone_name
        self._rule_name = rule_name
        self._each_turn = each_turn
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fastgw-access-log", daemon=True)
        self._own = path not in ("-", None)  # then it is ours to close
        self._path = path or ""
        self.taps: tuple[Callable[[list[str]], None], ...] = ()
        self._reopen = False
        self._broken = False
        try:
            self._file: IO[str] | None = None if path is None else sys.stdout
            if self._own:
                self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise StartupError(f"the access log {path} cannot be written: {why}") from None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left and end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write_all()
        if self._own and self._file is not None:
            self._file.close()

    def reopen(self) -> None:
        """Open the file anew before the next line: it may have been moved away."""
        self._reopen = self._own

    def _open_anew(self) -> None:
        self._reopen = False
        try:
            fresh = open(self._path, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            logger.error("the access log cannot be opened anew: %s; the old one is kept", error.strerror)
            return
        if self._file is not None:
            self._file.close()
        self._file = fresh

    def _run(self) -> None:
        while not self._ended.wait(PERIOD):
            if self._reopen:
                self._open_anew()
            if self._file is not None or self.taps:
                self._write_all()
            self._each_turn()

    def _write_all(self) -> None:
        for take in self._takes:
            while True:
                calls = take(BATCH)
                self._write(calls)
                if len(calls) < BATCH:
                    break

    def _write(self, calls: list[dict[str, object]]) -> None:
        taps = self.taps
        if not calls or (self._file is None and not taps):
            return
        lines = [self._line(call) for call in calls]
        for tap in taps:
            tap(lines)
        if self._file is None:
            return
        try:
            self._file.write("".join(lines))
            self._file.flush()
            self._broken = False
        except OSError as error:
            # Calls go on without their lines; one complaint per outage is enough.
            if not self._broken:
                logger.error("the access log cannot be written: %s", error.strerror)
            self._broken = True

    def _line(self, call: Mapping[str, object]) -> str:
        row: dict[str, Any] = dict(call)
        if isinstance(row.get("wall_ns"), int):
            at = datetime.datetime.fromtimestamp(row.pop("wall_ns") / 1e9, datetime.UTC)
            row = {"time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **row}
        if isinstance(row.get("zone"), int):
            row["zone"] = self._zone_name(row["zone"])
        if isinstance(row.get("rule"), int):
            row["rule"] = self._rule_name(row["rule"])
        if isinstance(row.get("ray"), int):
            row["ray"] = f"{row['ray']:016x}"  # as clients see it in fastgw-ray
        if isinstance(row.get("peer"), bytes):
            row["peer"] = peer_text(row["peer"])
        return json.dumps(row, default=_text, ensure_ascii=False, separators=(",", ":")) + "\n"


def peer_text(address: bytes) -> str:
    """A struct sockaddr as `host:port`; empty if it is of another family than IPv4 and IPv6."""
    family = int.from_bytes(address[:2], sys.byteorder)
    port = int.from_bytes(address[2:4], "big")
    if family == socket.AF_INET and len(address) >= 8:
        return joined(socket.inet_ntop(family, address[4:8]), port)
    if family == socket.AF_INET6 and len(address) >= 24:
        return joined(socket.inet_ntop(family, address[8:24]), port)
    return ""


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
