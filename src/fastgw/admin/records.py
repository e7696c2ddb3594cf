"""Records as the admin API has them: ids, times and full names, in and out of a zone's document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Body, Document, View
from fastgw.admin.dnsdata import content_of, data_of
from fastgw.admin.errors import (
    CHAIN,
    CNAME_CLASH,
    DNS_INVALID,
    RECORD_GONE,
    RECORD_TWICE,
    Complaint,
    missing,
    pointer_of,
    refuse,
    sentence_of,
)
from fastgw.errors import Problem
from fastgw.policy.names import HostnameError, address, record_name
from fastgw.policy.records import ORIGIN_PORT, TTL_AUTO, UNIX, RecordType
from fastgw.store.ids import fixed_id, fresh_id, zone_id

# Keys that are written only if they say something else than this.
_USUAL: dict[str, Any] = {
    "proxied": False,
    "ttl": TTL_AUTO,
    "comment": "",
    "tags": [],
    "settings": {},
    "origin_port": ORIGIN_PORT,
    "origin_protocol": "h2",
    "origin_server_name": None,
    "origin_host": None,
    "weight": 1,
    "priority": 0,
}
_OF_RECORD = ("ipv4_only", "ipv6_only", "flatten_cname")
_PROXIABLE = ("A", "AAAA", "CNAME", "UNIX")
_WITH_PRIORITY = ("MX", "SRV", "URI")


class RecordBody(Body):
    """A record as it is to be; of a change, the keys that change."""

    name: Annotated[str | None, Field(max_length=300)] = None
    type: RecordType | None = None
    content: Annotated[str | None, Field(max_length=8192)] = None
    data: dict[str, Any] | None = None
    proxied: bool | None = None
    ttl: int | None = None
    comment: str | None = None
    tags: list[str] | None = None
    settings: dict[str, Any] | None = None
    priority: int | None = None
    origin_port: Annotated[int | None, Field(description="where the origin listens: 443")] = None
    origin_protocol: Annotated[Literal["h2", "h2c"] | None, Field(description="h2c: without TLS")] = None
    origin_server_name: str | None = None
    origin_host: str | None = None
    weight: int | None = None
    id: Annotated[str | None, Field(description="of a batch: which record")] = None


class RecordView(View):
    """One record."""

    id: str
    zone_id: str
    zone_name: str
    name: str
    type: str
    content: str
    data: dict[str, Any] | None = None
    proxiable: bool
    proxied: bool
    ttl: int
    settings: dict[str, Any]
    meta: dict[str, Any]
    comment: str | None
    tags: list[str]
    created_on: str
    modified_on: str
    priority: int | None = None
    origin_port: int = ORIGIN_PORT
    origin_protocol: str = "h2"
    origin_server_name: str | None = None
    origin_host: str | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A record of a document, with its id; `row` is what stands in the document."""

    id: str
    row: dict[str, Any]


def rows(document: Document) -> list[dict[str, Any]]:
    """The records of a document: what is added here is added to it."""
    found = document.get("dns")
    if not isinstance(found, list):
        found = document["dns"] = []
    return found


def kept_apart(document: Document) -> set[str]:
    """The ids of records that belong to load balancers, which are changed as such."""
    kept = document.get("api")
    balancers = kept.get("load_balancers", []) if isinstance(kept, dict) else []
    return {id_ for one in balancers for id_ in one.get("records", ())}


def placed(zone: str, document: Document) -> list[Placed]:
    """The records of a document with their ids. One that has none gets it from what it says."""
    found: list[Placed] = []
    seen: dict[tuple[str, ...], int] = {}
    apart = kept_apart(document)
    for row in document.get("dns") or ():
        id_ = row.get("id")
        if not id_:
            said = (
                zone,
                full_name(str(row.get("name")), zone),
                str(row.get("type")),
                str(row.get("content")),
            )
            seen[said] = seen.get(said, 0) + 1
            id_ = fixed_id("fastgw record", *said, str(seen[said]))
        if id_ not in apart:
            found.append(Placed(id_, row))
    return found


def pick(zone: str, document: Document, id_: str) -> Placed:
    """One of them, which knows its id from now on. Raise ApiError."""
    for one in placed(zone, document):
        if one.id == id_:
            one.row.setdefault("id", id_)
            return one
    raise missing("record", RECORD_GONE)


def full_name(name: str, zone: str) -> str:
    """The whole name of a record, or what was written if that is none."""
    try:
        return record_name(name, zone)
    except HostnameError:
        return name


def kind_of(row: dict[str, Any]) -> str:
    """The type of a record, which follows from its content where it is not written."""
    content = str(row.get("content", ""))
    if row.get("type"):
        return str(row["type"])
    if content.startswith(UNIX):
        return "UNIX"
    found = address(content.removeprefix("[").removesuffix("]"))
    return ("AAAA" if ":" in found else "A") if found else "CNAME"


