"""rules/lists: addresses, AS numbers and hostnames by a name that rules of all zones write as $name."""

from __future__ import annotations

import copy
import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from fastgw.admin.api.settings import now_text
from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import missing, refuse
from fastgw.admin.query import CURSORING, Cursor, Param
from fastgw.admin.shared import LISTS, lists_by_name, named, supply
from fastgw.config.inspection import ITEMS_MOST, LISTS_MOST
from fastgw.store.base import Edit
from fastgw.store.ids import fresh_id
from fastgw.store.tokens import time_text

LIST_INVALID = 10026
LIST_USED = 10027
_NAME = re.compile(r"[a-z0-9_]{1,50}")


class NewList(Body):
    """A list as it is to be."""

    name: Annotated[str, Field(min_length=1, max_length=50)]
    kind: Literal["ip", "hostname", "asn", "redirect"]
    description: Annotated[str, Field(max_length=500)] = ""


class ListChange(Body):
    """What of it may change."""

    description: Annotated[str, Field(max_length=500)] = ""


class ListView(View):
    """A list without its items."""

    id: str
    name: str
    kind: str
    description: str
    num_items: int
    num_referencing_filters: int
    created_on: str
    modified_on: str


class ItemBody(Body):
    """One item: the key that fits the kind of the list."""

    ip: str | None = None
    asn: Annotated[int | None, Field(ge=0, le=4294967295)] = None
    hostname: dict[str, Any] | None = None
    comment: Annotated[str | None, Field(max_length=500)] = None


class ListItems(RootModel[list[ItemBody]]):
    """Items, in an array."""


class ItemId(Body):
    """One that is meant."""

    id: str


class ItemIds(Body):
    """Those that are meant."""

    items: list[ItemId] = Field(default=[])


class ItemView(View):
    """One item."""

    id: str
    ip: str | None = None
    asn: int | None = None
    hostname: dict[str, str] | None = None
    comment: str
    created_on: str
    modified_on: str


class Operation(View):
    """What was asked is done: it is in force."""

    operation_id: str


class OperationView(View):
    """How it went."""

    id: str
    status: str
    completed: str


_Kept = dict[str, Any]


def _uses(call: Call, name: str) -> list[str]:
    """The zones whose rules or policies name the list."""
    found = []
    for zone in call.desk.names():
        document = call.desk.named(zone).document
        if name in document.get("api", {}).get("lists", {}) and name in named(document):
            found.append(zone)
    return found


def _view(call: Call, id_: str, kept: _Kept) -> ListView:
    shown = {key: kept[key] for key in ("name", "kind", "description", "created_on", "modified_on")}
    uses = len(_uses(call, kept["name"]))
    return ListView(id=id_, num_items=len(kept["items"]), num_referencing_filters=uses, **shown)


def _get(call: Call) -> _Kept:
    return dict(call.desk.object(LISTS, call.path["list_id"]).document)


def _put(call: Call, id_: str, change: Callable[[_Kept], _Kept]) -> _Kept:
    """Change the list, and with it all zones that name it. Raise ApiError."""

    def edits() -> tuple[_Kept, list[Edit]]:
        stored = call.desk.object(LISTS, id_)
        call.require_revision(stored.revision)
        kept = {**change(copy.deepcopy(dict(stored.document))), "modified_on": now_text()}
        lists = lists_by_name(call.desk.objects(LISTS))
        lists[kept["name"]] = {**kept, "id": id_}
        wanted = [Edit(stored.name, kept, stored.revision)]
        for zone in _uses(call, kept["name"]):
            found = call.desk.named(zone)
            document: Document = copy.deepcopy(dict(found.document))
            supply(document, lists)
            wanted.append(Edit(zone, document, found.revision))
        return kept, wanted

    return call.desk.write(edits, call.actor)


def list_lists(call: Call) -> list[ListView]:
    """All of them."""
    found = [_view(call, one.name.rpartition("/")[2], dict(one.document)) for one in call.desk.objects(LISTS)]
    return sorted(found, key=lambda one: one.name)


