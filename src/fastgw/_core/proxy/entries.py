"""What a snapshot is made from: one tuple for each row. Of a row number, -1 says that there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class CertificateEntry(NamedTuple):
    """A certificate: its SSL_CTX (0: shown to nobody any more), its names, its fingerprint.

    The rest is what names under it ask of a handshake: a number for the demand for a client's certificate
    (0: none) and whether it is required, TLS versions as on the wire (0: any), no way in at all, and an OCSP
    response.
    """

    context: int
    names: Sequence[str]
    identity: bytes
    demand: int = 0
    required: bool = False
    version_least: int = 0
    version_most: int = 0
    no_h2: bool = False
    staple: bytes = b""


class MatchEntry(NamedTuple):
    """What a call must be like; empty: anything. Names are lower-case.

    path  "/service/method", or "/service/" for all its methods
    """

    hostname: str = ""
    path: str = ""
    fields: Sequence[tuple[str, str]] = ()


class RouteEntry(NamedTuple):
    """What holds for calls that match one of `matches` (none: all calls). Times in ms, 0: no limit."""

    matches: Sequence[MatchEntry] = ()
    deadline_ms: int = 0
    idle_ms: int = 100_000
    age_ms: int = 0
    retry_on: Sequence[int] = ()
    attempts: int = 3
    replay_octets: int = 65_536
    hedge_ms: int = 0


class ZoneEntry(NamedTuple):
    """A zone; the last of its routes matches every call."""

    name: str
    number: int
    grpc: bool
    http: bool
    encrypted: bool
    certificate: int
    routes: Sequence[RouteEntry] = (RouteEntry(),)


class EndpointEntry(NamedTuple):
    """One address of an origin. `state` is its number in the list of endpoints; weight 1 to 1000.

    The certificate must bear one of `names`, or else `server_name`; `authority` stands in for the client's.
    """

    address: bytes
    context: int
    server_name: str
    verify: bool
    connect_timeout_ms: int
    handshake_timeout_ms: int
    label: str
    state: int
    weight: int = 1
    priority: int = 0
    names: Sequence[str] = ()
    common_name: bool = False
    authority: str = ""


class OriginEntry(NamedTuple):
    """The endpoints of one name, 1 to 64, and how they are used: see OriginPolicy of the snapshot."""

    label: str
    endpoints: Sequence[EndpointEntry]
    balance: str = "round_robin"
    hash_key: str = ""
    panic_percent: int = 50
    slow_start_ms: int = 0
    eject_failures: int = 5
    eject_ms: int = 30_000
    connections_most: int = 256
    waiting_most: int = 10_000
    calls_most: int = 0
    ready_least: int = 0
    age_ms: int = 0
    keepalive_ms: int = 0


class HostEntry(NamedTuple):
    """A hostname and what it leads to; `certificate` if it does not show that of its zone."""

    hostname: str
    proxied: bool
    zone: int
    origin: int
    certificate: int = -1
