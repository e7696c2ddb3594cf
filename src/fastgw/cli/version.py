"""fastgw version."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import click

from fastgw import __version__


@click.command()
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FASTGW_VERSION_JSON",
    show_envvar=True,
    help="Print a JSON object.",
)
def version(as_json: bool) -> None:
    """Print the version of fastgw and of what it stands on.

    \b
    fastgw version
    fastgw version --json
    """
    versions = {
        "fastgw": __version__,
        "python": platform.python_version(),
        "cryptography": metadata.version("cryptography"),
        "pyOpenSSL": metadata.version("pyOpenSSL"),
    }
    if as_json:
        click.echo(json.dumps(versions))
        return
    around = " ".join(f"{name} {number}" for name, number in versions.items() if name != "fastgw")
    click.echo(f"fastgw {versions['fastgw']} ({around})")
