"""docs/life-of-a-call.md names functions that exist."""

import re

import pytest

from tests.guards.tree import ROOT

NAMES = sorted(set(re.findall(r"`([a-z0-9_.]+):([a-z_]+)`", (ROOT / "docs/life-of-a-call.md").read_text())))


def test_the_page_names_functions() -> None:
    assert len(NAMES) > 30


@pytest.mark.parametrize(("room", "function"), NAMES, ids=":".join)
def test_the_function_is_there(room: str, function: str) -> None:
    source = ROOT / "src/fastgw/_core" / (room.replace(".", "/") + ".pyx")
    found = re.search(rf"^cdef .*\b{function}\(", source.read_text(), re.MULTILINE)
    assert found, f"{room} has no {function}"
