"""fastgw certs: the certificates that a gateway shows, and when they end."""

from __future__ import annotations

from pathlib import Path

import click

from fastgw.cli.common import FAILED, Group, Where, gateway_option, json_option, print_json, print_table


@click.group(cls=Group)
def certs() -> None:
    """See the certificates that the gateway shows.

    \b
    fastgw certs list
    """


@certs.command("list")
@click.option(
    "--within",
    type=click.IntRange(0),
    metavar="DAYS",
    show_envvar=True,
    help="Only those that end within so many days; exit code 1 if there is one.",
)
@json_option
@gateway_option
def list_(control: Path | None, within: int | None, as_json: bool) -> None:
    """List the certificates of all zones, the first to end first.

    \b
    fastgw certs list
    fastgw certs list --json
    fastgw certs list --within 0
    """
    found = Where(control, None).ask({"do": "certs"})["certificates"]
    if within is not None:
        found = [row for row in found if row["days"] <= within]
    if as_json:
        print_json(found)
    else:
        print_table(
            ("zone", "until", "days", "names", "file"),
            [
                (row["zone"], row["not_after"], row["days"], ", ".join(row["names"]), row["file"])
                for row in found
            ],
        )
    raise SystemExit(FAILED if within is not None and found else 0)
