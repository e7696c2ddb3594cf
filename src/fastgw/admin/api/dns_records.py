"""/zones/ID/dns_records: names, and what they lead to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, get_args

from pydantic import Field

from fastgw.admin import bind
from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Document, Reply, Route, View
from fastgw.admin.errors import INVALID, Coded, refuse
from fastgw.admin.query import DIRECTION, MATCH, PAGING, Page, Param, text_params, words_param
from fastgw.admin.records import (
    Placed,
    RecordBody,
    RecordView,
    changed,
    coded,
    kind_of,
    made,
    pick,
    placed,
    replaced,
    rows,
    view,
)
from fastgw.policy.names import record_name
from fastgw.policy.records import TARGETS, OtherType
from fastgw.store.tokens import time_text

BATCH_MOST = 1000
FILE_MOST = 4 * 1024 * 1024


class Batch(Body):
    """Several changes, all or none: first deletes, then patches, puts and posts."""

    deletes: Annotated[list[RecordBody] | None, Field(max_length=BATCH_MOST)] = None
    patches: Annotated[list[RecordBody] | None, Field(max_length=BATCH_MOST)] = None
    puts: Annotated[list[RecordBody] | None, Field(max_length=BATCH_MOST)] = None
    posts: Annotated[list[RecordBody] | None, Field(max_length=BATCH_MOST)] = None


class BatchView(View):
    """What became of them."""

    deletes: list[RecordView]
    patches: list[RecordView]
    puts: list[RecordView]
    posts: list[RecordView]


class Imported(View):
    """How many records a zone file had, and how many were not there yet."""

    recs_added: int
    total_records_parsed: int


class DnsSettings(View):
    """What DNS would be told; this gateway does not answer DNS."""

    flatten_all_cnames: bool = False
    foundation_dns: bool = False
    multi_provider: bool = False
    secondary_overrides: bool = False
    zone_mode: str = "standard"
    ns_ttl: int = 86400
    nameservers: dict[str, str] = Field(default={"type": "cloudflare.standard"})


def _since(call: Call) -> str:
    return time_text(call.desk.span(call.zone).created)


def _views(call: Call) -> list[RecordView]:
    found = call.zone
    since = _since(call)
    return [view(found.name, one, since) for one in placed(found.name, dict(found.document))]


def _change(call: Call, edit: Callable[[Document], Any]) -> Any:
    """Change the records, and say of each complaint which one it is about."""
    seen: list[Document] = [{}]

    def edited(document: Document) -> Any:
        seen[0] = document
        return edit(document)

    about: Coded = coded(lambda: seen[0])
    return call.change(edited, about)


def list_records(call: Call) -> Page:
    """Those that pass the tests."""
    query = call.query
    found = _views(call)
    fields: dict[str, Callable[[RecordView], str]] = {
        "name": lambda one: one.name,
        "content": lambda one: one.content,
        "comment": lambda one: one.comment or "",
        "type": lambda one: one.type,
        "proxied": lambda one: str(one.proxied).lower(),
    }
    if query.given("type"):
        query.word("type", [kind.lower() for kind in (*TARGETS, *get_args(OtherType))], "")
    found = query.filtered(found, fields, lower=("name", "content", "comment", "type", "proxied"))
    search = query.text("search").lower()
    if search:
        found = [
            one for one in found if search in f"{one.name} {one.content} {one.comment} {one.tags}".lower()
        ]
    found = _by_tags(call, found)
    if query.given("comment.present"):
        found = [one for one in found if one.comment]
    if query.given("comment.absent"):
        found = [one for one in found if not one.comment]
    keys: dict[str, Callable[[RecordView], Any]] = {
        **fields,
        "ttl": lambda one: one.ttl,
        "proxied": lambda one: one.proxied,
    }
    if query.given("order") or query.given("direction"):
        found = query.ordered(found, keys, "name")
    return query.paged(found, 100, 5000)


def _by_tags(call: Call, found: list[RecordView]) -> list[RecordView]:
    """`tag=name:value`, `tag.present=name` and so on; tag_match says whether one is enough."""
    query = call.query
    wanted = [("exact", value.lower()) for value in query.many("tag")]
    wanted += [(word, value.lower()) for word in _TAG_TESTS for value in query.many(f"tag.{word}")]
    if not wanted:
        return found
    together = any if query.word("tag_match", ("all", "any"), "all") == "any" else all
    return [one for one in found if together(_TAG_TESTS[word](one.tags, value) for word, value in wanted)]


def _has(tags: list[str], value: str) -> bool:
    return any(tag.lower() == value for tag in tags)


def _named(tags: list[str], name: str) -> list[str]:
    """The values of the tags of that name."""
    split = [tag.lower().partition(":") for tag in tags]
    return [value for own, _, value in split if own == name]


def _like(test: Callable[[str, str], bool]) -> Callable[[list[str], str], bool]:
    """`name:part` looks into the values of the tag `name`."""

    def judge(tags: list[str], wanted: str) -> bool:
        name, _, part = wanted.partition(":")
        return any(test(value, part) for value in _named(tags, name))

    return judge


_TAG_TESTS: dict[str, Callable[[list[str], str], bool]] = {
    "exact": _has,
    "present": lambda tags, name: bool(_named(tags, name)),
    "absent": lambda tags, name: not _named(tags, name),
    "contains": _like(lambda value, part: part in value),
    "startswith": _like(str.startswith),
    "endswith": _like(str.endswith),
}


def _one(call: Call, id_: str) -> RecordView:
    return view(call.zone.name, pick(call.zone.name, _copied(call), id_), _since(call))


def _copied(call: Call) -> Document:
    document: Document = dict(call.zone.document)
    document["dns"] = [dict(row) for row in document.get("dns") or ()]
    return document


def add_record(call: Call) -> RecordView:
    """In force when this is answered."""
    body: RecordBody = call.body
    name = call.zone.name

    def edit(document: Document) -> str:
        row = made(name, body)
        rows(document).append(row)
        return str(row["id"])

    return _one(call, _change(call, edit))


def get_record(call: Call) -> RecordView:
    """One of them."""
    return _one(call, call.path["dns_record_id"])


def change_record(call: Call) -> RecordView:
    """Change the keys that are given."""
    id_, name, body = call.path["dns_record_id"], call.zone.name, call.body
    _change(call, lambda document: changed(name, pick(name, document, id_).row, body))
    return _one(call, id_)


def replace_record(call: Call) -> RecordView:
    """What is not given has its default."""
    id_, name, body = call.path["dns_record_id"], call.zone.name, call.body
    _change(call, lambda document: replaced(name, pick(name, document, id_).row, body))
    return _one(call, id_)


def remove_record(call: Call) -> Id:
    """The name it stood for may be nobody's afterwards."""
    id_, name = call.path["dns_record_id"], call.zone.name
    _change(call, lambda document: _remove(name, document, id_))
    return Id(id=id_)


