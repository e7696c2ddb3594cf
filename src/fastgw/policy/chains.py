"""Which records answer for a name, and where their chains of CNAMEs lead, among names of our own zones."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from fastgw.policy.names import address, parents
from fastgw.policy.records import Record
from fastgw.policy.zone import Zone

Known = Mapping[str, list[Record]]  # full name to its records


class Names(Mapping[str, list[Record]]):
    """The names of zones as `Known`, without a table of them all: the zone of a name is found by its end."""

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._zones = zones
        self._found: dict[str, dict[str, list[Record]]] = {}  # of zones that were looked into

    def of_zone(self, zone: str) -> dict[str, list[Record]]:
        """The records of one of the zones by name."""
        names = self._found.get(zone)
        if names is None:
            names = self._found[zone] = by_name(self._zones[zone].records)
        return names

    def __getitem__(self, name: str) -> list[Record]:
        bare = name.removeprefix("*.")
        for end in (bare, *parents(bare)):
            if end in self._zones:
                records = self.of_zone(end).get(name)
                if records is not None:
                    return records
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for zone in self._zones for name in self.of_zone(zone))

    def __len__(self) -> int:
        return sum(len(self.of_zone(zone)) for zone in self._zones)


class ZoneNames(Names):
    """The same for a configuration of which one zone is about to change."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._own: dict[str, Zone] = {}
        super().__init__(self._own)
        self._places: dict[str, int] = {}
        for place, zone in enumerate(zones):
            self._own[zone.name] = zone
            self._places[zone.name] = place

    def put(self, zone: Zone) -> None:
        """Exchange or add one zone."""
        self._own[zone.name] = zone
        self._found.pop(zone.name, None)

    def leading_to(self, name: str) -> list[Zone]:
        """The other zones from which a CNAME leads into zone `name`, also by way of others."""
        far = {zone.name: zone for zone in self._own.values() if zone.outward and zone.name != name}
        found: list[Zone] = []
        reached = ["." + name]
        while reached:
            ends = tuple(reached)
            more = [zone for zone in far.values() if any(("." + one).endswith(ends) for one in zone.outward)]
            reached = ["." + zone.name for zone in more]
            found += [far.pop(zone.name) for zone in more]
        return found

    def place(self, name: str) -> int | None:
        """The position of this zone among those given at first."""
        return self._places.get(name)

    def with_name(self, name: str) -> Container[str]:
        """The names of the zones, and this one."""
        return {name, *self._own}

    def elsewhere(self, name: str, zone: str) -> bool:
        """Does a zone other than `zone` hold `name`?"""
        bare = name.removeprefix("*.")
        return any(
            end != zone and end in self._own and name in self.of_zone(end) for end in (bare, *parents(bare))
        )


class Watched(Mapping[str, list[Record]]):
    """`known`, with a note of every name that was asked for."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> list[Record]:
        self.asked.add(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def by_name(records: Iterable[Record]) -> dict[str, list[Record]]:
    """`records` by their full name, in the order they were written."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.name, []).append(record)
    return groups


def answering(name: str, known: Known) -> Sequence[Record] | None:
    """The records that answer for `name`; None: none of ours, so that public DNS is asked.

    The name itself, else the longest wildcard above it; a name on the way up that exists stops the search.
    """
    exact = known.get(name)
    if exact is not None:
        return exact
    for parent in parents(name):
        below = known.get(f"*.{parent}")
        if below is not None:
            return below
        if parent in known:
            return None
    return None


def follow(record: Record, known: Known) -> list[str]:
    """Where `record` leads: addresses, sockets, names that none of our zones holds; [""]: nowhere.

    A CNAME onto a name of our own zones is followed here: public DNS would answer with the gateway itself.
    Weight, priority, port and protocol stay those of `record`.
    """
    if record.type != "CNAME":
        return [address(record.content) or record.content]
    found: dict[str, None] = {}
    seen: set[str] = set()
    open_ends = [record]
    while open_ends:
        one = open_ends.pop(0)
        if one.type != "CNAME":
            if one.leads:
                found[address(one.content) or one.content] = None
            continue
        if one.content in seen:
            continue
        seen.add(one.content)
        ours = answering(one.content, known)
        if ours is None:
            found[one.content] = None
        else:
            open_ends = [*ours, *open_ends]
    return list(found) or [""]


def is_served(records: Iterable[Record], known: Known) -> bool:
    """Is their name proxied? One proxied record makes all of its name so, and a chain through such a name."""
    ahead = list(records)
    seen: set[str] = set()
    while ahead:
        record = ahead.pop()
        if record.proxied:
            return True
        if record.type == "CNAME" and record.content not in seen:
            seen.add(record.content)
            ahead += answering(record.content, known) or ()
    return False


def leads_back(record: Record, known: Known) -> bool:
    """Does a chain of CNAMEs that begins here come back to the name of `record`?"""
    seen: set[str] = set()
    ahead = [record.content] if record.type == "CNAME" else []
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        for other in answering(name, known) or ():
            if other.name == record.name:
                return True
            if other.type == "CNAME":
                ahead.append(other.content)
    return False
