"""Time grows with the value and no faster, whatever the pattern; making the tables has an end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fastgw.rules.regex.tables import compile_one
from fastgw.rules.regex.tree import RegexError
from tests.support.regexes import compiled, compiled_set

KIB = 1024

EVIL = [
    ("(a+)+$", b"a", b"!"),
    ("^(a|a)*$", b"a", b"!"),
    ("(a|aa)+$", b"a", b"!"),
    ("^([a-zA-Z]+)*$", b"a", b"!"),
    ("^(([a-z])+.)+[A-Z]([a-z])+$", b"a", b""),
    ("(.*a){20}$", b"a", b"!"),
    ("(x+x+)+y", b"x", b""),
    ("(.*)*(.*)*=$", b"x", b"x"),
    (".*.*=.*;$", b"x=", b""),
    ("\\s+$", b" ", b"x"),
    ("<(.*)>(.*)</(.*)>$", b"<a>", b""),
    ("(\\w+\\d+)+C", b"a1", b""),
    ("^([a-zA-Z0-9._-]+)+@([a-zA-Z0-9-]+\\.)+[a-z]{2,}$", b"a.", b""),
    ("(?:a?){40}a{40}$", b"a", b"!"),
    ("(\\b\\w+\\b\\s?)+!$", b"a ", b"?"),
    ("a.{100}b", b"a", b""),
    ("(?i)(.{0,20}[aeiou]){8}z", b"ab", b""),
    ("[^q]{0,200}q[^q]{30}q", b"x", b"q"),
]
"""Pattern, what the value repeats, how it ends. None matches: nothing can stop early."""


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """CPU time of this thread, the best of some rounds."""
    figures = []
    for _ in range(rounds):
        begun = time.thread_time()
        work()
        figures.append(time.thread_time() - begun)
    return min(figures)


def value_of(piece: bytes, end: bytes, size: int) -> bytes:
    return (piece * size)[: size - len(end)] + end


@pytest.mark.parametrize(("pattern", "piece", "end"), EVIL, ids=[row[0] for row in EVIL])
@pytest.mark.parametrize("by_states", [True, False], ids=["states", "positions"])
def test_time_grows_with_the_value(pattern: str, piece: bytes, end: bytes, by_states: bool) -> None:
    small, factor = (64 * KIB, 16) if by_states else (8 * KIB, 16)
    regex = compiled(pattern, by_states)
    short, long = value_of(piece, end, small), value_of(piece, end, small * factor)
    assert not regex.search(short)
    assert not regex.search(long)
    once = seconds(lambda: regex.search(short))
    # Linear is 16; three times that is far from the 256 of what is quadratic.
    assert seconds(lambda: regex.search(long)) < 3 * factor * once + 0.002


@pytest.mark.parametrize(("pattern", "piece", "end"), EVIL, ids=[row[0] for row in EVIL])
def test_an_octet_costs_little(pattern: str, piece: bytes, end: bytes) -> None:
    """Far above what it takes, far below what going back over the value would take."""
    value = value_of(piece, end, 256 * KIB)
    assert seconds(lambda: compiled(pattern).search(value)) < 0.05 + 1e-6 * len(value)


def test_a_mebibyte_of_octets_that_are_skipped_and_not_skipped() -> None:
    regex = compiled("q[^!]*!q")
    assert regex.about()["skips"]
    for piece in (b"-", b"q", b"q-", b"!q"):
        value = (piece * KIB * KIB)[: KIB * KIB]
        assert regex.search(value) == (b"!q!q" in value)
        assert seconds(lambda value=value: regex.search(value)) < 0.1


def test_a_set_is_linear_too() -> None:
    regexes = compiled_set([pattern for pattern, _, _ in EVIL])
    short, long = b"ax1 <" * 4 * KIB, b"ax1 <" * 64 * KIB
    once = seconds(lambda: regexes.search(short))
    assert seconds(lambda: regexes.search(long)) < 3 * 16 * once + 0.002


LARGE = [
    "a" * 4096,
    "a{4096}",
    "a.{4000}b",
    "(\\w{1,60}\\.){1,60}",
    "(a|b)*a(a|b){12}",
    "(a|b)*a(a|b){20}",
    "".join(f"[{chr(97 + n % 26)}{chr(65 + n * 7 % 26)}0-9]" for n in range(580)),
    "|".join(f"w{n * 7919 % 10007}" for n in range(600)),
    "(?s).*".join("abcdefghijklmnopqrstuvwxyz") + ".{30}z",
    "|".join(".*".join(f"{n * 31 % 97:03}") for n in range(400)),
    "(" + "|" * 1000 + "a){4000}",
    "(\\b|\\B|a|^|$){900}",
    "[ab]*" * 700,
    "(((a{0,99}){0,99}){0,99}){0,99}",
    "((((a?){99}){99}){99}){99}",
    "(\\ba?\\B|\\b{start}b?|c$?){300}",
    "(" * 60 + "a" + "{2}b?)" * 60,
]


@pytest.mark.parametrize("pattern", LARGE, ids=lambda pattern: pattern[:24])
def test_making_the_tables_has_an_end(pattern: str) -> None:
    """Under 50 ms where it was written; the bound here is for slow machines and sanitizers."""
    begun = time.thread_time()
    try:
        tables = compile_one(pattern)
    except RegexError as why:
        tables, refused = None, str(why)
    if tables is None:
        assert "too large" in refused
        assert time.thread_time() - begun < 1.0
        return
    assert tables.words <= 64
    regex = compiled(pattern)
    assert time.thread_time() - begun < 1.0
    assert regex.about()["memory"] < 1.1 * KIB * KIB
    regex.search(b"a" * 100)
