"""/zones: the domains that are served."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.call import Body, Call, Route, View
from fastgw.admin.desk import Found
from fastgw.admin.errors import NOT_ALLOWED, ZONE_EXISTS, ZONE_INVALID, Complaint, plainly, refuse
from fastgw.admin.query import DIRECTION, MATCH, PAGING, Page, Param, text_params, words_param
from fastgw.errors import Problem, StoreError
from fastgw.policy.catalogue import Plan
from fastgw.policy.zone import Zone
from fastgw.store.base import Edit, zone_name
from fastgw.store.ids import ACCOUNT_ID, fixed_id, zone_id
from fastgw.store.tokens import time_text

ACCOUNT_NAME = "fastgw"
OWNER_ID = fixed_id("fastgw owner")
_PLANS = {"free": "Free Website", "pro": "Pro", "business": "Business", "enterprise": "Enterprise Website"}
_TYPE = Literal["full", "partial", "secondary", "internal"]


class Named(View):
    """Something with an id and a name."""

    id: str
    name: str


class PlanView(View):
    """Which plan a zone is of; here every plan may do everything."""

    id: str
    name: str
    legacy_id: str
    price: float = 0
    currency: str = "USD"
    frequency: str = ""
    is_subscribed: bool = True
    can_subscribe: bool = True
    legacy_discount: bool = False
    externally_managed: bool = False


class ZoneView(View):
    """One zone."""

    id: str
    name: str
    status: Literal["active", "pending"]
    paused: bool
    type: Literal["full"] = "full"
    development_mode: int = 0
    name_servers: list[str] = Field(default=[])
    original_name_servers: list[str] | None = None
    original_registrar: str | None = None
    original_dnshost: str | None = None
    created_on: str
    modified_on: str
    activated_on: str | None
    account: Named
    owner: dict[str, str | None]
    plan: PlanView
    meta: dict[str, Any]
    permissions: list[str]
    source: Annotated[
        Literal["file", "store"], Field(description="declared in the file, it is not changed here")
    ]
    revision: Annotated[int, Field(description="for If-Match")]
    problem: Annotated[str, Field(description="why it cannot be served")]


class Id(View):
    """What was removed, or looked at."""

    id: str


class AccountRef(Body):
    """The account a zone is made in: there is one."""

    id: str | None = None
    name: str | None = None


class PlanRef(Body):
    """A plan by its id or its name."""

    id: str


class NewZone(Body):
    """A zone to be made; records, settings and certificates come by requests of their own."""

    name: Annotated[str, Field(min_length=1, max_length=300)]
    account: AccountRef | None = None
    type: _TYPE = "full"
    jump_start: bool = False


class ZoneChange(Body):
    """What of a zone is to change."""

    paused: bool | None = None
    plan: PlanRef | None = None
    type: _TYPE | None = None


def view(call: Call, found: Found) -> ZoneView:
    """A zone as the API shows it."""
    span = call.desk.span(found)
    plan: Plan = found.judged.plan if found.judged else "free"
    paused = found.judged.paused if found.judged else found.document.get("paused") is True
    created, modified = time_text(span.created), time_text(span.modified)
    return ZoneView(
        id=found.id,
        name=found.name,
        status="pending" if found.problem else "active",
        paused=paused,
        created_on=created,
        modified_on=modified,
        activated_on=None if found.problem else created,
        account=Named(id=ACCOUNT_ID, name=ACCOUNT_NAME),
        owner={"id": OWNER_ID, "type": "user", "email": None},
        plan=PlanView(id=plan_id(plan), name=_PLANS[plan], legacy_id=plan),
        meta={"step": 4, "custom_certificate_quota": 1000, "page_rule_quota": 0, "phishing_detected": False},
        permissions=_permissions(call, found),
        source="file" if found.declared else "store",
        revision=found.revision,
        problem=found.problem,
    )


def plan_id(plan: str) -> str:
    """What the API calls a plan."""
    return fixed_id("fastgw plan", plan)


def _permissions(call: Call, found: Found) -> list[str]:
    words = (
        ("#zone:read", "zones:read"),
        ("#zone:edit", "zones:write"),
        ("#zone_settings:read", "settings:read"),
        ("#zone_settings:edit", "settings:write"),
        ("#dns_records:read", "dns:read"),
        ("#dns_records:edit", "dns:write"),
        ("#ssl:read", "certificates:read"),
        ("#ssl:edit", "certificates:write"),
    )
    return [word for word, scope in words if call.may(scope, found.id)]


def list_zones(call: Call) -> Page:
    """The zones the token may see."""
    query = call.query
    rows = [(name, zone) for name, zone in call.desk.names().items() if call.may("zones:read", zone_id(name))]
    fields = {
        "name": _name,
        "status": lambda row: "pending" if row[1] is None else "active",
        "account.id": lambda row: ACCOUNT_ID,
        "account.name": lambda row: ACCOUNT_NAME,
        "plan.id": lambda row: plan_id(_plan(row)),
    }
    rows = query.filtered(rows, fields, lower=("name",))
    kinds = query.many("type")
    if kinds and "full" not in kinds:
        rows = []
    rows = query.ordered(rows, {**fields, "": _name}, "name")
    page = query.paged(rows, 20, 1000)
    found = [view(call, call.desk.named(name)) for name, _ in page.rows]
    return Page(found, page.page, page.per_page, page.total)


_Row = tuple[str, Zone | None]


def _name(row: _Row) -> str:
    return row[0]


def _plan(row: _Row) -> str:
    return row[1].plan if row[1] is not None else "free"


def _about_new(problem: Problem) -> Complaint:
    return plainly(ZONE_INVALID)(problem)


def add_zone(call: Call) -> ZoneView:
    """A zone without records: it serves nothing yet."""
    body: NewZone = call.body
    if body.account is not None and body.account.id not in (None, "", ACCOUNT_ID):
        raise refuse(
            400, ZONE_INVALID, f"there is no such account; the only one is {ACCOUNT_ID}", "/account/id"
        )
    if body.type != "full":
        raise refuse(400, ZONE_INVALID, f"zones of the type {body.type} do not exist here", "/type")
    try:
        name = zone_name(body.name)
    except StoreError as error:
        raise refuse(400, ZONE_INVALID, f"{error.sentence} ({error.hint})", "/name") from None
    if not call.may("zones:write") and not call.may("zones:write", zone_id(name)):
        raise refuse(403, NOT_ALLOWED, f"the token may not make the zone {name}")

    def edits() -> tuple[None, list[Edit]]:
        if name in call.desk.names():
            raise refuse(409 if call.if_match else 400, ZONE_EXISTS, f"{name} already exists", "/name")
        return None, [Edit(name, {"name": name}, 0)]

    call.desk.write(edits, call.actor, _about_new)
    return view(call, call.desk.named(name))


def get_zone(call: Call) -> ZoneView:
    """One zone."""
    return view(call, call.zone)


def change_zone(call: Call) -> ZoneView:
    """Pause it or end the pause; its plan is kept and changes nothing here."""
    body: ZoneChange = call.body
    plan: str | None = None
    if body.plan is not None:
        plans = {plan_id(one): one for one in _PLANS}
        plan = plans.get(body.plan.id) or (body.plan.id if body.plan.id in _PLANS else None)
        if plan is None:
            raise refuse(
                400, ZONE_INVALID, f"there is no such plan; there are {', '.join(_PLANS)}", "/plan/id"
            )
    if body.type not in (None, "full"):
        raise refuse(400, ZONE_INVALID, f"zones of the type {body.type} do not exist here", "/type")

    def edit(document: dict[str, Any]) -> None:
        if body.paused is not None:
            document["paused"] = body.paused
        if plan is not None:
            document["plan"] = plan

    call.change(edit, _about_new)
    return view(call, call.zone)


def remove_zone(call: Call) -> Id:
    """The zone with all it has; its history stays."""
    found = call.zone

    def edits() -> tuple[None, list[Edit]]:
        now = call.desk.named(found.name)
        call.require_revision(now.revision)
        return None, [Edit(found.name, None, now.revision, "delete")]

    call.desk.write(edits, call.actor, _about_new)
    return Id(id=found.id)


def check_activation(call: Call) -> Id:
    """There is nothing to wait for: a zone is active once it is made. Says what is questionable in it."""
    found = call.zone
    if found.problem:
        call.note(found.problem)
    for warning in call.desk.zones.warnings_of(found.name):
        call.note(f"{warning.field} {warning.sentence}".strip())
    return Id(id=found.id)


_LIST: tuple[Param, ...] = (
    *text_params("name", "its domain", ("equal", "not_equal", "contains", "starts_with", "ends_with")),
    words_param("status", ("active", "pending"), "pending: it cannot be served"),
    Param("account.id", "there is one"),
    Param("account.name", "there is one"),
    Param("type", "full, or nothing is found"),
    words_param(
        "order", ("name", "status", "account.id", "account.name", "plan.id"), "what rows are sorted by"
    ),
    DIRECTION,
    MATCH,
    *PAGING,
)
_route = functools.partial(Route, result=ZoneView)

ROUTES = (
    Route(
        "GET",
        "/zones",
        list_zones,
        "zones:read",
        "List zones",
        list[ZoneView],
        query=_LIST,
        paging="page",
        any_zone=True,
    ),
    _route("POST", "/zones", add_zone, "zones:write", "Add a zone", body=NewZone, any_zone=True),
    _route("GET", "/zones/{zone_id}", get_zone, "zones:read", "Get a zone"),
    _route("PATCH", "/zones/{zone_id}", change_zone, "zones:write", "Change a zone", body=ZoneChange),
    Route("DELETE", "/zones/{zone_id}", remove_zone, "zones:write", "Remove a zone", Id),
    Route("PUT", "/zones/{zone_id}/activation_check", check_activation, "zones:write", "Check a zone", Id),
)
