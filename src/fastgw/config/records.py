"""The records of a zone, judged: names lie in it, contents fit their type, nothing clashes."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import NamedTuple

from fastgw.config.lines import Path
from fastgw.config.model import RecordWords
from fastgw.config.report import Report
from fastgw.config.tables import RecordParts, ZoneParts
from fastgw.policy.catalogue import Plan
from fastgw.policy.chains import Known, follow, is_served, leads_back
from fastgw.policy.names import (
    HostnameError,
    address,
    host_and_port,
    hostname,
    parents,
    readable,
    record_name,
)
from fastgw.policy.origins import ENDPOINTS_MAX
from fastgw.policy.records import TARGETS, TTL_AUTO, TTL_LEAST, UNIX, Record, RecordType

SOCKET_PATH_MAX = 107  # octets: what the kernel has room for


class Placed(NamedTuple):
    """A record, where it stands, and whether its name is served."""

    path: Path
    record: Record
    served: bool
    zone: str


def take_records(report: Report, part: ZoneParts, zone: str, zones: Container[str]) -> list[Placed]:
    """The records of one zone as values, chains not yet followed. `zones` are the names of all zones."""
    found = []
    for parts in part.records:
        path, words = parts.path, parts.words
        name = _name(report, parts, zone, zones)
        content = _content(report, parts)
        server_name, host = ("", "") if words.plain else _judged(report, path, words, part.table.plan)
        if name is None or content is None:
            continue
        kind, text = content
        record = Record(name, kind, text, *words.record[3:])
        if server_name or host:
            record = record._replace(origin_server_name=server_name, origin_host=host)
        if record.type == "CNAME" and record.content == record.name:
            report.error(
                (*path, "content"), f"is {parts.content!r}, the record's own name", "name the origin"
            )
            continue
        found.append(Placed(path, record, record.proxied, zone))
    return found


def _judged(report: Report, path: Path, words: RecordWords, plan: Plan) -> tuple[str, str]:
    """What of a record is not plain, judged; the names to ask its origin for: of the server, of the host."""
    if words.ttl != TTL_AUTO and words.ttl < TTL_LEAST and plan != "enterprise":
        report.error(
            (*path, "ttl"),
            f"is {words.ttl}; below {TTL_LEAST} seconds the zone must be of the plan enterprise",
            'write 1, which lets DNS choose, or plan = "enterprise" in the zone',
        )
    if words.settings.ipv4_only and words.settings.ipv6_only:
        report.error((*path, "settings"), "is both ipv4_only and ipv6_only", "keep one of them")
    server_name = "" if words.origin_server_name is None else _server_name(report, path, words)
    return server_name, "" if words.origin_host is None else _host(report, path, words)


def mark_served(placed: Sequence[Placed], known: Known) -> list[Placed]:
    """The records of one zone with the truth of `served`: one proxied record, or a chain through one."""
    names: dict[str, bool] = {}
    for entry in placed:
        if entry.served:
            names[entry.record.name] = True
    for entry in placed:
        name = entry.record.name
        if name not in names:
            names[name] = is_served(known[name], known)
    return [
        entry if entry.served == names[entry.record.name] else entry._replace(served=not entry.served)
        for entry in placed
    ]


def check_names(
    report: Report, placed: Sequence[Placed], known: Known, elsewhere: Callable[[str, str], bool]
) -> None:
    """Look at all these records together: doubles, company of a CNAME, endless chains, numbers of targets.

    `elsewhere(name, zone)`: does a zone other than `zone`, and none of these, hold `name`?
    """
    groups: dict[str, list[Placed]] = {}
    for entry in placed:
        groups.setdefault(entry.record.name, []).append(entry)
    for name, entries in groups.items():
        if len(entries) > 1:
            _check_company(report, name, entries)
        if elsewhere(name, entries[0].zone):
            _held_twice(report, entries[0])
        if not entries[0].served:
            continue
        cnames = [entry for entry in entries if entry.record.type == "CNAME"]
        for entry in cnames:
            _check_chain(report, entry, known)
        _check_leading(report, name, entries)
        if cnames or len(entries) > ENDPOINTS_MAX:
            _check_count(report, name, entries, known)


def _check_company(report: Report, name: str, entries: Sequence[Placed]) -> None:
    targets = {(entries[0].record.type, entries[0].record.content, entries[0].record.origin_port)}
    cname = entries[0].record.type == "CNAME"
    for entry in entries[1:]:
        target = (entry.record.type, entry.record.content, entry.record.origin_port)
        if entry.zone != entries[0].zone:
            _held_twice(report, entry)
        elif target in targets:
            report.error(entry.path, f"repeats a record of {readable(name)}", "remove one of the two")
        elif not entry.served and (cname or entry.record.type == "CNAME"):
            # A name that is served is ours, and its records are targets; others are for DNS to answer.
            report.error(
                entry.path,
                f"adds to {readable(name)}, but in DNS a CNAME stands alone",
                "remove one of the two",
            )
        targets.add(target)
        cname = cname or entry.record.type == "CNAME"


def _held_twice(report: Report, entry: Placed) -> None:
    sentence = f"is {readable(entry.record.name)}, which another zone holds too"
    report.error((*entry.path, "name"), sentence, "keep one of the two", rule="name-twice")


def _check_chain(report: Report, entry: Placed, known: Known) -> None:
    record = entry.record
    where = (*entry.path, "content")
    if leads_back(record, known):
        report.error(where, "is a CNAME that leads back to itself", "name the origin", rule="cname-loop")
    elif follow(record, known) == [""]:
        sentence = f"leads to {readable(record.content)}, a name of ours that has no address"
        report.error(where, sentence, "name the origin", rule="cname-loop")


def _check_leading(report: Report, name: str, entries: Sequence[Placed]) -> None:
    if not entries[0].record.callable:
        sentence = f"is {name}, which no call can name: only its first star stands for other labels"
        report.warning((*entries[0].path, "name"), sentence, "one star covers any depth", rule="second-star")


def _check_count(report: Report, name: str, entries: Sequence[Placed], known: Known) -> None:
    count = 0
    for entry in entries:
        before, count = count, count + (len(follow(entry.record, known)) if entry.record.leads else 0)
        if before <= ENDPOINTS_MAX < count:
            report.error(
                entry.path,
                f"is one target of {readable(name)} too many; at most {ENDPOINTS_MAX} are allowed",
                "remove some",
            )


def _name(report: Report, record: RecordParts, zone: str, zones: Container[str]) -> str | None:
    text, where = record.name, (*record.path, "name")
    try:
        name = record_name(text, zone)
    except HostnameError as error:
        hint = f'write "@" for {zone}, "api" for api.{zone}, "*" for every name below'
        report.error(where, f"is {text!r}, which {error}", hint)
        return None
    if name in (zone, text):
        return name
    written = text.lower().removesuffix(".")
    if name == written:
        return name
    for end in (written, *parents(written)) if "." in written else (written,):
        if end != zone and end in zones:
            # The longer zone holds the name, as it would in DNS.
            report.error(where, f"is {text!r}, which belongs to the zone {end}, not to {zone}")
            return None
    top = zone.rpartition(".")[2]
    if "." in written and written.rpartition(".")[2] == top and top != zone:
        hint = f"if {name} is meant, write it in full"
        report.error(where, f"is {text!r}, which lies outside the zone {zone}", hint)
        return None
    return name


def _content(report: Report, record: RecordParts) -> tuple[RecordType, str] | None:
    where, text, words = (*record.path, "content"), record.content.strip(), record.words
    if text.startswith(UNIX):
        return _socket(report, record.path, words, text)
    found = address(text.removeprefix("[").removesuffix("]")) if text.startswith("[") else address(text)
    kind: RecordType = ("AAAA" if ":" in found else "A") if found else "CNAME"
    wanted: RecordType = words.type or kind
    if wanted not in TARGETS:
        return _other(report, record.path, words, wanted, text)
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


_OF_TARGETS = ("origin_port", "origin_protocol", "origin_server_name", "origin_host", "weight")


def _other(
    report: Report, path: Path, words: RecordWords, kind: RecordType, text: str
) -> tuple[RecordType, str] | None:
    """For DNS to answer: whatever it says is kept as it is; calls are never carried there."""
    if words.proxied:
        report.error(
            (*path, "proxied"),
            f"is true, but records of type {kind} are never proxied",
            "only A, AAAA and CNAME lead to an origin",
        )
        return None
    for key in _OF_TARGETS:
        if key in words.model_fields_set:
            report.warning((*path, key), f"has no effect on a record of type {kind}")
    return kind, text


def _socket(report: Report, path: Path, words: RecordWords, text: str) -> tuple[RecordType, str] | None:
    """A socket of this machine: what is spoken there must be written down; it has neither type nor port."""
    where, file = (*path, "content"), text.removeprefix(UNIX)
    if words.type is not None:
        report.error((*path, "type"), f'is "{words.type}", but the content is a unix socket', "leave it out")
        return None
    if not file.startswith("/") or file.endswith("/"):
        hint = 'write the whole path, as in "unix:/run/app.sock"'
        report.error(where, f"is {text!r}, which is not the path of a socket", hint)
        return None
    if len(file.encode()) > SOCKET_PATH_MAX or "\0" in file:
        report.error(where, f"is {text!r}, longer than the {SOCKET_PATH_MAX} octets a socket's path may have")
        return None
    if "origin_protocol" not in words.model_fields_set:
        hint = 'write origin_protocol = "h2c", or "h2" if it speaks TLS'
        report.error(path, "points to a unix socket, but does not say what is spoken there", hint)
        return None
    if "origin_port" in words.model_fields_set:
        report.warning((*path, "origin_port"), "has no effect on a unix socket")
    return "UNIX", text


def _looks_numeric(text: str) -> bool:
    """Is it an address gone wrong rather than a name? The last label of a name is never a number."""
    return ":" in text or text.removesuffix(".").rpartition(".")[2].isdigit()


def _server_name(report: Report, path: Path, words: RecordWords) -> str:
    where, text = (*path, "origin_server_name"), words.origin_server_name or ""
    if words.origin_protocol == "h2c":
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


def _host(report: Report, path: Path, words: RecordWords) -> str:
    """The :authority for the origin: a name or an address, with a port or without one."""
    where, text = (*path, "origin_host"), (words.origin_host or "").strip()
    name, port = text, ""
    if text.rpartition(":")[2].isdigit() and address(text) is None:
        try:
            name, number = host_and_port(text)
        except ValueError as error:
            report.error(where, f"is {text!r}, which {error}", 'write a name, as in "api.internal"')
            return ""
        port = f":{number}"
    name = name.removeprefix("[").removesuffix("]")
    literal = address(name)
    if literal is not None:
        return (f"[{literal}]" if ":" in literal else literal) + port
    try:
        return hostname(name) + port
    except HostnameError as error:
        report.error(where, f"is {text!r}, which {error}", 'write a name, as in "api.internal"')
        return ""
