"""What all requests to the admin API share: the zones by id, and the one way to change something."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastgw.admin.errors import (
    BAD_ROUTE,
    CERTIFICATE_INVALID,
    INVALID,
    NOT_FOUND,
    READ_ONLY,
    UNAVAILABLE,
    UNKNOWN_ZONE,
    Coded,
    plainly,
    refuse,
    translated,
)
from fastgw.admin.files import Files, Pair
from fastgw.admin.live import Live
from fastgw.config.values import Config
from fastgw.errors import CertificateError, FastgwError, StaleError
from fastgw.gateway import Gateway
from fastgw.policy.zone import Zone
from fastgw.store.base import Edit, Span, StoredZone
from fastgw.store.ids import zone_id
from fastgw.store.sqlite import SqliteStore
from fastgw.store.tokens import Token
from fastgw.store.tokens import get as get_token
from fastgw.store.zones import Zones
from fastgw.tls.material import read_material

Result = TypeVar("Result")
TRIES = 8  # how often a change is made anew because another process was faster
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Found:
    """One zone: as it is written, as it is in force (None: it cannot be), and where it comes from."""

    name: str
    document: Mapping[str, Any]
    revision: int
    declared: bool
    judged: Zone | None
    problem: str = ""

    @property
    def id(self) -> str:
        """What the API calls it."""
        return zone_id(self.name)

    def require_judged(self) -> Zone:
        """As it is in force. Raise ApiError."""
        if self.judged is None:
            raise refuse(409, UNAVAILABLE, f"the zone {self.name} cannot be served: {self.problem}")
        return self.judged


def _texts(value: object) -> Iterator[str]:
    """All texts within."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


