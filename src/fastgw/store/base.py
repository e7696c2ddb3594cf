"""What every store of zones offers, and the values that go in and out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from fastgw.errors import StoreError
from fastgw.policy.names import HostnameError, hostname

Document = Mapping[str, Any]  # of the shape of a [[zone]] table
Judge = Callable[[Sequence["Edit"]], None]
"""Called within the transaction, before anything is written; what it raises undoes the transaction."""

Op = Literal["put", "delete", "rollback"]
ANONYMOUS = "unknown"
OBJECT = "@"  # in front of the name of what is kept beside the zones, as in "@tokens/3f…"


@dataclass(frozen=True, slots=True)
class StoredZone:
    """One zone as it was written. `revision` is that of its last change; 0 in a file."""

    name: str
    document: Document
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All zones of a store as of one revision."""

    revision: int
    zones: Mapping[str, StoredZone]


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the log of revisions, which is the audit log too. `at`: seconds since 1970."""

    revision: int
    at: float
    actor: str
    op: Op
    zone: str
    before: Document | None
    after: Document | None


@dataclass(frozen=True, slots=True)
class Span:
    """When something came and when it was last changed: seconds since 1970."""

    created: float
    modified: float


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that is wanted. `document` None: the zone goes. `zone` may be the name of an object, too.

    `expect_revision`: that of the zone's last change as the author knows it, 0 if there is none; None: any.
    """

    zone: str
    document: Document | None
    expect_revision: int | None = None
    op: Op = "put"


class Store(Protocol):
    """Zones by name."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def snapshot(self) -> Snapshot:
        """All zones."""

    def changes(self, since: int) -> list[Change]:
        """What was changed after revision `since`, in order."""

    def history(self, zone: str | None = None, most: int = 100) -> list[Change]:
        """The last changes, newest first."""

    def write(self, edits: Sequence[Edit], *, actor: str, judge: Judge | None = None) -> int:
        """Make all edits or none; the revision after them."""


def is_object(name: str) -> bool:
    """Is it the name of something beside the zones: a token, a pool of endpoints?"""
    return name.startswith(OBJECT)


def zone_name(text: object) -> str:
    """The name of a zone as it is kept. Raise StoreError."""
    if not isinstance(text, str):
        raise StoreError("the zone has no name", 'its document needs "name": "example.com"')
    try:
        return hostname(text)
    except HostnameError as error:
        raise StoreError(f"{text!r} {error}", "a zone is named by its domain, as in example.com") from None


def encoded(document: Document) -> str:
    """The document as one line of JSON. Raise StoreError."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"the zone {document.get('name')!r} is not JSON: {error}") from None
