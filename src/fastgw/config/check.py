"""What no single field can show: do the modes, names and addresses of whole zones make sense together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from fastgw.config.access import certificates_wanted
from fastgw.config.checkcert import Files, check_certificate, check_trust_store
from fastgw.config.fields import Table
from fastgw.config.inspection import take_inspection
from fastgw.config.judged import Judged
from fastgw.config.lines import Path
from fastgw.config.model import DEFAULT_LISTEN, ServerTable
from fastgw.config.modes import check_modes
from fastgw.config.records import Placed, check_names, mark_served, take_records
from fastgw.config.report import Report
from fastgw.config.routes import check_shares, take_origin, take_retry, take_routes
from fastgw.config.settings import take_settings
from fastgw.config.tables import ZoneParts
from fastgw.config.tls import take_tls
from fastgw.config.values import Listen
from fastgw.policy.chains import ZoneNames, by_name, follow, is_served, leads_back
from fastgw.policy.limits import CATALOGUE, LimitValues
from fastgw.policy.names import HostnameError, address, host_and_port, hostname, readable
from fastgw.policy.origins import ENDPOINTS_MAX
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
) -> tuple[Judged, ...]:
    """The zones as values; what cannot be used is reported and left out."""
    names = _zone_names(report, parts)
    held = {name for name in names if name}
    taken = [
        (part, name, take_records(report, part, name, held))
        for part, name in zip(parts, names, strict=True)
        if name is not None
    ]
    known = by_name(entry.record for _, _, mine in taken for entry in mine)
    files = Files(base)
    judged = [
        _zone(report, part, name, mark_served(mine, known), listen, files) for part, name, mine in taken
    ]
    placed = [entry for one in judged for entry in one.placed]
    check_names(report, placed, known, lambda name, zone: False)
    if judged and not report.failed and not any(entry.served for entry in placed):
        report.warning(("zone",), "has no proxied record, so nothing is served", "write proxied = true")
    return tuple(judged)


def check_one(
    report: Report, part: ZoneParts, rest: ZoneNames, listen: Sequence[Listen], base: FilePath
) -> Judged | None:
    """One zone, judged against the others, which are good; `rest` holds it afterwards."""
    (name,) = _zone_names(report, [part])
    if name is None:
        return None
    mine = take_records(report, part, name, rest.with_name(name))
    rest.put(Zone(name, records=tuple(entry.record for entry in mine)))
    judged = _zone(report, part, name, mark_served(mine, rest), listen, Files(base))
    check_names(report, judged.placed, rest, rest.elsewhere)
    rest.put(judged.zone)
    if not report.failed:
        _check_dependents(report, part, name, rest)
    return judged


def _check_dependents(report: Report, part: ZoneParts, name: str, names: ZoneNames) -> None:
    """Chains of other zones that lead into this one must not come to nothing by its change."""
    for zone in names.leading_to(name):
        for host, records in by_name(zone.records).items():
            cnames = [record for record in records if record.type == "CNAME"]
            if not cnames or not is_served(records, names):
                continue
            if any(leads_back(one, names) or follow(one, names) == [""] for one in cnames):
                report.error(
                    part.path,
                    f"leaves {readable(host)} of the zone {zone.name}, which leads here, without an address",
                    "change that record first",
                    rule="cname-loop",
                )
            elif sum(len(follow(one, names)) for one in records if one.leads) > ENDPOINTS_MAX:
                report.error(
                    part.path,
                    f"gives {readable(host)} of the zone {zone.name} more than {ENDPOINTS_MAX} targets",
                    "remove some",
                )


def _zone(
    report: Report,
    part: ZoneParts,
    name: str,
    placed: Sequence[Placed],
    listen: Sequence[Listen],
    files: Files,
) -> Judged:
    settings = report.values.get(id(part.settings))
    if settings is None:
        settings = report.values[id(part.settings)] = take_settings(part.settings)
    served = [entry for entry in placed if entry.served]
    needed = any(place.tls for place in listen)
    certificate = check_certificate(report, part, served, files, needed=needed)
    trust = check_trust_store(report, part, settings, files)
    check_modes(report, part, settings, served)
    _check_loops(report, served, listen)
    check_shares(report, part, served)
    names = frozenset([entry.record.name for entry in served]) if part.asked else frozenset()
    inspection = take_inspection(report, part, name, settings, names, files.base)
    asking = certificates_wanted(
        report, inspection.access, (*part.path, "access"), bool(part.table.client_certs)
    )
    zone = Zone(
        name=name,
        settings=settings,
        records=tuple([entry.record for entry in placed]),
        certificate=certificate,
        trust_store=trust,
        paused=part.table.paused,
        plan=part.table.plan,
        origin=take_origin(report, part),
        routes=take_routes(report, part, name, served),
        retry=take_retry(report, part.retry, (*part.path, "retry")),
        tls=take_tls(report, part, name, settings, files.base, served, asking),
        inspection=inspection,
    )
    return Judged(part, zone, tuple(placed))


def _zone_names(report: Report, parts: Sequence[ZoneParts]) -> list[str | None]:
    names: list[str | None] = []
    seen: set[str] = set()
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
        elif name in seen:
            report.error(
                path, f"is {text!r}, a zone that is already there", "put all records in one [[zone]]"
            )
            names.append(None)
        else:
            seen.add(name)
            names.append(name)
    return names


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
