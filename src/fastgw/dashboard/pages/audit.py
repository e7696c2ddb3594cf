"""The log of changes: who has changed what, with what stood there before and what stands there now."""

from __future__ import annotations

import difflib
import itertools
import json
from typing import Any

from starlette.responses import Response

from fastgw.admin.api.audit import AuditView
from fastgw.dashboard.visit import ACCOUNT, Page, Visit

ROWS = 30
LINES_MOST = 400  # of one comparison
COMPARED_MOST = 2000  # lines that are compared one by one
AROUND = 2  # lines beside those that differ
ACTIONS = ("create", "update", "delete", "rollback")
_FILTERS = ("zone.name", "actor.email", "action.type", "since", "before")


def show(visit: Visit) -> Response:
    """The changes that pass the filter, the newest first."""
    number = visit.query.get("page", "1")
    wanted = {name: visit.query.get(name, "").strip() for name in _FILTERS}
    query = [("per_page", str(ROWS)), ("page", number if number.isdigit() and number != "0" else "1")]
    query += [(name, value) for name, value in wanted.items() if value]
    page = visit.api.get("/accounts/{account_id}/audit_logs", query)
    rows = [{"view": one, "about": about(one), "lines": compared(one)} for one in page.rows]
    return visit.render("audit.html", page=page, rows=rows, wanted=wanted, actions=ACTIONS)


def about(one: AuditView) -> str:
    """What was changed, in a few words."""
    name = one.resource.get("name")
    return str(name) if name else f"{one.resource['type']} {one.resource['id'][:12]}"


def compared(one: AuditView) -> list[tuple[str, str]]:
    """Lines of both states: each is `-` before, `+` after or a blank for what stayed, and its text."""
    before, after = _lines(one.oldValue), _lines(one.newValue)
    first = _same(before, after)
    last = min(_same(before[::-1], after[::-1]), len(before) - first, len(after) - first)
    start = max(0, first - AROUND)
    left, right = (lines[start : len(lines) - max(0, last - AROUND)] for lines in (before, after))
    if len(left) + len(right) > COMPARED_MOST:
        found = [("-", line) for line in left[:LINES_MOST]] + [("+", line) for line in right[:LINES_MOST]]
        return [*found[:LINES_MOST], (" ", "…")]
    lines = list(difflib.unified_diff(left, right, lineterm="", n=AROUND))[3:]
    found = [(" ", "…") if line.startswith("@@") else (line[0], line[1:]) for line in lines]
    return found if len(found) <= LINES_MOST else [*found[:LINES_MOST], (" ", "…")]


def _same(left: list[str], right: list[str]) -> int:
    """How many lines are the same from the beginning."""
    return sum(
        1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    )


def _lines(text: str | None) -> list[str]:
    if text is None:
        return []
    value: Any = json.loads(text)
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).splitlines()


PAGES = (Page("/audit", "Audit log", show, nav=ACCOUNT, scope="audit:read"),)
