"""fastgw rules: what is asked of calls, and whether an expression is one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fastgw.cli.common import (
    FAILED,
    Group,
    Where,
    json_option,
    print_json,
    print_table,
    where_options,
)
from fastgw.cli.documents import get_zone

_SHOWN = ("phase", "id", "action", "enabled", "expression", "description")
_WIDTH = 60  # characters of an expression in the table


@click.group(cls=Group)
def rules() -> None:
    """See the rules of a zone, and try expressions.

    Rules are keys of a zone: the page inspection.md says which. They are changed with fastgw zones set, or in
    the file.

    \b
    fastgw rules list example.com
    """


@rules.command("list")
@click.argument("zone")
@json_option
@where_options
def list_(where: Where, zone: str, as_json: bool) -> None:
    """List the rules of ZONE by phase, in the order they are asked.

    IP access, lockdowns and user agents are rules too, each of a phase of its own. The id is what logs and
    denials name.

    \b
    fastgw rules list shop.example
    fastgw rules list shop.example --json
    """
    from fastgw.config.inspection import outline

    found = outline(get_zone(where, zone)["document"])
    rows = [{"phase": phased.phase, **_row(asdict(rule))} for phased in found.phases for rule in phased.rules]
    if as_json:
        print_json(rows)
        return
    print_table(_SHOWN, [[_cell(row.get(key)) for key in _SHOWN] for row in rows])


def _row(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule without what it does not have."""
    kept = ("id", "action", "enabled", "logging", "description", "expression")
    return {key: value for key, value in rule.items() if key in kept or value}


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    plain = " ".join(value.split())
    return plain if len(plain) <= _WIDTH else f"{plain[: _WIDTH - 3]}..."


@rules.command()
@click.argument("expression")
@click.option(
    "--value",
    is_flag=True,
    show_envvar=True,
    help="EXPRESSION is a value, as a rate limit's characteristics and rewritten metadata are.",
)
def check(expression: str, value: bool) -> None:
    """Say how EXPRESSION is read, with the types that were found, or show where it is wrong.

    Lists are taken as being there. Exit code 1 if it cannot be used.

    \b
    fastgw rules check 'http.host eq "api.example.com" and not ip.src in {10.0.0.0/8}'
    fastgw rules check --value 'lower(http.request.headers["x-tenant"][0])'
    fastgw rules check 'http.hots eq "api.example.com"'
    """
    from fastgw.config.expressions import regex_judge
    from fastgw.rules.errors import RuleError
    from fastgw.rules.grammar import parse, parse_value
    from fastgw.rules.show import show, show_value

    try:
        if value:
            read = parse_value(expression, regex_judge)
            click.echo(f"{show_value(read)} ({read.type})")
        else:
            click.echo(show(parse(expression, regex_judge)))
    except RuleError as error:
        click.echo(str(error))
        raise SystemExit(FAILED) from None
