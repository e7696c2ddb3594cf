"""The configuration file as pydantic models: its keys, their types and defaults, one field at a time."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model

from fastgw.config.accesstables import AccessTable
from fastgw.config.fields import (
    ComplaintError,
    Duration,
    OnOff,
    Port,
    Table,
    Text,
    duration_ms,
    kind_of,
)
from fastgw.config.routing import OriginTable, PriorityField, RetryTable, RouteTable, WeightField
from fastgw.config.ruletables import (
    BotsTable,
    IpAccessTable,
    LockdownTable,
    ManagedTable,
    RuleTable,
    UserAgentTable,
)
from fastgw.config.settings import SettingsTable
from fastgw.config.tls import CertsField, CertTable, ClientCertsField, HostnamesField, Network, PullField
from fastgw.policy import limits
from fastgw.policy.catalogue import Plan
from fastgw.policy.limits import Limit
from fastgw.policy.names import host_and_port
from fastgw.policy.records import (
    ORIGIN_PORT,
    TTL_AUTO,
    TTL_LEAST,
    TTL_LEAST_ENTERPRISE,
    TTL_MOST,
    OtherType,
    Record,
)
from fastgw.policy.settings import EncryptionMode
from fastgw.policy.sharing import LEASE_MS, PREFIX, OnLoss
from fastgw.policy.tls import TICKET_ROTATION_MS, RecordLayer

WORKERS_MAX = 256
STORE_NAME = "fastgw.db"
USAGE_DAYS = 400
DEFAULT_ADMIN = "127.0.0.1:8099"
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
    record_layer: Annotated[
        RecordLayer,
        Field(
            description="who seals the octets of clients that have agreed on TLS_AES_128_GCM_SHA256:"
            ' "own": fastgw, with a fifth of the memory; "openssl": OpenSSL, as all else'
        ),
    ] = "own"
    proxy_protocol: Annotated[
        list[Network],
        Field(description="load balancers whose connections begin with a PROXY header, v1 or v2"),
    ] = Field(default=[])
    geoip: Annotated[
        list[Text],
        Field(
            max_length=4,
            description="databases of addresses in the MaxMind DB format: countries, networks, cities;"
            " what several know the first one says",
        ),
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


class StoreTable(Table):
    """[store]: where zones are kept besides this file, which wins for the zones it declares."""

    kind: Annotated[
        Literal["file", "sqlite"],
        Field(description="file: only here; sqlite: also in a database that commands change"),
    ] = "file"
    path: Annotated[Text | None, Field(description=f'of the database; default: "{STORE_NAME}"')] = None
    usage_days: Annotated[
        int, Field(ge=1, le=3660, description="days for which it is kept what zones have used")
    ] = USAGE_DAYS


def _admin_listen(value: object) -> object:
    return value if value == "none" else _listen(value) if "://" not in str(value) else _no_scheme(value)


def _no_scheme(value: object) -> object:
    hint = 'write "HOST:PORT"; with a cert it is https, else http'
    raise ComplaintError(f"is {value!r}, but no scheme is written here", hint)


class AdminTable(Table):
    """[admin]: the API through which other programs see and change what is served."""

    listen: Annotated[
        str,
        BeforeValidator(_admin_listen),
        Field(description='"HOST:PORT"; beyond this machine only with a cert; "none": only the socket'),
    ] = DEFAULT_ADMIN
    socket: Annotated[
        Text | None, Field(description="a unix socket too, for the owner and the group of the process")
    ] = None
    cert: Annotated[CertTable | None, Field(description="listen speaks TLS and shows this")] = None


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


class RateLimitsTable(Table):
    """[rate_limits]: several gateways count together, by way of a Redis; without it each counts alone."""

    redis: Annotated[
        Text | None,
        Field(description="redis://, rediss:// (with TLS) or unix:// URL of the Redis they share"),
    ] = None
    redis_password: Annotated[
        Text | None, Field(description='instead of in the URL, as in "${file:/run/secrets/redis}"')
    ] = None
    redis_on_loss: Annotated[
        OnLoss,
        Field(
            description="while Redis is away: local: each gateway counts alone; deny: no call that a limit is"
            " about passes; allow: each passes"
        ),
    ] = "local"
    redis_lease: Annotated[Duration, Field(description='how long a lease holds: "10ms" to "1s"')] = LEASE_MS
    redis_prefix: Annotated[
        Text, Field(description="of all keys; gateways with the same one share their limits")
    ] = PREFIX
    redis_secret: Annotated[
        Text | None,
        Field(description="the same in all gateways: without it, who reads Redis can try out values"),
    ] = None


def _ttl(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool) or value == TTL_AUTO:
        return value
    if not TTL_LEAST_ENTERPRISE <= value <= TTL_MOST:
        raise ComplaintError(
            f"is {value}; it must be {TTL_LEAST} to {TTL_MOST} seconds, or 1", "1 lets DNS choose"
        )
    return value


_TTL: Any = {"anyOf": [{"const": TTL_AUTO}, {"minimum": TTL_LEAST_ENTERPRISE, "maximum": TTL_MOST}]}


class RecordSettingsTable(Table):
    """`settings` of a record: kept and shown, since they are for DNS to obey."""

    ipv4_only: Annotated[bool, Field(description="kept: DNS answers with A only")] = False
    ipv6_only: Annotated[bool, Field(description="kept: DNS answers with AAAA only")] = False
    flatten_cname: Annotated[bool, Field(description="kept: DNS answers with the target's addresses")] = False


_NO_RECORD_SETTINGS = RecordSettingsTable()


class _RecordPlace(Table):
    """What no two entries of `dns` have in common."""

    name: Annotated[Text, Field(description='"@", a name below the zone, or a full name; "*" as first label')]
    content: Annotated[
        Text, Field(description='an address, for CNAME a name, or "unix:" and the path of a socket')
    ]


class RecordWords(Table):
    """What many entries of `dns` may say alike."""

    type: Annotated[
        Literal["A", "AAAA", "CNAME", OtherType] | None,
        Field(description="A, AAAA, CNAME follow from the content if left out; others only stop wildcards"),
    ] = None
    proxied: Annotated[bool, Field(description="is the name served by the gateway")] = False
    origin_port: Annotated[Port, Field(description="where the target listens")] = ORIGIN_PORT
    origin_protocol: Annotated[Literal["h2", "h2c"], Field(description="h2c: without TLS, on purpose")] = "h2"
    origin_server_name: Annotated[
        Text | None, Field(description="SNI and certificate name asked of the origin; default: the name")
    ] = None
    origin_host: Annotated[
        Text | None, Field(description="the :authority sent to the origin; default: that of the call")
    ] = None
    weight: WeightField = 1
    priority: PriorityField = 0
    ttl: Annotated[
        int,
        BeforeValidator(_ttl),
        Field(
            description="kept: seconds, 1 is automatic; below 60 on the plan enterprise only",
            json_schema_extra={
                "anyOf": [{"const": TTL_AUTO}, {"minimum": TTL_LEAST_ENTERPRISE, "maximum": TTL_MOST}]
            },
        ),
    ] = TTL_AUTO
    comment: Annotated[str, Field(max_length=500, description="kept, for people")] = ""
    tags: Annotated[list[Text], Field(max_length=20, description='kept, as in ["team:payments"]')] = Field(
        default_factory=list
    )
    settings: RecordSettingsTable = Field(
        default_factory=lambda: _NO_RECORD_SETTINGS, description="kept, for DNS"
    )
    id: Annotated[Text | None, Field(description="kept: what the admin API calls it")] = None
    created_on: Annotated[str, Field(description="kept, by the admin API")] = ""
    modified_on: Annotated[str, Field(description="kept, by the admin API")] = ""

    @functools.cached_property
    def record(self) -> Record:
        """A record that says no more than this: without name and content, and what has to be judged first."""
        return Record(
            "",
            "A",
            "",
            self.proxied,
            self.origin_port,
            self.origin_protocol,
            weight=self.weight,
            priority=self.priority,
            ttl=self.ttl,
            comment=self.comment,
            tags=tuple(self.tags),
            ipv4_only=self.settings.ipv4_only,
            ipv6_only=self.settings.ipv6_only,
            flatten_cname=self.settings.flatten_cname,
        )

    @functools.cached_property
    def plain(self) -> bool:
        """Does it say nothing that has to be judged together with the rest of the record or the zone?"""
        return self.model_fields_set.isdisjoint(_JUDGED)


_JUDGED = ("origin_server_name", "origin_host", "ttl", "settings")


class RecordTable(RecordWords, _RecordPlace):  # the last base has the first keys
    """One entry of a zone's `dns`."""