def _remove(name: str, document: Document, id_: str) -> Placed:
    one = pick(name, document, id_)
    found = rows(document)
    del found[next(index for index, row in enumerate(found) if row is one.row)]
    return one


def batch(call: Call) -> BatchView:
    """One revision for all of it."""
    body: Batch = call.body
    name, since = call.zone.name, _since(call)

    def edit(document: Document) -> dict[str, list[Placed]]:
        done: dict[str, list[Placed]] = {"deletes": [], "patches": [], "puts": [], "posts": []}
        for one in body.deletes or ():
            done["deletes"].append(_remove(name, document, _id(one, "deletes")))
        for one in body.patches or ():
            found = pick(name, document, _id(one, "patches"))
            changed(name, found.row, one, "/patches")
            done["patches"].append(found)
        for one in body.puts or ():
            found = pick(name, document, _id(one, "puts"))
            replaced(name, found.row, one, "/puts")
            done["puts"].append(found)
        for one in body.posts or ():
            row = made(name, one, "/posts")
            rows(document).append(row)
            done["posts"].append(Placed(row["id"], row))
        return done

    done = _change(call, edit)
    return BatchView(**{verb: [view(name, one, since) for one in found] for verb, found in done.items()})


def _id(one: RecordBody, verb: str) -> str:
    if not one.id:
        raise refuse(400, INVALID, f"each of {verb} needs the id of its record", f"/{verb}")
    return one.id


