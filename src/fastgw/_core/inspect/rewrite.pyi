from collections.abc import Iterable
from enum import IntEnum

class Rewriting(IntEnum):
    REWRITE_SET = 0
    REWRITE_ADD = 1
    REWRITE_REMOVE = 2

def rewritten(
    fields: Iterable[tuple[bytes, bytes]], changes: Iterable[tuple[int, bytes, bytes]]
) -> tuple[list[tuple[bytes, bytes]], list[bool], int]: ...
