"""Names of origins become addresses, and stay true: asked in the background, again when an answer has aged.

A name is looked for in the hosts file, then in DNS (A and AAAA). DNS is asked through dnspython, not through
the C library, whose answers have no age and hold up a thread; dnspython does not read the hosts file: we do.
Other sources of the C library (mDNS, LDAP) are not asked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastgw.policy.names import address
from fastgw.serve.hosts import HostsFile

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

FIRST_WAIT = 5.0  # seconds, for the first answers to all new names together
ANSWER_WAIT = 5.0  # seconds, for one question with all its repetitions
TTL_LEAST, TTL_MOST = 1.0, 3600.0  # seconds an answer is believed
HOSTS_TTL = 5.0  # seconds until the hosts file is looked at again
BACKOFF_LEAST, BACKOFF_MOST = 0.5, 30.0  # seconds until a name that failed is asked for again
SETTLE = 0.05  # seconds in which answers that change at the same time become one change
RESOLV_CONF = Path("/etc/resolv.conf")

_FAMILIES = ("A", "AAAA")

logger = logging.getLogger("fastgw")


def has_route(literal: str) -> bool:
    """Could a packet be sent to this address? None is: connecting a datagram socket only asks the kernel."""
    family = socket.AF_INET6 if ":" in literal else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((literal, 53))
    except OSError:
        return False
    return True


class SystemResolver:
    """The resolver that the system's file describes; read again when the file has changed."""

    def __init__(self, path: Path = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._resolver: Resolver | None = None

    def __call__(self) -> Resolver:
        # Loading dnspython takes longer than the rest of the start: only who needs it waits for it.
        import dns.asyncresolver
        import dns.resolver

        try:
            state = os.stat(self._path)
            seen: tuple[int, ...] = (state.st_mtime_ns, state.st_size, state.st_ino)
        except OSError:
            seen = (0,)
        if self._resolver is None or seen != self._seen:
            try:
                made = dns.asyncresolver.Resolver(str(self._path))
            except dns.resolver.NoResolverConfiguration:
                made = dns.asyncresolver.Resolver(configure=False)
                made.nameservers = ["127.0.0.1"]  # as the C library does
            self._resolver, self._seen = made, seen
        return self._resolver


@dataclass(slots=True)
class _Name:
    """A name that is watched.

    `families`: the last good answer for each; `asked`: nobody waits for the first answer any more; `lost`:
    the last time there was no answer at all; `failures`: how often in a row not all could be learned.
    """

    text: str
    asked: threading.Event = field(default_factory=threading.Event)
    lost: bool = False
    addresses: tuple[str, ...] = ()
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failures: int = 0
    task: asyncio.Task[None] | None = None


class Lookup:
    """Watches names; remembers the last good answer for each; calls `changed` when one is not as before.

    `changed` runs on a thread of its own, one call at a time; if it raises, it is called again later.
    """

    def __init__(
        self,
        changed: Callable[[], None] | None = None,
        *,
        resolver: Callable[[], Resolver] | None = None,
        hosts: HostsFile | None = None,
        route: Callable[[str], bool] = has_route,
    ) -> None:
        self._changed = changed
        self._resolver = resolver or SystemResolver()
        self._hosts = hosts or HostsFile()
        self._route = route
        self._lock = threading.Lock()  # guards the names and the life of the thread
        self._names: dict[str, _Name] = {}
        self._closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._dirty: asyncio.Event | None = None
        self._changes: dict[str, int] = {}  # name -> revision of its last change, in that order
        self.revision = 0
        """Grows with each change of an answer that was there before."""

    def addresses(self, hosts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """All addresses of each of `hosts`, none where none is known; all of them are watched from now on.

        Waits for the first answers to names that are new.
        """
        wanted = dict.fromkeys(hosts)
        found: dict[str, tuple[str, ...]] = {
            host: (literal,) for host in wanted if (literal := address(host)) is not None
        }
        names = [self._watched(host) for host in wanted if host and host not in found]
        deadline = time.monotonic() + FIRST_WAIT
        for name in names:
            name.asked.wait(max(0.0, deadline - time.monotonic()))
            # An answer that comes from here on is a change; one that came just now is seen in the next line.
            name.asked.set()
            found[name.text] = name.addresses
        return {host: found.get(host, ()) for host in wanted}

    def changed_since(self, revision: int) -> set[str]:
        """The names whose answers have changed since `revision`."""
        names: set[str] = set()
        with self._lock:
            for text, when in reversed(self._changes.items()):
                if when <= revision:
                    break
                names.add(text)
        return names

    def forget(self, hosts: Iterable[str]) -> None:
        """Watch these names no more."""
        with self._lock:
            for text in hosts:
                name = self._names.pop(text, None)
                self._changes.pop(text, None)
                if name is not None and self._loop is not None and name.task is not None:
                    self._loop.call_soon_threadsafe(name.task.cancel)

    def close(self) -> None:
        """Forget all names and end the thread, for good. Not to be called by `changed`."""
        with self._lock:
            self._closed = True
            thread, loop, stop = self._thread, self._loop, self._stop
            for name in self._names.values():
                name.asked.set()
            self._names = {}
            self._thread = self._loop = self._stop = self._dirty = None
            if loop is not None and stop is not None:
                loop.call_soon_threadsafe(stop.set)
        if thread is not None:
            thread.join()

    def _watched(self, host: str) -> _Name:
        with self._lock:
            name = self._names.get(host)
            if name is None:
                name = _Name(host)
                if self._closed:
                    name.asked.set()
                    return name
                self._names[host] = name
                if self._loop is None:
                    self._begin()
                assert self._loop is not None
                self._loop.call_soon_threadsafe(self._begin_watch, name)
            return name

    # on the thread

    def _begin(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._main(ready)), name="fastgw-lookup", daemon=True
        )
        self._thread.start()
        ready.wait()

    async def _main(self, ready: threading.Event) -> None:
        stop, dirty = asyncio.Event(), asyncio.Event()
        self._loop, self._stop, self._dirty = asyncio.get_running_loop(), stop, dirty
        ready.set()
        telling = asyncio.create_task(self._tell(dirty))
        await stop.wait()
        telling.cancel()

    def _begin_watch(self, name: _Name) -> None:
        with self._lock:
            if self._names.get(name.text) is name:
                name.task = asyncio.create_task(self._watch(name))

    async def _watch(self, name: _Name) -> None:
        """Ask for `name` for as long as it is wanted."""
        while True:
            try:
                wait = await self._ask(name)
            except Exception:
                logger.exception("looking up %s has failed", name.text)
                wait = BACKOFF_MOST
            name.asked.set()
            await asyncio.sleep(wait)

    async def _ask(self, name: _Name) -> float:
        """Ask once and keep what is good; seconds until it is to be asked again."""
        listed = self._hosts.addresses(name.text)
        if listed:
            # DNS has no say any more: nothing of it may come back with a later failure.
            name.families, name.failures = {}, 0
            self._take(name, listed)
            return HOSTS_TTL
        answers = await asyncio.gather(*(self._query(name.text, kind) for kind in _FAMILIES))
        good = {kind: answer for kind, answer in zip(_FAMILIES, answers, strict=True) if answer is not None}
        families = {**name.families, **{kind: found for kind, (found, _) in good.items()}}
        whole = tuple(literal for kind in _FAMILIES for literal in families.get(kind, ()))
        if not good or not whole:
            return self._failed(name)
        name.families = families
        self._take(name, whole)
        wait = min(max(min(ttl for _, ttl in good.values()), TTL_LEAST), TTL_MOST)
        if len(good) < len(_FAMILIES):
            return min(wait, self._backoff(name))
        name.failures = 0
        return wait

    async def _query(self, text: str, kind: str) -> tuple[tuple[str, ...], float] | None:
        """The addresses of one family and the seconds they are good for; None if there was no answer."""
        import dns.exception

        try:
            answer = await self._resolver().resolve(
                text, kind, raise_on_no_answer=False, search=True, lifetime=ANSWER_WAIT
            )
        except (dns.exception.DNSException, OSError) as error:
            logger.debug("%s %s: %s", text, kind, error)
            return None
        if answer.rrset is None:
            return (), math.inf
        literals = sorted({str(record.address) for record in answer.rrset}, key=ipaddress.ip_address)
        return tuple(literals), float(answer.chaining_result.minimum_ttl)

    def _failed(self, name: _Name) -> float:
        if not name.lost:
            rest = f"stays with {', '.join(name.addresses)}" if name.addresses else "has no address"
            logger.warning("the name %s cannot be resolved and %s", name.text, rest)
            name.lost = True
        return self._backoff(name)

    def _backoff(self, name: _Name) -> float:
        name.failures += 1
        return float(min(BACKOFF_LEAST * 2.0 ** min(name.failures - 1, 16), BACKOFF_MOST))

    def _take(self, name: _Name, found: tuple[str, ...]) -> None:
        """An answer: those of its addresses that can be reached from here, or all if none can."""
        name.lost = False
        addresses = tuple(literal for literal in found if self._route(literal)) or found
        if addresses == name.addresses:
            return
        name.addresses = addresses
        logger.info("the name %s leads to %s", name.text, ", ".join(addresses))
        # Who waits for the first answer takes it himself; who waited in vain is told.
        if name.asked.is_set():
            with self._lock:
                self.revision += 1
                self._changes.pop(name.text, None)
                self._changes[name.text] = self.revision
            if self._dirty is not None:
                self._dirty.set()

    async def _tell(self, dirty: asyncio.Event) -> None:
        pause = BACKOFF_LEAST
        while True:
            await dirty.wait()
            await asyncio.sleep(SETTLE)
            dirty.clear()
            if self._changed is None:
                continue
            try:
                await asyncio.to_thread(self._changed)
                pause = BACKOFF_LEAST
            except Exception:
                logger.exception("names have changed, which could not be put in force; it is tried again")
                await asyncio.sleep(pause)
                pause = min(2 * pause, BACKOFF_MOST)
                dirty.set()
