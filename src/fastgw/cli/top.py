"""fastgw top: what a gateway does just now, in a terminal; the figures of the admin API's /fastgw/v1/live."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import select
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastgw.cli.common import fail, json_option, print_json
from fastgw.cli.door import connection_to, token_for

if TYPE_CHECKING:
    from rich.console import RenderableType

PATH = "/fastgw/v1/live?history=false"
TIMEOUT = 15.0  # seconds without a row
_SHOWN = 10  # methods, statuses
_KEYS = 0.1  # seconds between two looks at the keyboard

Row = dict[str, Any]


@click.command()
@click.option(
    "--api",
    metavar="URL",
    default="http://127.0.0.1:8099",
    show_default=True,
    show_envvar=True,
    envvar="FASTGW_API",
    help="The admin API: https://HOST:PORT, or unix:PATH.",
)
@click.option(
    "--api-token",
    metavar="TOKEN",
    show_envvar=True,
    envvar="FASTGW_API_TOKEN",
    help="Its token, with gateway:read. Others on the machine see it here: better the variable or a file.",
)
@click.option(
    "--api-token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    show_envvar=True,
    envvar="FASTGW_API_TOKEN_FILE",
    help="A file with the token.",
)
@click.option("--once", is_flag=True, show_envvar=True, help="Print the figures of one second and end.")
@json_option
def top(api: str, api_token: str | None, api_token_file: Path | None, once: bool, as_json: bool) -> None:
    """Show what a gateway does just now: calls, latencies, methods, statuses, workers. q ends it.

    Where the output is no terminal it prints the figures of one second, as with --once.

    \b
    fastgw top --api-token-file token
    fastgw top --api-token-file token --once --json
    """
    rows = _rows(api, token_for(api, api_token, api_token_file))
    if as_json or once or not sys.stdout.isatty():
        row = next(rows, None)
        if row is None:
            fail(f"the admin API at {api} has ended")
        if as_json:
            print_json(row)
        else:
            from rich.console import Console

            Console().print(view(row))
        return
    try:
        _watch(api, rows)
    except KeyboardInterrupt:
        return


def _rows(api: str, token: str) -> Iterator[Row]:
    """One row each second; ends the command with a sentence if there are none."""
    connection = connection_to(api, TIMEOUT)
    try:
        connection.request("GET", PATH, headers={"authorization": f"Bearer {token}"})
        response = connection.getresponse()
        if response.status != 200:
            fail(_refusal(api, response.status, response.read(100_000)))
        name = ""
        for line in response:
            text = line.decode().rstrip()
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: ") and name == "live":
                yield json.loads(text.removeprefix("data: "))
    except (OSError, http.client.HTTPException, ValueError) as error:
        fail(f"the admin API at {api} does not answer: {error}")
    finally:
        connection.close()


def _refusal(api: str, status: int, text: bytes) -> str:
    try:
        return "\n".join(str(one["message"]) for one in json.loads(text)["errors"])
    except (ValueError, KeyError, TypeError):
        return f"what answers at {api} is not the admin API of fastgw (status {status})"


def _watch(api: str, rows: Iterator[Row]) -> None:
    """On the whole screen, until q."""
    from rich.live import Live

    waiting: queue.Queue[Row | None] = queue.Queue()

    def read() -> None:
        with contextlib.suppress(SystemExit):
            for row in rows:
                waiting.put(row)
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    with _keys() as pressed, Live(screen=True, auto_refresh=False) as screen:
        while not pressed():
            try:
                row = waiting.get(timeout=_KEYS)
            except queue.Empty:
                continue
            if row is None:
                break
            screen.update(view(row, api), refresh=True)


@contextlib.contextmanager
def _keys() -> Iterator[Any]:
    """What says whether q was pressed."""
    if not sys.stdin.isatty():
        yield lambda: False
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)

    def pressed() -> bool:
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return bool(ready) and sys.stdin.read(1) in ("q", "Q", "\x1b", "")

    try:
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def view(row: Row, api: str = "") -> RenderableType:
    """One row as tables."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def table(*columns: str, rows: Sequence[tuple[str, ...]]) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for number, column in enumerate(columns):
            made.add_column(column, justify="right" if number else "left", overflow="fold")
        for cells in rows:
            made.add_row(*(Text(cell) for cell in cells))
        return made

    latency = row["latency"]
    head = table(
        "calls/s",
        "denied/s",
        "failed/s",
        "median",
        "p90",
        "p99",
        "running",
        "streams",
        "connections",
        rows=[
            (
                *(_number(row[name]) for name in ("calls", "denied", "failed")),
                *(_milliseconds(latency[name]) for name in ("p50", "p90", "p99")),
                *(_number(row[name]) for name in ("running", "streams", "connections")),
            )
        ],
    )
    ends = sorted({**row["statuses"]}.items(), key=lambda one: -one[1])[:_SHOWN]
    causes = sorted(row["causes"].items(), key=lambda one: -one[1])[:_SHOWN]
    parts: list[RenderableType] = [Text(f"fastgw at {api}, q ends this\n", "dim")] if api else []
    parts += [head, Text()]
    methods = [(one["path"], one["zone"], _number(one["calls"])) for one in row["methods"][:_SHOWN]]
    parts += [table("method", "zone", "calls/s", rows=methods), Text()]
    parts += [table("end", "calls/s", rows=[(name, _number(rate)) for name, rate in ends]), Text()]
    if causes:
        parts += [table("cause", "calls/s", rows=[(name, _number(rate)) for name, rate in causes]), Text()]
    workers = [
        (str(number), *(_number(one[name]) for name in ("calls", "running", "connections", "turns")))
        for number, one in enumerate(row["workers"])
    ]
    parts.append(table("worker", "calls/s", "running", "connections", "turns/s", rows=workers))
    return Group(*parts)


def _number(value: float) -> str:
    return f"{value:,.1f}" if 0 < value < 10 and value % 1 else f"{value:,.0f}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} us" if value < 1 else f"{value:.1f} ms"
