"""Nothing outside the value is read; nonsense is refused before it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fastgw._core.rules.regex import CompiledRegex, CompiledRegexSet
from fastgw.rules.regex.tables import compile_one, together
from tests.support.island import island
from tests.support.regexes import compiled, compiled_set


@pytest.fixture
def page() -> Iterator[memoryview]:
    with island() as view:
        yield view


@pytest.mark.parametrize("pattern", ["z", "zq", "(?i)xyz$", "z.{100}q", "\\bz\\b", "[^-]q|z$", "q[^!]*!"])
@pytest.mark.parametrize("by_states", [True, False], ids=["states", "positions"])
def test_nothing_outside_is_read(page: memoryview, pattern: str, by_states: bool) -> None:
    regex, regexes = compiled(pattern, by_states), compiled_set([pattern, "qz"])
    size = len(page)
    for octet in b"-qz":
        page[:] = bytes([octet]) * size
        for length in (*range(1, 40), 63, 64, 65, 100):
            for value in (page[size - length :], page[:length]):
                plain = bytes(value)
                assert regex.search(value) == regex.search(plain)
                assert regexes.search(value) == regexes.search(plain)
                value.release()


def test_nonsense_is_refused() -> None:
    good = compile_one("a[bc]+d$")
    for bad in (
        replace(good, class_of=good.class_of[:-1]),
        replace(good, class_of=bytes([255]) * 256),
        replace(good, kinds=b""),
        replace(good, kinds=bytes([9]) * len(good.kinds)),
        replace(good, reach=good.reach[:-1]),
        replace(good, reach=(1 << 64, *good.reach[1:])),
        replace(good, next=1 << 200),
        replace(good, firsts=((1, 1 << 64),)),
        replace(good, moves=((1, 1, 0),)),
        replace(good, lasts=((1, 1, 1),)),
        replace(good, empty=((1, -1),)),
        replace(good, words=65, reach=(0,) * len(good.reach)),
        replace(good, patterns=0),
        replace(good, patterns=2),
    ):
        with pytest.raises((ValueError, OverflowError)):
            CompiledRegex(bad)
    with pytest.raises(ValueError, match="tables"):
        CompiledRegexSet(1, lambda numbers: together(["a"] * 65))
    with pytest.raises(ZeroDivisionError):
        CompiledRegexSet(1, lambda numbers: 1 // 0)
