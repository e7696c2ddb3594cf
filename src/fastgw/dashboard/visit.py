"""One request to a page of the dashboard, after it has been let in; and what a page says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from fastgw.admin.api.zones import ZoneView
from fastgw.admin.errors import ApiError
from fastgw.dashboard.sessions import Session
from fastgw.store.ids import ACCOUNT_ID
from fastgw.store.tokens import Token

if TYPE_CHECKING:
    from fastgw.dashboard.site import Site

ACCOUNT, ZONE = "account", "zone"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    path    below the root of the dashboard; with {zone_id} it belongs to a zone
    title   what navigation, heading and window call it
    show    answers GET; `writes`: forms of the page by name, which answer POST
    nav     the list that names it: ACCOUNT, ZONE, or none
    scope   what a token must allow for the page to be listed; the API decides about what is on it
    """

    path: str
    title: str
    show: Callable[[Visit], Response]
    nav: str = ""
    scope: str = ""
    writes: Mapping[str, Callable[[Visit], Response]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the navigation."""

    title: str
    href: str
    here: bool


class Api:
    """The routes of the admin API, asked with the token of the visitor. Each raises ApiError.

    `path` is a route's, with its names in braces; `params` fill them. Those of the page fill what is left.
    """

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def get(self, path: str, query: Sequence[tuple[str, str]] = (), **params: str) -> Any:
        """What a GET answers as `result`."""
        return self._ask("GET", path, None, query, params)

    def post(self, path: str, body: object, **params: str) -> Any:
        """The same for POST."""
        return self._ask("POST", path, body, (), params)

    def put(self, path: str, body: object, **params: str) -> Any:
        """The same for PUT."""
        return self._ask("PUT", path, body, (), params)

    def patch(self, path: str, body: object, **params: str) -> Any:
        """The same for PATCH."""
        return self._ask("PATCH", path, body, (), params)

    def delete(self, path: str, **params: str) -> Any:
        """The same for DELETE."""
        return self._ask("DELETE", path, None, (), params)

    def may(self, scope: str, zone: str | None = None) -> bool:
        """May the visitor do that, in this zone or everywhere?"""
        return self._visit.token.may(scope, zone)

    def _ask(
        self, method: str, path: str, body: object, query: Sequence[tuple[str, str]], params: dict[str, str]
    ) -> Any:
        visit = self._visit
        full = path if path.startswith("/fastgw/") else f"/client/v4{path}"
        filled = {"account_id": ACCOUNT_ID, **visit.path, **params}
        asked = visit.site.admin.ask(visit.token, method, full, filled, body, query, visit.peer)
        if method != "GET":
            for message in asked.messages:
                visit.session.tell("note", str(message["message"]))
        return asked.result


class Visit:
    """Whoever answers for a page gets this."""

    def __init__(self, site: Site, page: Page, session: Session, token: Token) -> None:
        self.site = site
        self.page = page
        self.session = session
        self.token = token
        self.api = Api(self)
        self.base = ""
        self.path: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.fields: dict[str, list[str]] = {}
        self.peer = ""
        self.complaints: Sequence[str] = ()
        self.status = 200
        self._zone: ZoneView | None = None

    # what was sent

    def field(self, name: str, default: str = "") -> str:
        """A field of the form, without blanks around it."""
        found = self.fields.get(name)
        return found[0].strip() if found else default

    def ticked(self, name: str) -> bool:
        """A box of the form."""
        return self.field(name) in ("on", "true", "1", "yes")

    # what there is

    @property
    def zone(self) -> ZoneView:
        """The zone of the path. Raise ApiError."""
        if self._zone is None:
            found = self.api.get("/zones/{zone_id}")
            assert isinstance(found, ZoneView)
            self._zone = found
        return self._zone

    def href(self, path: str = "", **params: str) -> str:
        """The address of a page by its path, filled in; none: this page."""
        return self.base + _filled(path or self.page.path, {**self.path, **params})

    # what is answered

    def render(self, template: str, **more: Any) -> Response:
        """A page of its template."""
        return self.site.rendered(self, template, more)

    def done(self, sentence: str = "", to: str = "", **params: str) -> Response:
        """After a write: back to the page, or to another one, which says `sentence` first."""
        if sentence:
            self.session.tell("good", sentence)
        return RedirectResponse(self.href(to, **params), 303)

    def refused(self, error: ApiError) -> Response:
        """The page once more, with what the API has said."""
        self.complaints = [complaint.message for complaint in error.complaints]
        self.status = error.status
        return self.page.show(self)

    def links(self, nav: str) -> list[Link]:
        """The navigation of an account or of a zone."""
        zone = self.path.get("zone_id")
        found = []
        for page in self.site.pages:
            listed = not page.scope or (
                self.token.may(page.scope, zone) if nav == ZONE else self.token.sees(page.scope)
            )
            if page.nav == nav and listed:
                within = nav == ACCOUNT and page.path == "/zones" and self.page.nav == ZONE
                found.append(Link(page.title, self.href(page.path), page is self.page or within))
        return found


def _filled(path: str, params: Mapping[str, str]) -> str:
    for name, value in params.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path
