"""Rules of a zone in the file as pydantic models: their keys, types and defaults, one field at a time."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticUndefined

from fastgw.config.fields import ComplaintError, Port, Table, Text
from fastgw.config.routing import MetadataName
from fastgw.policy.refusals import refused_action, refused_phase
from fastgw.policy.routes import STATUSES

SHORT_PHASES = {
    "custom": "http_request_firewall_custom",
    "ratelimit": "http_ratelimit",
    "managed": "http_request_firewall_managed",
    "transform": "http_request_late_transform",
    "origin": "http_request_origin",
    "config": "http_config_settings",
}
"""What people write in place of the reference product's names."""

CONTENT_MOST = 30 * 1024
PERIODS = (10, 60, 120, 300, 600, 3600)
MITIGATIONS = (0, 10, 60, 120, 300, 600, 3600, 86400)
CHARACTERISTICS_MOST = 8
CHANGES_MOST = 30
VALUE_MOST = 4096

PhaseName = Literal[
    "custom",
    "ratelimit",
    "transform",
    "origin",
    "config",
    "http_request_firewall_custom",
    "http_ratelimit",
    "http_request_late_transform",
    "http_request_origin",
    "http_config_settings",
]
SkippedPhase = Literal["ratelimit", "managed", "http_ratelimit", "http_request_firewall_managed"]
ActionName = Literal[
    "block",
    "log",
    "skip",
    "rewrite",
    "route",
    "set_config",
    "challenge",
    "js_challenge",
    "managed_challenge",
]
UsableAction = Literal["block", "log", "skip", "rewrite", "route", "set_config"]
ContentType = Literal["text/plain", "application/json", "text/html", "text/xml"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _judged(judge: Any, shown: Any = PydanticUndefined) -> Any:
    """What is wrong with a word that a table of reasons knows; `shown` are the words of the schema."""

    def complain(value: object) -> object:
        why = judge(value) if isinstance(value, str) else None
        if why is not None:
            raise ComplaintError(*why)
        return value

    return BeforeValidator(complain, json_schema_input_type=shown)


def _id(value: object) -> object:
    if isinstance(value, str) and not _ID.fullmatch(value):
        raise ComplaintError(
            f"is {value!r}, which is no id", "1 to 64 letters, digits, hyphens and underscores"
        )
    return value


def _one_of(numbers: tuple[int, ...], what: str) -> Any:
    def judge(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and value not in numbers:
            raise ComplaintError(f"is {value}; it must be one of {', '.join(map(str, numbers))} seconds")
        return value

    return Annotated[
        int, BeforeValidator(judge), Field(description=what, json_schema_extra={"enum": list(numbers)})
    ]


def between(least: int, most: int, what: str) -> Any:
    """A whole number from `least` to `most`."""

    def judge(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and not least <= value <= most:
            raise ComplaintError(f"is {value}; it must be {least} to {most}")
        return value

    return Annotated[
        int,
        BeforeValidator(judge),
        Field(description=what, json_schema_extra={"minimum": least, "maximum": most}),
    ]


def _content(value: object) -> object:
    if isinstance(value, str) and len(value.encode(errors="replace")) > CONTENT_MOST:
        raise ComplaintError(
            f"has {len(value.encode(errors='replace'))} octets; at most {CONTENT_MOST} are allowed"
        )
    return value


def _refused_skip(phase: str) -> tuple[str, str] | None:
    """These two are left out by name, though nobody writes rules of the second."""
    return None if phase in (*SHORT_PHASES, *SHORT_PHASES.values()) else refused_phase(phase)


IdField = Annotated[
    Text | None,
    BeforeValidator(_id),
    Field(description="unique in the zone; default: made of phase, expression and action"),
]
DescriptionField = Annotated[str, Field(max_length=500, description="for people; in logs and denials")]
Period = _one_of(PERIODS, "seconds in which calls are counted")
Mitigation = _one_of(MITIGATIONS, "seconds for which all is refused then; 0: only what is too much")
EnabledField = Annotated[bool, Field(description="is the rule asked")]


class ResponseTable(Table):
    """`response` of a rule: what is answered in place of the usual denial."""

    status_code: between(400, 499, "HTTP status; gRPC has its own") = 403  # type: ignore[valid-type]
    content: Annotated[
        str, BeforeValidator(_content), Field(description="the body; for gRPC the message; 30 KiB at most")
    ] = ""
    content_type: Annotated[ContentType, Field(description="of the body")] = "text/plain"
    grpc_status: Annotated[
        Literal[tuple(STATUSES)[1:]] | None,  # type: ignore[valid-type]
        Field(description="what gRPC clients see; default: permission_denied, for rates resource_exhausted"),
    ] = None


class SkipTable(Table):
    """`skip` of a rule: what is left out for the calls it holds for."""

    ruleset: Annotated[Literal["current"] | None, Field(description="the rest of this phase")] = None
    phase: Annotated[Literal["current"] | None, Field(description="the same")] = None
    phases: Annotated[
        list[Annotated[SkippedPhase, _judged(_refused_skip)]], Field(description="whole phases")
    ] = Field(default=[])
    products: Annotated[
        list[Literal["zoneLockdown", "uaBlock", "bic", "hot", "securityLevel", "rateLimit", "waf"]],
        Field(description="rateLimit and waf are the phases ratelimit and managed"),
    ] = Field(default=[])
    rules: Annotated[list[Text], Field(max_length=100, description="single managed rules, by id")] = Field(
        default=[]
    )


class RateLimitTable(Table):
    """`ratelimit` of a rule: how much is too much."""

    characteristics: Annotated[
        list[Text],
        Field(
            min_length=1,
            max_length=CHARACTERISTICS_MOST,
            description='values that have a counter each, as in ["ip.src", "lower(http.host)"]',
        ),
    ]
    period: Period  # type: ignore[valid-type]
    requests_per_period: Annotated[
        between(1, 2**28 - 1, "") | None, Field(description="how many calls are let through")  # type: ignore[valid-type]
    ] = None
    mitigation_timeout: Mitigation = 0  # type: ignore[valid-type]
    counting_expression: Annotated[
        Text | None, Field(description="which calls are counted; default: those of the rule's expression")
    ] = None
    messages_per_period: Annotated[
        between(1, 2**31 - 1, "") | None, Field(description="messages of one stream, toward the origin")  # type: ignore[valid-type]
    ] = None
    octets_per_period: Annotated[
        between(1, 2**53, "") | None, Field(description="octets of one stream, toward the origin")  # type: ignore[valid-type]
    ] = None


class HeaderChangeTable(Table):
    """An entry of a rule's `headers`: what becomes of one name of metadata."""

    operation: Annotated[Literal["set", "add", "remove"], Field(description="add: beside what is there")]
    value: Annotated[str | None, Field(max_length=VALUE_MOST, description="the text itself")] = None
    expression: Annotated[
        Text | None, Field(description="or a value of the call, as in ip.src or lower(http.host)")
    ] = None


class RouteToTable(Table):
    """`route` of a rule: what the origin is asked for instead, and where."""

    host: Annotated[Text | None, Field(description="the :authority sent to the origin")] = None
    server_name: Annotated[Text | None, Field(description="SNI and certificate name asked of it")] = None
    origin: Annotated[Text | None, Field(description="a name of the zone whose origin serves instead")] = None
    port: Annotated[Port | None, Field(description="where the origin listens")] = None


class ConfigTable(Table):
    """`config` of a rule: settings for these calls."""

    ssl: Annotated[
        Literal["off", "flexible", "full", "strict", "origin_pull"] | None,
        Field(description="how the origin is connected to; gRPC needs full or better"),
    ] = None


class RuleTable(Table):
    """[[zone.rule]]: what is done with calls of which an expression holds."""

    expression: Annotated[Text, Field(description="in the rules language: see rules.md")]
    phase: Annotated[
        PhaseName,
        _judged(refused_phase),
        Field(description="when it is asked, and what it may do; by the short or the long name"),
    ] = "custom"
    action: Annotated[
        ActionName | None,
        _judged(refused_action, UsableAction | None),
        Field(description="needed in the phase custom; else what the phase is for: see inspection.md"),
    ] = None
    id: IdField = None
    description: DescriptionField = ""
    enabled: EnabledField = True
    logging: Annotated[bool, Field(description="is a hit written to the log")] = True
    response: Annotated[ResponseTable | None, Field(description="block: what is answered")] = None
    skip: Annotated[SkipTable | None, Field(description="skip: what is left out")] = None
    ratelimit: Annotated[RateLimitTable | None, Field(description="phase ratelimit: how much")] = None
    headers: Annotated[
        dict[MetadataName, HeaderChangeTable],
        Field(
            max_length=CHANGES_MOST,
            description='rewrite: by name, as in { "x-a" = { operation = "set", value = "b" } }',
        ),
    ] = Field(default={})
    route: Annotated[RouteToTable | None, Field(description="route: where to")] = None
    config: Annotated[ConfigTable | None, Field(description="set_config: which settings")] = None


def _mode(value: object) -> object:
    if value in ("challenge", "js_challenge", "managed_challenge"):
        why = refused_action(str(value)) or (
            f'is "{value}", which no gRPC client can solve',
            'write "block"',
        )
        raise ComplaintError(*why)
    return "allow" if value == "whitelist" else value


class IpAccessTable(Table):
    """[[zone.ip_access]]: clients that are let through or kept out by where they come from."""

    value: Annotated[Text, Field(description='an address, a network, "AS64496" or a country, as in "DE"')]
    mode: Annotated[
        Literal["block", "allow"],
        BeforeValidator(_mode, json_schema_input_type=Literal["block", "allow", "whitelist"]),
        Field(description='allow passes rules, rates and managed rules; "whitelist" is allow'),
    ]
    target: Annotated[
        Literal["ip", "ip6", "ip_range", "asn", "country"] | None,
        Field(description="follows from the value if left out"),
    ] = None
    notes: DescriptionField = ""


class LockdownTable(Table):
    """[[zone.lockdown]]: hosts and paths that only some addresses may call."""

    urls: Annotated[
        list[Text],
        Field(
            min_length=1, max_length=100, description='as in "api.example.com/shop.Admin/*"; * is anything'
        ),
    ]
    configurations: Annotated[
        list[Text], Field(min_length=1, description="the addresses and networks that may")
    ]
    id: IdField = None
    description: DescriptionField = ""
    enabled: EnabledField = True


class UserAgentTable(Table):
    """[[zone.user_agent]]: clients that are kept out by what they call themselves."""

    value: Annotated[Text, Field(description='the whole user-agent; * is anything, as in "sqlmap*"')]
    mode: Annotated[
        Literal["block", "log"], BeforeValidator(_mode, json_schema_input_type=Literal["block", "log"])
    ] = Field(default="block", description="what becomes of the call")
    id: IdField = None
    description: DescriptionField = ""
    enabled: EnabledField = True


class ManagedTable(Table):
    """[zone.managed]: the rules that come with the package."""

    enabled: Annotated[bool, Field(description="are they asked")] = False
    overrides: Annotated[
        dict[str, Literal["block", "log", "off"]],
        Field(description="by group or id of a rule; the id wins"),
    ] = Field(default={})


class BotsTable(Table):
    """[zone.bots]: the score of clients."""

    enabled: Annotated[
        bool, Field(description="is it computed for every call, for the log; rules that use it ask anyway")
    ] = False
