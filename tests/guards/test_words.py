"""Words that stay out of the tree: promises to do it later, and the places where it was written."""

import re

import pytest

from tests.guards.tree import ROOT, files, name

# Put together here, so that this file does not find itself.
LATER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
PLACES = re.compile(r"(?<![\w.])/(root|home|work|Users)/\w|" + "py" + "env")

TEXT = [
    *files(".py", ".pyi", ".pyx", ".pxd", ".c", ".h", ".md", ".toml", ".cfg"),
    *(path for path in ROOT.glob("*") if path.is_file() and path.name not in ("LICENSE", ".git")),
    *(
        path
        for folder in ("docs", ".ci")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix != ".png"
    ),
]


@pytest.mark.parametrize("path", TEXT, ids=name)
def test_words(path) -> None:
    found = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if LATER.search(line) or PLACES.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("line", ["# TO" + "DO later", "open('/ro" + "ot/x')", "x = 1  # FIX" + "ME"])
def test_a_planted_word_is_seen(line: str) -> None:
    assert LATER.search(line) or PLACES.search(line)
