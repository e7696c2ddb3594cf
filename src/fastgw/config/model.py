"""The configuration file as pydantic models: its keys, their types and defaults, one field at a time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model

from fastgw.config.fields import (
    ComplaintError,
    Duration,
    DurationText,
    OnOff,
    Port,
    PositiveDuration,
    Table,
    Text,
    duration_ms,
    kind_of,
)
from fastgw.config.routing import OriginTable, PriorityField, RetryTable, RouteTable, WeightField
from fastgw.config.tls import CertsField, CertTable, ClientCertsField, Network, PullField
from fastgw.policy import limits
from fastgw.policy.limits import Limit
from fastgw.policy.names import host_and_port
from fastgw.policy.records import ORIGIN_PORT
from fastgw.policy.settings import CATALOGUE
from fastgw.policy.tls import TICKET_ROTATION_MS

WORKERS_MAX = 256
DEFAULT_LISTEN = ("0.0.0.0:443", "[::]:443")
Group = Literal["X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"]
DEFAULT_GROUPS: tuple[Group, ...] = ("X25519", "P-256")


def _workers(value: object) -> object:
    if value == "auto":
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ComplaintError(
            f'must be a whole number or "auto", not {kind_of(value)}', '"auto" is one worker per CPU'
        )
    if not 1 <= value <= WORKERS_MAX:
        raise ComplaintError(
            f"is {value}; there must be 1 to {WORKERS_MAX} workers", '"auto" is one worker per CPU'
        )
    return value


def _listen(value: object) -> object:
    if isinstance(value, str):
        bare = value.removeprefix("h2c://")
        hint = 'write "HOST:PORT", "[IPV6]:PORT" or "h2c://HOST:PORT"'
        if "://" in bare:
            scheme = bare.partition("://")[0]
            raise ComplaintError(f"is {value!r} with the scheme {scheme!r}, which is not known", hint)
        try:
            host_and_port(bare)
        except ValueError as error:
            raise ComplaintError(f"is {value!r}, which {error}", hint) from None
    return value


class ServerTable(Table):
    """[server]: where to listen and with how many threads."""

    listen: Annotated[
        list[Annotated[str, BeforeValidator(_listen)]],
        Field(
            min_length=1,
            description='"HOST:PORT", "[IPV6]:PORT"; "h2c://" in front: without TLS; port 0: any free',
        ),
    ] = Field(default=list(DEFAULT_LISTEN))
    workers: Annotated[
        int | None,
        BeforeValidator(_workers, json_schema_input_type=int | Literal["auto"]),
        Field(description="threads that carry calls"),
    ] = None
    drain_timeout: Annotated[Duration, Field(description="how long running calls may take to end")] = 30_000
    tls_groups: Annotated[
        list[Group],
        Field(min_length=1, description="key exchange toward clients, best first"),
    ] = Field(default=list(DEFAULT_GROUPS))
    ticket_rotation: Annotated[
        Duration,
        Field(description="how long one key seals session tickets; 0s: as long as the process lives"),
    ] = TICKET_ROTATION_MS
    proxy_protocol: Annotated[
        list[Network],
        Field(description="load balancers whose connections begin with a PROXY header, v1 or v2"),
    ] = Field(default=[])
    origin_pull_cert: Annotated[
        CertTable | None,
        Field(description="shown to origins that ask, where the setting tls_client_auth is on"),
    ] = None


class LogTable(Table):
    """[log]: what is written down about calls."""

    access: Annotated[
        Text | None, Field(description='file for one JSON line per finished call; "-" is standard output')
    ] = None


def _limit(row: Limit) -> Any:
    """The key of one limit: its type with the range that is allowed, its default."""

    def judge(value: object) -> object:
        number = duration_ms(value) if row.is_duration else value
        if isinstance(number, int) and not isinstance(number, bool) and not row.allows(number):
            raise ComplaintError(f"is {value}; it must be {row.range_text}", row.bounds)
        return number

    written = str if row.is_duration else int
    shown: dict[str, Any] = {"minimum": 0 if row.unlimited else row.least, "maximum": row.most}
    if row.is_duration:
        shown = {"default": row.text(row.default)}
    key = Annotated[
        int,
        BeforeValidator(judge, json_schema_input_type=written),
        Field(description=f"{row.unit}: {row.bounds}", json_schema_extra=shown),
    ]
    return key, row.default


LimitsTable: type[Table] = create_model(
    "LimitsTable",
    __base__=Table,
    __doc__="[limits]: what one peer may ask of the gateway, and how long it may take.",
    **{row.id: _limit(row) for row in limits.CATALOGUE.values()},
)


def _some_silence(value: object) -> object:
    milliseconds = duration_ms(value)
    if milliseconds == 0:
        raise ComplaintError("is 0, so that no stream could wait", 'long_lived_grpc = "on" lifts it')
    return value


class SettingsTable(Table):
    """A zone's settings, by the names of the reference product."""

    grpc: Annotated[OnOff, Field(description=CATALOGUE["grpc"].effect)] = "off"
    http: Annotated[OnOff, Field(description=CATALOGUE["http"].effect)] = "off"
    ssl: Annotated[
        Literal["off", "flexible", "full", "strict", "origin_pull"],
        Field(description=CATALOGUE["ssl"].effect),
    ] = "full"
    origin_connect_timeout: Annotated[
        PositiveDuration, Field(description=CATALOGUE["origin_connect_timeout"].effect)
    ] = 19_000
    origin_handshake_timeout: Annotated[
        PositiveDuration, Field(description=CATALOGUE["origin_handshake_timeout"].effect)
    ] = 10_000
    proxy_read_timeout: Annotated[
        Duration,
        BeforeValidator(_some_silence, json_schema_input_type=DurationText),
        Field(description=CATALOGUE["proxy_read_timeout"].effect),
    ] = 100_000
    long_lived_grpc: Annotated[OnOff, Field(description=CATALOGUE["long_lived_grpc"].effect)] = "off"


