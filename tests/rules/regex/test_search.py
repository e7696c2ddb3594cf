"""What matches: as Python's re and RE2 say where the languages agree, by hand where Rust's differs."""

from __future__ import annotations

import os
import re
import warnings

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.needs import module
from tests.support.regexes import compiled, compiled_set, matches, patterns, values

EXAMPLES = int(os.environ.get("FASTGW_REGEX_EXAMPLES", "200"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def by_re(pattern: str, value: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.search(pattern.encode("latin-1"), value) is not None


@many
@given(patterns, st.lists(values, min_size=3, max_size=3))
def test_as_re_does(pattern: tuple[str, str], given_values: list[bytes]) -> None:
    ours, theirs = pattern
    for value in given_values:
        # On the empty string \B of re matches only in newer versions of Python.
        assume(value or "\\B" not in ours)
        assert matches(ours, value) == by_re(theirs, value), (ours, value)


@many
@given(patterns, st.lists(values, min_size=3, max_size=3))
def test_as_re2_does(pattern: tuple[str, str], given_values: list[bytes]) -> None:
    re2 = module("re2", "google-re2")
    ours = pattern[0]
    # RE2 has no borders with a side and no operations on sets, reads \< otherwise, and matches \B between
    # octets from 0x80 on as between letters.
    assume(not re.search(r"\\b\{|\\<|&&|--", ours))
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    oracle = re2.compile(ours.encode("latin-1"), options)
    for value in given_values:
        assert matches(ours, value) == (oracle.search(value) is not None), (ours, value)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(patterns, min_size=1, max_size=8), st.lists(values, min_size=4, max_size=4))
def test_a_set_finds_what_each_finds(several: list[tuple[str, str]], given_values: list[bytes]) -> None:
    ours = [pattern for pattern, _ in several]
    together, alone = compiled_set(ours), [compiled(pattern) for pattern in ours]
    for value in given_values:
        expected = [number for number, one in enumerate(alone) if one.search(value)]
        assert together.search(value) == expected, (ours, value)


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, 255), min_size=1), st.binary(max_size=80))
def test_a_set_of_octets_is_found_wherever_it_is(among: set[int], value: bytes) -> None:
    pattern = "[" + "".join(f"\\x{octet:02x}" for octet in among) + "]"
    assert matches(pattern, value) == bool(among & set(value))


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32, 33, 100])
@pytest.mark.parametrize("pattern", ["z", "z$", "zy|zx", "(?i)z\\b"])
def test_the_first_and_the_last_octet_count(pattern: str, length: int) -> None:
    for at in range(length):
        value = b"-" * at + b"z" + b"-" * (length - at - 1)
        expected = {"z": True, "z$": at == length - 1, "zy|zx": False, "(?i)z\\b": True}[pattern]
        assert matches(pattern, value) == expected
        assert compiled_set([pattern, "never", "z{2}"]).search(value) == ([0] if expected else [])
    assert not matches(pattern, b"-" * length)


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("", [b"", b"a"], []),
        ("a$", [b"a", b"ba"], [b"a\n"]),
        ("(?m)a$", [b"a\nb"], [b"a\rb", b"a\r\nb"]),
        ("(?mR)^b", [b"a\rb", b"a\nb", b"a\r\nb"], [b"ab"]),
        ("(?mR)a$", [b"a\rb", b"a\r\nb"], [b"ab"]),
        ("(?mR)\\r$\\n", [], [b"\r\n"]),
        ("a.b", [b"a\rb", b"a\xffb", b"a\x00b"], [b"a\nb"]),
        ("(?R)a.b", [b"a-b"], [b"a\rb", b"a\nb"]),
        ("(?s)a.b", [b"a\nb"], [b"ab"]),
        ("\\s", [b"\v", b"\f"], [b"\x85", b"\xa0", b"\x1c"]),
        ("\\d", [b"5"], ["\u0665".encode()]),
        ("\u00e9", ["\u00e9".encode()], [b"\xe9"]),
        ("\\xe9", [b"\xe9"], [b"e"]),
        ("\\x{e9}|\\u20ac", ["\u00e9".encode(), "\u20ac".encode()], [b"\xe9"]),
        ("(?i)\u00e9K", ["\u00e9k".encode()], ["\u00c9k".encode(), "\u00e9\u212a".encode()]),
        ("(?i)[^k]", [b"a"], [b"K", b"k"]),
        ("(?i)[[:^lower:]]", [b"1"], [b"a", b"A"]),
        ("(?i:a)b", [b"Ab"], [b"AB"]),
        ("a(?i)b|c", [b"aB", b"C"], [b"Ab"]),
        ("(a(?i)b)c", [b"aBc"], [b"abC"]),
        ("(?U)a*", [b""], []),
        ("(?x) a  b # c\n c \\ d", [b"abc d"], [b"a bc d"]),
        ("(?x)[a b]{ 2 } ? c", [b"abc"], [b"a c"]),
        ("(?x:(?-x: a))", [b" a"], [b"a"]),
        ("[]a]", [b"]"], [b"["]),
        ("[^]a]", [b"b"], [b"]", b"a"]),
        ("[a-]|[-b]|[--9]", [b"-", b"9"], [b"c", b"5"]),
        ("[a-z&&[^aeiou]&&[^x-z]]", [b"b"], [b"a", b"x", b"B"]),
        ("[a-d--b-c~~d-e]", [b"a", b"e"], [b"b", b"d"]),
        ("[[:alpha:][:digit:]]", [b"a", b"1"], [b"_"]),
        ("[[:foo:]]", [b"o", b":"], [b"x"]),
        ("[a&&b]", [], [b"a", b"b", b""]),
        ("x{2}{3}", [b"x" * 6], [b"x" * 5]),
        ("a**|b+*c", [b""], []),
        ("^*a", [b"ba"], []),
        ("\\b{2}a", [b"a"], [b"ba"]),
        ("\\b{start}a\\b{end-half}", [b"-a-"], [b"ab", b"ba"]),
        ("\\<ab\\>", [b"-ab-"], [b"abc"]),
        ("\\B", [b"", b"ab", b"--"], [b"a"]),
        ("(?P<n>a)(?<m>b)", [b"ab"], [b"a"]),
        ("a||b", [b""], []),
        ("}]", [b"}]"], [b"}"]),
        ("\\%\\-\\ \\&\\~\\/", [b"%- &~/"], []),
        ("a{ 1 , 2 }b", [b"ab", b"aab"], [b"b"]),
        ("(^|a)b", [b"b", b"cab"], [b"cb"]),
        ("(^a|b$)+", [b"a", b"b", b"ac", b"cb"], [b"ca", b"bc"]),
        ("(a|\\b)*c$", [b"c", b"ac", b"xc"], [b"cx"]),
        ("(a?\\b|b){2,3}!", [b"a!", b"bb!", b"ba!"], [b"b", b"!"]),
        ("^(?:a?){3}$", [b"", b"aaa"], [b"aaaa"]),
        ("^(?:a{2}){2,3}$", [b"a" * 4, b"a" * 6], [b"a" * 5, b"a" * 8]),
    ],
)
def test_as_rust_does(pattern: str, hits: list[bytes], misses: list[bytes]) -> None:
    assert [value for value in hits if not matches(pattern, value)] == []
    assert [value for value in misses if matches(pattern, value)] == []


