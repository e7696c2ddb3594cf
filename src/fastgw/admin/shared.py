"""Lists of the account: they are kept once, and stand in each zone whose rules or policies name them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fastgw.admin.call import Document
from fastgw.store.base import StoredZone

LISTS = "rule-lists"
_NAMED = re.compile(r"\$([a-z0-9_]{1,50})")


def lists_by_name(stored: list[StoredZone]) -> dict[str, dict[str, Any]]:
    """The lists of the account, each with its id."""
    return {str(one.document["name"]): {**one.document, "id": one.name.rpartition("/")[2]} for one in stored}


def named(document: Mapping[str, Any]) -> set[str]:
    """The lists that rules and access policies of a zone name."""
    found = set(_NAMED.findall(json.dumps(document.get("rule", []))))
    for application in document.get("access", {}).get("applications", ()):
        for policy in application.get("policies", ()):
            for part in ("include", "require", "exclude"):
                for one in policy.get(part, ()):
                    if "ip_list" in one:
                        found.add(str(one["ip_list"]).removeprefix("$"))
    return found


def supply(document: Document, lists: Mapping[str, Mapping[str, Any]]) -> None:
    """Let the zone have the account's lists that it names, as they are now, and no others of them."""
    api = document.setdefault("api", {})
    before = api.pop("lists", {})
    own = {name: items for name, items in document.get("lists", {}).items() if name not in before}
    wanted = {name: lists[name] for name in sorted(named(document)) if name in lists and name not in own}
    document.pop("lists", None)
    items = {name: [item["value"] for item in one["items"]] for name, one in wanted.items()}
    if own or items:
        document["lists"] = {**own, **items}
    if wanted:
        api["lists"] = {name: one["id"] for name, one in wanted.items()}
    if not api:
        document.pop("api")
