"""fastgw completion: the shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete fastgw's commands and options.

    \b
    fastgw completion bash > fastgw.bash
    fastgw completion zsh > _fastgw
    fastgw completion fish > fastgw.fish
    """
    from fastgw.cli import group

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(group, {}, "fastgw", "_FASTGW_COMPLETE").source())
