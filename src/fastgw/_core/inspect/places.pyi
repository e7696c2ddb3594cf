from collections.abc import Iterable, Sequence
from typing import Self, final

def leaves_of(tree: bytes, nodes: int, record_bits: int) -> list[int]: ...

@final
class Places:
    def __new__(
        cls,
        trees: Iterable[
            tuple[bytes, int, int, int, Sequence[int], Sequence[tuple[str | int | bool | None, ...]]]
        ],
    ) -> Self: ...
    @property
    def octets(self) -> int: ...
    def find(self, address: bytes) -> tuple[str | int | bool | None, ...]: ...
    def country(self, address: bytes) -> int: ...
