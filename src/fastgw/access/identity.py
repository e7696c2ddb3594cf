"""The word about a caller that an origin gets: a signed token, and the public keys to judge it with."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fastgw.access.thumbprint import base64url, thumbprint_of
from fastgw.access.verdict import Who
from fastgw.errors import CertificateError
from fastgw.policy.access import Identity

OCTETS_MOST = 2040
"""Of a signed token; the core has room for as many."""


def _load(path: Path) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise CertificateError(
            f"names {path}, which cannot be read: {(error.strerror or '').lower()}"
        ) from None
    except (ValueError, TypeError):
        raise CertificateError(f"names {path}, which is no key, or is encrypted") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return key
    raise CertificateError(f"names {path}, which is neither RSA of 2048 bits and more nor EC P-256")


def public_jwk(path: Path) -> dict[str, str]:
    """The public half of a key file, as JWK with its thumbprint for a name. Raise CertificateError."""
    return _jwk(_load(path))


def _jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        row = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e), "alg": "RS256"}
    else:
        point = key.public_key().public_numbers()
        row = {
            "kty": "EC",
            "crv": "P-256",
            "x": _number(point.x, 32),
            "y": _number(point.y, 32),
            "alg": "ES256",
        }
    return {**row, "use": "sig", "kid": thumbprint_of(row)}


def _number(value: int, size: int = 0) -> str:
    octets = value.to_bytes(size or (value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def public_keys(paths: Iterable[Path]) -> dict[str, Any]:
    """The document that origins judge identities with: the key in force, and those before it."""
    return {"keys": [public_jwk(path) for path in paths]}


class Signer:
    """Writes identities down. Reading the key is all that can fail: CertificateError."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._key = _load(identity.key)
        row = _jwk(self._key)
        self._algorithm, self._kid = row["alg"], row["kid"]

    def sign(
        self, who: Who, audience: Sequence[str], expires: float | None = None, now: float | None = None
    ) -> tuple[str, int]:
        """The token and when it ends; never later than `expires`."""
        now = time.time() if now is None else now
        end = int(now) + self.identity.lifetime
        if expires is not None:
            end = min(end, int(expires))
        claims: dict[str, Any] = {
            "iss": self.identity.issuer,
            "aud": list(audience),
            "iat": int(now),
            "nbf": int(now),
            "exp": end,
            "sub": who.subject,
            "type": "app",
        }
        if who.email:
            claims["email"] = who.email
        if who.common_name:
            claims["common_name"] = who.common_name
        if who.thumbprint:
            claims["cnf"] = {"x5t#S256": who.thumbprint}
        text = self._write({**claims, "groups": list(who.groups)} if who.groups else claims)
        if len(text) > OCTETS_MOST:
            text = self._write(claims)
        return text, end

    def _write(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers={"kid": self._kid})


__all__ = ["OCTETS_MOST", "Signer", "base64url", "public_jwk", "public_keys"]
