"""What is in force, zone by zone, and the next snapshot from what has changed; a part of the bridge."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastgw._core.io.tls import arm
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.rows import Certificate, ZoneBlock
from fastgw._core.proxy.snapshot import Snapshot
from fastgw.config import Config
from fastgw.config.collector import undisturbed
from fastgw.doorkeeper import Door, Doorkeeper
from fastgw.entries import Found, Made, Supplies, build
from fastgw.inspected import Inspected, Inspections, LimitCounters, RuleBook
from fastgw.managed import SET
from fastgw.places import Atlas, atlas
from fastgw.policy import chains
from fastgw.policy.access import OPEN, Access
from fastgw.policy.compile import ZoneRows, compile_zone
from fastgw.policy.tls import ServerTls, Shown, demands
from fastgw.policy.zone import Zone
from fastgw.probe.health import HealthTarget
from fastgw.serve.lookup import Lookup
from fastgw.tls.context import context_address
from fastgw.tls.trust import Shelf

ENDPOINTS_KEPT = 1024  # whose state is remembered although no zone leads to them any more

Stamp = tuple[int, int, int] | None  # of a file: time, size, inode


@dataclass(slots=True, eq=False)
class Built:
    """One zone as it is in force, with all that has to be known to see whether it must be built again."""

    zone: Zone
    block: ZoneBlock
    shown: dict[Shown, Made]  # the zone's certificates, the first of which stands for names that none bears
    stamps: tuple[tuple[Path, Stamp], ...]
    asked: tuple[str, ...]  # names whose records it looked for
    names: tuple[str, ...]  # names that it had resolved
    used: tuple[Any, ...]  # contexts
    checked: dict[int, HealthTarget]
    inspected: Inspected | None
    door: Door | None  # who may call


@dataclass(slots=True)
class Change:
    """The next snapshot, and what `take` has to do so that it is the newest."""

    snapshot: Snapshot
    zones: tuple[Zone, ...]
    by_name: dict[str, Zone]
    about: tuple[Any, ...]
    looked: int
    made: list[Built]
    gone: list[Built]
    same: list[tuple[Built, Zone]]
    atlas: Atlas | None = None

    @property
    def guarded(self) -> bool:
        """Does it bring policies about callers?"""
        return any(one.door is not None for one in self.made)


@dataclass(slots=True)
class Checks:
    """What `take` has to say to the health checks: numbers that are asked no more, targets that are new."""

    gone: list[int] = field(default_factory=list)
    new: list[HealthTarget] = field(default_factory=list)


class Published:
    """Blocks of all zones. `change` makes the successor of the newest snapshot, `take` puts it in its place.

    What both cost depends on the zones that differ, but for a look at each zone's identity. A zone is not
    compiled again if it is the same object, or equal with the same files. Files are looked at for zones that
    are other objects, and for all if every zone is the same object: so a renewed certificate is seen.
    """

    def __init__(
        self,
        lookup: Lookup,
        shelf: Shelf,
        endpoints: Endpoints,
        zone_number: Callable[[str], int],
        book: RuleBook | None = None,
        counters: LimitCounters | None = None,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.looked = 0  # what the lookup had learned when the newest snapshot was made
        self._lookup, self._shelf, self._endpoints = lookup, shelf, endpoints
        self._zone_number = zone_number
        self._book = RuleBook(dict) if book is None else book
        self._doorkeeper = Doorkeeper() if doorkeeper is None else doorkeeper
        self._counters = LimitCounters() if counters is None else counters
        self._inspections = Inspections(SET, self._counters)
        self._built: dict[str, Built] = {}
        self._zones: tuple[Zone, ...] = ()
        self._by_name: dict[str, Zone] = {}
        self._about: tuple[Any, ...] = ()  # what of the configuration concerns all zones
        self._files: dict[Path, int] = {}  # how many zones are made with a file
        self._askers: dict[str, set[str]] = {}  # name -> zones whose rows depend on its records
        self._waiting: dict[str, set[str]] = {}  # name -> zones that had it resolved
        self._atlas: Atlas | None = None  # where addresses are
        self._contexts: dict[int, int] = {}  # id of a context -> zones that use it
        self._checks: dict[int, dict[str, HealthTarget]] = {}  # number -> zones that have it checked, and how

    def change(self, config: Config, revision: int) -> Change:
        """The snapshot for `config`. Raise CertificateError, StartupError."""
        looked = self._lookup.revision
        zones, touched, left = self._differing(config.zones)
        stale, same = self._stale(config, zones, touched, left)
        stale |= self._affected(stale | left, zones, self._lookup.changed_since(self.looked))
        order = [zones[name] for name in stale]
        if len(order) > 1:
            # As in the configuration, which decides which of two certificates of one name came last.
            order = [zone for zone in config.zones if zone.name in stale]
        with undisturbed() if len(order) > 1 else contextlib.nullcontext():
            made = self._make(order, zones, config)
        gone = [self._built[name] for name in (*left, *(zone.name for zone in order)) if name in self._built]
        news = {one.zone.name: one for one in made}
        default = self._default(config.zones, news)
        places = atlas(config.geoip, self._atlas)
        front, keep = (0, None) if default is None else self._front(config, news)
        snapshot = Snapshot(
            revision=revision,
            added=[one.block for one in made],
            dropped=[one.block for one in gone],
            before=self.snapshot,
            default=default,
            gone=self._endpoints.sweep(ENDPOINTS_KEPT),
            front=front,
            front_keep=keep,
            own_records=config.tls.record_layer == "own",
            places=None if places is None else places.places,
        )
        return Change(snapshot, config.zones, zones, _about(config), looked, made, gone, same, places)

    def take(self, change: Change) -> Checks:
        """`change`, the last one made, is in force."""
        self.snapshot, self._about = change.snapshot, change.about
        self._zones, self._by_name = change.zones, change.by_name
        self.looked, self._atlas = change.looked, change.atlas
        for built, zone in change.same:
            built.zone = zone
        touched: set[int] = set()
        for built in (*change.made, *change.gone):
            touched.update(built.checked)
        made = {built.zone.name for built in change.made}
        for built in (*change.made, *(one for one in change.gone if one.zone.name not in made)):
            still = built.inspected if built.zone.name in made else None
            self._book.settle(built.zone.name, () if still is None else still.keys)
        before = {number: self._target(number) for number in touched}
        unused = self._count(change.made, change.gone)
        if unused:
            shown = {one for built in self._built.values() for one in built.shown}
            self._shelf.sweep(set(self._contexts), shown, self._files.keys())
        checks = Checks()
        for number, target in before.items():
            now = self._target(number)
            if now is None:
                checks.gone.append(number)
            elif now != target:
                checks.new.append(now)
        return checks

    @property
    def guarded(self) -> bool:
        """Are there policies about callers?"""
        return any(built.door is not None for built in self._built.values())

    @property
    def files(self) -> Collection[Path]:
        """Where a change would matter."""
        return self._files.keys() if self._atlas is None else self._files.keys() | set(self._atlas.files)

    # what differs

    def _differing(self, zones: tuple[Zone, ...]) -> tuple[dict[str, Zone], list[Zone], set[str]]:
        """All zones by name, those that are other objects than before, the names of those that are gone."""
        if len(zones) == len(self._zones):
            pairs = [
                (zone, before) for zone, before in zip(zones, self._zones, strict=True) if zone is not before
            ]
            if all(zone.name == before.name for zone, before in pairs):
                by_name = self._by_name.copy()
                by_name.update((zone.name, zone) for zone, _ in pairs)
                return by_name, [zone for zone, _ in pairs], set()
        by_name = {zone.name: zone for zone in zones}
        touched = [zone for zone in zones if self._by_name.get(zone.name) is not zone]
        return by_name, touched, self._by_name.keys() - by_name.keys()

    def _stale(
        self, config: Config, zones: dict[str, Zone], touched: list[Zone], left: set[str]
    ) -> tuple[set[str], list[tuple[Built, Zone]]]:
        """The zones that must be built, and those that are equal although they are other objects."""
        if _about(config) != self._about:
            return set(zones), []
        if not touched and not left:
            touched = [zone for zone in config.zones if self._built[zone.name].stamps]
        stamps: dict[Path, Stamp] = {}
        stale: set[str] = set()
        same: list[tuple[Built, Zone]] = []
        for zone in touched:
            built = self._built.get(zone.name)
            if built is None or built.zone != zone or _any_differs(built.stamps, stamps):
                stale.add(zone.name)
            elif built.zone is not zone:
                same.append((built, zone))
        return stale, same

    def _affected(self, changed: set[str], zones: dict[str, Zone], resolved: Collection[str]) -> set[str]:
        """Zones whose CNAMEs lead to records of `changed` zones that differ, or to names `resolved` anew."""
        found: set[str] = set()
        for name in resolved:
            found |= self._waiting.get(name, set())
        for name in changed if self._askers else ():
            built = self._built.get(name)
            before = chains.by_name(built.zone.records) if built is not None else {}
            after = chains.by_name(zones[name].records) if name in zones else {}
            for record in before.keys() | after.keys():
                if record in self._askers and before.get(record) != after.get(record):
                    found |= self._askers[record]
        return {name for name in found if name in zones}

    # building

    def _make(self, order: list[Zone], zones: dict[str, Zone], config: Config) -> list[Built]:
        """Build these zones; those that need no name resolved at once, so that few rows are held."""
        server = config.tls
        supplies = Supplies(self._shelf, self._endpoints, config.tls_groups, server.origin_ca)
        stamps: dict[Path, Stamp] = {}
        known = chains.Names(zones)
        made: dict[str, Built] = {}
        later: list[tuple[Zone, ZoneRows]] = []
        for zone in order:
            rows = compile_zone(zone, known, server)
            if rows.names:
                later.append((zone, rows))
            else:
                made[zone.name] = self._one(zone, rows, {}, supplies, server, stamps)
        wanted = {name for _, rows in later for name in rows.names}
        try:
            found = self._lookup.addresses(wanted) if wanted else {}
            for zone, rows in later:
                made[zone.name] = self._one(zone, rows, found, supplies, server, stamps)
        except BaseException:
            self._lookup.forget(wanted - self._waiting.keys())
            raise
        return [made[zone.name] for zone in order] if later else list(made.values())

    def _one(
        self,
        zone: Zone,
        rows: ZoneRows,
        found: Found,
        supplies: Supplies,
        server: ServerTls,
        stamps: dict[Path, Stamp],
    ) -> Built:
        marks = tuple([(path, _stamp(path, stamps)) for path in _files(zone, server)])
        entries = build(rows, self._zone_number(zone.name), found, supplies)
        inspected = self._inspections.of(replace(rows.zone.inspection, access=OPEN))
        if inspected is not None:
            slots = self._book.slots(zone.name, inspected.keys)
            self._counters.name(zone.name, slots, inspected.rules)
            entries.zone = entries.zone._replace(inspection=inspected.core, slots=slots)
        before = self._built.get(zone.name)
        door = self._door(zone, rows.zone.inspection.access, before, marks)
        if door is not None:
            entries.zone = entries.zone._replace(access=door.core)
        if (
            before is not None
            and before.stamps == marks
            and tuple(before.shown) == rows.certificates
            and self._about[:1] == (supplies.groups,)
        ):
            shown = before.shown
        else:
            shown = {one: supplies.certificate(one) for one in rows.certificates}
        special = [supplies.certificate(one) for row in rows.hosts for one in row.certificates]
        toward = tuple(entries.used.values())
        certificates = [made.certificate for made in shown.values()]
        if len(certificates) > 1:
            # Of two that bear one name the block takes the later; here the one in front goes first.
            certificates = [certificates[0], *reversed(certificates)]
        block = ZoneBlock(entries.zone, entries.hosts, entries.origins, certificates, self._endpoints, toward)
        return Built(
            zone=zone,
            block=block,
            shown=shown,
            stamps=marks,
            asked=tuple(rows.asked),
            names=rows.names,
            used=(*(made.context for made in (*shown.values(), *special)), *toward),
            checked=entries.checked,
            inspected=inspected,
            door=door,
        )

    def _door(
        self, zone: Zone, access: Access, before: Built | None, marks: tuple[tuple[Path, Stamp], ...]
    ) -> Door | None:
        """Who may call; what was found out is kept if neither policies nor files have changed."""
        same = before.door if before is not None and before.stamps == marks else None
        return self._doorkeeper.door(zone.name, access, same)

    def _default(self, zones: Iterable[Zone], made: dict[str, Built]) -> Certificate | None:
        """The certificate of the first zone that has one."""
        name = next((zone.name for zone in zones if zone.certificate is not None), None)
        if name is None:
            return None
        built = made.get(name) or self._built[name]
        return next(iter(built.shown.values())).certificate

    def _front(self, config: Config, made: dict[str, Built]) -> tuple[int, Any]:
        """What connections are accepted with until their name is known, and its context.

        Tickets of before are worth nothing once a demand for certificates has changed.
        """
        asking = [zone for zone in config.zones if zone.tls.clients]
        watch = any(zone.settings.tls_1_3 == "off" for zone in config.zones)
        context, fresh = self._shelf.front(config.tls_groups, (demands(asking), watch))
        address = context_address(context)
        if fresh:
            arm(address, watch)
        return address, context

    # keeping count

    def _count(self, made: list[Built], gone: list[Built]) -> bool:
        """Count in what is new and out what is gone; is a context used no more?"""
        for built in gone:
            del self._built[built.zone.name]
        for built in made:
            name = built.zone.name
            self._built[name] = built
            for record in built.asked:
                self._askers.setdefault(record, set()).add(name)
            for host in built.names:
                self._waiting.setdefault(host, set()).add(name)
            for context in built.used:
                self._contexts[id(context)] = self._contexts.get(id(context), 0) + 1
            for path, _ in built.stamps:
                self._files[path] = self._files.get(path, 0) + 1
            for number, target in built.checked.items():
                self._checks.setdefault(number, {})[name] = target
        return self._uncount(gone)

    def _uncount(self, gone: list[Built]) -> bool:
        swept = False
        left: list[str] = []
        for built in gone:
            name = built.zone.name
            after = self._built.get(name)
            for record in built.asked:
                if after is None or record not in after.asked:
                    _take_out(self._askers, record, name)
            unwanted = [host for host in built.names if after is None or host not in after.names]
            left += [host for host in unwanted if _take_out(self._waiting, host, name)]
            for path, _ in built.stamps:
                self._files[path] -= 1
                if not self._files[path]:
                    del self._files[path]
                    swept = True
            for context in built.used:
                self._contexts[id(context)] -= 1
                if not self._contexts[id(context)]:
                    del self._contexts[id(context)]
                    swept = True
            for number in built.checked:
                if after is None or number not in after.checked:
                    others = self._checks[number]
                    others.pop(name, None)
                    if not others:
                        del self._checks[number]
        self._lookup.forget(left)
        return swept

    def _target(self, number: int) -> HealthTarget | None:
        """How an endpoint is checked: as the zone says that had it checked first."""
        others = self._checks.get(number)
        return next(iter(others.values())) if others else None


def _take_out(sets: dict[str, set[str]], key: str, value: str) -> bool:
    """Take `value` out of the set of `key`; is the set empty, and gone, now?"""
    values = sets[key]
    values.discard(value)
    if values:
        return False
    del sets[key]
    return True


def _about(config: Config) -> tuple[Any, ...]:
    """What of the configuration concerns all zones."""
    return config.tls_groups, config.tls.origin_pull, config.tls.origin_ca


def _files(zone: Zone, server: ServerTls) -> tuple[Path, ...]:
    """The files a zone is made with, each once."""
    pairs = [zone.certificate, *zone.tls.certificates, *(rule.files for rule in zone.tls.origin_pull)]
    found: list[Path | None] = [zone.trust_store, zone.tls.crl]
    if zone.settings.tls_client_auth:
        pairs.append(server.origin_pull)
    if zone.settings.verified and zone.tls.origin_ca:
        found.append(server.origin_ca)
    for files in pairs:
        if files is not None:
            found += [files.file, files.key, files.ocsp]
    for rule in zone.tls.clients:
        found += [rule.certificates.ca, rule.certificates.crl]
    access = zone.inspection.access
    found += [*access.authorities, access.revoked]
    if access.identity is not None:
        found.append(access.identity.key)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def _any_differs(before: Iterable[tuple[Path, Stamp]], known: dict[Path, Stamp]) -> bool:
    """Is one of these files not what it was?"""
    return any(_stamp(path, known) != stamp for path, stamp in before)


def _stamp(path: Path, known: dict[Path, Stamp]) -> Stamp:
    """What tells a file from what it was before; each is looked at once for all zones."""
    if path not in known:
        try:
            status = os.stat(path)
            known[path] = status.st_mtime_ns, status.st_size, status.st_ino
        except OSError:
            known[path] = None
    return known[path]
