"""[zone.origin], [[zone.route]] and [zone.retry] as pydantic models, one field at a time."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model

from fastgw.config.fields import ComplaintError, Duration, Table, Text, duration_ms, kind_of
from fastgw.policy import origins
from fastgw.policy.origins import Knob
from fastgw.policy.routes import ATTEMPTS_MAX, HEADERS_MAX, MATCHES_MAX, REPLAY_MAX, STATUSES

_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2, lower case as on the wire
_SERVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A field value as it may stand on the wire, RFC 9110 section 5.5.
_VALUE = re.compile(r"[!-~\x80-\U0010ffff]([ \t!-~\x80-\U0010ffff]*[!-~\x80-\U0010ffff])?")


def _metadata_name(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lower() != value:
        raise ComplaintError(
            f"is {value!r}, but metadata names are lower-case in gRPC", f'write "{value.lower()}"'
        )
    if value.startswith(":"):
        raise ComplaintError(
            f"is {value!r}, which is no metadata", "host, service and method have keys of their own"
        )
    if not _FIELD_NAME.fullmatch(value):
        raise ComplaintError(f"is {value!r}, which is no name of metadata", 'write a name, as in "x-canary"')
    return value


def header_value_fits(text: str) -> bool:
    """May it stand in a head? Empty values may."""
    return not text or _VALUE.fullmatch(text) is not None


def _headers(value: object) -> object:
    if not isinstance(value, dict):
        raise ComplaintError(f"must be a table, not {kind_of(value)}", 'write { "x-canary" = "1" }')
    if len(value) > HEADERS_MAX:
        raise ComplaintError(f"has {len(value)} headers; at most {HEADERS_MAX} are allowed in one match")
    for name, text in value.items():
        try:
            _metadata_name(name)
        except ComplaintError as error:
            raise ComplaintError(f"has a name that {error.sentence}", error.hint) from None
        if not isinstance(text, str):
            raise ComplaintError(f"has {name!r}, which must be text in quotes, not {kind_of(text)}")
        if not _VALUE.fullmatch(text):
            raise ComplaintError(f"has {name!r} with the value {text!r}, which no call can carry")
    return value


def _service(value: object) -> object:
    if isinstance(value, str) and not _SERVICE.fullmatch(value):
        hint = 'write the full name, as in "pkg.Service"'
        if "/" in value:
            hint += "; the method has a key of its own"
        raise ComplaintError(f"is {value!r}, which is no name of a gRPC service", hint)
    return value


def _method(value: object) -> object:
    if isinstance(value, str) and not _METHOD.fullmatch(value):
        raise ComplaintError(
            f"is {value!r}, which is no name of a gRPC method", 'write its last name, as in "Say"'
        )
    return value


def _status(value: object) -> object:
    """A gRPC status by its name, in either case."""
    if not isinstance(value, str):
        return value
    name = value.lower()
    if name == "ok":
        raise ComplaintError("is 'ok', which is no failure", "name the failures to try again on")
    return name


def _whole(least: int, most: int, what: str) -> Any:
    """A whole number from `least` to `most`."""

    def judge(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and not least <= value <= most:
            raise ComplaintError(f"is {value}; it must be {least} to {most}", what)
        return value

    return Annotated[
        int,
        BeforeValidator(judge),
        Field(description=what, json_schema_extra={"minimum": least, "maximum": most}),
    ]


WeightField = _whole(1, origins.WEIGHT_MAX, "share of calls among the targets of one name")
PriorityField = _whole(
    0, origins.PRIORITY_MAX, "0 serves first; a higher one when too few of the lower are available"
)


def _knob(row: Knob) -> Any:
    """The key of one number: its type with the range that is allowed, its default."""

    def judge(value: object) -> object:
        number = duration_ms(value) if row.is_duration else value
        if isinstance(number, int) and not isinstance(number, bool) and not row.allows(number):
            raise ComplaintError(f"is {value}; it must be {row.range_text}", f"{row.id}: {row.effect}")
        return number

    written = str if row.is_duration else int
    shown: dict[str, Any] = {"minimum": 0 if row.zero else row.least, "maximum": row.most}
    if row.is_duration:
        shown = {"default": row.text(row.default)}
    key = Annotated[
        int,
        BeforeValidator(judge, json_schema_input_type=written),
        Field(description=f"{row.unit}: {row.effect}", json_schema_extra=shown),
    ]
    return key, row.default


MetadataName = Annotated[Text, BeforeValidator(_metadata_name)]


class HealthWords(Table):
    """The words of [zone.origin.health]; its numbers come from the catalogue."""

    check: Annotated[
        Literal["none", "grpc", "watch", "tcp", "http"],
        Field(
            description="grpc: asks grpc.health.v1 at each interval; watch: is told; none: only calls tell"
        ),
    ] = "none"
    service: Annotated[
        str, Field(description="grpc, watch: the service asked for; empty: the whole server")
    ] = ""
    path: Annotated[Text, Field(description="http: what is asked for; 2xx and 3xx are good")] = "/"


HealthTable: type[HealthWords] = create_model(
    "HealthTable",
    __base__=HealthWords,
    __doc__="[zone.origin.health]: how endpoints are asked whether they are well.",
    **{row.id: _knob(row) for row in origins.HEALTH.values()},
)


class OriginWords(Table):
    """The words of [zone.origin]; its numbers come from the catalogue."""

    balance: Annotated[
        Literal["round_robin", "random", "least_calls", "peak_ewma", "hash"],
        Field(
            description="which endpoint gets a call, each by weight: in turn, by lot, the less busy of two, "
            "the faster of two, by a metadata key"
        ),
    ] = "round_robin"
    hash_key: Annotated[
        MetadataName | None, Field(description="hash: calls with equal values of this metadata stay together")
    ] = None
    health: HealthTable = Field(default=HealthTable(), description="how they are asked")  # type: ignore[valid-type]


OriginTable: type[OriginWords] = create_model(
    "OriginTable",
    __base__=OriginWords,
    __doc__="[zone.origin]: how the endpoints of the zone's names are used.",
    **{row.id: _knob(row) for row in origins.ORIGIN.values()},
)


class MatchTable(Table):
    """One entry of a route's `match`: all that is given must fit."""

    host: Annotated[Text | None, Field(description='a name of the zone; "*" as first label: all below')] = (
        None
    )
    service: Annotated[
        Text | None, BeforeValidator(_service), Field(description='full name, as in "pkg.Service"')
    ] = None
    method: Annotated[Text | None, BeforeValidator(_method), Field(description="a method of the service")] = (
        None
    )
    headers: Annotated[
        dict[str, str],
        BeforeValidator(_headers),
        Field(description='metadata the call must carry, as in { "x-canary" = "1" }'),
    ] = Field(default={})


