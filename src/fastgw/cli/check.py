"""fastgw check: is a configuration fit to be served."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from fastgw.config import load
from fastgw.errors import ConfigError, Problem


@click.command()
@click.argument("file", default="fastgw.toml", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="FASTGW_CHECK_FORMAT",
    show_envvar=True,
    help="How to print what was found.",
)
def check(file: Path, form: str) -> None:
    """Judge FILE and say all that is wrong with it.

    Exit code 1 if it cannot be served; warnings alone do not count.

    \b
    fastgw check
    fastgw check /etc/fastgw/fastgw.toml --format json
    """
    problems: tuple[Problem, ...]
    summary = ""
    try:
        config = load(file)
    except ConfigError as error:
        problems, good = error.problems, False
    else:
        problems, good = config.warnings, True
        served = sum(record.proxied for zone in config.zones for record in zone.records)
        summary = f"{file}: good, {_count(len(config.zones), 'zone')}, {_count(served, 'proxied record')}"
    if form == "json":
        rows = [dataclasses.asdict(problem) for problem in problems]
        click.echo(json.dumps({"good": good, "problems": rows}, indent=2))
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
        if good:
            click.echo(summary)
        else:
            errors = sum(not problem.warning for problem in problems)
            click.echo(f"{file}: {_count(errors, 'error')}", err=True)
    raise SystemExit(0 if good else 1)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
