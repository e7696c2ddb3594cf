"""What an inspection is made from: one tuple for each rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class ResponseEntry(NamedTuple):
    """What is answered in place of the usual denial; `grpc_status` -1: the usual one."""

    http_status: int
    content: str
    content_type: str
    grpc_status: int = -1


class RuleEntry(NamedTuple):
    """What is done where a rule holds. `phase` and `action` are numbers of InspectPhase and RuleAction.

    stops   skip: the rest of its phase too
    skips   phases that are left out, a bit each
    spares  numbers of managed rules that are left out
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
