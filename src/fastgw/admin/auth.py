"""Who may ask: tokens, how often they may, and how often somebody without one may try."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastgw.admin.errors import (
    BAD_HEADERS,
    INVALID_TOKEN,
    NOT_ALLOWED,
    SLOW_DOWN,
    ApiError,
    Complaint,
    refuse,
)
from fastgw.store.tokens import Token, find
from fastgw.store.zones import Zones

REQUESTS, WINDOW = 1200, 300.0  # of a token in so many seconds
FAILURES, FAILURE_WINDOW = 20, 60.0  # of an address without a good token
KNOWN_MOST = 10_000  # counters that are kept at once
_CHALLENGE = {"www-authenticate": "Bearer"}


@dataclass(slots=True)
class _Count:
    used: int
    ends: float


class Meter:
    """So many of something in a window of time, by key; the window begins with the first."""

    def __init__(self, most: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}

    def take(self, key: str) -> tuple[bool, int, int]:
        """One more: is it within what is allowed, how many are left, seconds until the window ends."""
        now = self._clock()
        with self._lock:
            count = self._counts.get(key)
            if count is None or count.ends <= now:
                if len(self._counts) >= KNOWN_MOST:
                    self._forget(now)
                count = self._counts[key] = _Count(0, now + self.window)
            count.used += 1
            left = max(0, self.most - count.used)
            return count.used <= self.most, left, max(1, round(count.ends - now))

    def _forget(self, now: float) -> None:
        self._counts = {key: count for key, count in self._counts.items() if count.ends > now}
        while len(self._counts) >= KNOWN_MOST:
            del self._counts[next(iter(self._counts))]

    def headers(self, left: int, seconds: int) -> dict[str, str]:
        """What a client is told of it."""
        return {
            "ratelimit": f'"default";r={left};t={seconds}',
            "ratelimit-policy": f'"default";q={self.most};w={round(self.window)}',
        }


class Gatekeeper:
    """Lets requests in, or says why not."""

    def __init__(self, zones: Zones, clock: Callable[[], float] = time.time) -> None:
        self._zones = zones
        self._clock = clock
        self.requests = Meter(REQUESTS, WINDOW)
        self.failures = Meter(FAILURES, FAILURE_WINDOW)
        self._used: dict[str, float] = {}

    def admit(
        self, headers: Mapping[str, str], peer: str, *, any_status: bool
    ) -> tuple[Token, dict[str, str]]:
        """The token of a request, and headers for its answer. Raise ApiError.

        `any_status`: a token that has expired or is disabled will do, to be told so.
        """
        token = self._token(headers, peer)
        status = token.status(self._clock())
        if status != "active" and not any_status:
            raise self._failure(peer, f"the token is {status}")
        if not token.welcome_from(peer):
            raise self._failure(peer, "the token may not be used from this address", status=403)
        good, left, seconds = self.requests.take(token.id)
        shown = self.requests.headers(left, seconds)
        if not good:
            most = f"a token has {self.requests.most} requests in {round(self.requests.window)} seconds"
            raise ApiError(
                429, [Complaint(SLOW_DOWN, f"slow down: {most}")], {**shown, "retry-after": str(seconds)}
            )
        self._used[token.id] = self._clock()
        return token, shown

    def last_used(self, id_: str) -> float | None:
        """When the token was last good for a request, as far as this process knows."""
        return self._used.get(id_)

    def _token(self, headers: Mapping[str, str], peer: str) -> Token:
        text = headers.get("authorization", "")
        if not text:
            raise self._without(headers, peer)
        scheme, _, value = text.partition(" ")
        value = value.strip()
        if scheme.lower() != "bearer" or not value or not value.isascii():
            chain = ((6111, "the header must be Authorization: Bearer TOKEN"),)
            self._count(peer)
            raise ApiError(400, [Complaint(BAD_HEADERS, "Invalid request headers", "", chain)])
        token = find(self._zones, value)
        if token is None:
            raise self._failure(peer, "Invalid API Token", INVALID_TOKEN)
        return token

    def _without(self, headers: Mapping[str, str], peer: str) -> ApiError:
        if any(name in headers for name in ("x-auth-email", "x-auth-key", "x-auth-user-service-key")):
            said = (
                "this server knows API tokens only, as in Authorization: Bearer TOKEN; "
                "the client has sent an e-mail or a key instead, which it does if CLOUDFLARE_EMAIL or "
                "CLOUDFLARE_API_KEY is set: unset them, and set CLOUDFLARE_API_TOKEN"
            )
            self._count(peer)
            return ApiError(
                400, [Complaint(BAD_HEADERS, f"Invalid request headers: {said}", "", ((6103, said),))]
            )
        said = "there is no token: send Authorization: Bearer TOKEN (fastgw api-tokens create makes one)"
        return self._failure(peer, said, NOT_ALLOWED)

    def _failure(self, peer: str, said: str, code: int = NOT_ALLOWED, status: int = 401) -> ApiError:
        self._count(peer)
        return ApiError(status, [Complaint(code, said)], dict(_CHALLENGE) if status == 401 else {})

    def _count(self, peer: str) -> None:
        """Whoever fails too often is told nothing more for a while. Raise ApiError."""
        good, _, seconds = self.failures.take(peer or "local")
        if not good:
            raise ApiError(
                429,
                [Complaint(SLOW_DOWN, "too many requests without a good token")],
                {"retry-after": str(seconds)},
            )


def require(token: Token, scope: str, zone: str | None) -> None:
    """May it do that there? Raise ApiError."""
    if token.may(scope, zone):
        return
    where = "everywhere" if zone is None else f"in the zone {zone}"
    raise refuse(403, NOT_ALLOWED, f"the token may not do that: it needs the scope {scope} {where}")
