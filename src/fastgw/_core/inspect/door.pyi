from typing import Self, TypedDict

from typing_extensions import disjoint_base

from fastgw._core.inspect.rows import Inspection
from fastgw._core.rules.door import Head

class _Verdict(TypedDict):
    rule: str | None
    slot: int
    skipped: int
    effects: list[int]
    text: str

@disjoint_base
class Trial:
    def __new__(cls, inspection: Inspection, zone: str = "zone.test", memory: bool = True) -> Self: ...
    def ask(self, head: Head, now_ns: int = 0) -> tuple[str, list[tuple[int, bool, str]], _Verdict]: ...
    def ask_many(self, head: Head, rounds: int) -> int: ...
    def tallies(self) -> dict[int, tuple[int, int]]: ...