class Desk:
    """The gateway and its zones. `drain`: orders the process to end; None: nobody may."""

    def __init__(self, gateway: Gateway, zones: Zones, drain: Callable[[], object] | None = None) -> None:
        self.gateway = gateway
        self.zones = zones
        self.drain = drain
        self.draining = False
        self.tails = 0  # who looks at what happens
        self.live = Live(gateway)
        self.lookers = 0  # at it
        self.closing = False  # is whoever looks to go?
        self.last_used: Callable[[str], float | None] = lambda token: None
        self._writing = threading.RLock()
        self._config: Config | None = None
        self._by_id: dict[str, str] = {}
        self._judged: dict[str, Zone] = {}

    def token_good(self, token: Token) -> bool:
        """Is it still what it was when the request was let in?"""
        found = get_token(self.zones, token.id)
        return found is not None and found.hash == token.hash and found.status(time.time()) == "active"

    # zones

    @property
    def store(self) -> SqliteStore:
        """The database. Raise ApiError."""
        store = self.zones.store
        if store is None:
            raise refuse(503, UNAVAILABLE, "there is no store just now")
        return store

    @property
    def directory(self) -> Path:
        """Where files lie that were uploaded: beside the store, for its owner only."""
        return self.store.path.resolve().parent / "certificates"

    @property
    def files(self) -> Files:
        """What lies there."""
        return Files(self.directory)

    @property
    def base(self) -> Path:
        """What relative paths in documents are relative to."""
        source = self.zones.config.source
        return Path.cwd() if source is None else source.resolve().parent

    def judge_pair(self, pair: Pair) -> None:
        """Does the key belong to the certificate? Raise ApiError."""
        try:
            read_material(pair.file, pair.key)
        except CertificateError as error:
            hint = f" ({error.hint})" if error.hint else ""
            said = str(error).replace(str(pair.file), "the certificate").replace(str(pair.key), "the key")
            raise refuse(
                400, CERTIFICATE_INVALID, f"the {error.part} {said}{hint}", f"/{error.part}"
            ) from None

    def sweep(self) -> None:
        """Let go of files that were uploaded by requests that came to nothing because the process ended."""
        store = self.zones.store
        if store is None:
            return
        documents = [zone.document for zone in store.snapshot().zones.values()]
        used = {text for document in documents for text in _texts(document)}
        used |= {
            str(self.directory / f"{one.name.rpartition('/')[2]}.ca.pem") for one in store.objects("@mtls")
        }
        self.files.sweep(used)

    def names(self) -> dict[str, Zone | None]:
        """Every zone by its name, in order; None: it cannot be served."""
        self._refresh()
        found: dict[str, Zone | None] = dict(self._judged)
        found.update(dict.fromkeys(self.zones.left_out))
        return {name: found[name] for name in sorted(found)}

    def zone(self, id_: str) -> Found:
        """One zone by its id. Raise ApiError."""
        if not _ID.fullmatch(id_):
            sentence = f"{id_[:64]!r} is no id of a zone, which has 32 hexadecimal digits"
            raise refuse(404, BAD_ROUTE, sentence)
        name = self._by_id.get(id_)
        if name is None or name not in self._judged:
            self._refresh()
            name = self._by_id.get(id_)
        if name is None:
            raise refuse(404, UNKNOWN_ZONE, "there is no such zone")
        return self.named(name)

    def named(self, name: str) -> Found:
        """One zone by its name. Raise ApiError."""
        try:
            stored, declared = self.zones.get(name)
        except FastgwError:
            raise refuse(404, UNKNOWN_ZONE, "there is no such zone") from None
        self._refresh()
        problem = self.zones.left_out.get(name, "")
        return Found(name, stored.document, stored.revision, declared, self._judged.get(name), problem)

    def span(self, found: Found) -> Span:
        """When the zone was made and last changed; a declared one when its file was written."""
        span = None if found.declared else self.store.span(found.name)
        if span is not None:
            return span
        source = self.zones.config.source
        try:
            at = 0.0 if source is None else source.stat().st_mtime
        except OSError:
            at = 0.0
        return Span(at, at)

    def _refresh(self) -> None:
        """Know the zones of the configuration in force."""
        config = self.zones.config
        if config is self._config and not self.zones.left_out:
            return
        judged = {zone.name: zone for zone in config.zones}
        names = (*judged, *self.zones.left_out)
        known = {name: id_ for id_, name in self._by_id.items()}
        self._by_id = {known.get(name) or zone_id(name): name for name in names}
        self._judged, self._config = judged, config

    # what is kept beside them

    def object(self, kind: str, id_: str) -> StoredZone:
        """One thing beside the zones. Raise ApiError."""
        found = self.store.object(f"@{kind}/{id_}") if _ID.fullmatch(id_) else None
        if found is None:
            raise refuse(404, NOT_FOUND, f"there is no such {kind.removesuffix('s')}")
        return found

    def objects(self, kind: str) -> list[StoredZone]:
        """All of a kind."""
        return self.store.objects(f"@{kind}/")

    # changes

    def write(
        self,
        edits: Callable[[], tuple[Result, Sequence[Edit]]],
        actor: str,
        coded: Coded | None = None,
    ) -> Result:
        """Judge, store and put in force what `edits` asks for, or nothing. Raise ApiError.

        One change at a time; `edits` is called again if another process has changed the same first.
        """
        with self._writing:
            for turn in range(TRIES):
                result, wanted = edits()
                self._require_ours(wanted)
                try:
                    self.zones.write(wanted, actor)
                except StaleError as error:
                    if turn == TRIES - 1:
                        raise translated(error, plainly(INVALID)) from None
                    continue
                except FastgwError as error:
                    raise translated(error, coded or plainly(INVALID)) from error
                return result
        raise AssertionError("the last turn returns or raises")

    def _require_ours(self, edits: Sequence[Edit]) -> None:
        for edit in edits:
            if not edit.zone.startswith("@") and self.is_declared(edit.zone):
                raise refuse(
                    403,
                    READ_ONLY,
                    f"the zone {edit.zone} is declared in the configuration file, which wins: edit the file "
                    "and reload",
                )

    def is_declared(self, name: str) -> bool:
        """Does the file declare the zone? Then it is not changed here."""
        try:
            return self.zones.get(name)[1]
        except FastgwError:
            return False
