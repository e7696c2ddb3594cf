"""The command line: one file per command, each loaded only when it is called."""

from __future__ import annotations

import difflib
import importlib
import importlib.util

import click

# Name of the command, its module and its help; the module holds a click command of the same name.
_COMMANDS = ("serve", "check", "doctor", "explain", "demo", "version")


class _LateGroup(click.Group):
    """Loads the module of a command when it is needed: `fastgw check` does not wait for the core to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if importlib.util.find_spec(f"fastgw.cli.{name}") is not None]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command = getattr(importlib.import_module(f"fastgw.cli.{name}"), name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LateGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FASTGW"},
    epilog="Exit codes: 0 all is well, 1 a check failed, 2 wrong usage, 3 the gateway could not start.",
)
def group() -> None:
    """An HTTP/2 gateway for gRPC.

    \b
    fastgw serve -c fastgw.toml        serve what the file says
    fastgw serve --to 127.0.0.1:50051  try it without a file
    fastgw check fastgw.toml           judge a file
    """


def main() -> None:
    """Entry point of the `fastgw` command."""
    group(prog_name="fastgw")
