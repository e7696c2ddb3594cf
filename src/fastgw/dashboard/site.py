"""The dashboard as routes of Starlette: lets browsers in, keeps strangers' forms out, renders templates."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jinja2
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fastgw.admin.api.live import events
from fastgw.admin.app import BODY_MAX, Admin, octets_of
from fastgw.admin.auth import require
from fastgw.admin.errors import FAILED, SLOW_DOWN, ApiError, refuse
from fastgw.dashboard.sessions import Session, Sessions
from fastgw.dashboard.table import PAGES
from fastgw.dashboard.visit import Page, Visit
from fastgw.store.tokens import Token

HERE = Path(__file__).parent
ROOT = "/dashboard"
FIELDS_MOST = 2000
AWAKE = 15 * 60.0  # seconds after a page was seen that failures are gathered for the next
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE = {
    "cache-control": "no-store",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

logger = logging.getLogger("fastgw")


def routes(admin: Admin) -> Sequence[BaseRoute]:
    """What `admin` answers besides its API."""
    return Site(admin).routes


class Site:
    """The pages of one gateway."""

    def __init__(self, admin: Admin, pages: Sequence[Page] = PAGES) -> None:
        self.admin = admin
        self.pages = pages
        self.sessions = Sessions(admin.desk.zones)
        self._static = {
            path.relative_to(HERE / "static").as_posix(): path
            for path in (HERE / "static").rglob("*")
            if path.suffix in _KINDS
        }
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["when"] = when
        self._templates.filters["count"] = count

    @property
    def routes(self) -> list[BaseRoute]:
        """Of two paths that fit, the first one answers."""
        found: list[BaseRoute] = [
            Route("/", self._home),
            Route(ROOT, self._home),
            Route(ROOT + "/login", self._safely(self._login), methods=["GET", "POST"]),
            Route(ROOT + "/logout", self._safely(self._logout), methods=["POST"]),
            Route(ROOT + "/static/{name:path}", self._file),
            Route(ROOT + "/live", self._safely(self._live)),
        ]
        for page in self.pages:
            found.append(Route(ROOT + page.path, self._shown(page), methods=["GET"]))
            for name, write in page.writes.items():
                path = f"{ROOT}{page.path.rstrip('/')}/do/{name}"
                found.append(Route(path, self._written(page, write), methods=["POST"]))
        return found

    # pages

    def _shown(self, page: Page) -> Callable[[Request], Any]:
        async def show(request: Request) -> Response:
            visit = await self._visit(page, request)
            if isinstance(visit, Response):
                return visit
            return await self.admin.run(lambda: _answered(visit, page.show))

        return self._safely(show)

    def _written(self, page: Page, write: Callable[[Visit], Response]) -> Callable[[Request], Any]:
        async def do(request: Request) -> Response:
            visit = await self._visit(page, request)
            if isinstance(visit, Response):
                return visit
            visit.fields = await fields_of(request)
            if not visit.session.knows(visit.field("csrf")) or not same_origin(request):
                sentence = "This form is not from this dashboard, or too old. Load the page again and repeat."
                return self._alone(request, sentence, 403)
            return await self.admin.run(lambda: _answered(visit, write))

        return self._safely(do)

    async def _visit(self, page: Page, request: Request) -> Visit | Response:
        """Who asks, and for what; or the way to the login."""
        known = await self.admin.run(lambda: self.known(request))
        if known is None:
            return self._to_login(request)
        session, token = known
        good, _, seconds = self.admin.gatekeeper.requests.take(token.id)
        if not good:
            raise ApiError(
                429,
                refuse(429, SLOW_DOWN, "Too many requests with this token. Wait a little.").complaints,
                {"retry-after": str(seconds)},
            )
        visit = Visit(self, page, session, token)
        visit.base = base_of(request)
        visit.path = dict(request.path_params)
        visit.query = dict(request.query_params)
        visit.peer = peer_of(request)
        if token.sees("gateway:read"):
            self.admin.desk.live.keep(AWAKE)
        return visit

    async def _live(self, request: Request) -> Response:
        """What happens, for those who look at the overview."""
        known = await self.admin.run(lambda: self.known(request))
        if known is None:
            return Response("log in first", 401, SAFE, "text/plain")
        require(known[1], "gateway:read", None)
        rows = events(self.admin.desk, lambda: self.known(request) is not None)
        return StreamingResponse(rows, 200, SAFE, "text/event-stream")

    def known(self, request: Request) -> tuple[Session, Token] | None:
        """The session of a request, and its token."""
        return self.sessions.find(request.cookies.get(cookie_of(request), ""), peer_of(request))

    def rendered(self, visit: Visit, template: str, more: Mapping[str, Any]) -> Response:
        """A page in its frame."""
        text = self._templates.get_template(template).render(
            visit=visit,
            base=visit.base,
            csrf=visit.session.csrf,
            title=visit.page.title,
            complaints=visit.complaints,
            told=visit.session.take_told(),
            field=visit.field,
            **more,
        )
        return Response(text, visit.status, SAFE, "text/html")

    def _safely(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Errors as pages."""

        async def safe(request: Request) -> Response:
            try:
                found: Response = await answer(request)
            except ApiError as error:
                return self._refusal(request, error)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:  # our own mistake: one page fails, the next is shown
                logger.error("dashboard: %s %s", request.method, request.url.path[:200], exc_info=error)
                return self._refusal(request, refuse(500, FAILED, "The gateway has failed at this page."))
            return found

        return safe

    def _refusal(self, request: Request, error: ApiError) -> Response:
        sentence = "; ".join(complaint.message for complaint in error.complaints)
        return self._alone(request, sentence, error.status, error.headers)

    def _alone(
        self, request: Request, sentence: str, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A page without navigation: what went wrong and a way back."""
        text = self._templates.get_template("alone.html").render(
            base=base_of(request), sentence=sentence, status=status
        )
        return Response(text, status, {**(headers or {}), **SAFE}, "text/html")

    # in and out

    def _home(self, request: Request) -> Response:
        return RedirectResponse(f"{base_of(request)}/", 303, SAFE)

    def _to_login(self, request: Request) -> Response:
        target = f"{base_of(request)}/login"
        if request.method == "GET" and request.headers.get("hx-request") != "true":
            wanted = request.url.path.removeprefix(base_of(request))
            if wanted not in ("", "/"):
                target += f"?next={quote(wanted)}"
        if request.headers.get("hx-request") == "true":
            return Response(status_code=204, headers={**SAFE, "hx-redirect": target})
        return RedirectResponse(target, 303, SAFE)

    async def _login(self, request: Request) -> Response:
        base = base_of(request)
        sentence, status = "", 200
        if request.method == "POST":
            fields = await fields_of(request)
            if not same_origin(request):
                return self._alone(request, "This form is not from this dashboard.", 403)
            secret = fields.get("token", [""])[0].strip()
            try:
                key = await self.admin.run(lambda: self._begun(secret, peer_of(request)))
            except ApiError as error:
                sentence, status = _why(error), error.status
            else:
                self.sessions.end(request.cookies.get(cookie_of(request), ""))
                target = fields.get("next", [""])[0]
                answer = RedirectResponse(base + (target if safe_path(target) else "/"), 303, SAFE)
                answer.set_cookie(
                    cookie_of(request),
                    key,
                    path=base,
                    httponly=True,
                    samesite="strict",
                    secure=request.url.scheme == "https",
                )
                return answer
        target = request.query_params.get("next", "")
        text = self._templates.get_template("login.html").render(
            base=base, sentence=sentence, next=target if safe_path(target) else ""
        )
        return Response(text, status, SAFE, "text/html")

    def _begun(self, secret: str, peer: str) -> str:
        headers = {"authorization": f"Bearer {secret or 'none'}"}
        token, _ = self.admin.gatekeeper.admit(headers, peer, any_status=False)
        return self.sessions.begin(token)

    async def _logout(self, request: Request) -> Response:
        known = self.known(request)
        fields = await fields_of(request)
        if known is not None and known[0].knows(fields.get("csrf", [""])[0]) and same_origin(request):
            self.sessions.end(request.cookies.get(cookie_of(request), ""))
        answer = RedirectResponse(f"{base_of(request)}/login", 303, SAFE)
        if self.known(request) is None:
            answer.delete_cookie(cookie_of(request), path=base_of(request))
        return answer

    def _file(self, request: Request) -> Response:
        path = self._static.get(request.path_params["name"])
        if path is None:
            return Response("there is no such file", 404, SAFE, "text/plain")
        headers = {**SAFE, "cache-control": "no-cache"}
        return FileResponse(path, headers=headers, media_type=_KINDS[path.suffix])


def _answered(visit: Visit, answer: Callable[[Visit], Response]) -> Response:
    """A page, or after a write that is refused the page it stands on."""
    try:
        return answer(visit)
    except ApiError as error:
        if answer is visit.page.show:
            raise
        return visit.refused(error)


def _why(error: ApiError) -> str:
    if error.status in (400, 401):
        return "This token is not good here. `fastgw api-tokens create` makes one."
    return "; ".join(complaint.message for complaint in error.complaints)


def base_of(request: Request) -> str:
    """The root of the dashboard as the browser knows it, where the API is mounted in an application too."""
    return str(request.scope.get("root_path", "")).rstrip("/") + ROOT


def cookie_of(request: Request) -> str:
    """Browsers do not tell ports of a host apart: each gateway there has a cookie of its own."""
    server = request.scope.get("server")
    return f"fastgw_session_{server[1] if server and server[1] else 0}"


def peer_of(request: Request) -> str:
    """The address of who asks; empty: a socket of this machine."""
    return request.client.host if request.client else ""


def same_origin(request: Request) -> bool:
    """Does a form come from a page of this host, as far as the browser says?"""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def safe_path(path: str) -> bool:
    """Does it stay within the dashboard?"""
    return path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()


async def fields_of(request: Request) -> dict[str, list[str]]:
    """What a form says. Raise ApiError."""
    octets = await octets_of(request, BODY_MAX)
    found: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(
            octets.decode(), keep_blank_values=True, max_num_fields=FIELDS_MOST, errors="strict"
        ):
            found.setdefault(name, []).append(value)
    except ValueError:
        raise refuse(400, FAILED, "The form cannot be read.") from None
    return found


def when(text: str | None) -> str:
    """A time of the API, for people: to the minute, in UTC."""
    if not text:
        return "never"
    at = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def count(number: float) -> str:
    """A number with narrow gaps between thousands."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
