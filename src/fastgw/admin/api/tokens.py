"""/user/tokens and /accounts/ID/tokens: who may use this API, and for what."""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Nothing, Route, View
from fastgw.admin.errors import INVALID, NOT_ALLOWED, missing, plainly, refuse, translated
from fastgw.admin.query import PAGING, Page, Param
from fastgw.errors import FastgwError
from fastgw.store import tokens
from fastgw.store.ids import ACCOUNT_ID
from fastgw.store.tokens import AREAS, EVERYWHERE, SCOPES, Policy, Status, Token, scope_id, time_text

_ZONE = "com.cloudflare.api.account.zone."
_ACCOUNT = "com.cloudflare.api.account."
_SCOPE_OF = {scope_id(scope): scope for scope in SCOPES}


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_network)]


class GroupRef(Body):
    """A permission: its id, or its name as in dns:write."""

    id: str | None = None
    name: str | None = None


class PolicyBody(Body):
    """What is allowed, or denied, and where: zones by their ids, or all."""

    id: str | None = None
    effect: Literal["allow", "deny"] = "allow"
    permission_groups: Annotated[list[GroupRef], Field(min_length=1, max_length=100)]
    resources: Annotated[
        dict[str, Any],
        Field(description=f"{_ZONE}ID, {_ZONE}* or {_ACCOUNT}ID, each with the value *", max_length=10_000),
    ]


class RequestIp(Body):
    """Networks."""

    model_config = ConfigDict(populate_by_name=True, extra="allow")
    within: list[Network] = Field(default=[], alias="in")
    not_in: list[Network] = Field(default=[])


class Condition(Body):
    """Where a token may be used from."""

    request_ip: RequestIp | None = None