def test_counted_repetitions_far_beyond_a_word_of_positions() -> None:
    for count in (63, 64, 65, 127, 128, 129, 1000):
        assert matches(f"^a{{{count}}}$", b"a" * count)
        assert not matches(f"^a{{{count}}}$", b"a" * (count - 1))
        assert not matches(f"^a{{{count}}}$", b"a" * (count + 1))
        assert matches(f"^[ab]{{2,{count}}}c", b"ab" * (count // 2) + b"c")
        assert not matches(f"^[ab]{{2,{count}}}c", b"b" * (count + 1) + b"c")


def test_more_states_than_a_table_holds() -> None:
    wide = compiled("a.{100}b")
    assert wide.about()["by"] == "positions"
    value = bytes(range(97, 123)) * 20
    assert wide.search(value) == (re.search(rb"a.{100}b", value) is not None)
    assert wide.search(b"x" * 50 + b"a" + b"-" * 100 + b"b")
    assert not wide.search(b"x" * 50 + b"a" + b"-" * 99 + b"b")


def test_a_set_that_is_too_large_for_one_table_has_several() -> None:
    given_patterns = [f"{letter}.*{letter}{letter}.*!{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    given_patterns += ["a.{100}b", "^x", "y$"]
    together = compiled_set(given_patterns)
    groups = together.about()
    assert 1 < len(groups) < len(given_patterns)
    assert sorted(n for group in groups for n in group["patterns"]) == list(range(len(given_patterns)))
    for value in (b"c-cc-!c e-ee!e y", b"xa" + b"-" * 100 + b"b", b"", b"zzz!zz"):
        alone = [n for n, pattern in enumerate(given_patterns) if compiled(pattern).search(value)]
        assert together.search(value) == alone


def test_a_set_of_more_patterns_than_fit_in_a_word() -> None:
    words = [f"w{number}x" for number in range(150)]
    together = compiled_set(words)
    assert together.search(b"w3x w77x w149x w200x") == [3, 77, 149]
    assert compiled_set([]).search(b"a") == []
