"""A zone that has been judged, with the place in the file of all that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from fastgw.config.records import Placed
from fastgw.config.tables import ZoneParts
from fastgw.policy.zone import Zone


@dataclass(frozen=True, slots=True)
class Judged:
    """One zone as it was read and as it is used."""

    part: ZoneParts
    zone: Zone
    placed: tuple[Placed, ...]

    @property
    def served(self) -> list[Placed]:
        """The records whose name the gateway answers for."""
        return [entry for entry in self.placed if entry.served]
