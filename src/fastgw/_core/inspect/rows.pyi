from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Self

from typing_extensions import disjoint_base

from fastgw._core.inspect.entries import RuleEntry
from fastgw._core.rules.program import Rules

class InspectPhase(IntEnum):
    IP_ACCESS = 0
    ZONE_LOCKDOWN = 1
    USER_AGENT = 2
    CUSTOM = 3
    RATE_LIMIT = 4
    MANAGED = 5
    LATE_TRANSFORM = 6
    ORIGIN = 7
    CONFIG_SETTINGS = 8
    PHASE_COUNT = 9

class RuleAction(IntEnum):
    ALLOW = 0
    BLOCK = 1
    LOG = 2
    SKIP = 3
    EFFECT = 4
    COUNT = 5
    LIMIT = 6
    LIMIT_LOG = 7

@disjoint_base
class Inspection:
    def __new__(
        cls,
        rules: Rules,
        entries: Sequence[RuleEntry],
        managed: Rules | None = None,
        choices: Sequence[RuleEntry] = (),
        off: Iterable[int] = (),
        numbers: int = 0,
    ) -> Self: ...
    @property
    def rule_count(self) -> int: ...
    @property
    def phases(self) -> int: ...
