"""Sections of the RFCs and the tests that stand for them: `make rfc`."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SECTIONS = {
    "9113": (
        "3.2 3.3 3.4 4.1 4.2 4.3 5.1 5.1.1 5.1.2 5.2.1 5.2.2 5.3.1 5.4.1 5.4.2 5.5 6.1 6.2 6.3 6.4 6.5 "
        "6.5.2 6.5.3 6.6 6.7 6.8 6.9 6.9.1 6.9.2 6.10 7 8.1 8.1.1 8.2.1 8.2.2 8.3 8.3.1 8.3.2 8.5 8.6 "
        "9.2.1 9.2.2 10.3 10.5.1"
    ),
    "7541": "2.3.1 2.3.2 2.3.3 3.1 3.2 4.1 4.2 4.3 4.4 5.1 5.2 6.1 6.2.1 6.2.2 6.2.3 6.3 7.1.3 7.3",
}
"""Those that ask something of an implementation, without the explaining ones."""


def marks() -> dict[str, list[str]]:
    """`9113 6.9.1` -> files with tests marked so, read from the sources."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "rfc" and re.fullmatch(r"\d{4} [\d.]+", str(node.args[0].value)):
                found[node.args[0].value].append(path.relative_to(TESTS).as_posix())
    return found


def main() -> None:
    marked = marks()
    missing = 0
    for rfc, sections in SECTIONS.items():
        for section in sections.split():
            files = marked.get(f"{rfc} {section}", [])
            missing += not files
            where = ", ".join(f"{file} ({files.count(file)})" for file in sorted(set(files))) or "-"
            print(f"RFC {rfc} section {section:8}{where}")
    print(f"{missing} sections have no test")


if __name__ == "__main__":
    main()
