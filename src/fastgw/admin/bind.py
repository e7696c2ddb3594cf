"""Records as a zone file (RFC 1035 section 5), in and out; what DNS does not know stands in comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.zone

from fastgw.admin.errors import DNS_INVALID, INVALID, refuse
from fastgw.admin.records import RecordBody, RecordView

LINES_MOST = 10_000
_TAG = re.compile(r"\bcf-proxied:(true|false)\b")
_OWN = re.compile(
    r"\bfastgw-(origin_port|origin_protocol|origin_server_name|origin_host|weight|priority):(\S+)"
)
_OWN_KEYS = {
    "origin_port": 443,
    "origin_protocol": "h2",
    "origin_server_name": None,
    "origin_host": None,
    "weight": 1,
}
_NAMES = ("CNAME", "NS", "PTR")
_SKIPPED = ("SOA", "DNSSEC", "RRSIG", "NSEC", "NSEC3")


def exported(zone: str, records: Iterable[RecordView]) -> str:
    """A zone file of these records."""
    lines = [f";; Domain: {zone}.", ";; Exported by fastgw", "", f"$ORIGIN {zone}.", "$TTL 300", ""]
    for record in records:
        if record.type == "UNIX":
            lines.append(f"; {record.name}. leads to {record.content}, which DNS does not know")
            continue
        content = record.content
        if record.type in _NAMES:
            content = content if content.endswith(".") else f"{content}."
        elif record.type == "MX" and len(content.split()) == 1:
            content = f"{record.priority or 0} {content.removesuffix('.')}."
        elif record.type == "TXT":
            content = quoted(content)
        tags = [f"cf-proxied:{str(record.proxied).lower()}"] if record.proxiable else []
        for key, usual in _OWN_KEYS.items() if record.proxiable else ():
            value = getattr(record, key)
            if value != usual:
                tags.append(f"fastgw-{key}:{value}")
        said = f" ; cf_tags={','.join(tags)}" if tags else ""
        lines.append(f"{record.name}.\t{record.ttl}\tIN\t{record.type}\t{content}{said}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """The text of a TXT record as a zone file has it; what stands in quotes is left as it is."""
    if text.startswith('"'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return " ".join(f'"{part}"' for part in _pieces(escaped))


def _pieces(text: str) -> list[str]:
    return [text[at : at + 255] for at in range(0, len(text), 255)] or [""]


def imported(zone: str, text: str, *, proxied: bool) -> list[RecordBody]:
    """The records of a zone file. `proxied`: those that do not say otherwise. Raise ApiError."""
    if text.count("\n") > LINES_MOST:
        raise refuse(400, INVALID, f"a zone file has at most {LINES_MOST} lines here", "/file")
    try:
        found = dns.zone.from_text(text, dns.name.from_text(zone), relativize=False, check_origin=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise refuse(
            400, DNS_INVALID, f"DNS Validation Error: the file is no zone file: {error}", "/file"
        ) from None
    bodies = []
    for name, ttl, data in found.iterate_rdatas():
        kind = dns.rdatatype.to_text(data.rdtype)
        owner = name.to_text(omit_final_dot=True)
        if kind in _SKIPPED or (kind == "NS" and owner == zone):
            continue
        content = data.to_text()
        if kind in _NAMES:
            content = content.removesuffix(".")
        said: dict[str, Any] = {"name": owner.replace("\\052", "*"), "type": kind, "content": content}
        if kind == "MX":
            preference, _, exchange = content.partition(" ")
            said.update(content=exchange.removesuffix("."), priority=int(preference))
        if 60 <= ttl <= 86400 and ttl != 300:
            said["ttl"] = ttl
        said.update(_said(kind, str(getattr(data, "rdcomment", "") or ""), proxied))
        try:
            bodies.append(RecordBody.model_validate(said))
        except ValueError:
            raise refuse(400, DNS_INVALID, f"records of the type {kind} are not kept here", "/file") from None
    return bodies


def _said(kind: str, comment: str, proxied: bool) -> dict[str, Any]:
    """What a comment says of its record."""
    if kind not in ("A", "AAAA", "CNAME"):
        return {}
    tag = _TAG.search(comment)
    found: dict[str, Any] = {"proxied": tag[1] == "true" if tag else proxied}
    for part in comment.split(","):
        own = _OWN.search(part)
        if own is not None:
            found[own[1]] = int(own[2]) if own[2].isdigit() else own[2]
    return found


def form(octets: bytes, content_type: str) -> dict[str, str]:
    """The fields of a form with files (RFC 7578); anything else is the field `file`. Raise ApiError."""
    try:
        if not content_type.lower().startswith("multipart/form-data"):
            return {"file": octets.decode()}
        message = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + content_type.encode("ascii", "replace") + b"\r\n\r\n" + octets
        )
        found = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(payload, bytes):
                found[name] = payload.decode()
        return found
    except (UnicodeDecodeError, ValueError):
        raise refuse(400, INVALID, "the form is not UTF-8 text", "/file") from None
