"""What is asked of the head of a call before it goes to its origin: rules in phases, as they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fastgw.policy.access import OPEN, Access

Phase = Literal[
    "ip_access",
    "zone_lockdown",
    "user_agent",
    "http_request_firewall_custom",
    "http_ratelimit",
    "http_request_firewall_managed",
    "http_request_late_transform",
    "http_request_origin",
    "http_config_settings",
]
"""In the order they are gone through (specification section 6), by the names of the reference product."""

Action = Literal["allow", "block", "log", "skip", "rewrite", "route", "set_config"]
Product = Literal["zoneLockdown", "uaBlock", "bic", "hot", "securityLevel", "rateLimit", "waf"]

CONFIGURABLE = ("ssl",)
"""Settings that a rule may set for a call."""


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered in place of the usual denial: HTTP status 400 to 499, a body of at most 30 KiB.

    A gRPC call is answered in gRPC all the same: `content` becomes its message, `grpc_status` its status
    (None: the usual one).
    """

    status_code: int = 403
    content: str = ""
    content_type: str = "text/plain"
    grpc_status: int | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """What a rule leaves out for this call: the rest of its phase, whole phases, older products."""

    current: bool = False
    phases: tuple[Phase, ...] = ()
    products: tuple[Product, ...] = ()
    rules: tuple[str, ...] = ()
    """Ids of managed rules."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How calls are counted. Times in seconds.

    characteristics  value expressions that tell one counter from another: `ip.src`, `lower(http.host)`,
                     `join(http.request.headers["x-key"], ",")`; text, integer, boolean or address each
    requests_per_period  0: any number, where messages or octets are counted
    mitigation_timeout  0: only what is too much is refused
    counting_expression  "": the calls that the rule's expression is about are counted
    messages_per_period, octets_per_period  of one stream and direction client to origin; 0: any number
    """

    characteristics: tuple[str, ...]
    period: int
    requests_per_period: int
    mitigation_timeout: int = 0
    counting_expression: str = ""
    messages_per_period: int = 0
    octets_per_period: int = 0


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """One change of metadata: `value` as it is, or the value of `expression`."""

    name: str
    operation: Literal["set", "add", "remove"]
    value: str = ""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """What a call asks its origin for instead, and where: empty and 0 leave it as it is."""

    host: str = ""
    server_name: str = ""
    origin: str = ""
    """A hostname of the zone whose origin serves instead."""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `id` is unique in the zone; actions bring what they need.

    An `allow` (of ip_access) has a `skip` that names the phases it passes.
    """

    id: str
    expression: str
    action: Action
    description: str = ""
    enabled: bool = True
    logging: bool = True
    response: Response | None = None
    skip: Skip | None = None
    ratelimit: RateLimit | None = None
    changes: tuple[HeaderChange, ...] = ()
    route: Route | None = None
    config: tuple[tuple[str, str], ...] = ()
    """Settings of the zone for this call, by their ids, as in ("ssl", "strict")."""


@dataclass(frozen=True, slots=True)
class Phased:
    """The rules of one phase, in order; `version` counts its changes."""

    phase: Phase
    rules: tuple[Rule, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Managed:
    """Which rules of the package's managed set are on, and what is done on a hit, by group or by id."""

    enabled: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    """(group or id, "block" | "log" | "off"): later ones win, an id wins over a group."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that one zone asks of a head. Equal ones are compiled once."""

    phases: tuple[Phased, ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Named lists, `$name` in expressions: addresses and networks, numbers or texts. Only those used."""
    managed: Managed = field(default_factory=Managed)
    bots: bool = False
    """Is the score computed where no rule asks for it, for the log?"""
    access: Access = OPEN

    def __bool__(self) -> bool:
        return bool(self.phases) or self.managed.enabled or self.bots or bool(self.access)


NOTHING = Inspection()
