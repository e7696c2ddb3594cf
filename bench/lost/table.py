"""The table of lost calls, made from a results file."""

from __future__ import annotations

from typing import Any

from bench.load.table import END, begin
from bench.lost.scenario import EVENTS

NAME = "lost"
COUNTED = ("goaway", "refuse")  # how many there are depends on the gateway's connections and whom it avoids


def table(results: dict[str, Any]) -> str:
    """A row per gateway and policy, a column per event: failed calls (those that reached nobody)."""
    head = ["", *(EVENTS[event] for event in EVENTS), "carried out twice"]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for row in results["rows"]:
        name = f"{row['gateway']}, retries on" if row["policy"] else row["gateway"]
        events = row["events"]
        cells = [_cell(events[event], event in COUNTED) for event in EVENTS]
        twice = sum(events[event]["twice"] for event in EVENTS)
        lines.append(f"| {' | '.join([name, *cells, str(twice)])} |")
    return "\n".join(lines)


def _cell(figures: dict[str, Any], counted: bool) -> str:
    failed, unreached = figures["failed"], figures["unreached"]
    words = f"{failed} ({unreached})" if failed else "0"
    return f"{words} / {figures['events']}" if counted else words


def describe(results: dict[str, Any]) -> str:
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    note = f" Note: {results['note']}" if results.get("note") else ""
    calls = [row["events"][event]["calls"] for row in results["rows"] for event in EVENTS if event != "none"]
    return (
        f"{results['when']}, {machine['cores']} cores of {machine['processor']}, Linux {machine['kernel']}, "
        f"{results['rate']:g} calls/s, {min(calls)} to {max(calls)} calls per cell; {versions}.{note}"
    )


def into_readme(text: str, results: dict[str, Any], source: str) -> str:
    """The page with the table between its markers. Raise ValueError if they are not there."""
    before, found, rest = text.partition(begin(NAME))
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"the README must have one {begin(NAME)} and after it one {END}")
    body = f"\n\n{table(results)}\n\n`{source}`: {describe(results)}\n\n"
    return before + found + body + ended + after
