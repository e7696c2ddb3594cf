"""fastgw settings: the switches of a zone."""

from __future__ import annotations

import difflib
from typing import Any

import click

from fastgw.cli.common import (
    Group,
    Where,
    fail,
    json_option,
    print_change,
    print_json,
    print_table,
    where_options,
)
from fastgw.cli.documents import change_zone, get_zone, value
from fastgw.config.tables import SHORTCUTS
from fastgw.policy.catalogue import CATALOGUE


@click.group(cls=Group)
def settings() -> None:
    """See and change the settings of a zone while the gateway serves it.

    \b
    fastgw settings list example.com
    """


@settings.command("list")
@click.argument("zone")
@json_option
@where_options
def list_(where: Where, zone: str, as_json: bool) -> None:
    """List all settings of ZONE with their values.

    \b
    fastgw settings list example.com
    fastgw settings list example.com --json
    """
    document = get_zone(where, zone)["document"]
    rows = [_row(document, name) for name in CATALOGUE]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("setting", "value", "set", "effect"),
        [(row["id"], row["value"], row["set"], row["effect"]) for row in rows],
    )


@settings.command()
@click.argument("zone")
@click.argument("name", metavar="SETTING")
@json_option
@where_options
def get(where: Where, zone: str, name: str, as_json: bool) -> None:
    """Print the value of a SETTING of ZONE.

    \b
    fastgw settings get example.com grpc
    fastgw settings get example.com ssl --json
    """
    _require(name)
    row = _row(get_zone(where, zone)["document"], name)
    if as_json:
        print_json(row)
    else:
        click.echo(row["value"])


@settings.command("set")
@click.argument("zone")
@click.argument("name", metavar="SETTING")
@click.argument("new", metavar="VALUE")
@where_options
def set_(where: Where, zone: str, name: str, new: str) -> None:
    """Give a SETTING of ZONE a VALUE.

    \b
    fastgw settings set shop.example grpc on
    fastgw settings set shop.example proxy_read_timeout 30s
    """
    _require(name)

    def change(document: dict[str, Any]) -> None:
        document.pop(name, None)  # settings that have a short form stand in one of the two places
        table = document.setdefault("settings", {})
        table[name] = value(new)

    print_change(where, zone, change_zone(where, zone, change))


def _require(name: str) -> None:
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, list(CATALOGUE), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "fastgw settings list ZONE shows them"
        fail(f"there is no setting {name}\n  hint: {hint}")


def _row(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A setting, its value, and whether that was written or is the default."""
    row = CATALOGUE[name]
    table = document.get("settings")
    places = [table if isinstance(table, dict) else {}, document if name in SHORTCUTS else {}]
    default = row.text(row.default).strip('"') if row.type == "duration" else row.default
    written = [place[name] for place in places if name in place]
    return {
        "id": name,
        "value": written[0] if written else default,
        "set": bool(written),
        "effect": row.effect,
    }
