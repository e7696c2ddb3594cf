"""What a block is made from: one tuple for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fastgw._core.inspect.policies import AccessTable
    from fastgw._core.inspect.rows import Inspection
    from fastgw._core.proxy.rows import Certificate


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
    request_message_most: int = 0
    response_message_most: int = 0


class ZoneEntry(NamedTuple):
    """A zone; the last of its routes matches every call.

    inspection  what is asked of heads, None: nothing is; `slots`: the counter of each of its rules
    access      who may call, None: anybody
    """

    name: str
    number: int
    grpc: bool
    http: bool
    encrypted: bool
    routes: Sequence[RouteEntry] = (RouteEntry(),)
    inspection: Inspection | None = None
    slots: Sequence[int] = ()
    access: AccessTable | None = None


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
    """A hostname and what it leads to: the place of an origin in its block, -1 for a DNS-only name.

    certificate  of its own, None: one of its zone's
    """

    hostname: str
    proxied: bool
    origin: int
    certificate: Certificate | None = None
