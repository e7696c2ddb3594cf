"""Who may call what in a zone: applications with policies, and what proves who a caller is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Decision = Literal["allow", "deny", "bypass", "service_auth"]
"""`service_auth` and `bypass` are asked before the others, as in the reference product."""

Kind = Literal[
    "everyone",  # whoever calls
    "ip",  # values: networks, as text without host bits
    "country",  # values: ISO codes in capitals
    "service_token",  # values: client ids
    "any_valid_service_token",
    "jwt",  # any valid token; values: issuers, none: any of the zone's
    "email",  # values: addresses in lower case, of a valid token's claim `email`
    "email_domain",  # values: domains in lower case, what follows the @
    "claim",  # `name` of a claim of a valid token; a value is it, or is in it if it is an array
    "certificate",  # a client certificate that was found good
    "common_name",  # values: of the subject of such a certificate
    "fingerprint",  # values: SHA-256 of such a certificate, 64 hex digits in lower case
    "san",  # values: DNS names, addresses or URIs that such a certificate bears
]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

SECRET_DIGEST = 64
"""Hex digits of a SHA-256 digest."""
HEADERS_MOST = 4
"""Headers of one zone that signed tokens are looked for in."""
FACTS_MOST = 1024
"""Different things that the policies of one zone may ask of signed tokens and certificates."""
OF_TOKENS = frozenset({"jwt", "email", "email_domain", "claim"})
OF_CERTIFICATES = frozenset({"certificate", "common_name", "fingerprint", "san"})


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing asked of a caller: one of `values` must fit; kinds without values ask for the fact itself."""

    kind: Kind
    values: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """It decides for callers of whom one of `include` holds, all of `require`, and none of `exclude`."""

    name: str
    decision: Decision
    include: tuple[Requirement, ...] = ()
    require: tuple[Requirement, ...] = ()
    exclude: tuple[Requirement, ...] = ()

    @property
    def asks_identity(self) -> bool:
        """Does it take a token or certificate to be judged by it?"""
        plain = ("everyone", "ip", "country")
        return any(one.kind not in plain for one in (*self.include, *self.require, *self.exclude))


@dataclass(frozen=True, slots=True)
class Application:
    """A part of the zone under policies; of several that cover a call the most special one judges it.

    host  a name of the zone in A-labels, `*.` in front stands for all names below; "": every name of the zone
    path  "" all; "/pkg.Service" it and what is below it; "/pkg.*" all that begins so. Octets, case matters

    More special is: the exact host, the longer host, the longer path, the path without star, the earlier one.
    A path that who serves it may read as another, decoded or in another case, is judged as both.
    A caller of whom no policy decides is denied. Calls that no application covers pass.
    """

    name: str
    host: str = ""
    path: str = ""
    policies: tuple[AccessPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """A client id with the digests of its secrets; times in seconds since 1970, None: for ever.

    `enabled` False refuses both secrets. The previous one, if there is one, is good until `previous_until`.
    """

    client_id: str
    secret_sha256: str = field(repr=False)
    name: str = ""
    enabled: bool = True
    expires_at: int | None = None
    previous_sha256: str = field(default="", repr=False)
    previous_until: int | None = None


@dataclass(frozen=True, slots=True)
class Jwt:
    """An issuer whose tokens are believed: exactly one of `jwks_file` and `jwks_url` is given.

    `header` is read as `Bearer TOKEN` if it is `authorization`, any other as the token itself. An empty
    `audience` means any. Times in seconds.
    """

    issuer: str
    audience: tuple[str, ...]
    jwks_file: Path | None = None
    jwks_url: str = ""
    header: str = "authorization"
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    leeway: int = 30
    refresh: int = 300
    """How old a key set of a URL may be before it is fetched anew."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How the origin is told who calls: a JWT in `header`, signed with the key (RSA or EC P-256, PEM)."""

    key: Path
    issuer: str
    audience: tuple[str, ...] = ()
    header: str = "cf-access-jwt-assertion"
    lifetime: int = 60
    """Seconds, never beyond the caller's own token."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that one zone says about callers. It is in force if there is an application.

    grpc          "bypass": gRPC calls pass unjudged, as the reference product has them
    recheck       a stream ends UNAUTHENTICATED when the token it was allowed by expires or is withdrawn
    token_header  a header that may carry both parts of a service token as one JSON object; "": none
    authorities   PEM files: only client certificates that chain to one of them count; none: all found good
    revoked       lists of client certificates that are not: PEM, or one in DER
    """

    applications: tuple[Application, ...] = ()
    service_tokens: tuple[ServiceToken, ...] = ()
    jwt: tuple[Jwt, ...] = ()
    authorities: tuple[Path, ...] = ()
    revoked: Path | None = None
    identity: Identity | None = None
    grpc: Literal["enforce", "bypass"] = "enforce"
    recheck: bool = False
    token_header: str = ""

    def __bool__(self) -> bool:
        return bool(self.applications)


OPEN = Access()