# Frozen, so that one of each serves all.
_NO_SETTINGS, _NO_ORIGIN, _NO_RETRY = SettingsTable(), OriginTable(), RetryTable()
_NO_MANAGED, _NO_BOTS, _NO_ACCESS = ManagedTable(), BotsTable(), AccessTable()

ListsField = dict[str, list[str | int]]


class _ZoneName(Table):
    """What no two zones have in common."""

    name: Annotated[Text, Field(description='the domain, as in "example.com"')]


class ZoneWords(Table):
    """What many zones may say alike."""

    grpc: Annotated[OnOff | None, Field(description="as in settings")] = None
    http: Annotated[OnOff | None, Field(description="as in settings")] = None
    ssl: Annotated[EncryptionMode | None, Field(description="as in settings")] = None
    cert: Annotated[CertTable | None, Field(description="what is shown to clients")] = None
    settings: SettingsTable = Field(default_factory=lambda: _NO_SETTINGS, description="the zone's switches")  # type: ignore[valid-type]
    trust_store: Annotated[
        Text | None, Field(description="PEM roots that replace the public ones toward this zone's origins")
    ] = None
    certs: CertsField = Field(default_factory=list)
    client_certs: ClientCertsField = Field(default_factory=list)
    hostname: HostnamesField = Field(default_factory=list)
    origin_pull: PullField = Field(default_factory=list)
    crl: Annotated[
        Text | None,
        Field(description="revoked certificates of this zone's origins: lists in PEM, or one in DER"),
    ] = None
    origin_ca: Annotated[bool, Field(description="is the built-in Origin CA believed, if there is one")] = (
        True
    )
    legacy_cn_match: Annotated[
        bool, Field(description="an origin's common name counts where its certificate lists no names")
    ] = False
    dns: list[RecordTable] = Field(default_factory=list, description="names, and what they lead to")
    origin: OriginTable = Field(default_factory=lambda: _NO_ORIGIN, description="how endpoints are used")  # type: ignore[valid-type]
    route: list[RouteTable] = Field(default_factory=list, description="what holds for some of the calls")
    retry: RetryTable = Field(
        default_factory=lambda: _NO_RETRY, description="which failed calls are tried again"
    )
    rule: list[RuleTable] = Field(default_factory=list, description="what is done with calls, by expressions")
    ip_access: list[IpAccessTable] = Field(
        default_factory=list, description="clients by where they come from"
    )
    lockdown: list[LockdownTable] = Field(default_factory=list, description="paths for some addresses only")
    user_agent: list[UserAgentTable] = Field(default_factory=list, description="clients by their user-agent")
    lists: ListsField = Field(default_factory=dict, description="like [lists], for this zone; they win")
    managed: Annotated[ManagedTable, Field(description="the rules of the package")] = _NO_MANAGED
    bots: Annotated[BotsTable, Field(description="the score of clients")] = _NO_BOTS
    access: Annotated[AccessTable, Field(description="who may call")] = _NO_ACCESS
    paused: Annotated[bool, Field(description="everything is carried and nothing inspected")] = False
    plan: Annotated[
        Plan,
        Field(description="kept, for those who ask for it; every plan may do everything"),
    ] = "free"
    api: Annotated[
        dict[str, Any], Field(description="kept: what the admin API remembers of the zone, such as times")
    ] = Field(default_factory=dict)


class ZoneTable(ZoneWords, _ZoneName):
    """[[zone]]: a domain."""


class FileTable(Table):
    """The whole file; its JSON Schema is what editors complete from."""

    version: Annotated[Literal[1], Field(description="of this format")] = 1
    server: Annotated[ServerTable, Field(description="where to listen")] = ServerTable()
    log: Annotated[LogTable, Field(description="what is written down")] = LogTable()
    store: Annotated[StoreTable, Field(description="where zones are kept besides this file")] = StoreTable()
    admin: Annotated[
        AdminTable | None, Field(description="the admin API, which is off without this table")
    ] = None
    limits: LimitsTable = Field(default=LimitsTable(), description="what peers may ask")  # type: ignore[valid-type]
    rate_limits: Annotated[RateLimitsTable, Field(description="do several gateways count together")] = (
        RateLimitsTable()
    )
    lists: ListsField = Field(
        default={}, description="addresses, numbers or texts by a name that rules of all zones write as $name"
    )
    zone: list[ZoneTable] = Field(
        default=[], description='the domains that are served; at least one under kind = "file"'
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return FileTable.model_json_schema(mode="validation")
