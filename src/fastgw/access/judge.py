"""Tokens and certificates judged by what one zone believes. Whatever is in doubt is refused."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography import x509

from fastgw.access import facts
from fastgw.access.certificates import Authorities, ends, who_of
from fastgw.access.keys import KeyRing, KeySet
from fastgw.access.verdict import Flaw, Verdict, Who
from fastgw.policy.access import Access, Jwt

TOKEN_OCTETS = 8192
_KNOWN = frozenset({"alg", "kid", "typ", "cty", "x5t", "x5t#S256", "jku", "x5u", "jwk", "x5c"})
_PINNED = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


def headers_of(access: Access) -> tuple[str, ...]:
    """The headers that tokens are looked for in; a token's place is its header's."""
    return tuple(dict.fromkeys(issuer.header for issuer in access.jwt))


class Judge:
    """Of one zone. Thread-safe: it changes nothing but the sets of keys, which look after themselves."""

    def __init__(self, access: Access, ring: KeyRing) -> None:
        self.access = access
        self.headers = headers_of(access)
        self.asked = facts.asked_of(access)
        self._ring = ring
        self._keys: dict[int, KeySet] = {
            number: ring.of(issuer.jwks_file or issuer.jwks_url, issuer.refresh)
            for number, issuer in enumerate(access.jwt)
        }
        self._authorities = Authorities(access.authorities, access.revoked)

    @property
    def key_sets(self) -> Sequence[KeySet]:
        return tuple(self._keys.values())

    # signed tokens

    def token(self, place: int, text: str, *, wait: float = 0.0, now: float | None = None) -> Verdict:
        """Judge the token from this header; `wait`: seconds a missing key may take to be fetched.

        Which algorithm, which key and which issuer: the token names them, what is configured decides.
        """
        now = time.time() if now is None else now
        if len(text) > TOKEN_OCTETS or not 0 <= place < len(self.headers):
            return Verdict("MALFORMED")
        try:
            header = jwt.get_unverified_header(text)
            claims = jwt.decode(text, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, UnicodeError):
            return Verdict("MALFORMED")
        if not isinstance(header, dict) or not isinstance(claims, dict) or not set(header) <= _KNOWN:
            return Verdict("MALFORMED")  # `crit` and `b64` change what a signature means
        issuers = [
            (number, issuer)
            for number, issuer in enumerate(self.access.jwt)
            if issuer.header == self.headers[place] and issuer.issuer == claims.get("iss")
        ]
        flaw: Flaw = "UNKNOWN_ISSUER"
        for number, issuer in issuers:
            found = self._by_issuer(number, issuer, header, text, wait, now)
            if found.good:
                return found
            flaw = found.flaw if flaw in ("UNKNOWN_ISSUER", "WRONG_AUDIENCE") else flaw
        return Verdict(flaw)

    def _by_issuer(
        self, number: int, issuer: Jwt, header: Mapping[str, Any], text: str, wait: float, now: float
    ) -> Verdict:
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in issuer.algorithms or algorithm not in _PINNED:
            return Verdict("WRONG_ALGORITHM")
        keys = self._keys[number]
        kid = kid if isinstance(kid, str) else None
        key = keys.find(kid, algorithm)
        if key is None:
            seen = keys.fetched
            if self._ring.want(keys) and wait > 0 and keys.wait(seen, wait):
                key = keys.find(kid, algorithm)
        if key is None:
            return Verdict("UNKNOWN_KEY" if keys.keys else "NO_KEYS")
        options: Any = {
            "require": ["exp", "iss"],
            "verify_aud": bool(issuer.audience),
            "verify_exp": False,  # judged below, by one clock
            "verify_nbf": False,
            "verify_iat": False,
            "verify_sub": False,
            "verify_jti": False,
        }
        try:
            claims = jwt.decode(
                text,
                key.public,
                algorithms=[algorithm],
                issuer=issuer.issuer,
                audience=list(issuer.audience) or None,
                options=options,
            )
        except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError) as error:
            wrong = isinstance(error, jwt.InvalidAudienceError) or error.claim == "aud"
            return Verdict("WRONG_AUDIENCE" if wrong else "MALFORMED")
        except jwt.InvalidIssuerError:
            return Verdict("UNKNOWN_ISSUER")
        except jwt.InvalidSignatureError:
            return Verdict("WRONG_SIGNATURE")
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return Verdict("WRONG_SIGNATURE")
        return self._in_time(issuer, claims, key.thumbprint, now)

    def _in_time(self, issuer: Jwt, claims: Mapping[str, Any], mark: str, now: float) -> Verdict:
        exp, nbf = _instant(claims.get("exp")), _instant(claims.get("nbf", 0))
        if exp is None or nbf is None:
            return Verdict("MALFORMED")
        if now >= exp + issuer.leeway:
            return Verdict("EXPIRED")
        if now < nbf - issuer.leeway:
            return Verdict("NOT_YET_GOOD")
        held = facts.of_token(self.asked, issuer.issuer, claims)
        return Verdict(
            "FLAWLESS", exp + issuer.leeway, held, facts.who_of(claims), issuer.issuer, mark, dict(claims)
        )

    def again(self, place: int, before: Verdict, now: float | None = None) -> Verdict:
        """Judge a token that was good once, under what is believed now, by what was in it."""
        now = time.time() if now is None else now
        flaw: Flaw = "UNKNOWN_ISSUER"
        for number, issuer in enumerate(self.access.jwt):
            if self.headers.index(issuer.header) != place or issuer.issuer != before.issuer:
                continue
            if not self._keys[number].has(before.key):
                flaw = "UNKNOWN_KEY"
                continue
            told = before.claims.get("aud")
            told = [told] if isinstance(told, str) else told if isinstance(told, list) else []
            meant = {one for one in told if isinstance(one, str)}
            if issuer.audience and meant.isdisjoint(issuer.audience):
                flaw = "WRONG_AUDIENCE"
                continue
            return self._in_time(issuer, before.claims, before.key, now)
        return Verdict(flaw)

    # certificates

    def certificate(self, der: bytes, now: float | None = None) -> Verdict:
        """Judge a certificate that TLS has found good."""
        now = time.time() if now is None else now
        try:
            certificate = x509.load_der_x509_certificate(der)
            flaw = self._authorities.judge(certificate, datetime.fromtimestamp(now, UTC))
            if flaw != "FLAWLESS":
                return Verdict(flaw)
            held = facts.of_certificate(self.asked, certificate, hashlib.sha256(der).hexdigest())
            return Verdict("FLAWLESS", ends(certificate), held, who_of(certificate, der))
        except (ValueError, TypeError):
            return Verdict("MALFORMED")

    # whom the origin is told of

    def service_token(self, client: bytes) -> Who | None:
        """The identity of the service token whose client id has this SHA-256 digest."""
        for token in self.access.service_tokens:
            if hashlib.sha256(token.client_id.encode()).digest() == client:
                return Who(common_name=token.client_id)
        return None


def _instant(value: Any) -> float | None:
    """A NumericDate (RFC 7519 section 2), None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value)
