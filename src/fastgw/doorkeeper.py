"""The part of the bridge that knows who may call: tables for the core, and answers to its questions."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from weakref import WeakValueDictionary

from fastgw._core.inspect.access import Proof
from fastgw._core.inspect.asked import (
    AccessEntry,
    ApplicationEntry,
    AskedEntry,
    PolicyEntry,
    Spans,
    TokenEntry,
)
from fastgw._core.inspect.policies import AccessTable, AskedKind, PolicyDecision
from fastgw._core.inspect.verdicts import Flaw, Vault
from fastgw.access.identity import Signer
from fastgw.access.judge import Judge
from fastgw.access.keys import KeyRing, KeySet
from fastgw.access.verdict import PASSING, Verdict
from fastgw.policy.access import (
    OF_CERTIFICATES,
    OF_TOKENS,
    Access,
    AccessPolicy,
    Application,
    Requirement,
    ServiceToken,
)
from fastgw.rules.compile import merge

VERDICT_SECONDS = 300
"""How long a verdict is relied on at most, unless streams are looked at again: then until its token ends."""
REFUSAL_SECONDS = 60
PASSING_SECONDS = 2
"""The same for what may be over in a moment."""
KEYS_WAIT = 3.0
"""Seconds that a call waits for keys to be fetched, which its token needs."""
SEEN_MOST = 4096
"""Tokens and certificates of running streams that are known beyond a change of policies."""
CERTIFICATE = 4
"""The place of a client's certificate, behind those of tokens."""
_EVER = (1 << 63) - 1