class RetryTable(Table):
    """[zone.retry] and `retry` of a route: which failed calls are tried again on another endpoint.

    Calls that never reached the application are tried again without being listed here.
    """

    on: Annotated[
        list[Annotated[Literal[tuple(STATUSES)[1:]], BeforeValidator(_status)]],  # type: ignore[valid-type]
        Field(description="gRPC statuses, as long as nothing of the answer has been passed on"),
    ] = Field(default=[])
    attempts: _whole(1, ATTEMPTS_MAX, "of one call, the first included") = 3  # type: ignore[valid-type]
    bytes: _whole(0, REPLAY_MAX, "of a request that are kept to be sent again") = 65_536  # type: ignore[valid-type]
    hedge_after: Annotated[
        Duration,
        Field(description="without an answer for so long, the call goes to a second endpoint too; 0s: never"),
    ] = 0


class RouteTable(Table):
    """[[zone.route]]: what holds for the calls that fit one of its matches."""

    match: Annotated[
        list[MatchTable],
        Field(min_length=1, max_length=MATCHES_MAX, description='as in [{ service = "pkg.Service" }]'),
    ]
    timeout: Annotated[
        Duration, Field(description="longest time a call may take, whatever its grpc-timeout; 0s: any")
    ] = 0
    idle_timeout: Annotated[
        Duration | None, Field(description="longest silence on a stream; 0s: any; default: the zone's")
    ] = None
    age: Annotated[
        Duration, Field(description="longest life of a stream, which ends UNAVAILABLE; 0s: any")
    ] = 0
    retry: Annotated[RetryTable | None, Field(description="instead of the zone's")] = None
