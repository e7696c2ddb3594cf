"""fastgw schema: the JSON Schema of the configuration file, for editors."""

from __future__ import annotations

import json

import click

from fastgw.cli.common import fail


@click.command()
@click.option("--compact", is_flag=True, show_envvar=True, help="One line, without blanks.")
@click.option("--api", is_flag=True, show_envvar=True, help="The description of the admin API (OpenAPI 3.1).")
def schema(compact: bool, api: bool) -> None:
    """Print the JSON Schema of the configuration file, or the description of the admin API.

    Editors complete and judge keys if the first line of fastgw.toml is `#:schema fastgw.schema.json`.

    \b
    fastgw schema
    fastgw schema --compact
    fastgw schema --api
    """
    if api:
        try:
            from fastgw.admin.openapi import whole
        except ImportError as error:
            fail(f"{error.name} is missing: pip install 'fastgw[admin]'")
        click.echo(json.dumps(whole(), **({"separators": (",", ":")} if compact else {"indent": 2})))
        return
    from fastgw.config.model import schema as made

    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made(), "title": "fastgw.toml"}
    if compact:
        click.echo(json.dumps(found, separators=(",", ":")))
    else:
        click.echo(json.dumps(found, indent=2))
