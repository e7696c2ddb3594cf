"""The admin API as an ASGI application: reads a request, lets it in, has it answered, wraps the answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute
from starlette.routing import Route as Path

from fastgw.admin.auth import Gatekeeper, require
from fastgw.admin.call import Body, Call, Reply, Route
from fastgw.admin.desk import Desk
from fastgw.admin.errors import (
    BAD_BODY,
    FAILED,
    INVALID,
    NO_METHOD,
    NO_ROUTE,
    TOO_LARGE,
    ApiError,
    Complaint,
    plainly,
    refuse,
    translated,
)
from fastgw.admin.query import Cursor, Page, Query
from fastgw.admin.resources import ROUTES
from fastgw.errors import FastgwError
from fastgw.store.tokens import Token

BODY_MAX = 1024 * 1024  # octets of a body of JSON
PATIENCE = 10.0  # seconds for a body to arrive
THREADS = 16  # requests that are worked on at once
_SAFE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}
_ANY: TypeAdapter[Any] = TypeAdapter(Any)

Result = TypeVar("Result")

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route has answered, and what it said beside that."""

    result: Any
    messages: tuple[dict[str, Any], ...]


class Admin:
    """What answers; `app` is what a server runs."""

    def __init__(
        self,
        desk: Desk,
        routes: Sequence[Route] = ROUTES,
        gatekeeper: Gatekeeper | None = None,
        pages: Callable[[Admin], Sequence[BaseRoute]] = lambda admin: (),
    ) -> None:
        self.desk = desk
        self.gatekeeper = gatekeeper or Gatekeeper(desk.zones)
        desk.last_used = self.gatekeeper.last_used
        self._limiter: anyio.CapacityLimiter | None = None
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.root + route.path, {})[route.method] = route
        self._by_path = by_path
        self.app = Starlette(
            routes=[
                Path(path, self._endpoint(methods), methods=list(methods))
                for path, methods in by_path.items()
            ]
            + list(pages(self)),
            exception_handlers={HTTPException: self._unrouted},
        )
        self.app.state.admin = self

    def run(self, work: Callable[[], Result]) -> Awaitable[Result]:
        """Do `work` on one of the threads that answer requests."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS)
        return anyio.to_thread.run_sync(work, limiter=self._limiter)

    def ask(
        self,
        token: Token,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: object = None,
        query: Sequence[tuple[str, str]] = (),
        peer: str = "",
    ) -> Asked:
        """Answer as over HTTP, to somebody who has been let in with `token`. Raise ApiError.

        `path` is that of a route, with its `params` still in braces: what they hold is never read as a path.
        """
        call = Call(self.desk, self._by_path[path][method], token)
        call.path = dict(params)
        call.query = Query(query)
        call.peer = peer
        return Asked(self._do(call, _json(body) if body is not None else b""), tuple(call.messages))

    def _endpoint(self, methods: Mapping[str, Route]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            # HEAD is GET without the body, which the server leaves out.
            route = methods["GET" if request.method == "HEAD" else request.method]
            try:
                return await self._answer(route, request)
            except ApiError as error:
                return _refusal(error)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:  # our own mistake: one request fails, the next is answered
                logger.error("admin: %s %s", request.method, request.url.path[:200], exc_info=error)
                return _refusal(refuse(500, FAILED, "the gateway has failed at this; its log says more"))

        return answer

    async def _answer(self, route: Route, request: Request) -> Response:
        headers = dict(request.headers)
        peer = request.client.host if request.client else ""
        token, told = await self.run(
            lambda: self.gatekeeper.admit(headers, peer, any_status=route.any_status)
        )
        call = Call(self.desk, route, token)
        call.path = dict(request.path_params)
        call.query = Query(request.query_params.multi_items())
        call.if_match = headers.get("if-match", "")
        call.peer = peer
        call.content_type = headers.get("content-type", "")
        call.headers.update(told)
        octets = await octets_of(request, route.octets or BODY_MAX)
        try:
            result = await self.run(lambda: self._do(call, octets))
        except ApiError as error:
            error.headers = {**told, **error.headers}
            raise
        return _response(call, result)

    def _do(self, call: Call, octets: bytes) -> Any:
        route = call.route
        call.require_account()
        if "zone_id" in call.path:
            self._require_zone(call)
        elif route.scope and not (call.token.sees(route.scope) if route.any_zone else call.may(route.scope)):
            require(call.token, route.scope, None)
        if route.octets:
            call.octets = octets
        elif route.body is not None:
            call.body = _parsed(route.body, octets)
            for key in call.body.ignored() if isinstance(call.body, Body) else ():
                call.note(f"{key[:64]} is not known here and was ignored")
        try:
            return route.do(call)
        except FastgwError as error:
            raise translated(error, plainly(INVALID)) from error

    def _require_zone(self, call: Call) -> None:
        """Whether a zone exists is told to those who may see it, or any zone."""
        id_ = call.path["zone_id"]
        if call.route.scope and not call.may(call.route.scope, id_):
            if not call.may(call.route.scope.partition(":")[0] + ":read"):
                require(call.token, call.route.scope, id_[:32])
            _ = call.zone
            require(call.token, call.route.scope, id_)
        _ = call.zone

    async def _unrouted(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.url.path[:200]
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            refusal = refuse(405, NO_METHOD, f"{request.method[:16]} is not available for {path}")
            refusal.headers["allow"] = allowed
            return _refusal(refusal)
        return _refusal(refuse(error.status_code, NO_ROUTE, f"no route for {path}"))


async def octets_of(request: Request, most: int) -> bytes:
    """The body, if it is not too long and does not take too long. Raise ApiError."""
    too_large = refuse(413, TOO_LARGE, f"a body has at most {most} octets here")
    too_large.headers["connection"] = "close"
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large
    found = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                found += chunk
                if len(found) > most:
                    raise too_large
    except TimeoutError:
        slow = refuse(408, INVALID, f"the body did not arrive within {PATIENCE:.0f} seconds")
        slow.headers["connection"] = "close"
        raise slow from None
    return bytes(found)


def _parsed(model: type[BaseModel], octets: bytes) -> BaseModel:
    """The body of a request. Raise ApiError."""
    try:
        data = from_json(octets or b"{}", allow_inf_nan=False)
    except ValueError as error:
        raise refuse(400, BAD_BODY, f"Malformed JSON in request body: {error}") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        complaints = []
        for detail in error.errors(include_url=False, include_input=False)[:20]:
            where = "/".join(str(part) for part in detail["loc"])
            complaints.append(Complaint(INVALID, f"{where or 'the body'}: {detail['msg']}", f"/{where}"))
        raise ApiError(400, complaints) from None


def _response(call: Call, result: Any) -> Response:
    headers = {**_SAFE, **call.headers}
    if isinstance(result, Reply):
        headers.update(result.headers)
        if not isinstance(result.content, str | bytes):
            if hasattr(result.content, "__aiter__"):
                return StreamingResponse(result.content, media_type=result.media_type, headers=headers)
            result = Reply(_json(result.content), result.status, result.media_type, result.headers)
        return Response(result.content, result.status, headers, result.media_type)
    info = result.info if isinstance(result, Page | Cursor) else None
    envelope: dict[str, Any] = {
        "success": True,
        "errors": [],
        "messages": call.messages,
        "result": result.rows if isinstance(result, Page | Cursor) else result,
    }
    if info is not None:
        envelope["result_info"] = info
    return Response(_json(envelope), 200, headers, "application/json")


def _json(value: Any) -> bytes:
    return _ANY.dump_json(value, by_alias=True, exclude_unset=False)


def _refusal(error: ApiError) -> Response:
    envelope = {
        "success": False,
        "errors": [complaint.row for complaint in error.complaints],
        "messages": [],
        "result": None,
    }
    text = json.dumps(envelope, ensure_ascii=False)
    return Response(
        text.encode("utf-8", "replace"), error.status, {**_SAFE, **error.headers}, "application/json"
    )