def add_list(call: Call) -> ListView:
    """An empty one."""
    body: NewList = call.body
    if body.kind == "redirect":
        raise refuse(400, LIST_INVALID, "there are no redirects here, as there are none of gRPC", "/kind")
    if not _NAME.fullmatch(body.name):
        said = "a name has 1 to 50 lower-case letters, digits and underscores"
        raise refuse(400, LIST_INVALID, said, "/name")
    if body.name in dict(call.desk.zones.config.lists):
        said = f"the configuration file has a list {body.name}"
        raise refuse(400, LIST_INVALID, said, "/name")
    id_, at = fresh_id(), now_text()
    kept = {"name": body.name, "kind": body.kind, "description": body.description, "items": []}
    kept.update(created_on=at, modified_on=at)

    def edits() -> tuple[None, list[Edit]]:
        there = lists_by_name(call.desk.objects(LISTS))
        if body.name in there:
            raise refuse(400, LIST_INVALID, f"there is a list {body.name} already", "/name")
        if len(there) >= LISTS_MOST:
            raise refuse(400, LIST_INVALID, f"there are {LISTS_MOST} lists, which is the most")
        return None, [Edit(f"@{LISTS}/{id_}", kept, 0)]

    call.desk.write(edits, call.actor)
    return _view(call, id_, kept)


def get_list(call: Call) -> ListView:
    """One of them, without its items."""
    return _view(call, call.path["list_id"], _get(call))


def change_list(call: Call) -> ListView:
    """Its description; name and kind stay."""
    body: ListChange = call.body
    kept = _put(call, call.path["list_id"], lambda was: {**was, "description": body.description})
    return _view(call, call.path["list_id"], kept)


def remove_list(call: Call) -> Id:
    """Refused as long as rules name it."""
    stored = call.desk.object(LISTS, call.path["list_id"])

    def edits() -> tuple[None, list[Edit]]:
        uses = _uses(call, str(stored.document["name"]))
        if uses:
            said = f"rules of the zone {uses[0]} name the list: change them first"
            raise refuse(400, LIST_USED, said)
        return None, [Edit(stored.name, None, None, "delete")]

    call.desk.write(edits, call.actor)
    return Id(id=call.path["list_id"])


def _value(kind: str, item: ItemBody, at: str) -> str:
    """The item as a rule looks for it. Raise ApiError."""
    given = {"ip": item.ip, "asn": item.asn, "hostname": item.hostname}[kind]
    if given is None:
        raise refuse(400, LIST_INVALID, f"an item of this list has the key {kind}", at)
    if kind == "asn":
        return str(given)
    if kind == "hostname":
        assert item.hostname is not None
        name = item.hostname.get("url_hostname")
        if not isinstance(name, str) or not 0 < len(name) <= 253 or "*" in name:
            said = "url_hostname is a name without wildcards, which rules compare as it is"
            raise refuse(400, LIST_INVALID, said, f"{at}/hostname")
        return name.lower()
    assert item.ip is not None
    try:
        network = ipaddress.ip_network(item.ip.strip())
    except ValueError as error:
        raise refuse(400, LIST_INVALID, f"{item.ip[:60]!r} is no address: {error}", f"{at}/ip") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _items(kind: str, items: list[ItemBody]) -> list[_Kept]:
    at = now_text()
    return [
        {
            "id": fresh_id(),
            "value": _value(kind, item, f"/{index}"),
            "comment": item.comment or "",
            "created_on": at,
            "modified_on": at,
        }
        for index, item in enumerate(items)
    ]


def _joined(kept: _Kept, items: list[_Kept], *, replace: bool) -> _Kept:
    """The list with these; one that was there keeps its id, and has the new comment."""
    before = {item["value"]: item for item in kept["items"]}
    found = {} if replace else dict(before)
    for item in items:
        was = before.get(item["value"])
        known = {} if was is None else {key: was[key] for key in ("id", "created_on")}
        found[item["value"]] = {**item, **known}
    if len(found) > ITEMS_MOST:
        raise refuse(400, LIST_INVALID, f"a list has at most {ITEMS_MOST} items")
    return {**kept, "items": list(found.values())}


def _operation(call: Call) -> Operation:
    """An id in which the revision stands."""
    return Operation(operation_id=f"{call.desk.store.revision:016x}{call.path['list_id'][:16]}")


def _fill(call: Call, *, replace: bool) -> Operation:
    items = call.body.root
    _put(
        call,
        call.path["list_id"],
        lambda was: _joined(was, _items(was["kind"], items), replace=replace),
    )
    return _operation(call)


