"""The thumbprint of a public key: a name that only that key has (RFC 7638)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


def thumbprint_of(key: Mapping[str, Any]) -> str:
    """Of a key as JWK. Raise KeyError where something is missing."""
    text = {name: str(key[name]) for name in _MEMBERS[key["kty"]]}
    digest = hashlib.sha256(json.dumps(text, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64url(digest)


def base64url(octets: bytes) -> str:
    """Without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
