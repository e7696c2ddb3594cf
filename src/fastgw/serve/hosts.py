"""The hosts file of this machine, which comes before DNS, and the names of the machine itself."""

from __future__ import annotations

import os
from pathlib import Path

from fastgw.policy.names import address

HOSTS = Path("/etc/hosts")
LOOPBACK = ("127.0.0.1", "::1")


class HostsFile:
    """Read again when it has changed; a file that cannot be read lists nothing."""

    def __init__(self, path: Path = HOSTS) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._listed: dict[str, list[str]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """What is listed for `name`, in order; localhost and names below it are this machine (RFC 6761)."""
        self._refresh()
        found = tuple(dict.fromkeys(self._listed.get(name.lower(), ())))
        if not found and (name == "localhost" or name.endswith(".localhost")):
            return LOOPBACK
        return found

    def _refresh(self) -> None:
        try:
            state = os.stat(self._path)
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if seen == self._seen:
                return
            text = self._path.read_text(errors="replace")
        except OSError:
            self._seen, self._listed = None, {}
            return
        listed: dict[str, list[str]] = {}
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            literal = address(words[0]) if words else None
            for name in words[1:] if literal else ():
                listed.setdefault(name.lower().removesuffix("."), []).append(str(literal))
        self._seen, self._listed = seen, listed
