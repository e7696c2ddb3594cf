"""fastgw drain: the gateway takes no more connections, lets calls end, and ends."""

from __future__ import annotations

import time
from pathlib import Path

import click

from fastgw.cli.common import Where, fail, gateway_option

TURN = 0.1  # seconds between two looks


@click.command()
@click.option("--wait", is_flag=True, show_envvar=True, help="Return when it has ended.")
@gateway_option
def drain(control: Path | None, wait: bool) -> None:
    """Let running calls end, and then the gateway.

    The same as SIGTERM: clients are told to go elsewhere.

    \b
    fastgw drain --wait
    """
    from fastgw.serve.control import ask, likely_paths

    where = Where(control, None)
    pid = where.ask({"do": "status"})["pid"]
    answer = where.ask({"do": "drain"})
    calls = answer["calls"]
    click.echo(
        f"draining; {calls} call{'' if calls == 1 else 's'} may take {answer['drain_timeout_s']:g} s to end"
    )
    ends = time.monotonic() + answer["drain_timeout_s"] + 10
    paths = likely_paths() if control is None else [control]
    while wait:
        if time.monotonic() > ends:
            fail("it has not ended in time")
        for path in paths:
            try:
                if ask(path, {"do": "status"}, 5).get("pid") == pid:
                    break
            except (OSError, ValueError):
                continue
        else:
            return
        time.sleep(TURN)