def add_items(call: Call) -> Operation:
    """Beside those that are there; in force when this is answered."""
    return _fill(call, replace=False)


def replace_items(call: Call) -> Operation:
    """In place of those that are there; in force when this is answered."""
    return _fill(call, replace=True)


def remove_items(call: Call) -> Operation:
    """By their ids."""
    body: ItemIds = call.body
    gone = {item.id for item in body.items}

    def change(was: _Kept) -> _Kept:
        unknown = gone - {item["id"] for item in was["items"]}
        if unknown:
            raise missing("item", LIST_INVALID)
        return {**was, "items": [item for item in was["items"] if item["id"] not in gone]}

    _put(call, call.path["list_id"], change)
    return _operation(call)


def _item_view(kind: str, item: _Kept) -> dict[str, Any]:
    value: Any = item["value"]
    shown = {"hostname": {"url_hostname": value}, "asn": int(value) if kind == "asn" else 0, "ip": value}[
        kind
    ]
    return {
        "id": item["id"],
        kind: shown,
        **{key: item[key] for key in ("comment", "created_on", "modified_on")},
    }


def list_items(call: Call) -> Cursor:
    """In the order they came."""
    kept = _get(call)
    kind, search = kept["kind"], call.query.text("search").lower()
    fits: dict[str, Callable[[str], bool]] = {
        "ip": lambda value: value.startswith(search),
        "hostname": lambda value: search in value,
        "asn": lambda value: value == search,
    }
    items = [item for item in kept["items"] if not search or fits[kind](item["value"])]
    most = call.query.number("per_page", 500, 1, 1000)
    first = call.query.number("cursor", 0, 0, ITEMS_MOST)
    after = first + most
    shown = [_item_view(kind, item) for item in items[first:after]]
    return Cursor(shown, str(after) if after < len(items) else "")


def get_item(call: Call) -> dict[str, Any]:
    """One of them."""
    kept = _get(call)
    for item in kept["items"]:
        if item["id"] == call.path["item_id"]:
            return _item_view(kept["kind"], item)
    raise missing("item", LIST_INVALID)


def get_operation(call: Call) -> OperationView:
    """It is done: nothing is done later than it is answered."""
    id_ = call.path["operation_id"]
    lists = [one.name.rpartition("/")[2][:16] for one in call.desk.objects(LISTS)]
    changes = call.desk.store.history(None, 1)
    if (
        not re.fullmatch(r"[0-9a-f]{32}", id_)
        or id_[16:] not in lists
        or int(id_[:16], 16) > changes[0].revision
    ):
        raise missing("operation", LIST_INVALID)
    return OperationView(id=id_, status="completed", completed=time_text(changes[0].at))


_AT = "/accounts/{account_id}/rules/lists"
_ONE = _AT + "/{list_id}"
_ITEMS = _ONE + "/items"
_R, _W = "rules:read", "rules:write"
_SEARCH = (Param("search", "how an address begins, part of a hostname, an AS number"), *CURSORING)
_ITEM_VIEWS: Any = list[ItemView]
ROUTES = (
    Route("GET", _AT, list_lists, _R, "List lists", list[ListView]),
    Route("POST", _AT, add_list, _W, "Add a list", ListView, NewList),
    Route("GET", _AT + "/bulk_operations/{operation_id}", get_operation, _R, "How it went", OperationView),
    Route("GET", _ONE, get_list, _R, "Get a list", ListView),
    Route("PUT", _ONE, change_list, _W, "Change a list", ListView, ListChange),
    Route("DELETE", _ONE, remove_list, _W, "Remove a list", Id),
    Route("GET", _ITEMS, list_items, _R, "List items", _ITEM_VIEWS, query=_SEARCH, paging="cursor"),
    Route("POST", _ITEMS, add_items, _W, "Add items", Operation, ListItems),
    Route("PUT", _ITEMS, replace_items, _W, "Replace items", Operation, ListItems),
    Route("DELETE", _ITEMS, remove_items, _W, "Remove items", Operation, ItemIds),
    Route("GET", _ITEMS + "/{item_id}", get_item, _R, "Get an item", ItemView),
)
