"""Other ways to an origin that rules may choose for a call: another record, name, port or mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast

from fastgw.policy.inspection import Inspection, Route, Rule
from fastgw.policy.records import Record
from fastgw.policy.settings import EncryptionMode
from fastgw.policy.zone import Zone


class Way(NamedTuple):
    """What of a route concerns the connection to the origin; empty and 0: as without rules."""

    origin: str
    server_name: str
    port: int


AS_IT_IS = Way("", "", 0)


def ways_of(asked: Inspection) -> tuple[tuple[Way, ...], tuple[str, ...]]:
    """All that its rules may choose: ways, and encryption modes. The first of both stands for no choice."""
    ways, modes = {AS_IT_IS: None}, {"": None}
    for rule in _enabled(asked):
        if rule.route is not None:
            ways[way_of(rule.route)] = None
        modes.update((value, None) for key, value in rule.config if key == "ssl")
    return tuple(ways), tuple(modes)


def _enabled(asked: Inspection) -> Iterator[Rule]:
    return (rule for phased in asked.phases for rule in phased.rules if rule.enabled)


def way_of(route: Route) -> Way:
    """What of `route` concerns the connection."""
    return Way(route.origin, route.server_name, route.port)


def mode_of(rule: Rule) -> str:
    """The encryption mode a rule chooses, or an empty text."""
    return dict(rule.config).get("ssl", "")


def mark(way: int, mode: int) -> str:
    """What stands behind a hostname in the index of names for this choice: no hostname has a slash."""
    return f"/{way}/{mode}"


def variants(zone: Zone) -> list[tuple[str, Way, Zone]]:
    """Each choice there is in a zone but that of no change: its mark, the way, and the zone in that mode."""
    ways, modes = ways_of(zone.inspection)
    zones = [
        zone if not mode else replace(zone, settings=replace(zone.settings, ssl=cast(EncryptionMode, mode)))
        for mode in modes
    ]
    return [
        (mark(number, place), way, zones[place])
        for number, way in enumerate(ways)
        for place in range(len(modes))
        if number or place
    ]


def _in_mode(zone: Zone, mode: str) -> Zone:
    if not mode:
        return zone
    return replace(zone, settings=replace(zone.settings, ssl=cast(EncryptionMode, mode)))


def along(way: Way, records: list[Record]) -> list[Record]:
    """The records of a name, with what the way says about their targets."""
    changes: dict[str, Any] = {}
    if way.server_name:
        changes["origin_server_name"] = way.server_name
    if way.port:
        changes["origin_port"] = way.port
    return [record._replace(**changes) for record in records] if changes else records
