"""fastgw reload: the gateway reads its configuration again, and says what it thinks of it."""

from __future__ import annotations

from pathlib import Path

import click

from fastgw.cli.common import Where, gateway_option, print_warnings


@click.command()
@gateway_option
def reload(control: Path | None) -> None:
    """Let the gateway read its configuration again.

    Exit code 1 if it is refused: what is wrong is printed, and what was in force goes on.

    \b
    fastgw reload
    """
    answer = Where(control, None).ask({"do": "reload"})
    print_warnings(answer)
    click.echo(f"configuration {answer['revision']} is in force")
