"""Tokens of the admin API: who may do what with which zones; of a secret only the hash is kept."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import ipaddress
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fastgw.errors import StoreError
from fastgw.store.base import Edit, StoredZone
from fastgw.store.ids import fixed_id, fresh_id
from fastgw.store.zones import Zones

Status = Literal["active", "disabled", "expired"]

AREAS = {
    "zones": "zones themselves: add, pause, remove",
    "settings": "the settings of zones, the gRPC switch among them",
    "dns": "records",
    "certificates": "certificates, trust stores and keys",
    "origins": "pools, monitors, load balancers, smart routing",
    "rules": "rules, lists and rate limits",
    "access": "access policies and service tokens",
    "tokens": "tokens of this API",
    "audit": "who has changed what",
    "gateway": "the state of the gateway; write: order it to drain",
}
SCOPES = tuple(f"{area}:{verb}" for area in AREAS for verb in ("read", "write"))
EVERYWHERE = "*"
PREFIX = "@tokens/"
LENGTH = 40  # characters, as clients of the reference product expect
_LOCATOR = 12  # the first ones, which are those of the token's id: what is looked up by
_ALPHABET = string.ascii_letters + string.digits
_SHAPE = re.compile(rf"[0-9a-f]{{{_LOCATOR}}}[A-Za-z0-9]{{{LENGTH - _LOCATOR}}}")


@dataclass(frozen=True, slots=True)
class Policy:
    """Allows or denies `scopes` in `zones`, by their ids; * stands for all zones and for what is in none."""

    scopes: tuple[str, ...]
    zones: tuple[str, ...] = (EVERYWHERE,)
    allow: bool = True
    id: str = ""

    def speaks_of(self, scope: str, zone: str | None) -> bool:
        """Is it about `scope` in that zone, or everywhere (None)?"""
        if EVERYWHERE not in self.zones and (zone is None or zone not in self.zones):
            return False
        area, _, verb = scope.partition(":")
        return scope in self.scopes or (self.allow and verb == "read" and f"{area}:write" in self.scopes)


@dataclass(frozen=True, slots=True)
class Token:
    """One token; times are seconds since 1970. `within`, `without`: networks it may and may not come from."""

    id: str
    name: str
    hash: str
    policies: tuple[Policy, ...]
    enabled: bool = True
    issued_on: float = 0.0
    modified_on: float = 0.0
    expires_on: float | None = None
    not_before: float | None = None
    within: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    revision: int = 0

    def status(self, now: float) -> Status:
        """Is it good at `now`?"""
        if self.expires_on is not None and now >= self.expires_on:
            return "expired"
        early = self.not_before is not None and now < self.not_before
        return "active" if self.enabled and not early else "disabled"

    def may(self, scope: str, zone: str | None = None) -> bool:
        """May its holder do that in the zone with this id, or everywhere (None)?"""
        denied = any(
            not policy.allow and (policy.speaks_of(scope, zone) or (zone is None and scope in policy.scopes))
            for policy in self.policies
        )
        return not denied and any(policy.allow and policy.speaks_of(scope, zone) for policy in self.policies)

    def sees(self, scope: str) -> bool:
        """May its holder do that in any zone at all?"""
        return any(
            policy.allow and any(policy.speaks_of(scope, zone) for zone in (*policy.zones, None))
            for policy in self.policies
        )

    def welcome_from(self, peer: str) -> bool:
        """May it be used from this address? Empty: a socket of this machine."""
        if not self.within and not self.without:
            return True
        try:
            found = ipaddress.ip_address(peer)
        except ValueError:
            return not self.within
        if any(found in ipaddress.ip_network(network) for network in self.without):
            return False
        return not self.within or any(found in ipaddress.ip_network(one) for one in self.within)

    @property
    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "name": self.name,
            "hash": self.hash,
            "policies": [
                {"id": one.id, "scopes": list(one.scopes), "zones": list(one.zones), "allow": one.allow}
                for one in self.policies
            ],
            "enabled": self.enabled,
            "issued_on": self.issued_on,
            "modified_on": self.modified_on,
            "expires_on": self.expires_on,
            "not_before": self.not_before,
            "within": list(self.within),
            "without": list(self.without),
        }


def token_of(stored: StoredZone) -> Token:
    """The same, read back."""
    kept = stored.document
    return Token(
        id=stored.name.removeprefix(PREFIX),
        name=str(kept["name"]),
        hash=str(kept["hash"]),
        policies=tuple(
            Policy(tuple(one["scopes"]), tuple(one["zones"]), bool(one["allow"]), str(one["id"]))
            for one in kept["policies"]
        ),
        enabled=bool(kept["enabled"]),
        issued_on=float(kept["issued_on"]),
        modified_on=float(kept["modified_on"]),
        expires_on=kept["expires_on"],
        not_before=kept["not_before"],
        within=tuple(kept["within"]),
        without=tuple(kept["without"]),
        revision=stored.revision,
    )


def mint(id_: str) -> tuple[str, str]:
    """A new secret for the token of this id, and its hash."""
    value = id_[:_LOCATOR] + "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH - _LOCATOR))
    return value, hash_of(value)


def hash_of(value: str) -> str:
    """What is kept of a secret. It is random and long, so that a slow hash would protect it no better."""
    return hashlib.sha256(value.encode()).hexdigest()


def find(zones: Zones, value: str) -> Token | None:
    """The token whose secret this is. The time it takes says nothing about how near a guess came."""
    store = zones.store
    if store is None or not _SHAPE.fullmatch(value):
        return None
    mine = hash_of(value)
    for stored in store.objects(PREFIX + value[:_LOCATOR]):
        if hmac.compare_digest(str(stored.document["hash"]), mine):
            return token_of(stored)
    return None


def tokens(zones: Zones) -> list[Token]:
    """All of them, the oldest first."""
    store = zones.store
    found = [] if store is None else [token_of(one) for one in store.objects(PREFIX)]
    return sorted(found, key=lambda token: (token.issued_on, token.id))


def get(zones: Zones, id_: str) -> Token | None:
    """The token of this id."""
    stored = None if zones.store is None else zones.store.object(PREFIX + id_)
    return None if stored is None else token_of(stored)


def create(zones: Zones, token: Token, actor: str) -> tuple[Token, str]:
    """Keep a new token, whose id, hash and times are made here; and its secret, which is shown this once."""
    id_ = fresh_id()
    value, kept = mint(id_)
    now = _now()
    policies = tuple(_named(policy) for policy in token.policies)
    made = replace(token, id=id_, hash=kept, issued_on=now, modified_on=now, policies=policies)
    zones.write([Edit(PREFIX + id_, made.document, 0)], actor)
    return made, value


def change(zones: Zones, token: Token, actor: str) -> Token:
    """Keep what has become of a token that was read before. Raise StaleError if somebody was faster."""
    made = replace(token, modified_on=_now(), policies=tuple(_named(policy) for policy in token.policies))
    zones.write([Edit(PREFIX + token.id, made.document, token.revision)], actor)
    return made


def rotate(zones: Zones, token: Token, actor: str) -> str:
    """A new secret in place of the old one, which is worth nothing from now on."""
    value, kept = mint(token.id)
    change(zones, replace(token, hash=kept), actor)
    return value


def remove(zones: Zones, token: Token, actor: str) -> None:
    """Let it go."""
    zones.write([Edit(PREFIX + token.id, None, None, "delete")], actor)


def judged_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Scopes that exist; an area alone means all of it, * everything. Raise StoreError."""
    found: dict[str, None] = {}
    for scope in scopes:
        if scope == EVERYWHERE:
            found.update(dict.fromkeys(f"{area}:write" for area in AREAS))
        elif scope in AREAS:
            found[f"{scope}:write"] = None
        elif scope in SCOPES:
            found[scope] = None
        else:
            raise StoreError(f"{scope!r} is no scope", f"there are {', '.join(SCOPES)}, and * for all")
    if not found:
        raise StoreError("a token needs a scope", "as in dns:write; zones:read; * is everything")
    return tuple(found)


def scope_id(scope: str) -> str:
    """What the reference product's clients call a scope: the id of a permission group."""
    return fixed_id("fastgw scope", scope)


def shown(token: Token, now: float | None = None) -> Mapping[str, Any]:
    """A token for people: everything but its hash."""
    kept = {key: value for key, value in token.document.items() if key != "hash"}
    for key in ("issued_on", "modified_on", "expires_on", "not_before"):
        kept[key] = None if kept[key] is None else time_text(kept[key])
    return {"id": token.id, "status": token.status(_now() if now is None else now), **kept}


def time_text(at: float) -> str:
    """A moment as RFC 3339 has it."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _named(policy: Policy) -> Policy:
    return policy if policy.id else Policy(policy.scopes, policy.zones, policy.allow, fresh_id())


def _now() -> float:
    return datetime.datetime.now(datetime.UTC).timestamp()
