from collections.abc import Sequence
from typing import Self, final

from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import HostEntry, OriginEntry, ZoneEntry

@final
class Certificate:
    identity: bytes
    def __new__(
        cls,
        context: int,
        names: Sequence[str],
        identity: bytes,
        *,
        demand: int = 0,
        required: bool = False,
        version_least: int = 0,
        version_most: int = 0,
        no_h2: bool = False,
        staple: bytes = b"",
        keep: object = None,
    ) -> Self: ...

@final
class ZoneBlock:
    name: str
    def __new__(
        cls,
        zone: ZoneEntry,
        hosts: Sequence[HostEntry],
        origins: Sequence[OriginEntry],
        certificates: Sequence[Certificate],
        endpoints: Endpoints,
        keep: object = (),
    ) -> Self: ...
    @property
    def octets(self) -> int: ...

BALANCES: dict[str, int]
