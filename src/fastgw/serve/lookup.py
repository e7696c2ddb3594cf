"""Names of origins become addresses when a configuration is published.

Simple for now: one blocking lookup per name, all at once, the first answer serves, the last good one is kept.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from fastgw.policy.names import address

TIMEOUT = 5.0  # seconds, for all names together
_LOOKERS = 16


class Lookup:
    """Remembers the last good answer for each name."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def addresses(self, hosts: Iterable[str]) -> dict[str, str]:
        """An IP address for each of `hosts`; empty where none is known."""
        wanted = set(hosts)
        found = {host: host for host in wanted if address(host) is not None}
        names = sorted(host for host in wanted - found.keys() if host)
        if names:
            lookers = ThreadPoolExecutor(min(_LOOKERS, len(names)), "fastgw-lookup")
            pending = {lookers.submit(_first_address, name): name for name in names}
            done, _ = wait(pending, TIMEOUT)
            lookers.shutdown(wait=False, cancel_futures=True)
            for one in done:
                answer = one.result()
                if answer:
                    self._known[pending[one]] = answer
        return {host: found.get(host) or self._known.get(host, "") for host in wanted}


def _first_address(name: str) -> str:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return ""
    return str(found[0][4][0])
