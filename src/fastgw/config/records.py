"""The records of a zone, judged: names lie in it, contents fit their type, nothing clashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fastgw.config.lines import Path
from fastgw.config.model import RecordTable
from fastgw.config.report import Report
from fastgw.config.tables import ZoneParts
from fastgw.policy.compile import follow
from fastgw.policy.names import HostnameError, address, hostname, record_name
from fastgw.policy.origins import ENDPOINTS_MAX
from fastgw.policy.records import UNIX, Record, RecordType

Known = Mapping[str, list[Record]]

SOCKET_PATH_MAX = 107  # octets: what the kernel has room for


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
            origin_host=table.origin_host or "",
            weight=table.weight,
            priority=table.priority,
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
    """Look at all records of all zones together: doubles, company of a CNAME, endless chains, numbers."""
    groups: dict[str, list[Placed]] = {}
    for entry in placed:
        groups.setdefault(entry.record.name, []).append(entry)
    known = {name: [entry.record for entry in entries] for name, entries in groups.items()}
    for name, entries in groups.items():
        for index, entry in enumerate(entries[1:], 1):
            earlier = entries[:index]
            if any(other.path[1] != entry.path[1] for other in earlier):
                report.error(
                    (*entry.path, "name"), f"is {name}, which another zone holds too", "keep one of the two"
                )
            elif any(_same_target(other.record, entry.record) for other in earlier):
                report.error(entry.path, f"repeats a record of {name}", "remove one of the two")
            elif not entry.served and "CNAME" in {
                entry.record.type,
                *(other.record.type for other in earlier),
            }:
                # A name that is served is ours, and its records are targets; others are for DNS to answer.
                report.error(
                    entry.path, f"adds to {name}, but in DNS a CNAME stands alone", "remove one of the two"
                )
    for entry in placed:
        if entry.served and _endless(entry.record, known):
            report.error((*entry.path, "content"), "is a CNAME that leads back to itself", "name the origin")
    for name, entries in groups.items():
        _check_count(report, name, [entry for entry in entries if entry.served], known)


def _check_count(report: Report, name: str, entries: Sequence[Placed], known: Known) -> None:
    count = 0
    for entry in entries:
        before, count = count, count + len(follow(entry.record, known))
        if before <= ENDPOINTS_MAX < count:
            report.error(
                entry.path,
                f"is one target of {name} too many; at most {ENDPOINTS_MAX} are allowed",
                "remove some",
            )


def _same_target(one: Record, other: Record) -> bool:
    return (one.type, one.content, one.origin_port) == (other.type, other.content, other.origin_port)


def _endless(record: Record, known: Known) -> bool:
    """Does it lead to its own name, or to nothing at all?"""
    seen: set[str] = set()
    ahead = [record.content] if record.type == "CNAME" else []
    while ahead:
        name = ahead.pop()
        if name == record.name:
            return True
        if name not in seen:
            seen.add(name)
            ahead += [other.content for other in known.get(name, ()) if other.type == "CNAME"]
    return follow(record, known) == [""]


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
    if text.startswith(UNIX):
        return _socket(report, path, table, text)
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


def _socket(report: Report, path: Path, table: RecordTable, text: str) -> tuple[RecordType, str] | None:
    """A socket of this machine: what is spoken there must be written down; it has neither type nor port."""
    where, file = (*path, "content"), text.removeprefix(UNIX)
    if table.type is not None:
        report.error((*path, "type"), f'is "{table.type}", but the content is a unix socket', "leave it out")
        return None
    if not file.startswith("/") or file.endswith("/"):
        hint = 'write the whole path, as in "unix:/run/app.sock"'
        report.error(where, f"is {text!r}, which is not the path of a socket", hint)
        return None
    if len(file.encode()) > SOCKET_PATH_MAX or "\0" in file:
        report.error(where, f"is {text!r}, longer than the {SOCKET_PATH_MAX} octets a socket's path may have")
        return None
    if "origin_protocol" not in table.model_fields_set:
        hint = 'write origin_protocol = "h2c", or "h2" if it speaks TLS'
        report.error(path, "points to a unix socket, but does not say what is spoken there", hint)
        return None
    if "origin_port" in table.model_fields_set:
        report.warning((*path, "origin_port"), "has no effect on a unix socket")
    return "UNIX", text


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
