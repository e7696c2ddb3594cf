"""fastgw usage: what zones have used, by day and product."""

from __future__ import annotations

import csv
import sys

import click

from fastgw.cli.common import Where, json_option, print_json, print_table, where_options
from fastgw.store.usage import COUNTERS, PERIODS, PRODUCTS

_COLUMNS = ("period", "zone", "product", *COUNTERS)


@click.command()
@click.argument("zone", required=False)
@click.option("--since", metavar="DAY", show_envvar=True, help="The first day, as in 2026-11-01 (UTC).")
@click.option("--until", metavar="DAY", show_envvar=True, help="The last day.")
@click.option(
    "--product", type=click.Choice(PRODUCTS), show_envvar=True, help="Only this; traffic is all calls."
)
@click.option(
    "--by",
    type=click.Choice(tuple(PERIODS)),
    default="day",
    show_default=True,
    show_envvar=True,
    help="What is summed up.",
)
@click.option("--csv", "as_csv", is_flag=True, envvar="FASTGW_USAGE_CSV", show_envvar=True, help="Print CSV.")
@json_option
@where_options
def usage(
    where: Where,
    zone: str | None,
    since: str | None,
    until: str | None,
    product: str | None,
    by: str,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show what ZONE, or every zone, has used: calls that have ended, their messages and octets.

    Days are those of UTC. A call counts on the day it ends.

    \b
    fastgw usage
    fastgw usage example.com --by month --product traffic
    fastgw usage --since 2026-11-01 --csv > usage.csv
    """
    wanted = {"zone": zone, "since": since, "until": until, "product": product, "by": by}
    answer = where.ask({"do": "usage", **{key: value for key, value in wanted.items() if value is not None}})
    rows = answer["usage"]
    if answer["place"] == "memory":
        click.echo("this gateway has no store: it counts in memory, since it began", err=True)
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        print_table(
            [name.replace("_", " ") for name in _COLUMNS], [[row[key] for key in _COLUMNS] for row in rows]
        )