def export(call: Call) -> Reply:
    """As a zone file."""
    return Reply(bind.exported(call.zone.name, _views(call)), media_type="text/plain; charset=utf-8")


def import_records(call: Call) -> Imported:
    """Adds those of a zone file that are not there yet, all or none."""
    name = call.zone.name
    fields = bind.form(call.octets, call.content_type)
    if "file" not in fields:
        raise refuse(400, INVALID, "the form has no field file", "/file")
    bodies = bind.imported(name, fields["file"], proxied=fields.get("proxied", "").lower() == "true")

    def edit(document: Document) -> int:
        there = {_key(name, row) for row in rows(document)}
        added = 0
        for body in bodies:
            row = made(name, body, "/file")
            if _key(name, row) not in there:
                there.add(_key(name, row))
                rows(document).append(row)
                added += 1
        return added

    added = _change(call, edit)
    return Imported(recs_added=added, total_records_parsed=len(bodies))


def _key(zone: str, row: dict[str, Any]) -> tuple[str, str, str, int]:
    kind, content = kind_of(row), str(row.get("content", ""))
    port = row.get("origin_port", 443) if kind in TARGETS else 0
    content = bind.quoted(content) if kind == "TXT" else content.lower().removesuffix(".")
    return record_name(str(row["name"]), zone), kind, content, port


def dns_settings(call: Call) -> DnsSettings:
    """The defaults of the reference product."""
    _ = call.zone
    return DnsSettings()


_AT = "/zones/{zone_id}/dns_records"
_ONE = _AT + "/{dns_record_id}"
_LIST: tuple[Param, ...] = (
    *text_params("name", "its full name"),
    *text_params("content", "what it leads to"),
    *text_params(
        "comment", "its comment", ("exact", "contains", "startswith", "endswith", "present", "absent")
    ),
    *text_params(
        "tag", "one of its tags", ("exact", "contains", "startswith", "endswith", "present", "absent")
    ),
    Param("type", "A, AAAA, CNAME, UNIX or another one"),
    words_param("proxied", ("true", "false"), "is its name served"),
    Param("search", "a part of its name, content, comment or tags"),
    words_param("order", ("name", "content", "comment", "type", "ttl", "proxied"), "what rows are sorted by"),
    words_param("tag_match", ("all", "any"), "must all tags be there, or is one enough"),
    DIRECTION,
    MATCH,
    *PAGING,
)
_read = functools.partial(Route, scope="dns:read")
_write = functools.partial(Route, scope="dns:write", result=RecordView)
ROUTES = (
    _read(
        "GET", _AT, list_records, summary="List records", result=list[RecordView], query=_LIST, paging="page"
    ),
    _write("POST", _AT, add_record, summary="Add a record", body=RecordBody),
    _write("POST", _AT + "/batch", batch, summary="Change several records", body=Batch, result=BatchView),
    _read(
        "GET",
        _AT + "/export",
        export,
        summary="Records as a zone file",
        result=str,
        media_type="text/plain",
        enveloped=False,
    ),
    _write(
        "POST",
        _AT + "/import",
        import_records,
        summary="Add records of a zone file",
        octets=FILE_MOST,
        result=Imported,
    ),
    _read("GET", _ONE, get_record, summary="Get a record", result=RecordView),
    _write("PATCH", _ONE, change_record, summary="Change a record", body=RecordBody),
    _write("PUT", _ONE, replace_record, summary="Replace a record", body=RecordBody),
    _write("DELETE", _ONE, remove_record, summary="Remove a record", result=Id),
    _read(
        "GET",
        "/zones/{zone_id}/dns_settings",
        dns_settings,
        summary="Get settings of DNS",
        result=DnsSettings,
    ),
)
