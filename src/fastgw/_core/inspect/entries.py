"""What an inspection is made from: one tuple for each rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fastgw._core.inspect.counters import Counters


class ResponseEntry(NamedTuple):
    """What is answered in place of the usual denial; `grpc_status` -1: the usual one."""

    http_status: int
    content: str
    content_type: str
    grpc_status: int = -1


class ChangeEntry(NamedTuple):
    """A change of metadata: `operation` is a Rewriting, `number` a value of the program (-1: `value`)."""

    operation: int
    name: str
    value: str = ""
    number: int = -1


class LimitEntry(NamedTuple):
    """How calls are counted: in which table, by which values of the program; `terms`: a RateLimit."""

    counters: Counters
    values: Sequence[int]
    terms: Any


class RuleEntry(NamedTuple):
    """What is done where a rule holds. `phase` and `action` are numbers of InspectPhase and RuleAction.

    stops   skip: the rest of its phase too
    skips   phases that are left out, a bit each
    spares  numbers of managed rules that are left out
    changes, authority  of the call, where the rule lets it pass; empty: they stay
    way, mode  numbers of another way to the origin and of another encryption mode; 0: as it is
    """

    phase: int
    action: int
    id: str
    label: str
    logging: bool = True
    stops: bool = False
    skips: int = 0
    spares: Sequence[int] = ()
    response: ResponseEntry | None = None
    changes: Sequence[ChangeEntry] = ()
    authority: str = ""
    way: int = 0
    mode: int = 0
    limit: LimitEntry | None = None
