"""What is found out about a token or a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Flaw = Literal[
    "FLAWLESS",
    "MALFORMED",
    "UNKNOWN_ISSUER",
    "UNKNOWN_KEY",
    "WRONG_ALGORITHM",
    "WRONG_SIGNATURE",
    "WRONG_AUDIENCE",
    "EXPIRED",
    "NOT_YET_GOOD",
    "NO_KEYS",
    "NOT_TRUSTED",
    "REVOKED",
]
"""By the names of the core."""

PASSING: frozenset[Flaw] = frozenset({"UNKNOWN_KEY", "NO_KEYS", "NOT_YET_GOOD"})
"""What may be over in a moment."""


@dataclass(frozen=True, slots=True)
class Who:
    """An identity as an origin is told of it; empty parts are not known."""

    subject: str = ""
    email: str = ""
    common_name: str = ""
    groups: tuple[str, ...] = ()
    thumbprint: str = ""
    """SHA-256 of a certificate, base64url."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`facts`: numbers of things asked that hold; `expires`: seconds since 1970, None: never."""

    flaw: Flaw = "FLAWLESS"
    expires: float | None = None
    facts: tuple[int, ...] = ()
    who: Who = field(default_factory=Who)
    issuer: str = ""
    key: str = ""
    """Thumbprint of the key that has signed it."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def good(self) -> bool:
        return self.flaw == "FLAWLESS"
