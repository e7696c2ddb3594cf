from enum import IntEnum
from typing import Self

from typing_extensions import disjoint_base

from fastgw._core.inspect.asked import AccessEntry
from fastgw._core.inspect.verdicts import Vault

class AskedKind(IntEnum):
    EVERYONE = 0
    NETWORK = 1
    SERVICE_TOKEN = 2
    ANY_SERVICE_TOKEN = 3
    TOKEN_FACT = 4
    CERTIFICATE_FACT = 5
    COUNTRY = 6
    NEVER = 7

class PolicyDecision(IntEnum):
    ALLOW = 0
    DENY = 1
    BYPASS = 2
    SERVICE_AUTH = 3

@disjoint_base
class AccessTable:
    owner: object
    def __new__(cls, entry: AccessEntry, vault: Vault) -> Self: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def number(self) -> int: ...
    def renew(self) -> None: ...
    def key_of(self, place: int, digest: bytes) -> bytes: ...
    def key_of_assertion(self, proof: int, audience: int, digest: bytes) -> bytes: ...
