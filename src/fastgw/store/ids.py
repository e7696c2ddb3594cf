"""What programs call accounts and zones: names that never change while the zone keeps its own."""

from __future__ import annotations

import hashlib
import secrets


def fixed_id(*parts: str) -> str:
    """32 hexadecimal digits that follow from `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def fresh_id() -> str:
    """32 hexadecimal digits that nothing else is called."""
    return secrets.token_hex(16)


def zone_id(name: str) -> str:
    """That of a zone: the same here and there, and again if it is made anew."""
    return fixed_id("fastgw zone", name)


ACCOUNT_ID = fixed_id("fastgw account")
"""There is one account: whoever runs the gateway."""
