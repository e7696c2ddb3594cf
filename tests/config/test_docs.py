"""What docs/configuration.md shows is good, and its tables know every key."""

import re
from pathlib import Path

import pytest

from fastgw.config import load_text
from fastgw.config.model import schema
from tests.guards.tree import ROOT

PAGE = (ROOT / "docs/configuration.md").read_text()
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.mark.parametrize("toml", BLOCKS)
def test_each_example_is_good(toml: str, tmp_path: Path) -> None:
    assert load_text(toml, tmp_path / "fastgw.toml").warnings == ()


def test_each_key_has_its_line_with_an_effect() -> None:
    assert BLOCKS
    found = schema()
    for name, table in {**found["$defs"], "FileTable": found}.items():
        for key in table["properties"] if name != "LimitsTable" else ():
            assert re.search(rf"^\| `{key}` \|.*\|.*\| \S.* \|$", PAGE, re.M), f"{name}.{key}"
