"""Routes: which calls of a zone get which times and further attempts, and which of two routes goes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

# Numbers of the gRPC statuses, by the names people write.
STATUSES: dict[str, int] = {
    "ok": 0,
    "cancelled": 1,
    "unknown": 2,
    "invalid_argument": 3,
    "deadline_exceeded": 4,
    "not_found": 5,
    "already_exists": 6,
    "permission_denied": 7,
    "resource_exhausted": 8,
    "failed_precondition": 9,
    "aborted": 10,
    "out_of_range": 11,
    "unimplemented": 12,
    "internal": 13,
    "unavailable": 14,
    "data_loss": 15,
    "unauthenticated": 16,
}
# Another endpoint, or the same one a moment later, may well answer differently.
RETRIABLE = frozenset(
    {
        "cancelled",
        "unknown",
        "deadline_exceeded",
        "resource_exhausted",
        "aborted",
        "internal",
        "unavailable",
    }
)

ATTEMPTS_MAX = 10
REPLAY_MAX = 16 * 1024 * 1024
MESSAGE_MAX = 4_294_967_295  # octets, of any gRPC message: its length has 32 bits
HEADERS_MAX = 16  # of one match, as in GRPCRoute
MATCHES_MAX = 64  # of one route


@dataclass(frozen=True, slots=True)
class Match:
    """What a call must be like; what is empty holds for every call. `method` comes with `service` only."""

    host: str = ""
    service: str = ""
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """`/service/method`, `/service/` for all its methods, or nothing."""
        return f"/{self.service}/{self.method}" if self.service else ""

    @property
    def rank(self) -> tuple[int, int, int, int, int]:
        """Of two matches, the one with the smaller rank is asked first: the precedence of GRPCRoute."""
        exact = "" if self.host.startswith("*.") else self.host
        return (-len(exact), -len(self.host), -len(self.service), -len(self.method), -len(self.headers))


@dataclass(frozen=True, slots=True)
class Retry:
    """Which gRPC statuses are tried again, how often in all, how much of the request is kept for it.

    hedge_ms  without an answer for so long, a second endpoint is asked beside the first; 0: never
    """

    on: tuple[int, ...] = ()
    attempts: int = 3
    replay_octets: int = 65_536
    hedge_ms: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """What holds for calls that one of `matches` fits; None: as the zone has it. Times in ms, 0: no limit.

    request_message, response_message  octets of the largest gRPC message of that direction, 0: any
    """

    matches: tuple[Match, ...]
    timeout_ms: int = 0
    idle_timeout_ms: int | None = None
    age_ms: int = 0
    retry: Retry | None = None
    request_message: int | None = None
    response_message: int | None = None


class RouteRow(NamedTuple):
    """A route as the core takes it: complete, its matches of one rank or next to each other in rank."""

    matches: tuple[Match, ...] = ()
    deadline_ms: int = 0
    idle_ms: int = 100_000
    age_ms: int = 0
    retry: Retry = Retry()
    request_message: int = 0
    response_message: int = 0


def compile_routes(
    routes: Iterable[Route], idle_ms: int, retry: Retry, messages: tuple[int, int] = (0, 0)
) -> tuple[RouteRow, ...]:
    """The rows of a zone in the order in which they are asked; the last one takes every call.

    Precedence is among matches, not routes: a route with a special and a general match becomes two rows when
    a match of another route comes between them. Equal ranks keep the order of writing. `messages`: the zone's
    largest ones, of requests and of responses.
    """
    pairs = [(match, route) for route in routes for match in route.matches]
    pairs.sort(key=lambda pair: pair[0].rank)
    rows: list[RouteRow] = []
    last: Route | None = None
    for match, route in pairs:
        if route is last:
            before = rows.pop()
            rows.append(_row(route, (*before.matches, match), idle_ms, retry, messages))
        else:
            rows.append(_row(route, (match,), idle_ms, retry, messages))
        last = route
    rows.append(RouteRow((), 0, idle_ms, 0, retry, *messages))
    return tuple(rows)


def _row(
    route: Route, matches: tuple[Match, ...], idle_ms: int, retry: Retry, messages: tuple[int, int]
) -> RouteRow:
    return RouteRow(
        matches=matches,
        deadline_ms=route.timeout_ms,
        idle_ms=idle_ms if route.idle_timeout_ms is None else route.idle_timeout_ms,
        age_ms=route.age_ms,
        retry=retry if route.retry is None else route.retry,
        request_message=messages[0] if route.request_message is None else route.request_message,
        response_message=messages[1] if route.response_message is None else route.response_message,
    )
