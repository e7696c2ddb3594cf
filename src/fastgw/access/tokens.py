"""Service tokens: a client id and a secret of which only the digest is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "cfast_"
LIFETIME = 8760 * 3600
"""Seconds that a token is good if nothing else is said: a year."""
GRACE = 24 * 3600
"""Seconds that the secret before is good after a change, if nothing else is said."""

_ALPHABET = string.ascii_letters + string.digits
_BODY = 40
_NEW = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_BODY}}})([0-9a-f]{{8}})")
_OLD = re.compile(r"[0-9a-f]{64}")


def new_client_id() -> str:
    """A client id that nobody has."""
    return f"{secrets.token_hex(16)}.access"


def new_secret() -> str:
    """238 bits by lot behind a prefix that scanners know, and a checksum against typing errors."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_BODY))
    return PREFIX + body + _checksum(body)


def _checksum(body: str) -> str:
    return f"{zlib.crc32((PREFIX + body).encode()):08x}"


def is_secret(text: str) -> bool:
    """Has it the form of a secret: the new one with its checksum, or 64 hex digits as they were before?"""
    match = _NEW.fullmatch(text)
    if match:
        return _checksum(match[1]) == match[2]
    return _OLD.fullmatch(text) is not None


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256 in hex. Nobody guesses 238 bits, so that salt adds nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Fresh:
    """A token as its owner sees it once, and the table that is kept."""

    client_id: str
    secret: str = field(repr=False)
    table: dict[str, Any] = field(repr=False)


def create(name: str, lifetime: int | None = LIFETIME, secret: str | None = None) -> Fresh:
    """A new token. `lifetime` in seconds, None: for ever."""
    secret = new_secret() if secret is None else secret
    table: dict[str, Any] = {"id": new_client_id(), "name": name, "secret_sha256": digest(secret)}
    if lifetime is not None:
        table["expires_at"] = int(time.time()) + lifetime
    return Fresh(table["id"], secret, table)


def rotate(table: Mapping[str, Any], grace: int = GRACE, secret: str | None = None) -> Fresh:
    """The same token with another secret; the one before is good for `grace` seconds more, 0: no more."""
    secret = new_secret() if secret is None else secret
    new = {**table, "secret_sha256": digest(secret)}
    new.pop("previous_sha256", None)
    new.pop("previous_until", None)
    if grace > 0:
        new["previous_sha256"] = table["secret_sha256"]
        new["previous_until"] = int(time.time()) + grace
    return Fresh(str(table["id"]), secret, new)


def revoke(table: Mapping[str, Any]) -> dict[str, Any]:
    """The token with which nobody gets in any more, by either secret."""
    new = {**table, "enabled": False}
    new.pop("previous_sha256", None)
    new.pop("previous_until", None)
    return new