class TokenBody(Body):
    """A token as it is to be."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    policies: Annotated[list[PolicyBody], Field(min_length=1, max_length=100)]
    condition: Condition | None = None
    expires_on: AwareDatetime | None = None
    not_before: AwareDatetime | None = None
    status: Status | None = None


class GroupView(View):
    """A permission."""

    id: str
    name: str
    description: str = ""
    scopes: list[str] = Field(default=[])
    category: str = ""


class PolicyView(View):
    """What is allowed, or denied, and where."""

    id: str
    effect: Literal["allow", "deny"]
    permission_groups: list[GroupView]
    resources: dict[str, str]


class TokenView(View):
    """A token; `value` is its secret, which is shown once, when it is made."""

    id: str
    name: str
    status: Status
    issued_on: str
    modified_on: str
    last_used_on: str | None
    expires_on: str | None
    not_before: str | None
    policies: list[PolicyView]
    condition: dict[str, Any]
    value: str | None = None


class Verified(View):
    """What a client learns of its own token."""

    id: str
    status: Status
    expires_on: str | None
    not_before: str | None


def _view(call: Call, token: Token, value: str | None = None) -> TokenView:
    used = call.desk.last_used(token.id)
    within = {"in": list(token.within)} if token.within else {}
    without = {"not_in": list(token.without)} if token.without else {}
    return TokenView(
        id=token.id,
        name=token.name,
        status=token.status(time.time()),
        issued_on=time_text(token.issued_on),
        modified_on=time_text(token.modified_on),
        last_used_on=None if used is None else time_text(used),
        expires_on=_text(token.expires_on),
        not_before=_text(token.not_before),
        policies=[_policy_view(policy) for policy in token.policies],
        condition={"request_ip": {**within, **without}} if within or without else {},
        value=value,
    )


def _policy_view(policy: Policy) -> PolicyView:
    if policy.zones == (EVERYWHERE,):
        where = {f"{_ACCOUNT}{ACCOUNT_ID}": "*"}
    else:
        where = {f"{_ZONE}{zone}": "*" for zone in policy.zones}
    groups = [GroupView(id=scope_id(scope), name=scope) for scope in policy.scopes]
    effect: Literal["allow", "deny"] = "allow" if policy.allow else "deny"
    return PolicyView(id=policy.id, effect=effect, permission_groups=groups, resources=where)


def _text(at: float | None) -> str | None:
    return None if at is None else time_text(at)


def _policies(call: Call, bodies: Iterable[PolicyBody]) -> tuple[Policy, ...]:
    """What a request says, if the caller may give that away. Raise ApiError."""
    found = []
    for number, body in enumerate(bodies):
        where = f"/policies/{number}"
        words = [
            _SCOPE_OF.get(group.id or "") or group.name or group.id or "" for group in body.permission_groups
        ]
        try:
            scopes = tokens.judged_scopes(words)
        except FastgwError as error:
            refusal = translated(error, plainly(INVALID))
            raise refuse(400, INVALID, refusal.complaints[0].message, f"{where}/permission_groups") from None
        zones = _zones(body.resources, where)
        if body.effect == "allow":
            for scope in scopes:
                for zone in zones:
                    if not call.may(scope, None if zone == EVERYWHERE else zone):
                        said = f"a token cannot give away what it may not do itself: {scope}"
                        raise refuse(403, NOT_ALLOWED, said, f"{where}/permission_groups")
        found.append(Policy(scopes, zones, body.effect == "allow", body.id or ""))
    return tuple(found)


def _zones(resources: dict[str, Any], where: str) -> tuple[str, ...]:
    """Ids of zones, or all of them."""
    found: list[str] = []
    for key, value in resources.items():
        inner = value if isinstance(value, dict) else {key: value}
        for name in inner:
            if name in (f"{_ACCOUNT}{ACCOUNT_ID}", f"{_ACCOUNT}*", f"{_ZONE}*") or name.startswith(
                "com.cloudflare.api.user."
            ):
                return (EVERYWHERE,)
            zone = name.removeprefix(_ZONE)
            if zone == name or not zone.isalnum() or len(zone) != 32:
                said = f"{name[:80]!r} is no resource: {_ZONE}ID, {_ZONE}* and {_ACCOUNT}{ACCOUNT_ID} are"
                raise refuse(400, INVALID, said, f"{where}/resources")
            found.append(zone)
    if not found:
        raise refuse(400, INVALID, "resources names nothing", f"{where}/resources")
    return tuple(dict.fromkeys(found))


def _seconds(at: datetime.datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _filled(call: Call, token: Token, body: TokenBody) -> Token:
    networks = body.condition.request_ip if body.condition and body.condition.request_ip else RequestIp()
    return replace(
        token,
        name=body.name,
        policies=_policies(call, body.policies),
        expires_on=_seconds(body.expires_on),
        not_before=_seconds(body.not_before),
        within=tuple(networks.within),
        without=tuple(networks.not_in),
        enabled=token.enabled if body.status is None else body.status == "active",
    )


def _get(call: Call) -> Token:
    id_ = call.path["token_id"]
    found = tokens.get(call.desk.zones, id_) if len(id_) == 32 and id_.isalnum() else None
    if found is None:
        raise missing("token")
    return found


def verify(call: Call) -> Verified:
    """Is the token of this request good?"""
    token = call.token
    status = token.status(time.time())
    if status == "active":
        call.note("This API Token is valid and active")
    return Verified(
        id=token.id, status=status, expires_on=_text(token.expires_on), not_before=_text(token.not_before)
    )


def list_tokens(call: Call) -> Page:
    """The oldest first."""
    found = call.query.paged(tokens.tokens(call.desk.zones), 20, 100)
    return Page([_view(call, one) for one in found.rows], found.page, found.per_page, found.total)


def add_token(call: Call) -> TokenView:
    """The only answer that shows its secret."""
    made, value = tokens.create(call.desk.zones, _filled(call, Token("", "", "", ()), call.body), call.actor)
    return _view(call, made, value)


def get_token(call: Call) -> TokenView:
    """One of them."""
    return _view(call, _get(call))


def change_token(call: Call) -> TokenView:
    """Replaces all but its secret and the time it was made; `status` disables it."""
    before = _get(call)
    call.require_revision(before.revision)
    return _view(call, tokens.change(call.desk.zones, _filled(call, before, call.body), call.actor))


def remove_token(call: Call) -> Id:
    """It is worth nothing from now on."""
    token = _get(call)
    tokens.remove(call.desk.zones, token, call.actor)
    return Id(id=token.id)


def rotate_token(call: Call) -> str:
    """A new secret; the old one is worth nothing from now on."""
    token = _get(call)
    for policy in token.policies:
        if policy.allow and not all(
            call.may(scope, None if zone == EVERYWHERE else zone)
            for scope in policy.scopes
            for zone in policy.zones
        ):
            raise refuse(403, NOT_ALLOWED, "a token cannot take what it may not do itself")
    return tokens.rotate(call.desk.zones, token, call.actor)


def list_groups(call: Call) -> list[GroupView]:
    """What a token may allow."""
    name = call.query.text("name").lower()
    return [
        GroupView(
            id=scope_id(scope),
            name=scope,
            description=AREAS[scope.partition(":")[0]],
            scopes=[_ZONE.removesuffix(".")],
            category=scope.partition(":")[0],
        )
        for scope in SCOPES
        if name in scope
    ]


def _of(at: str) -> tuple[Route, ...]:
    return (
        Route(
            "GET", at, list_tokens, "tokens:read", "List tokens", list[TokenView], query=PAGING, paging="page"
        ),
        Route("POST", at, add_token, "tokens:write", "Make a token", TokenView, TokenBody),
        Route("GET", at + "/verify", verify, "", "Is this token good", Verified, any_status=True),
        Route(
            "GET",
            at + "/permission_groups",
            list_groups,
            "",
            "List permissions",
            list[GroupView],
            query=(Param("name", "a part of the name"),),
        ),
        Route("GET", at + "/{token_id}", get_token, "tokens:read", "Get a token", TokenView),
        Route(
            "PUT", at + "/{token_id}", change_token, "tokens:write", "Change a token", TokenView, TokenBody
        ),
        Route("DELETE", at + "/{token_id}", remove_token, "tokens:write", "Remove a token", Id),
        Route(
            "PUT", at + "/{token_id}/value", rotate_token, "tokens:write", "Make a new secret", str, Nothing
        ),
    )


ROUTES = (*_of("/user/tokens"), *_of("/accounts/{account_id}/tokens"))
