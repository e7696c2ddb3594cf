"""Rate limits that several gateways share: where they meet, and what holds while they cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OnLoss = Literal["local", "deny", "allow"]

LEASE_MS = 50
LEASE_LEAST_MS, LEASE_MOST_MS = 10, 1000
PREFIX = "fastgw"
RECORDS = 65_536
"""Keys that one gateway shares at a time."""
BATCH = 2048
"""Of them, those that it tells the others of in one turn."""


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """`place` is a URL; together with `password` and `secret` it is never shown."""

    place: str = field(repr=False)
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    prefix: str = PREFIX
    on_loss: OnLoss = "local"
    lease_ms: int = LEASE_MS
