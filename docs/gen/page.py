"""What the generators of pages share; by itself it writes nothing."""

import sys
from pathlib import Path


def page(target: Path, wanted: str) -> None:
    """Write the page; with --check, exit 1 if it is not what would be written."""
    if "--check" not in sys.argv:
        target.write_text(wanted)
    elif not target.exists() or target.read_text() != wanted:
        raise SystemExit(f"{target.name} is stale: run make generate")


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
