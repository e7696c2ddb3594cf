"""What commands share: groups that load late, where zones are reached, how answers are printed."""

from __future__ import annotations

import difflib
import getpass
import importlib
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from fastgw.errors import FastgwError

if TYPE_CHECKING:
    from fastgw.cli.api import Api

FAILED = 1
START_FAILED = 3
CONFIG_FILES = (Path("fastgw.toml"), Path("/etc/fastgw/fastgw.toml"))

Answer = dict[str, Any]
Function = TypeVar("Function", bound=Callable[..., Any])

# Those that change something make the database if it is missing.
_MAKING = ("zones.put", "zones.import", "tokens.create")


class Group(click.Group):
    """A group that says what was perhaps meant by a command it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if not args[0].startswith("-") and args[0] not in names:
            near = difflib.get_close_matches(args[0], names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


class LateGroup(Group):
    """Loads the module of a command when it is needed; each holds a command of its own name."""

    names: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in self.names if importlib.util.find_spec(_module(name)) is not None]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command = getattr(importlib.import_module(_module(name)), name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None


def _module(name: str) -> str:
    return f"fastgw.cli.{name.replace('-', '_')}"


@dataclass(frozen=True, slots=True)
class Where:
    """Where zones are reached: at a running gateway, or in a database."""

    control: Path | None
    store: Path | None
    api: Api | None = None

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """The answer to `request`; ends the command with a sentence if it is a refusal."""
        answer = self.try_ask(request)
        if not answer.get("ok"):
            fail(str(answer.get("error", "the gateway said no")))
        return answer

    def try_ask(self, request: Mapping[str, Any]) -> Answer:
        """The answer to `request`, whatever it is; ends the command if there is nobody to ask."""
        if self.api is not None:
            return self.api.ask(request)
        return self._gateway(request) if self.store is None else self._store(self.store, request)

    def _store(self, store: Path, request: Mapping[str, Any]) -> Answer:
        from fastgw.store.requests import answer, usage_answer
        from fastgw.store.zones import Zones

        if request["do"] == "usage":
            return usage_answer(store, request)
        try:
            zones = Zones(None, None, store, create=request["do"] in _MAKING)
            zones.load()
        except FastgwError as error:
            fail(str(error))
        try:
            return answer(zones, request, getpass.getuser())
        finally:
            zones.close()

    def _gateway(self, request: Mapping[str, Any]) -> Answer:
        from fastgw.serve.control import ask, likely_paths

        paths = likely_paths() if self.control is None else [self.control]
        why = ""
        for path in paths:
            try:
                return ask(path, request)
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                continue
            except PermissionError:
                why = f"the gateway at {path} belongs to another user\n  hint: ask as that user, or as root"
            except (OSError, ValueError) as error:
                why = f"the gateway at {path} does not answer: {error}"
        named = " or ".join(map(str, paths))
        hint = "fastgw serve -c FILE starts one; --control PATH says where it answers"
        fail(why or f"no gateway answers at {named}\n  hint: {hint}")


def gateway_option(command: Function) -> Function:
    """--control, given to the command as `control`."""
    return click.option(
        "--control",
        type=click.Path(path_type=Path),
        envvar="FASTGW_CONTROL",
        show_envvar=True,
        help="The control socket of the gateway, if it is not in its usual place.",
    )(command)


def where_options(command: Function) -> Function:
    """--control, --store and --api, given to the command as one `where`."""

    def put_together(
        control: Path | None,
        store: Path | None,
        api: str | None,
        api_token: str | None,
        api_token_file: Path | None,
        **others: Any,
    ) -> Any:
        found = None
        if api is not None and store is None:
            from fastgw.cli.api import Api

            found = Api(api, api_token, api_token_file)
        return command(where=Where(control, store, found), **others)

    options = (
        click.option(
            "--api",
            metavar="URL",
            envvar="FASTGW_API",
            show_envvar=True,
            help="Ask the admin API there: https://HOST:PORT, or unix:PATH.",
        ),
        click.option(
            "--api-token",
            metavar="TOKEN",
            envvar="FASTGW_API_TOKEN",
            show_envvar=True,
            help="Its token. Others on the machine see it here: better the variable or a file.",
        ),
        click.option(
            "--api-token-file",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="FASTGW_API_TOKEN_FILE",
            show_envvar=True,
            help="A file with the token.",
        ),
    )
    with_api = _like(command, put_together)
    for option in reversed(options):
        with_api = option(with_api)
    stored = click.option(
        "--store",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="FASTGW_STORE",
        show_envvar=True,
        help="Use this database directly, whether or not a gateway runs.",
    )(with_api)
    return gateway_option(stored)  # type: ignore[return-value]


def json_option(command: Function) -> Function:
    """--json, given to the command as `as_json`; its variable ends in _JSON."""

    def renamed(json: bool, **others: Any) -> Any:
        return command(as_json=json, **others)

    made = _like(command, renamed)
    return click.option("--json", is_flag=True, show_envvar=True, help="Print JSON.")(made)  # type: ignore[return-value]


def _like(command: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """`wrapper` with the name, the help and the options of `command`."""
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    wrapper.__dict__.update(command.__dict__)  # click keeps the options of a function there
    return wrapper


def config_file(given: Path | None) -> Path | None:
    """The file that was named, or the one at its usual place; None: there is none."""
    return given or next((path for path in CONFIG_FILES if path.is_file()), None)


def print_json(value: object) -> None:
    """On standard output, for people and for jq."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns; nothing but the head if there are no rows."""
    cells = [[name.upper() for name in columns], *([_cell(one) for one in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else str(value)


def print_change(where: Where, what: str, answer: Mapping[str, Any], verb: str = "is") -> None:
    """That it was done, and as which revision."""
    print_warnings(answer)
    how = "in force" if where.store is None else "stored"
    click.echo(f"{what} {verb} {how} with revision {answer['revision']}")


def print_warnings(answer: Mapping[str, Any]) -> None:
    """On standard error."""
    for warning in answer.get("warnings", ()):
        click.echo(str(warning), err=True)


def fail(sentence: str, code: int = FAILED) -> NoReturn:
    """End the command with a sentence."""
    click.echo(sentence, err=True)
    raise SystemExit(code)
