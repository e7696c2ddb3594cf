"""fastgw schema: the JSON Schema of the configuration file, for editors."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--compact", is_flag=True, show_envvar=True, help="One line, without blanks.")
def schema(compact: bool) -> None:
    """Print the JSON Schema of the configuration file.

    Editors complete and judge keys if the first line of fastgw.toml is `#:schema fastgw.schema.json`.

    \b
    fastgw schema
    fastgw schema --compact
    """
    from fastgw.config.model import schema as made

    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made(), "title": "fastgw.toml"}
    if compact:
        click.echo(json.dumps(found, separators=(",", ":")))
    else:
        click.echo(json.dumps(found, indent=2))
