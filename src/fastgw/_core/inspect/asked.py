"""What policies are made from: tuples of numbers, texts and digests, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Spans = tuple[tuple[int, int], ...]


class AskedEntry(NamedTuple):
    """One thing asked. `kind` is of AskedKind; `tokens` are numbers, `networks` spans of IPv4 and of IPv6."""

    kind: int
    fact: int = 0
    tokens: Sequence[int] = ()
    networks: tuple[Spans, Spans] = ((), ())


class PolicyEntry(NamedTuple):
    """`decision` is a number of PolicyDecision."""

    name: str
    decision: int
    included: Sequence[AskedEntry] = ()
    required: Sequence[AskedEntry] = ()
    excluded: Sequence[AskedEntry] = ()


class ApplicationEntry(NamedTuple):
    """`host` "" means all names, "*." in front those below; a star ends a path that is a beginning."""

    name: str
    host: str
    path: str
    policies: Sequence[PolicyEntry]
    asks_identity: bool = True
    audience: int = 0


class TokenEntry(NamedTuple):
    """SHA-256 digests of client id and secrets; times in ms since 1970, 0: never."""

    client: bytes
    secret: bytes
    enabled: bool = True
    expires_ms: int = 0
    previous: bytes = b""
    previous_until_ms: int = 0


class AccessEntry(NamedTuple):
    """One zone. `headers` carry signed tokens, `identity` is what the origin is told in; "": it is not."""

    zone: str
    applications: Sequence[ApplicationEntry]
    tokens: Sequence[TokenEntry] = ()
    headers: Sequence[str] = ()
    token_header: str = ""
    identity: str = ""
    bypass: bool = False
    recheck: bool = False