def view(zone: str, one: Placed, since: str) -> RecordView:
    """A record as the API shows it; `since`: when it was written, if nobody knows better."""
    row = one.row
    kind = kind_of(row)
    content = str(row.get("content", ""))
    return RecordView(
        id=one.id,
        zone_id=zone_id(zone),
        zone_name=zone,
        name=full_name(str(row.get("name")), zone),
        type=kind,
        content=content,
        data=data_of(kind, content),
        proxiable=kind in _PROXIABLE,
        proxied=row.get("proxied", False),
        ttl=row.get("ttl", TTL_AUTO),
        settings=row.get("settings") or {},
        meta={},
        comment=row.get("comment") or None,
        tags=row.get("tags") or [],
        created_on=row.get("created_on") or since,
        modified_on=row.get("modified_on") or since,
        priority=row.get("priority", 0 if kind in _WITH_PRIORITY else None),
        origin_port=row.get("origin_port", ORIGIN_PORT),
        origin_protocol=row.get("origin_protocol", "h2"),
        origin_server_name=row.get("origin_server_name"),
        origin_host=row.get("origin_host"),
        weight=row.get("weight", 1),
    )


def made(zone: str, body: RecordBody, pointer: str = "") -> dict[str, Any]:
    """A new row from what a request says. Raise ApiError."""
    if not body.name:
        raise refuse(400, DNS_INVALID, "DNS Validation Error: name is missing", f"{pointer}/name")
    at = now_text()
    row: dict[str, Any] = {"name": body.name}
    apply(zone, row, body, pointer)
    if "content" not in row:
        raise refuse(400, DNS_INVALID, "DNS Validation Error: content is missing", f"{pointer}/content")
    return {**row, "id": fresh_id(), "created_on": at, "modified_on": at}


def replaced(zone: str, row: dict[str, Any], body: RecordBody, pointer: str = "") -> None:
    """Make the row what the request says, but for its id and the time it was made."""
    fresh = made(zone, body, pointer)
    fresh.update(id=row["id"], created_on=row.get("created_on") or fresh["created_on"])
    if {**fresh, "modified_on": ""} == {**row, "modified_on": ""}:
        return
    row.clear()
    row.update(fresh)


def changed(zone: str, row: dict[str, Any], body: RecordBody, pointer: str = "") -> None:
    """Change the keys of the row that the request names."""
    before = dict(row)
    apply(zone, row, body, pointer)
    if row != before:
        row["modified_on"] = now_text()


def apply(zone: str, row: dict[str, Any], body: RecordBody, pointer: str) -> None:
    """Write into `row` what the body says and is not usual. Raise ApiError."""
    given = body.model_fields_set - {"id", "data", "name", "type", "content", "settings"}
    if body.name:
        row["name"] = full_name(body.name, zone)
    kind = body.type or kind_of({**row, "content": body.content or row.get("content", "")})
    if body.type is not None:
        row["type"] = body.type
    content = body.content
    if content is None and body.data is not None:
        content = content_of(kind, {**body.data, **({"priority": body.priority} if body.priority else {})})
        if content is None:
            sentence = f"DNS Validation Error: data does not say all that a record of type {kind} needs"
            raise refuse(400, DNS_INVALID, sentence, f"{pointer}/data")
    if content is not None:
        row["content"] = content
    if str(row.get("content", "")).startswith(UNIX):
        row.pop("type", None)
    if body.settings is not None:
        kept = {key: bool(value) for key, value in body.settings.items() if key in _OF_RECORD and value}
        _put(row, "settings", kept)
    for key in given:
        if key in _USUAL:
            _put(row, key, getattr(body, key))


def _put(row: dict[str, Any], key: str, value: Any) -> None:
    usual = _USUAL[key]
    # What is spoken at a unix socket must be written down.
    if value is None or (value == usual and key != "origin_protocol"):
        row.pop(key, None)
    else:
        row[key] = value


# What is wrong with which key, in the codes of the reference product.
_CODES = {"name": 0, "A": 5, "AAAA": 6, "CNAME": 7, "ttl": 21, "proxied": 4}


def coded(document: Callable[[], Document]) -> Callable[[Problem], Complaint]:
    """Complaints about records; `document` tells which one is meant by its place in it."""

    def complaint(problem: Problem) -> Complaint:
        head, _, rest = problem.field.partition("]")
        if problem.sentence.startswith("has no certificate"):
            said = "the zone has no certificate yet, without which a name cannot be proxied: upload one"
            return Complaint(DNS_INVALID, f"DNS Validation Error: {said} (custom_certificates)", "/proxied")
        if not head.startswith("dns["):
            return Complaint(DNS_INVALID, f"DNS Validation Error: {sentence_of(problem)}")
        key = rest.removeprefix(".")
        number = int(head.removeprefix("dns["))
        found = rows(document())
        kind = kind_of(found[number]) if number < len(found) else ""
        said = f"{key} {problem.sentence}".strip() + (f" ({problem.hint})" if problem.hint else "")
        if problem.sentence.startswith("repeats a record"):
            return Complaint(RECORD_TWICE, "An identical record already exists.", "/content")
        if problem.sentence.startswith("adds to "):
            said = "An A, AAAA, or CNAME record with that host already exists."
            return Complaint(CNAME_CLASH, said, "/name")
        inner = CHAIN + _CODES.get(kind if key == "content" else key, 999)
        pointer = pointer_of(key)
        return Complaint(DNS_INVALID, f"DNS Validation Error: {said}", pointer, ((inner, said),))

    return complaint


def described(found: Sequence[Placed]) -> str:
    """How many, for people."""
    return f"{len(found)} record{'' if len(found) == 1 else 's'}"
