"""The command line: one file per command, each loaded only when it is called."""

from __future__ import annotations

import click

from fastgw.cli.common import LateGroup


class _Commands(LateGroup):
    """In the order of `fastgw --help`."""

    names = (
        "serve",
        "check",
        "schema",
        "init",
        "zones",
        "records",
        "settings",
        "rules",
        "tokens",
        "certs",
        "api-tokens",
        "status",
        "top",
        "reload",
        "drain",
        "doctor",
        "call",
        "explain",
        "demo",
        "completion",
        "version",
    )


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FASTGW"},
    epilog="Exit codes: 0 all is well, 1 a check or an order failed, 2 wrong usage, 3 it could not start.",
)
def group() -> None:
    """An HTTP/2 gateway for gRPC.

    \b
    fastgw serve -c fastgw.toml        serve what the file says
    fastgw serve --to 127.0.0.1:50051  try it without a file
    fastgw check fastgw.toml           judge a file
    fastgw status                      how is the gateway that runs
    """


def main() -> None:
    """Entry point of the `fastgw` command."""
    group(prog_name="fastgw")