class RecordTable(Table):
    """One entry of a zone's `dns`."""

    name: Annotated[Text, Field(description='"@", a name below the zone, or a full name; "*" as first label')]
    content: Annotated[
        Text, Field(description='an address, for CNAME a name, or "unix:" and the path of a socket')
    ]
    type: Annotated[
        Literal["A", "AAAA", "CNAME"] | None, Field(description="follows from the content if left out")
    ] = None
    proxied: Annotated[bool, Field(description="is the name served by the gateway")] = False
    origin_port: Annotated[Port, Field(description="where the target listens")] = ORIGIN_PORT
    origin_protocol: Annotated[Literal["h2", "h2c"], Field(description="h2c: without TLS, on purpose")] = "h2"
    origin_server_name: Annotated[
        Text | None, Field(description="SNI and certificate name asked of the origin; default: the name")
    ] = None
    origin_host: Annotated[
        Text | None, Field(description="the :authority the origin sees; default: the client's")
    ] = None
    weight: WeightField = 1
    priority: PriorityField = 0


class ZoneTable(Table):
    """[[zone]]: a domain."""

    name: Annotated[Text, Field(description='the domain, as in "example.com"')]
    grpc: Annotated[OnOff | None, Field(description="as in settings")] = None
    http: Annotated[OnOff | None, Field(description="as in settings")] = None
    ssl: Annotated[
        Literal["off", "flexible", "full", "strict", "origin_pull"] | None,
        Field(description="as in settings"),
    ] = None
    cert: Annotated[CertTable | None, Field(description="what is shown to clients")] = None
    settings: Annotated[SettingsTable, Field(description="the zone's switches")] = SettingsTable()
    trust_store: Annotated[
        Text | None, Field(description="PEM roots that replace the public ones toward this zone's origins")
    ] = None
    certs: CertsField = Field(default=[])
    client_certs: ClientCertsField = Field(default=[])
    origin_pull: PullField = Field(default=[])
    crl: Annotated[
        Text | None, Field(description="revoked certificates of this zone's origins, PEM or DER")
    ] = None
    origin_ca: Annotated[bool, Field(description="is the built-in Origin CA believed, if there is one")] = (
        True
    )
    legacy_cn_match: Annotated[
        bool, Field(description="an origin's common name counts where its certificate lists no names")
    ] = False
    dns: list[RecordTable] = Field(default=[], description="names, and what they lead to")
    origin: OriginTable = Field(default=OriginTable(), description="how endpoints are used")  # type: ignore[valid-type]
    route: list[RouteTable] = Field(default=[], description="what holds for some of the calls")
    retry: RetryTable = Field(default=RetryTable(), description="which failed calls are tried again")
    paused: Annotated[bool, Field(description="everything is carried and nothing inspected")] = False
    plan: Annotated[
        Literal["free", "pro", "business", "enterprise"],
        Field(description="changes nothing: kept for those who ask for it"),
    ] = "free"


class FileTable(Table):
    """The whole file; its JSON Schema is what editors complete from."""

    version: Annotated[Literal[1], Field(description="of this format")] = 1
    server: Annotated[ServerTable, Field(description="where to listen")] = ServerTable()
    log: Annotated[LogTable, Field(description="what is written down")] = LogTable()
    limits: LimitsTable = Field(default=LimitsTable(), description="what peers may ask")  # type: ignore[valid-type]
    zone: Annotated[list[ZoneTable], Field(min_length=1, description="the domains that are served")]


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return FileTable.model_json_schema(mode="validation")
