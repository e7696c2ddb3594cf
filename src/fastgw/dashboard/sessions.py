"""Who is logged in: which browser goes with which token, for how long, and what it is to be told next."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastgw.store.tokens import Token, get
from fastgw.store.zones import Zones

IDLE = 60 * 60.0  # seconds without a request that end a session
LONGEST = 12 * 60 * 60.0  # and from the login on
MOST = 1000  # sessions that are kept at once
TOLD_MOST = 20  # sentences that wait for the next page


@dataclass(slots=True)
class Session:
    """One login. Of the token only its id and its hash are kept; `csrf` goes with each form."""

    token_id: str
    token_hash: str
    began: float
    seen: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, kind: str, sentence: str) -> None:
        """Something for the next page: `kind` is good, note or bad."""
        if len(self.told) < TOLD_MOST:
            self.told.append((kind, sentence))

    def take_told(self) -> list[tuple[str, str]]:
        """What is to be said now."""
        told, self.told = self.told, []
        return told

    def knows(self, csrf: str) -> bool:
        """Is it the one of its forms?"""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """The sessions of this process; they end with it."""

    def __init__(self, zones: Zones, clock: Callable[[], float] = time.time) -> None:
        self._zones = zones
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, token: Token) -> str:
        """A session for whoever holds `token`; returns what its cookie says."""
        now = self._clock()
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._sweep(now)
            while len(self._sessions) >= MOST:
                del self._sessions[min(self._sessions, key=lambda one: self._sessions[one].seen)]
            self._sessions[key] = Session(token.id, token.hash, now, now)
        return key

    def end(self, key: str) -> None:
        """Log out. Harmless if repeated."""
        with self._lock:
            self._sessions.pop(key, None)

    def find(self, key: str, peer: str) -> tuple[Session, Token] | None:
        """The session of a cookie, and its token as it is now; None: there is none any more."""
        now = self._clock()
        with self._lock:
            self._sweep(now)
            session = self._sessions.get(key)
        if session is None:
            return None
        token = get(self._zones, session.token_id)
        if token is None or token.hash != session.token_hash or token.status(now) != "active":
            self.end(key)
            return None
        if not token.welcome_from(peer):
            return None
        session.seen = now
        return session, token

    @property
    def anybody(self) -> bool:
        """Is somebody logged in?"""
        with self._lock:
            self._sweep(self._clock())
            return bool(self._sessions)

    def _sweep(self, now: float) -> None:
        over = [
            key
            for key, one in self._sessions.items()
            if now - one.seen >= IDLE or now - one.began >= LONGEST or now < one.began - LONGEST
        ]
        for key in over:
            del self._sessions[key]
