"""Public keys of issuers: read from files, fetched from URLs, kept when either fails."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from fastgw.access.thumbprint import thumbprint_of

OCTETS_MOST = 1 << 20
KEYS_MOST = 100
FETCH_SECONDS = 5.0
"""From the first octet sent to the last one read."""
AGAIN_SECONDS = 10.0
"""A key that is not known has its set fetched anew no sooner than this after the last time."""
RETRY_MOST = 300.0
_FETCHERS = 4
_RSA_BITS = 2048

_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}

logger = logging.getLogger("fastgw")


class KeysError(Exception):
    """A key set cannot be had; the sentence goes on from its place."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key. `algorithm` "": any that it can be used with."""

    kid: str
    kind: str
    algorithm: str
    thumbprint: str
    public: Any = field(repr=False)

    def fits(self, algorithm: str) -> bool:
        """May a token that says `algorithm` be judged with it?"""
        return _KINDS.get(algorithm[:2]) == self.kind and self.algorithm in ("", algorithm)


def parse(text: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set (RFC 7517 section 5) that can judge signatures; others are passed over."""
    try:
        rows = json.loads(text)["keys"]
        if not isinstance(rows, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysError("is no JWK set") from None
    if len(rows) > KEYS_MOST:
        raise KeysError(f"has {len(rows)} keys, at most {KEYS_MOST} are read")
    found = [key for key in map(_key, rows) if key is not None]
    if not found:
        raise KeysError("has no public key that signatures could be judged with")
    return tuple(found)


def _key(row: Any) -> Key | None:
    if not isinstance(row, Mapping) or row.get("use", "sig") != "sig" or "d" in row or "k" in row:
        return None
    if row.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    operations = row.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        public = jwt.PyJWK.from_dict(dict(row)).key
        mark = thumbprint_of(row)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < _RSA_BITS:
        return None
    return Key(str(row.get("kid", "")), str(row["kty"]), str(row.get("alg", "")), mark, public)


def fetch(url: str) -> bytes:
    """What is at a URL: https, or http on this machine; no redirect is followed. Raise KeysError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise KeysError("is not fetched over https")
    deadline = time.monotonic() + FETCH_SECONDS
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=FETCH_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=FETCH_SECONDS)
    # Each read has a time limit of its own; who trickles is cut off by the clock.
    held: list[socket.socket] = []  # the connection lets go of its socket once the answer has begun
    watch = threading.Timer(FETCH_SECONDS, _cut, (connection, held))
    watch.daemon = True
    watch.start()
    try:
        connection.connect()
        held.append(connection.sock)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"accept": "application/json", "user-agent": "fastgw"})
        response = connection.getresponse()
        if response.status != 200:
            raise KeysError(f"is answered with HTTP {response.status}")
        octets = response.read(OCTETS_MOST + 1)
        if time.monotonic() >= deadline:
            raise KeysError(f"did not come within {FETCH_SECONDS:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise KeysError(f"did not come within {FETCH_SECONDS:g} s") from None
        raise KeysError(f"cannot be fetched: {error}") from None
    finally:
        watch.cancel()
        connection.close()
    if len(octets) > OCTETS_MOST:
        raise KeysError(f"is larger than {OCTETS_MOST} octets")
    return octets


def _cut(connection: http.client.HTTPConnection, held: list[socket.socket]) -> None:
    for one in (*held, connection.sock):
        with contextlib.suppress(OSError, AttributeError):
            one.shutdown(socket.SHUT_RDWR)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read(path: Path) -> bytes:
    """What is in a file. Raise KeysError."""
    try:
        if path.stat().st_size > OCTETS_MOST:
            raise KeysError(f"is larger than {OCTETS_MOST} octets")
        return path.read_bytes()
    except OSError as error:
        raise KeysError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None


class KeySet:
    """The keys of one issuer. What was had last is kept until something better comes."""

    def __init__(self, source: Path | str, refresh: float) -> None:
        self.source = source
        self.refresh = refresh
        self.keys: tuple[Key, ...] = ()
        self.error = ""
        self.fetched = 0
        """How many times it was looked at, with or without success."""
        self.due = 0.0
        self.asked_at = float("-inf")
        self._failures = 0
        self._stamp: tuple[int, int] | None = None
        self._news = threading.Condition()
        self._busy = False

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key a token means: by its `kid`, without one only if there is no choice."""
        fitting = [key for key in self.keys if key.fits(algorithm) and kid in (None, key.kid)]
        if kid is None and len(fitting) != 1:
            return None
        return fitting[0] if fitting else None

    def has(self, mark: str) -> bool:
        """Is the key with this thumbprint in it?"""
        return any(key.thumbprint == mark for key in self.keys)

    def claim(self) -> bool:
        """Whoever gets True looks at the source; the others wait or go on."""
        with self._news:
            if self._busy:
                return False
            self._busy = True
            self.asked_at = time.monotonic()
            return True

    def release(self) -> None:
        """It was claimed, and nobody looks."""
        with self._news:
            self._busy = False
            self.due = time.monotonic() + AGAIN_SECONDS
            self._news.notify_all()

    @property
    def busy(self) -> bool:
        """Is somebody looking at the source?"""
        return self._busy

    def look(self) -> bool:
        """Look at the source; claimed before. Has a key gone that was there?"""
        before = self.keys
        try:
            if isinstance(self.source, Path):
                self._read(self.source)
            else:
                self.keys = parse(fetch(self.source))
            self._failures = 0
            self.error = ""
        except KeysError as error:
            self._failures += 1
            if str(error) != self.error:
                kept = "; the keys it had are kept" if before else ""
                logger.warning("the key set %s %s%s", self.source, error, kept)
            self.error = str(error)
        pause = self.refresh
        if self._failures:
            pause = min(pause, AGAIN_SECONDS * 2.0 ** min(self._failures - 1, 10), RETRY_MOST)
        with self._news:
            self.due = time.monotonic() + pause
            self.fetched += 1
            self._busy = False
            self._news.notify_all()
        now = {key.thumbprint for key in self.keys}
        return any(key.thumbprint not in now for key in before)

    def _read(self, path: Path) -> None:
        try:
            status = os.stat(path)
        except OSError as error:
            raise KeysError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        stamp = status.st_mtime_ns, status.st_size
        if stamp != self._stamp or not self.keys:
            self.keys = parse(read(path))
            self._stamp = stamp

    def wait(self, seen: int, seconds: float) -> bool:
        """Wait until it was looked at more than `seen` times; was it?"""
        with self._news:
            return self._news.wait_for(lambda: self.fetched > seen, seconds)

    @property
    def stale(self) -> bool:
        """May it be looked at again because a key is missing?"""
        return time.monotonic() >= self.asked_at + AGAIN_SECONDS


class KeyRing:
    """The key sets of a gateway, looked after by threads of its own; `gone` hears of sets that lost a key."""

    def __init__(self, gone: Callable[[KeySet], None] = lambda _: None) -> None:
        self._gone = gone
        self._sets: dict[Path | str, KeySet] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(_FETCHERS, "fastgw-keys")

    def of(self, source: Path | str, refresh: float) -> KeySet:
        """The set at a file or URL, shared by all who name it; it is there at once if it is a file."""
        with self._lock:
            found = self._sets.get(source)
            if found is None:
                found = self._sets[source] = KeySet(source, refresh)
            found.refresh = min(found.refresh, refresh)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fastgw-keyring", daemon=True)
                self._thread.start()
        if isinstance(source, Path) and not found.keys and found.claim():
            found.look()
        self._wake.set()
        return found

    def keep(self, sources: set[Path | str]) -> None:
        """Let go of all others."""
        with self._lock:
            self._sets = {source: one for source, one in self._sets.items() if source in sources}

    def want(self, keys: KeySet) -> bool:
        """A key is missing: have its set looked at, unless it was a moment ago. Is somebody looking?"""
        if keys.stale and keys.claim():
            self._submit(keys)
            return True
        return keys.busy

    def _submit(self, keys: KeySet) -> None:
        try:
            self._pool.submit(self._look, keys)
        except RuntimeError:  # it ends
            keys.release()

    def _look(self, keys: KeySet) -> None:
        try:
            if keys.look():
                self._gone(keys)
        except Exception:
            logger.exception("the key set %s could not be looked at", keys.source)
            keys.release()

    def _run(self) -> None:
        while not self._ended:
            now = time.monotonic()
            with self._lock:
                sets = list(self._sets.values())
            for keys in sets:
                if keys.due <= now and keys.claim():
                    self._submit(keys)
            soonest = min((keys.due for keys in sets), default=now + 60)
            self._wake.wait(max(0.05, min(60.0, soonest - now)))
            self._wake.clear()

    def close(self) -> None:
        """End the threads; a fetch that is under way is not waited for."""
        self._ended = True
        self._wake.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
