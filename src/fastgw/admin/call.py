"""One request to the admin API, after it has been let in; and what a resource says of its routes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from fastgw.admin.desk import Desk, Found
from fastgw.admin.errors import BAD_ROUTE, INVALID, NOTE, STALE, Coded, plainly, refuse
from fastgw.admin.query import Param, Query
from fastgw.policy.zone import Zone
from fastgw.store.base import Edit
from fastgw.store.ids import ACCOUNT_ID
from fastgw.store.tokens import Token

Result = TypeVar("Result")
Document = dict[str, Any]


class Body(BaseModel):
    """What a request may say. Keys that nothing is done with are named in the answer's messages."""

    model_config = ConfigDict(extra="allow")

    def ignored(self, path: str = "") -> list[str]:
        """The keys that nothing is done with, inner ones too."""
        found = [f"{path}{key}" for key in self.__pydantic_extra__ or ()]
        for name, value in self:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Body):
                    found += one.ignored(f"{path}{name}.")
        return list(dict.fromkeys(found))


class Nothing(Body):
    """An empty object."""


class View(BaseModel):
    """What an answer says."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not JSON in the envelope, or has another status."""

    content: Any
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path below the root of the API.

    scope    what a token must allow; "": any good token will do
    body     what is read from the request; `octets`: as it stands, with its most octets, in place of a model
    result   the type of `result`, for the description; `paging`: none, page or cursor
    any_zone is a token for some zones enough, as the answer tells only of those?
    any_status may the token be expired or disabled?
    """

    method: str
    path: str
    do: Callable[[Call], Any]
    scope: str
    summary: str
    result: Any = None
    body: type[BaseModel] | None = None
    query: Sequence[Param] = ()
    paging: str = "none"
    octets: int = 0
    any_status: bool = False
    media_type: str = "application/json"
    enveloped: bool = True
    root: str = "/client/v4"
    any_zone: bool = False

    @property
    def name(self) -> str:
        """What code generators call it."""
        words = [part.strip("{}") for part in self.path.split("/") if part]
        return "-".join([self.method.lower(), *words]).replace("_", "-")

    @property
    def tag(self) -> str:
        """The resource it belongs to."""
        parts = [part for part in self.path.split("/") if part and not part.startswith("{")]
        return parts[1] if len(parts) > 1 and parts[0] in ("zones", "accounts", "user") else parts[0]


class Call:
    """Whoever answers a route gets this."""

    def __init__(self, desk: Desk, route: Route, token: Token) -> None:
        self.desk = desk
        self.route = route
        self.token = token
        self.path: dict[str, str] = {}
        self.query = Query()
        self.body: Any = None
        self.octets = b""
        self.content_type = ""
        self.if_match = ""
        self.peer = ""
        self.messages: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self._found: Found | None = None

    @property
    def actor(self) -> str:
        """Who asks, for the log of changes."""
        return f"token {self.token.name} ({self.token.id})"

    @property
    def zone(self) -> Found:
        """The zone that the path names. Raise ApiError."""
        if self._found is None:
            self._found = self.desk.zone(self.path["zone_id"])
            self.headers["etag"] = f'"{self._found.revision}"'
        return self._found

    def note(self, text: str) -> None:
        """A word beside the result."""
        self.messages.append({"code": NOTE, "message": text})

    def require_account(self) -> None:
        """There is only one account. Raise ApiError."""
        if self.path.get("account_id", ACCOUNT_ID) != ACCOUNT_ID:
            raise refuse(404, BAD_ROUTE, f"there is no such account; the only one is {ACCOUNT_ID}")

    def may(self, scope: str, zone: str | None = None) -> bool:
        """May the caller do that, too?"""
        return self.token.may(scope, zone)

    def require_revision(self, revision: int) -> None:
        """Is it the one the caller has seen, if he says so? Raise ApiError."""
        wanted = self.if_match.strip()
        if not wanted or wanted == "*":
            return
        known = [one.strip().removeprefix("W/").strip('"') for one in wanted.split(",")]
        if str(revision) not in known:
            sentence = f"it is at revision {revision} by now, not at {known[0][:40]}; read it again"
            raise refuse(409, STALE, sentence)

    def change(
        self,
        edit: Callable[[Document], Result],
        coded: Coded | None = None,
        more: Callable[[], Sequence[Edit]] | None = None,
    ) -> Result:
        """Let `edit` change the document of the zone, then judge, store and put it in force, or nothing.

        `edit` may be called again, if another process was faster; so may `more`, for what goes with it.
        """
        name = self.zone.name

        def edits() -> tuple[Result, list[Edit]]:
            found = self.desk.zone(self.path["zone_id"])
            self.require_revision(found.revision)
            document: Document = copy.deepcopy(dict(found.document))
            result = edit(document)
            also = () if more is None else more()
            return result, [Edit(name, document, found.revision), *also]

        result = self.desk.write(edits, self.actor, coded or plainly(INVALID))
        self._found = None
        found = self.zone
        for warning in self.desk.zones.warnings_of(found.name):
            self.note(f"{warning.field} {warning.sentence}".strip())
        return result

    @property
    def judged(self) -> Zone:
        """The zone as it is in force. Raise ApiError."""
        return self.zone.require_judged()
