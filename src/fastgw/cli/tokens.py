"""fastgw tokens: service tokens of a zone, and the keys by which origins believe what they are told."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fastgw.access import tokens as maker
from fastgw.cli.common import (
    Group,
    Where,
    fail,
    json_option,
    print_json,
    print_table,
    print_warnings,
    where_options,
)
from fastgw.cli.documents import change_zone, get_zone
from fastgw.errors import CertificateError

_HOURS = 3600


@click.group(cls=Group)
def tokens() -> None:
    """Make, change and withdraw service tokens, by which machines show who they are.

    \b
    fastgw tokens list example.com
    """


@tokens.command("list")
@click.argument("zone")
@json_option
@where_options
def list_(where: Where, zone: str, as_json: bool) -> None:
    """List the service tokens of ZONE; secrets are kept nowhere.

    \b
    fastgw tokens list example.com
    fastgw tokens list example.com --json
    """
    rows = [_row(table) for table in _tables(get_zone(where, zone)["document"])]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("name", "client id", "state", "until", "secret before, until"),
            [(row["name"], row["id"], row["state"], row["until"], row["previous_until"]) for row in rows],
        )


@tokens.command()
@click.argument("zone")
@click.argument("name")
@click.option(
    "--hours",
    type=click.IntRange(1, 876_000),
    default=maker.LIFETIME // _HOURS,
    show_default=True,
    show_envvar=True,
    help="How long it is good.",
)
@click.option("--forever", is_flag=True, show_envvar=True, help="It is good until it is revoked.")
@click.option(
    "--print",
    "to_print",
    is_flag=True,
    envvar="FASTGW_TOKENS_CREATE_PRINT",
    show_envvar=True,
    help="Store nothing: print the table for a file.",
)
@json_option
@where_options
def create(
    where: Where, zone: str, name: str, hours: int, forever: bool, to_print: bool, as_json: bool
) -> None:
    """Make a service token called NAME in ZONE. Its secret is shown now and never again.

    \b
    fastgw tokens create shop.example nightly
    fastgw tokens create example.com billing --hours 24 --print
    """
    fresh = maker.create(name, None if forever else hours * _HOURS)

    def change(document: dict[str, Any]) -> None:
        found = _tables(document)
        if any(table.get("name") == name for table in found):
            fail(f"{zone} has a service token called {name}\n  hint: fastgw tokens rotate {zone} {name}")
        found.append(fresh.table)

    if not to_print:
        print_warnings(change_zone(where, zone, change))
    _show(fresh, as_json, to_print)


@tokens.command()
@click.argument("zone")
@click.argument("token")
@click.option(
    "--keep-hours",
    type=click.IntRange(0, 8760),
    default=maker.GRACE // _HOURS,
    show_default=True,
    show_envvar=True,
    help="How long the secret before is good too; 0: no more.",
)
@json_option
@where_options
def rotate(where: Where, zone: str, token: str, keep_hours: int, as_json: bool) -> None:
    """Give TOKEN of ZONE, by name or client id, another secret, which is shown now and never again.

    \b
    fastgw tokens rotate shop.example billing --keep-hours 48
    """
    made: list[maker.Fresh] = []

    def change(document: dict[str, Any]) -> None:
        found = _tables(document)
        place = _place(zone, found, token)
        made[:] = [maker.rotate(found[place], keep_hours * _HOURS)]
        found[place] = made[0].table

    print_warnings(change_zone(where, zone, change))
    _show(made[0], as_json, False)


@tokens.command()
@click.argument("zone")
@click.argument("token")
@where_options
def revoke(where: Where, zone: str, token: str) -> None:
    """Withdraw TOKEN of ZONE, by name or client id: nobody gets in with it any more.

    \b
    fastgw tokens revoke shop.example billing
    """

    def change(document: dict[str, Any]) -> None:
        found = _tables(document)
        place = _place(zone, found, token)
        found[place] = maker.revoke(found[place])

    print_warnings(change_zone(where, zone, change))
    click.echo(f"{token} is good no more")


@tokens.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
def keys(files: tuple[Path, ...]) -> None:
    """Print the public halves of key FILES as a JWK set: by it origins judge what they are told of callers.

    Name the key in force, and those before it for as long as what they have signed is good.

    \b
    fastgw tokens keys identity.key
    """
    from fastgw.access.identity import public_keys

    try:
        click.echo(json.dumps(public_keys(files), indent=2))
    except CertificateError as error:
        fail(f"the option {error}")


def _tables(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of a zone's document, in place."""
    access = document.setdefault("access", {})
    found = access.setdefault("service_tokens", []) if isinstance(access, dict) else None
    if not isinstance(found, list):
        fail("[zone.access] of this zone is not what it should be")
    return found


def _place(zone: str, tables: list[dict[str, Any]], token: str) -> int:
    for number, table in enumerate(tables):
        if token in (table.get("id"), table.get("name")):
            return number
    fail(f"{zone} has no service token {token}\n  hint: fastgw tokens list {zone}")


def _row(table: dict[str, Any]) -> dict[str, Any]:
    until, previous = table.get("expires_at"), table.get("previous_until")
    state = "good"
    if not table.get("enabled", True):
        state = "revoked"
    elif isinstance(until, int) and until <= time.time():
        state = "expired"
    return {
        "id": table.get("id", ""),
        "name": table.get("name", ""),
        "state": state,
        "until": _when(until),
        "previous_until": _when(previous) if previous is not None else "",
    }


def _when(until: object) -> str:
    if isinstance(until, int):
        return datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "forever" if until is None else str(until)


def _show(fresh: maker.Fresh, as_json: bool, table: bool) -> None:
    if as_json:
        print_json({"client_id": fresh.client_id, "client_secret": fresh.secret, "table": fresh.table})
        return
    if table:
        click.echo("[[zone.access.service_tokens]]")
        for key, value in fresh.table.items():
            click.echo(f"{key} = {json.dumps(value)}")
        click.echo()
    click.echo(f"cf-access-client-id: {fresh.client_id}", err=table)
    click.echo(f"cf-access-client-secret: {fresh.secret}", err=table)
    click.echo("The secret is not kept: it cannot be shown again.", err=True)
