"""fastgw api-tokens: who may use the admin API."""

from __future__ import annotations

import datetime
import re

import click

from fastgw.cli.common import Group, Where, json_option, print_json, print_table, where_options

_SPAN = re.compile(r"([1-9]\d{0,4})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.group(cls=Group, name="api-tokens")
def api_tokens() -> None:
    """Make, list and remove tokens of the admin API.

    The secret of a token is shown once, when it is made; only its hash is kept.

    \b
    fastgw api-tokens list
    """


def _span(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a time such as 90d, 12h or 30m.")
    return datetime.datetime.now(datetime.UTC).timestamp() + int(found[1]) * _SECONDS[found[2]]


@api_tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    multiple=True,
    required=True,
    show_envvar=True,
    help="What it may do, as in dns:write or zones:read; again for more; * is everything.",
)
@click.option(
    "--zone",
    multiple=True,
    show_envvar=True,
    help="Only in this zone; again for more. Default: all.",
)
@click.option(
    "--expires", metavar="TIME", callback=_span, show_envvar=True, help="After this long, as in 90d or 12h."
)
@json_option
@where_options
def create(
    where: Where,
    name: str,
    scope: tuple[str, ...],
    zone: tuple[str, ...],
    expires: float | None,
    as_json: bool,
) -> None:
    """Make the token NAME and print its secret, which nobody can show again.

    Scopes are zones, settings, dns, certificates, origins, rules, access, tokens, audit and gateway, each
    with :read or :write behind it.

    \b
    fastgw api-tokens create ci --scope dns:write --scope zones:read
    fastgw api-tokens create admin --scope "*" --expires 90d
    """
    request = {
        "do": "tokens.create",
        "name": name,
        "scopes": list(scope),
        "zones": list(zone) or None,
        "expires_on": expires,
    }
    token = where.ask(request)["token"]
    if as_json:
        print_json(token)
        return
    click.echo(token["value"])
    click.echo(f"the token {name} is made; keep its secret, which is not shown again", err=True)


@api_tokens.command("list")
@json_option
@where_options
def list_(where: Where, as_json: bool) -> None:
    """List all tokens, without their secrets.

    \b
    fastgw api-tokens list
    fastgw api-tokens list --json
    """
    found = where.ask({"do": "tokens.list"})["tokens"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "status", "expires_on", "scopes"),
        [
            (
                row["id"],
                row["name"],
                row["status"],
                row["expires_on"],
                " ".join(scope for policy in row["policies"] for scope in policy["scopes"]),
            )
            for row in found
        ],
    )


@api_tokens.command()
@click.argument("token")
@where_options
def rotate(where: Where, token: str) -> None:
    """Print a new secret of TOKEN, an id or a name; the old one is worth nothing from now on.

    \b
    fastgw api-tokens rotate ci
    """
    click.echo(where.ask({"do": "tokens.rotate", "token": token})["token"]["value"])


@api_tokens.command()
@click.argument("token")
@where_options
def rm(where: Where, token: str) -> None:
    """Remove TOKEN, an id or a name.

    \b
    fastgw api-tokens rm ci
    """
    gone = where.ask({"do": "tokens.delete", "token": token})["token"]
    click.echo(f"the token {gone['name']} is removed")
