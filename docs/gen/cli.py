"""Write docs/cli.md: every command with its options, as `--help` has them.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from page import page, table

from fastgw.cli import group

TARGET = Path(__file__).resolve().parents[1] / "cli.md"

HEAD = """\
<!-- Written by docs/gen/cli.py (make generate); edit the help in src/fastgw/cli. -->

# Commands

Data goes to standard output, all else to standard error; `--json` prints JSON. Exit codes: 0 all is well, 1 a
check or an order failed, 2 wrong usage, 3 it could not start. Each option may also stand in the environment,
as `FASTGW_` and the command and the option in capitals: `FASTGW_SERVE_LISTEN`, `FASTGW_ZONES_LIST_JSON`.
`FASTGW_CONTROL`, `FASTGW_STORE` and `FASTGW_API` hold for all commands that talk to a gateway. No colours
are printed.

`zones`, `records`, `settings`, `certs`, `status`, `reload` and `drain` talk to the gateway that runs, over a
unix socket that only its user and root may use: `$XDG_RUNTIME_DIR/fastgw.sock`, or else
`/run/fastgw/control.sock`. With `--store FILE` those that are about zones use the database itself; a gateway
that serves from it takes the change over at once.

With `--api URL` they go by the admin API, from this machine or another one, with the same output and exit
codes ([api.md](api.md#commands)); its token comes from `FASTGW_API_TOKEN` or `--api-token-file`.
"""


def commands(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below, in the order of the help."""
    context = click.Context(command, info_name=words[-1])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield (*words, name), below
            yield from commands(below, (*words, name))


def section(words: tuple[str, ...], command: click.Command) -> str:
    """Usage, what it does, options, examples."""
    context = click.Context(command, info_name=" ".join(words))
    usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    prose, examples = parts(command.help or "")
    rows = [
        [f"`{', '.join(option.opts)}`", cell(option.help or "") + default(option)]
        for option in command.params
        if isinstance(option, click.Option)
    ]
    text = f"{'#' * min(len(words), 3)} {' '.join(words)}\n\n    {usage}\n\n{prose}"
    if rows:
        text += f"\n{table(['option', 'effect'], rows)}"
    if examples:
        text += "\n```sh\n" + "\n".join(examples) + "\n```\n"
    return text


def parts(text: str) -> tuple[str, list[str]]:
    """The paragraphs of a help text, each on one line, and its examples."""
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith("fastgw ")]
    prose = "\n".join(line for line in text.splitlines() if not line.strip().startswith("fastgw "))
    paragraphs = [" ".join(one.split()) for one in prose.replace("\b", "").split("\n\n")]
    return "\n\n".join(filter(None, paragraphs)) + "\n", examples


def default(option: click.Option) -> str:
    """What holds if the option is not given, where that says something."""
    if not option.show_default or option.is_flag or option.default in (None, ()):
        return ""
    return f" Default: `{option.default}`."


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", chr(92) + "|")


page(TARGET, "\n".join([HEAD, *(section(words, command) for words, command in commands(group, ("fastgw",)))]))
