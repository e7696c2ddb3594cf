"""Writes the list of files that come from npm: package, version and SHA-256 of each; --check compares."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from page import page

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "src/fastgw/dashboard/static/vendor/vendored.json"
# As `npm pack` brings them: package, version, licence, and where each file stands in the package.
PACKAGES = (
    ("htmx.org", "4.0.1", "0BSD", {"htmx.min.js": "dist/htmx.min.js", "htmx.LICENSE": "LICENSE"}),
    (
        "uplot",
        "1.6.32",
        "MIT",
        {
            "uPlot.iife.min.js": "dist/uPlot.iife.min.js",
            "uPlot.min.css": "dist/uPlot.min.css",
            "uPlot.LICENSE": "LICENSE",
        },
    ),
)


def wanted() -> str:
    """The list of what lies there."""
    rows = []
    for name, version, licence, files in PACKAGES:
        found = {
            file: {"from": source, "sha256": hashlib.sha256((TARGET.parent / file).read_bytes()).hexdigest()}
            for file, source in files.items()
        }
        rows.append({"package": name, "version": version, "licence": licence, "files": found})
    return json.dumps(rows, indent=2) + "\n"


if __name__ == "__main__":
    page(TARGET, wanted())
