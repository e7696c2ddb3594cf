from collections.abc import Sequence
from typing import Self

from typing_extensions import disjoint_base

from fastgw._core.proxy.ask import Asks

@disjoint_base
class Hooks:
    asks: Asks
    def __new__(
        cls, asks: Asks, rows: Sequence[tuple[str, str, str, int, bool, int, Sequence[str]]]
    ) -> Self: ...

def may_change(name: bytes) -> bool: ...
