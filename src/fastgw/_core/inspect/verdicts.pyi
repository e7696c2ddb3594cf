from collections.abc import Iterable
from enum import IntEnum
from typing import Self

from typing_extensions import disjoint_base

class Flaw(IntEnum):
    FLAWLESS = 0
    MALFORMED = 1
    UNKNOWN_ISSUER = 2
    UNKNOWN_KEY = 3
    WRONG_ALGORITHM = 4
    WRONG_SIGNATURE = 5
    WRONG_AUDIENCE = 6
    EXPIRED = 7
    NOT_YET_GOOD = 8
    NO_KEYS = 9
    NOT_TRUSTED = 10
    REVOKED = 11
    FLAW_COUNT = 12

@disjoint_base
class Vault:
    def __new__(cls) -> Self: ...
    @property
    def evicted(self) -> int: ...
    def put_verdict(
        self,
        key: bytes,
        now_ms: int,
        until_ms: int,
        expires_ms: int = 0,
        facts: Iterable[int] = (),
        flaw: Flaw = ...,
    ) -> None: ...
    def put_assertion(self, key: bytes, now_ms: int, until_ms: int, text: bytes) -> None: ...
    def verdict(self, key: bytes, now_ms: int) -> tuple[Flaw, int, list[int]] | None: ...
    def assertion(self, key: bytes, now_ms: int) -> bytes | None: ...
