"""What no single field can show: do the modes, names and addresses of whole zones make sense together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from fastgw.config.checkcert import check_certificate, check_trust_store
from fastgw.config.fields import Table
from fastgw.config.lines import Path
from fastgw.config.model import DEFAULT_LISTEN, ServerTable
from fastgw.config.records import Placed, check_names, take_records
from fastgw.config.report import Report
from fastgw.config.routes import check_shares, take_origin, take_retry, take_routes
from fastgw.config.tables import ZoneParts
from fastgw.config.tls import take_tls
from fastgw.config.values import Listen
from fastgw.policy.limits import CATALOGUE, LimitValues
from fastgw.policy.names import HostnameError, address, host_and_port, hostname
from fastgw.policy.settings import ENCRYPTED, VERIFIED, Settings
from fastgw.policy.zone import Zone


def check_server(report: Report, server: ServerTable, data: Mapping[str, Any]) -> tuple[Listen, ...]:
    """The places to listen at, each one once."""
    table = data.get("server", {})
    default = (
        not (isinstance(table, Mapping) and "listen" in table) and tuple(server.listen) == DEFAULT_LISTEN
    )
    seen: dict[tuple[str, int], str] = {}
    found: list[Listen] = []
    for index, text in enumerate(server.listen):
        path: Path = ("server", "listen", index)
        host, port = host_and_port(text.removeprefix("h2c://"))
        problem = _bad_host(host)
        if problem:
            report.error(path, f"is {text!r}, whose host {problem}", "write an IP address of this machine")
            continue
        host = address(host) or host
        if port and (host, port) in seen:
            report.error(
                path, f"is {text!r}, which is already listed as {seen[host, port]!r}", "keep one of them"
            )
            continue
        seen[host, port] = text
        found.append(Listen(host, port, not text.startswith("h2c://"), default and ":" in host))
    return tuple(found)


def _bad_host(host: str) -> str:
    if address(host) is not None:
        return ""
    if host.rpartition(".")[2].isdigit():
        return "is not an IP address"
    try:
        hostname(host)
    except HostnameError as error:
        return str(error)
    return ""


# The first bounds a part of what the second bounds.
_NESTED = (("stream_window", "connection_window"), ("waiting_octets", "worker_memory"))


def check_limits(report: Report, table: Table) -> LimitValues:
    """The limits as numbers for the core; a part that may be larger than its whole is warned of."""
    values = {row.id: int(getattr(table, row.id)) for row in CATALOGUE.values()}
    for part, whole in _NESTED:
        if values[whole] == 0 or values[part] <= values[whole]:
            continue
        if part in table.model_fields_set:
            sentence = f"is {values[part]}, more than {whole} ({values[whole]}), which is met first"
            report.warning(("limits", part), sentence)
        else:
            sentence = f"is {values[whole]}, less than {part} ({values[part]}), which is never met then"
            report.warning(("limits", whole), sentence)
    return tuple((row.core_key, values[row.id]) for row in CATALOGUE.values())


def check_zones(
    report: Report, parts: Sequence[ZoneParts], listen: Sequence[Listen], base: FilePath
) -> tuple[Zone, ...]:
    """The zones as values; what cannot be used is reported and left out."""
    names = _zone_names(report, parts)
    placed: list[Placed] = []
    zones: list[Zone] = []
    for part, name in zip(parts, names, strict=True):
        if name is None:
            continue
        settings = _settings(report, part)
        mine = take_records(report, part, name, [other for other in names if other and other != name])
        placed += mine
        records = tuple(entry.record for entry in mine)
        served = [entry for entry in mine if entry.served]
        files = check_certificate(report, part, served, base, needed=any(place.tls for place in listen))
        trust = check_trust_store(report, part, settings, base)
        _check_modes(report, part, settings, served)
        _check_loops(report, served, listen)
        check_shares(report, part, served)
        zones.append(
            Zone(
                name=name,
                settings=settings,
                records=records,
                certificate=files,
                trust_store=trust,
                paused=part.table.paused,
                plan=part.table.plan,
                origin=take_origin(report, part),
                routes=take_routes(report, part, name, served),
                retry=take_retry(report, part.retry, (*part.path, "retry")),
                tls=take_tls(report, part, name, settings, base, [entry.record.name for entry in served]),
            )
        )
    check_names(report, placed)
    if zones and not report.failed and not any(entry.served for entry in placed):
        report.warning(("zone",), "has no proxied record, so nothing is served", "write proxied = true")
    return tuple(zones)


def _zone_names(report: Report, parts: Sequence[ZoneParts]) -> list[str | None]:
    names: list[str | None] = []
    for part in parts:
        path = (*part.path, "name")
        text = part.table.name
        try:
            name = hostname(text)
        except HostnameError as error:
            report.error(path, f"is {text!r}, which {error}", 'write a domain, as in "example.com"')
            names.append(None)
            continue
        if address(text) is not None or name.rpartition(".")[2].isdigit():
            report.error(
                path, f"is {text!r}, which is an address", "a zone is a domain; its dns holds the addresses"
            )
            names.append(None)
        elif name in names:
            report.error(
                path, f"is {text!r}, a zone that is already there", "put all records in one [[zone]]"
            )
            names.append(None)
        else:
            names.append(name)
    return names


def _settings(report: Report, part: ZoneParts) -> Settings:
    table = part.settings
    return Settings(
        grpc=table.grpc == "on",
        http=table.http == "on",
        ssl=table.ssl,
        origin_connect_timeout_ms=table.origin_connect_timeout,
        origin_handshake_timeout_ms=table.origin_handshake_timeout,
        proxy_read_timeout_ms=table.proxy_read_timeout,
        long_lived_grpc=table.long_lived_grpc == "on",
    )


def _check_modes(report: Report, part: ZoneParts, settings: Settings, served: Sequence[Placed]) -> None:
    """gRPC needs an encrypted mode; a record may still ask for a cleartext origin, in so many words."""
    where = part.path if part.table.ssl is not None else (*part.path, "settings")
    if settings.grpc and settings.ssl not in ENCRYPTED:
        report.error(
            (*where, "ssl"),
            f'is "{settings.ssl}", but gRPC is on and is carried over TLS only',
            'write ssl = "full"; a single cleartext origin is origin_protocol = "h2c" on its record',
        )
    for entry in served:
        if entry.record.origin_protocol == "h2c" and settings.ssl in VERIFIED:
            report.warning(
                (*entry.path, "origin_protocol"),
                'is "h2c": calls to this origin are cleartext, '
                f'though ssl = "{settings.ssl}" verifies the others',
            )
        if (
            entry.record.wildcard
            and entry.record.type != "CNAME"
            and not entry.record.origin_server_name
            and entry.record.origin_protocol == "h2"
            and settings.ssl in VERIFIED
        ):
            report.error(
                entry.path,
                "is a wildcard, so no name is known to verify the origin's certificate against",
                "add origin_server_name",
            )
    if served and part.settings_known and not (settings.grpc or settings.http or part.table.paused):
        report.warning(
            part.path, "has grpc and http off, so every request is denied", 'write grpc = "on" in the zone'
        )


def _check_loops(report: Report, served: Sequence[Placed], listen: Sequence[Listen]) -> None:
    for entry in served:
        record = entry.record
        for place in listen:
            if place.port == record.origin_port and place.host == record.content:
                report.error(
                    (*entry.path, "content"),
                    f"points to {place}, where this gateway itself listens",
                    "set origin_port to the port of the origin",
                )
