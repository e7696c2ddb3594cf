"""The records of a zone, judged: names lie in it, contents fit their type, nothing clashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastgw.config.lines import Path
from fastgw.config.model import RecordTable
from fastgw.config.report import Report
from fastgw.config.tables import ZoneParts
from fastgw.policy.compile import ALIASES_MAX
from fastgw.policy.names import HostnameError, address, hostname, record_name
from fastgw.policy.records import Record, RecordType


@dataclass(frozen=True, slots=True)
class Placed:
    """A record, where it stands, and whether its name is served."""

    path: Path
    record: Record
    served: bool


def take_records(report: Report, part: ZoneParts, zone: str, others: Sequence[str]) -> list[Placed]:
    """The records of one zone as values. `others` are the names of the other zones."""
    found = []
    for path, table in part.records:
        name = _name(report, path, table, zone, others)
        content = _content(report, path, table)
        server_name = _server_name(report, path, table)
        if name is None or content is None:
            continue
        record = Record(
            name=name,
            type=content[0],
            content=content[1],
            proxied=table.proxied,
            origin_port=table.origin_port,
            origin_protocol=table.origin_protocol,
            origin_server_name=server_name,
        )
        if record.type == "CNAME" and record.content == record.name:
            report.error(
                (*path, "content"), f"is {table.content!r}, the record's own name", "name the origin"
            )
            continue
        found.append(Placed(path, record, table.proxied))
    proxied = {entry.record.name for entry in found if entry.served}
    return [replace(entry, served=entry.record.name in proxied) for entry in found]


def check_names(report: Report, placed: Sequence[Placed]) -> None:
    """Look at all records of all zones together: doubles, CNAMEs with company, chains without an end."""
    groups: dict[str, list[Placed]] = {}
    for entry in placed:
        groups.setdefault(entry.record.name, []).append(entry)
    for name, entries in groups.items():
        for index, entry in enumerate(entries[1:], 1):
            earlier = entries[:index]
            if any(other.path[1] != entry.path[1] for other in earlier):
                report.error(
                    (*entry.path, "name"), f"is {name}, which another zone holds too", "keep one of the two"
                )
            elif any(_same_target(other.record, entry.record) for other in earlier):
                report.error(entry.path, f"repeats a record of {name}", "remove one of the two")
            elif "CNAME" in {entry.record.type, *(other.record.type for other in earlier)}:
                report.error(entry.path, f"adds to {name}, but a CNAME stands alone", "remove one of the two")
            elif entry.served:
                report.warning(
                    entry.path, f"is a further target of {name}; for now only the first one serves its calls"
                )
    for entry in placed:
        if entry.served and _endless(entry.record, groups):
            report.error((*entry.path, "content"), "is a CNAME that leads back to itself", "name the origin")


def _same_target(one: Record, other: Record) -> bool:
    return (one.type, one.content, one.origin_port) == (other.type, other.content, other.origin_port)


def _endless(record: Record, groups: dict[str, list[Placed]]) -> bool:
    for _ in range(ALIASES_MAX):
        if record.type != "CNAME" or record.content not in groups:
            return False
        record = groups[record.content][0].record
    return True


def _name(report: Report, path: Path, table: RecordTable, zone: str, others: Sequence[str]) -> str | None:
    where = (*path, "name")
    try:
        name = record_name(table.name, zone)
    except HostnameError as error:
        hint = f'write "@" for {zone}, "api" for api.{zone}, "*" for every name below'
        report.error(where, f"is {table.name!r}, which {error}", hint)
        return None
    written = table.name.lower().removesuffix(".")
    if name == zone or written == name:
        return name
    for other in others:
        if written == other or written.endswith("." + other):
            # The longer zone holds the name, as it would in DNS.
            report.error(where, f"is {table.name!r}, which belongs to the zone {other}, not to {zone}")
            return None
    top = zone.rpartition(".")[2]
    if "." in written and written.rpartition(".")[2] == top and top != zone:
        hint = f"if {name} is meant, write it in full"
        report.error(where, f"is {table.name!r}, which lies outside the zone {zone}", hint)
        return None
    return name


def _content(report: Report, path: Path, table: RecordTable) -> tuple[RecordType, str] | None:
    where, text = (*path, "content"), table.content.strip()
    found = address(text.removeprefix("[").removesuffix("]")) if text.startswith("[") else address(text)
    kind: RecordType = ("AAAA" if ":" in found else "A") if found else "CNAME"
    wanted = table.type or kind
    if wanted in ("A", "AAAA"):
        if wanted == kind and found:
            return kind, found
        family = "IPv4" if wanted == "A" else "IPv6"
        hint = f'write type = "{kind}", or leave the type out'
        if kind == "CNAME" and _looks_numeric(text):
            hint = f"an {family} address is needed; a port goes into origin_port"
        report.error(where, f"is {text!r}, which is not an {family} address as type {wanted} demands", hint)
        return None
    if found:
        hint = f'write type = "{kind}", or leave the type out'
        report.error(where, f"is {text!r}, an address, but type CNAME demands a name", hint)
        return None
    if _looks_numeric(text):
        hint = "a port goes into origin_port"
        report.error(where, f"is {text!r}, which is neither an IP address nor a name", hint)
        return None
    try:
        return "CNAME", hostname(text)
    except HostnameError as error:
        hint = "write an IP address or a name; a port goes into origin_port"
        report.error(where, f"is {text!r}, which {error}", hint)
        return None


def _looks_numeric(text: str) -> bool:
    """Is it an address gone wrong rather than a name? The last label of a name is never a number."""
    return ":" in text or text.removesuffix(".").rpartition(".")[2].isdigit()


def _server_name(report: Report, path: Path, table: RecordTable) -> str:
    if table.origin_server_name is None:
        return ""
    where, text = (*path, "origin_server_name"), table.origin_server_name
    if table.origin_protocol == "h2c":
        report.warning(where, "has no effect on an h2c origin")
    literal = address(text)
    if literal is not None:
        return literal  # no SNI then, but the certificate must bear the address
    if _looks_numeric(text):
        report.error(
            where, f"is {text!r}, which is neither a name nor an IP address", "a port goes into origin_port"
        )
        return ""
    try:
        return hostname(text)
    except HostnameError as error:
        report.error(where, f"is {text!r}, which {error}", "name the origin's certificate bears")
        return ""
