"""Tables for people, made from a results file: python -m bench.load.table [FILE] [--write].

Without a FILE it is the newest of bench/results; --write puts each workload of it for which bench/README.md
has markers between them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.load.workloads import WORKLOADS, Workload
from bench.load.workshop import HERE, RESULTS

README = HERE.parent / "README.md"
END = "<!-- end of table -->"
COLUMNS = {
    "cpu_us": "CPU µs/call",
    "cpu_us_message": "CPU µs/message",
    "cpu_ns_byte": "CPU ns/byte",
    "kib_conn": "KiB/connection",
    "rps": "calls/s",
    "use": "core in use",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "rss_mib": "memory MiB",
    "failed": "failed calls/runs",
}
DISTURBED = 0.06  # share of a run that the gateway wanted its core and did not have it

Run = dict[str, Any]


def number(value: float) -> str:
    """Three digits, more only before the point."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def calm(runs: list[Run]) -> list[Run]:
    """The runs that nothing disturbed, if there are three of them; else all."""
    quietest = min((run.get("wait", 0.0) for run in runs), default=0.0)
    limit = max(DISTURBED, quietest * 1.5 + 0.03)
    kept = [run for run in runs if run.get("wait", 0.0) < limit]
    return kept if len(kept) >= 3 else runs


def columns(workload: Workload) -> list[str]:
    lead = [workload.lead]
    if workload.idle:
        return [*lead, "rss_mib", "failed"]
    return [
        *lead,
        *(["cpu_us"] if lead != ["cpu_us"] else []),
        "rps",
        "use",
        "p50_us",
        "p99_us",
        "rss_mib",
        "failed",
    ]


def _figures(runs: list[Run], column: str) -> list[float]:
    if column == "rss_mib":
        return [run["rss_kib"] / 1024 for run in runs]
    return [run[column] for run in runs]


def _cells(runs: list[Run], workload: Workload) -> Iterator[str]:
    for column in columns(workload):
        if column == "failed":
            yield f"{sum(run['err'] for run in runs)}/{len(runs)}"
            continue
        figures = _figures(runs, column)
        middle = number(statistics.median(figures))
        spread = f" ({number(min(figures))}-{number(max(figures))})" if column == workload.lead else ""
        yield middle + spread


def table(results: dict[str, Any], name: str) -> str:
    """Markdown: one row for each peer, the cheapest first; medians, and the spread of the lead figure."""
    workload = WORKLOADS[name]
    heads = ["", *(COLUMNS[column] for column in columns(workload))]
    rows: list[tuple[float, list[str]]] = []
    of_peer: dict[str, list[Run]] = {}
    for run in results["runs"]:
        if run["workload"] == name:
            of_peer.setdefault(run["peer"], []).append(run)
    for peer, runs in of_peer.items():
        good = calm([run for run in runs if workload.lead in run])
        if good:
            order = statistics.median(_figures(good, workload.lead))
            rows.append((order, [peer, *_cells(good, workload)]))
        else:
            blank = [""] * (len(heads) - 2)
            rows.append((float("inf"), [peer, f"failed: {runs[-1].get('error', '')}", *blank]))
    lines = [
        heads,
        ["---", *["---:"] * (len(heads) - 1)],
        *(row for _, row in sorted(rows, key=lambda at: at[0])),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def describe(results: dict[str, Any]) -> str:
    """One sentence: when, on what, which versions, and the note."""
    machine = results["machine"]
    versions = ", ".join(f"{peer} {version}" for peer, version in results["versions"].items() if version)
    note = f" Note: {results['note']}" if results.get("note") else ""
    return (
        f"{results['when']}, {machine['cores']} cores of {machine['processor']}, Linux {machine['kernel']}, "
        f"{results['rounds']} rounds of {results['seconds']:g} s; {versions}.{note}"
    )


def begin(name: str) -> str:
    """The line after which the table of a workload stands in the README."""
    return f"<!-- table: {name} -->"


def between(text: str, name: str, body: str) -> str:
    """The README with `body` between the markers of this name; ValueError if they are not there once."""
    before, found, rest = text.partition(begin(name))
    old, ended, after = rest.partition(END)
    if not found or not ended or begin(name) in rest or "<!-- table:" in old:
        raise ValueError(f"the README must have one {begin(name)} and after it one {END}")
    return f"{before}{found}\n\n{body}\n\n{ended}{after}"


def into_readme(text: str, results: dict[str, Any], source: str, name: str = "W1") -> str:
    """The README with the table of a workload between its markers; ValueError as of `between`."""
    return between(text, name, f"{table(results, name)}\n\n`{source}`: {describe(results)}")


def newest() -> Path:
    found = sorted(RESULTS.glob("*.json"))
    if not found:
        raise SystemExit("There are no results yet: make bench-load.")
    return found[-1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, help="a results file; default: the newest")
    parser.add_argument("--write", action="store_true", help="put its tables into bench/README.md")
    words = parser.parse_args()
    file = words.file or newest()
    results = json.loads(file.read_text())
    measured = {run["workload"] for run in results["runs"]}
    if words.write:
        page = README.read_text()
        for name in WORKLOADS:
            if name in measured and begin(name) in page:
                page = into_readme(page, results, f"results/{file.name}", name)
        README.write_text(page)
        return
    print(describe(results))
    for name, workload in WORKLOADS.items():
        if name in measured:
            print(f"\n### {name}: {workload.what}\n\n{table(results, name)}")


if __name__ == "__main__":
    main()
