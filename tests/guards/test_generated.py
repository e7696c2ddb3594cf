"""What is generated has a generator, and the generator still makes the same."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards.tree import ROOT, files, name

GENERATORS = files(".py", under=("cext/gen", "docs/gen"))
GENERATED = [
    path
    for path in files(".c", ".h", ".md", under=("cext", "docs"))
    if re.search(r"(cext|docs)/gen/", path.read_text()[:300])
]


@pytest.mark.parametrize("generator", GENERATORS, ids=name)
def test_the_table_is_what_its_generator_makes(generator: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(generator), "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", GENERATED, ids=name)
def test_a_generated_file_names_its_generator(path: Path) -> None:
    assert any(generator.name in path.read_text()[:600] for generator in GENERATORS)


def test_the_pages_are_among_them() -> None:
    assert {"limits.md", "reasons.md"} <= {path.name for path in GENERATED}
