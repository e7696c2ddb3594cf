"""fastgw status: how the gateway is that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fastgw.cli.common import Where, gateway_option, json_option, print_json


@click.command()
@json_option
@gateway_option
def status(control: Path | None, as_json: bool) -> None:
    """Say how the gateway is that runs here.

    Exit code 1 if none does.

    \b
    fastgw status
    fastgw status --json
    """
    found = Where(control, None).ask({"do": "status"})
    if as_json:
        print_json(found)
        return
    width = max(len(name) for name, _ in _lines(found))
    for name, text in _lines(found):
        click.echo(f"{name.ljust(width)}  {text}")


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("state", f"{found['state']} for {_span(found['uptime_s'])}, process {found['pid']}"),
        ("version", found["version"]),
        ("listening", " ".join(found["listeners"])),
        ("workers", str(found["workers"])),
        ("configuration", f"revision {found['revision']} of {found['config'] or 'the command line'}"),
        ("zones", str(found["zones"])),
        ("connections", f"{found['connections']} from clients, {found['origin_connections']} to origins"),
        ("calls", f"{found['calls']} running, {found['calls_started']} so far"),
        ("rules", f"held {found['rules']['held']} times, {found['rules']['denied']} calls denied"),
    ]
    shared = found.get("rate_limit_shared")
    if shared is not None:
        how = f"with {shared['gateways'] - 1} other gateways" if shared["up"] else "Redis is away"
        meanwhile = "" if shared["up"] else f", redis_on_loss is {shared['on_loss']}"
        lines.append(("shared limits", f"{how}{meanwhile}, {shared['errors']} failures so far"))
    store = found["store"]
    if store is not None:
        lines.append(("store", f"revision {store['revision']} of {store['path']}"))
        if store["trouble"]:
            lines.append(("store trouble", _first(store["trouble"])))
        for name, why in store["left_out"].items():
            lines.append(("not served", f"{name}: {_first(why)}"))
    lines += [
        ("certificate", f"of {row['zone']} until {row['not_after']}, {row['days']} days")
        for row in found["certificates"][:3]
    ]
    last = found["last_reload"]
    if last is not None:
        how = "good" if last["ok"] else f"refused: {_first(last['error'])}"
        lines.append(("last reload", f"{last['at']}, {how}"))
    return lines + [("warning", _first(warning)) for warning in found["warnings"][:10]]


def _first(text: str) -> str:
    return text.partition("\n")[0]


def _span(seconds: float) -> str:
    """A time as people say it, in two units at most."""
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    told = [f"{number}{unit}" for number, unit in parts if number]
    return " ".join(told[:2]) or "0s"
