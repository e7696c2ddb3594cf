"""Which patterns are accepted, and what is said about the others."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fastgw.rules.regex.syntax import LONGEST, parse
from fastgw.rules.regex.tables import compile_one
from fastgw.rules.regex.tree import RegexError
from tests.support.needs import module
from tests.support.regexes import patterns

EXAMPLES = int(os.environ.get("FASTGW_REGEX_EXAMPLES", "200"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = [
    *"ab[]{}()?*+|^$.-&~\\,:<>=!#PimsURx 12d0",
    *("(?", "[[", "[^", "]]", "&&", "--", "~~", "\\x", "\\u", "{2,3}", "[:alpha:]", "(?P<a>", "\\b{", "(?x)"),
    *(" # c\n", "\\Q", "\\pL", "\u00e9", "\\b{start}", "(?i)", "a-z", "\\x4", "{,2}", "{99999999999}"),
]
shreds = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


def accepted(pattern: str) -> bool:
    try:
        parse(pattern)
    except RegexError:
        return False
    return True


def error(pattern: str) -> RegexError:
    with pytest.raises(RegexError) as caught:
        compile_one(pattern)
    return caught.value


def as_expression(pattern: str) -> str:
    """A comparison of the rules language, with the pattern in as many # as it takes."""
    hashes = "#" * (1 + max((len(found) for found in re.findall("#+", pattern)), default=0))
    return f'http.host matches r{hashes}"{pattern}"{hashes}'


@many
@given(st.one_of(shreds, patterns.map(lambda pair: pair[0])))
@example("(?i)(?-i)")
@example("a{1000}")
@example("x{2,1}")
@example("x{2, }")
@example("x{ 2 , 3 }")
@example("(?x)x{2, }")
def test_accepted_is_what_the_rules_language_accepts(pattern: str) -> None:
    wirefilter = module("octorules_wirefilter", "octorules-wirefilter")
    error = wirefilter.parse_expression(as_expression(pattern)).get("error")
    assert accepted(pattern) == (error is None), (pattern, error)


@many
@given(st.one_of(shreds, st.text(max_size=20)))
def test_nothing_but_the_error_class_and_a_place_within(pattern: str) -> None:
    why = None
    try:
        compile_one(pattern)
    except RegexError as raised:
        why = raised
    if why is not None:
        assert str(why).endswith(".")
        assert 0 <= why.at <= len(pattern)
        assert why.at < why.to <= len(pattern) + 1


@pytest.mark.parametrize(
    ("pattern", "marked", "word"),
    [
        ("ab(c", "(", "not closed"),
        ("ab)c", ")", "closes nothing"),
        ("a[bc", "[", "not closed"),
        ("a[b-a]", "b-a", "ends before"),
        ("a[\\d-z]", "\\d-z", "range"),
        ("*a", "*", "nothing to repeat"),
        ("(?i)*", "*", "nothing to repeat"),
        ("a{2,1}", "{2,1}", "least"),
        ("a{x}", "{x", "number is missing"),
        ("a{2, }", "{2, }", "missing"),
        ("a{4294967296}", "4294967296", "too large"),
        ("a\\", "\\", "backslash"),
        ("a\\1", "\\1", "Backreferences"),
        ("a(?=b)", "(?=", "Looking"),
        ("a(?<!b)", "(?<!", "Looking"),
        ("\\pL", "\\p", "Unicode"),
        ("(?u)a", "u", "Unicode"),
        ("[\u00e9]", "\u00e9", "ASCII"),
        ("a\\Z", "\\Z", "\\z"),
        ("\\b{word}", "\\b{word}", "start-half"),
        ("[a\\b]", "\\b", "place"),
        ("(?P<a>x)(?P<a>y)", "a", "name"),
        ("(?P<1>x)", "1", "letters"),
        ("(?q)", "q", "flags"),
        ("(?ii)", "i", "twice"),
        ("(?i-)", ")", "missing"),
        ("\\xg0", "\\xg", "exadecimal"),
        ("\\x{d800}", "\\x{d800}", "no such"),
    ],
)
def test_the_error_marks_the_culprit(pattern: str, marked: str, word: str) -> None:
    why = error(pattern)
    assert word in str(why)
    assert pattern[why.at : why.to].startswith(marked) or marked.startswith(pattern[why.at : why.to])
    assert pattern.find(marked) <= why.at or pattern.rfind(marked[0]) == why.at


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * (LONGEST + 1),
        "(" * 1000 + ")" * 1000,
        "[" * 1000,
        "a" + "*" * 1000,
        "a{5000}",
        "(a{100}){100}",
        "((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}",
        "(((((((((){99}){99}){99}b){99}){99}){99}){99}){99}",
        "a?" * 2000,
        "(a|b|c|d|e?){800}",
        "\ud800",
    ],
    ids=lambda pattern: pattern[:20].encode("ascii", "replace").decode(),
)
def test_too_much_is_refused_with_a_sentence(pattern: str) -> None:
    assert str(error(pattern)).endswith(".")


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * LONGEST,
        "a{4096}",
        "(" * 128 + "a" + ")" * 128,
        "[a-z]{1,1000}",
        "(\\w{1,60}\\.){1,60}",
        "(){9999}",
        "(\\b{99}|$){4000}" * 200,
    ],
)
def test_the_bounds_are_not_too_tight(pattern: str) -> None:
    compile_one(pattern)
