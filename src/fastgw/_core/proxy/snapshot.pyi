from collections.abc import Iterable
from typing import Self, final

from fastgw._core.inspect.places import Places
from fastgw._core.proxy.rows import Certificate, ZoneBlock

@final
class Snapshot:
    def __new__(
        cls,
        *,
        revision: int,
        added: Iterable[ZoneBlock] = (),
        dropped: Iterable[ZoneBlock] = (),
        before: Snapshot | None = None,
        default: Certificate | None = None,
        gone: Iterable[int] = (),
        front: int = 0,
        front_keep: object = None,
        places: Places | None = None,
        own_records: bool = True,
    ) -> Self: ...
    @property
    def revision(self) -> int: ...
    @property
    def users(self) -> int: ...
    @property
    def seekers(self) -> int: ...
    def release(self) -> None: ...
    def explain(self, authority: str) -> tuple[str, str, str, str]: ...

def certificate_of(snapshot: Snapshot, sni: bytes | None) -> bytes | None: ...
def covers(certificate: Certificate, hostname: bytes) -> bool: ...
def probes(snapshot: Snapshot) -> tuple[int, int, int, int]: ...
def lookup_cost(snapshot: Snapshot, authorities: list[bytes], rounds: int) -> float: ...