_DECISIONS = {
    "allow": PolicyDecision.ALLOW,
    "deny": PolicyDecision.DENY,
    "bypass": PolicyDecision.BYPASS,
    "service_auth": PolicyDecision.SERVICE_AUTH,
}

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of a token or certificate beyond the policies it was judged by."""

    zone: str
    place: int
    verdict: Verdict
    der: bytes = b""


class Door:
    """What one zone says about callers, as the core has it, and what it takes to answer its questions."""

    def __init__(self, zone: str, access: Access, vault: Vault, ring: KeyRing) -> None:
        self.zone = zone
        self.access = access
        self.judge = Judge(access, ring)
        self.signer = None if access.identity is None else Signer(access.identity)
        self.audiences: list[tuple[str, ...]] = []
        self.core = AccessTable(self._entry(), vault)
        self.core.owner = self  # calls that began under older policies have their questions answered
        self.sources = {keys.source for keys in self.judge.key_sets}

    def _entry(self) -> AccessEntry:
        access = self.access
        numbers = {token.client_id: number for number, token in enumerate(access.service_tokens)}
        return AccessEntry(
            zone=self.zone,
            applications=[self._application(one, numbers) for one in ordered(access.applications)],
            tokens=[_token(token) for token in access.service_tokens],
            headers=self.judge.headers,
            token_header=access.token_header,
            identity="" if access.identity is None else access.identity.header,
            bypass=access.grpc == "bypass",
            recheck=access.recheck,
        )

    def _application(self, one: Application, numbers: Mapping[str, int]) -> ApplicationEntry:
        audience: tuple[str, ...] = (one.name,)
        if self.access.identity is not None and self.access.identity.audience:
            audience = self.access.identity.audience
        if audience not in self.audiences:
            self.audiences.append(audience)
        return ApplicationEntry(
            one.name,
            one.host,
            one.path,
            [self._policy(policy, numbers) for policy in one.policies],
            any(policy.asks_identity for policy in one.policies),
            self.audiences.index(audience),
        )

    def _policy(self, policy: AccessPolicy, numbers: Mapping[str, int]) -> PolicyEntry:
        return PolicyEntry(
            policy.name,
            _DECISIONS[policy.decision],
            *(
                [self._asked(one, numbers) for one in part]
                for part in (policy.include, policy.require, policy.exclude)
            ),
        )

    def _asked(self, one: Requirement, numbers: Mapping[str, int]) -> AskedEntry:
        if one.kind == "everyone":
            return AskedEntry(AskedKind.EVERYONE)
        if one.kind == "ip":
            return AskedEntry(AskedKind.NETWORK, networks=_spans(one.values))
        if one.kind == "any_valid_service_token":
            return AskedEntry(AskedKind.ANY_SERVICE_TOKEN)
        if one.kind == "service_token":
            known = [numbers[value] for value in one.values if value in numbers]
            return AskedEntry(AskedKind.SERVICE_TOKEN, tokens=known)
        if one.kind in OF_TOKENS:
            return AskedEntry(AskedKind.TOKEN_FACT, fact=self.judge.asked[one])
        if one.kind in OF_CERTIFICATES:
            return AskedEntry(AskedKind.CERTIFICATE_FACT, fact=self.judge.asked[one])
        if one.kind == "country":
            letters = [int.from_bytes(value.encode()) for value in one.values if len(value) == 2]
            return AskedEntry(AskedKind.COUNTRY, tokens=letters)
        return AskedEntry(AskedKind.NEVER)


def ordered(applications: Iterable[Application]) -> list[Application]:
    """The most special ones first: exact host, longer host, longer path, path without star, earlier one."""
    return sorted(
        applications,
        key=lambda one: (
            one.host.startswith("*.") or not one.host,
            -len(one.host),
            -len(one.path.removesuffix("*")),
            one.path.endswith("*"),
        ),
    )


def _token(token: ServiceToken) -> TokenEntry:
    return TokenEntry(
        hashlib.sha256(token.client_id.encode()).digest(),
        bytes.fromhex(token.secret_sha256),
        token.enabled,
        # 0 would mean for ever.
        0 if token.expires_at is None else max(1, token.expires_at * 1000),
        bytes.fromhex(token.previous_sha256),
        0 if not token.previous_sha256 else (token.previous_until or 0) * 1000,
    )


def _spans(values: Sequence[str]) -> tuple[Spans, Spans]:
    spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for text in values:
        network = ip_network(text)
        spans[network.version].append((int(network.network_address), int(network.broadcast_address)))
    return tuple(merge(spans[4])), tuple(merge(spans[6]))


class Doorkeeper:
    """All doors of a gateway. It answers on the threads of whoever asks; all of it may be used by several."""

    def __init__(self) -> None:
        self.vault = Vault()
        self._ring = KeyRing(self._keys_gone)
        self._doors: WeakValueDictionary[int, Door] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, int, bytes], _Seen] = OrderedDict()

    def door(self, zone: str, access: Access, before: Door | None = None) -> Door | None:
        """The door of a zone; None: it has none. Raise CertificateError, OverflowError.

        `before`, if nothing has changed, so that what was found out is not forgotten.
        """
        if not access:
            return None
        if before is not None and before.access == access and before.zone == zone:
            return before
        door = Door(zone, access, self.vault, self._ring)
        with self._lock:
            self._doors[door.core.number] = door
        self._migrate(door)
        return door

    def close(self) -> None:
        self._ring.close()

    # questions

    def answer(self, fields: Iterable[tuple[bytes, bytes]]) -> bool:
        """Find out what the core asks and put it where it looks; False: nobody can say."""
        asked = dict(fields)
        door = self._doors.get(int.from_bytes(asked.pop(b":row", b""), "little"))
        if door is None:
            return False
        now = time.time()
        told = asked.pop(b":assertion", None)
        if told is not None:
            return self._assert(door, told, asked, now)
        for name, value in asked.items():
            place = CERTIFICATE if name == b":certificate" else int(name.removeprefix(b":token"))
            verdict = self._judge(door, place, value, now)
            self._put(door, place, hashlib.sha256(value).digest(), verdict, now)
            if verdict.good and door.access.recheck:
                self._note(door, place, value, verdict)
        return bool(asked)

    def _judge(self, door: Door, place: int, value: bytes, now: float) -> Verdict:
        if place == CERTIFICATE:
            return door.judge.certificate(value, now)
        return door.judge.token(place, value.decode("ascii"), wait=KEYS_WAIT, now=now)

    def _put(self, door: Door, place: int, digest: bytes, verdict: Verdict, now: float) -> None:
        key = door.core.key_of(place, digest)
        if not verdict.good:
            rest = PASSING_SECONDS if verdict.flaw in PASSING else REFUSAL_SECONDS
            until = _ms(now + rest)
            self.vault.put_verdict(key, _ms(now), until, 0, (), Flaw[verdict.flaw])
            return
        end = _EVER if verdict.expires is None else _ms(verdict.expires)
        until = end if door.access.recheck else min(end, _ms(now + VERDICT_SECONDS))
        self.vault.put_verdict(key, _ms(now), until, end, verdict.facts)

    def _assert(self, door: Door, told: bytes, asked: Mapping[bytes, bytes], now: float) -> bool:
        """Write down for the origin who calls."""
        proof, audience, digest = told[0], int.from_bytes(told[1:5], "little"), told[5:37]
        if door.signer is None or len(told) != 37 or audience >= len(door.audiences):
            return False
        expires = None
        if proof == Proof.BY_SERVICE_TOKEN:
            who = door.judge.service_token(digest)
        else:
            name, value = next(iter(asked.items()), (b"", b""))
            if not value or hashlib.sha256(value).digest() != digest:
                return False
            place = CERTIFICATE if name == b":certificate" else int(name.removeprefix(b":token"))
            verdict = self._judge(door, place, value, now)
            if not verdict.good:
                return False
            who, expires = verdict.who, verdict.expires
        if who is None:
            return False
        text, end = door.signer.sign(who, door.audiences[audience], expires, now)
        key = door.core.key_of_assertion(proof, audience, digest)
        # The origin's clock may be ahead, and the call takes its time to get there.
        spare = min(10.0, door.signer.identity.lifetime / 4)
        until = max(end - spare, min(end, now + 1))
        self.vault.put_assertion(key, _ms(now), _ms(until), text.encode())
        return True

    # what outlives policies

    def _note(self, door: Door, place: int, value: bytes, verdict: Verdict) -> None:
        digest = hashlib.sha256(value).digest()
        der = value if place == CERTIFICATE else b""
        with self._lock:
            self._seen[door.zone, place, digest] = _Seen(door.zone, place, verdict, der)
            self._seen.move_to_end((door.zone, place, digest))
            while len(self._seen) > SEEN_MOST:
                self._seen.popitem(last=False)

    def _migrate(self, door: Door) -> None:
        """Judge anew, under what `door` says, tokens and certificates by which streams may be running."""
        if not door.access.recheck:
            return
        now = time.time()
        with self._lock:
            mine = [(key[2], seen) for key, seen in self._seen.items() if seen.zone == door.zone]
        for digest, seen in mine:
            if seen.place == CERTIFICATE:
                verdict = door.judge.certificate(seen.der, now)
            elif seen.place < len(door.judge.headers):
                verdict = door.judge.again(seen.place, seen.verdict, now)
            else:
                continue
            self._put(door, seen.place, digest, verdict, now)

    def _keys_gone(self, keys: KeySet) -> None:
        """An issuer has withdrawn a key: what was signed with it counts no more."""
        with self._lock:
            doors = [door for door in self._doors.values() if keys.source in door.sources]
        for door in doors:
            door.core.renew()
            self._migrate(door)


def _ms(seconds: float) -> int:
    return max(0, min(int(seconds * 1000), _EVER))
