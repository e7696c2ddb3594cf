from enum import IntEnum
from typing import Any

from fastgw._core.inspect.policies import AccessTable

class AccessVerdict(IntEnum):
    ADMITTED = 0
    UNAUTHENTICATED = 1
    FORBIDDEN = 2
    TO_BE_ASKED = 3

class Proof(IntEnum):
    BY_NOTHING = 0
    BY_SERVICE_TOKEN = 1
    BY_TOKEN = 2
    BY_CERTIFICATE = 3

def judge(
    table: AccessTable,
    fields: list[tuple[bytes, bytes]],
    hostname: bytes,
    *,
    client: bytes | None = None,
    certificate: bytes | None = None,
    digest: bytes | None = None,
    trusted: bool = True,
    now_ms: int = 0,
) -> dict[str, Any]: ...
