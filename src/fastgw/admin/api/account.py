"""/accounts, /user and /ips: what there is one of."""

from __future__ import annotations

import hashlib
import ipaddress

from pydantic import Field

from fastgw.admin.api.zones import ACCOUNT_NAME, OWNER_ID
from fastgw.admin.call import Call, Reply, Route, View
from fastgw.admin.openapi import whole
from fastgw.admin.query import DIRECTION, PAGING, Page, Param
from fastgw.store.ids import ACCOUNT_ID
from fastgw.store.tokens import time_text


class AccountView(View):
    """The account: whoever runs the gateway."""

    id: str
    name: str
    type: str = "standard"
    settings: dict[str, bool] = Field(default={"enforce_twofactor": False})
    created_on: str


class UserView(View):
    """Who asks: a token."""

    id: str
    email: str | None = None
    first_name: str
    last_name: str | None = None
    username: str
    suspended: bool = False
    two_factor_authentication_enabled: bool = False


class IpsView(View):
    """Where clients find the gateway."""

    etag: str
    ipv4_cidrs: list[str]
    ipv6_cidrs: list[str]


def _account(call: Call) -> AccountView:
    first, _ = call.desk.store.log(newest_first=False, most=1)
    return AccountView(id=ACCOUNT_ID, name=ACCOUNT_NAME, created_on=time_text(first[0].at if first else 0.0))


def list_accounts(call: Call) -> Page:
    """There is one."""
    name = call.query.text("name").lower()
    return call.query.paged([_account(call)] if name in ACCOUNT_NAME else [])


def get_account(call: Call) -> AccountView:
    """That one."""
    return _account(call)


def get_user(call: Call) -> UserView:
    """The token that asks."""
    return UserView(id=OWNER_ID, first_name=call.token.name, username=call.token.name)


def description(call: Call) -> Reply:
    """This API, as OpenAPI has it."""
    return Reply(whole())


def list_ips(call: Call) -> IpsView:
    """The addresses it listens at; where that is any address, the networks of all."""
    v4: set[str] = set()
    v6: set[str] = set()
    for address in call.desk.gateway.addresses:
        host = address.rpartition(":")[0].strip("[]")
        try:
            found = ipaddress.ip_address(host)
        except ValueError:
            continue
        network = f"{found}/0" if found.is_unspecified else f"{found}/{found.max_prefixlen}"
        (v4 if found.version == 4 else v6).add(network)
    etag = hashlib.sha256(repr((sorted(v4), sorted(v6))).encode()).hexdigest()[:32]
    return IpsView(etag=etag, ipv4_cidrs=sorted(v4), ipv6_cidrs=sorted(v6))


ROUTES = (
    Route(
        "GET",
        "/accounts",
        list_accounts,
        "",
        "List accounts",
        list[AccountView],
        query=(Param("name", "a part of the name"), DIRECTION, *PAGING),
        paging="page",
    ),
    Route("GET", "/accounts/{account_id}", get_account, "", "Get the account", AccountView),
    Route("GET", "/user", get_user, "", "Who asks", UserView),
    Route("GET", "/openapi.json", description, "", "The description of this API", enveloped=False),
    Route("GET", "/ips", list_ips, "", "Addresses of the gateway", IpsView),
)
