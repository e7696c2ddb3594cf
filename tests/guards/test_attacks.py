"""docs/attacks.md names tests that exist, limits that exist, and all of tests/abuse."""

import re

from fastgw.policy.limits import CATALOGUE
from tests.guards.tree import ROOT

TESTS = ROOT / "tests"
PAGE = (ROOT / "docs" / "attacks.md").read_text()
NAMED = {
    name.replace("live/", "abuse/live/", 1) if name.startswith("live/") else name
    for name in re.findall(r"(?<![\w/])(?:live|abuse|rfc\d+)/test_\w+\.py", PAGE)
}


def test_each_test_named_exists() -> None:
    assert [name for name in sorted(NAMED) if not (TESTS / name).is_file()] == []


def test_each_file_of_attacks_is_named() -> None:
    there = {path.relative_to(TESTS).as_posix() for path in (TESTS / "abuse").rglob("test_*.py")}
    assert sorted(there - NAMED) == []


def test_each_limit_named_exists() -> None:
    known = {name for key in CATALOGUE for name in (key, re.sub(r"_(burst|per_second|per_useful)$", "", key))}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE)) | {"resets", "pings", "settings", "priorities"}
    assert sorted(named - known) == []
