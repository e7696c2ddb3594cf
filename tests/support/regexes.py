"""Regular expressions at random, in our syntax and in that of Python's re, and values that nearly match."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from fastgw._core.rules.regex import CompiledRegex, CompiledRegexSet
from fastgw.rules.regex.tables import compile_one, together

Pair = tuple[str, str]
"""The same pattern for us and for re."""

ATOMS: list[Pair] = [
    *((text, text) for text in ("a", "b", "c", "A", "_", "1", " ", "ab", "-", "\\.", "\\n", "\\r", "\\xff")),
    *((text, text) for text in ("\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "[ab]", "[^a]", "[a-c1]", "()")),
    *((text, text) for text in ("\\b", "\\B", "\\A", "(?m:^)", "(?m:$)", "^", "(?s:.)", ".", "(?i:a)")),
    *((text, text) for text in ("(?i:[^b])", "[^\\w\\n]")),
    ("$", "\\Z"),
    ("\\z", "\\Z"),
    ("[a-c&&[^b]]", "[ac]"),
    ("[[:alpha:]]", "[A-Za-z]"),
    ("[\\w--[a-z]]", "[A-Z0-9_]"),
    ("\\<", "\\b(?=\\w)"),
    ("\\b{end}", "\\b(?<=\\w)"),
    ("\\b{start-half}", "(?<!\\w)"),
    ("\\b{end-half}", "(?!\\w)"),
]
REPEATS = ["*", "+", "?", "*?", "??", "{2}", "{0,2}", "{1,3}", "{2,}", "{0}"]

_PIECES = [*(bytes([octet]) for octet in b"abcA_1 \n\r-.\xff\t"), b"\r\n", b"ab", b"Ba"]


def _wider(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def concatenated(parts: Sequence[Pair]) -> Pair:
        return "".join(ours for ours, _ in parts), "".join(theirs for _, theirs in parts)

    def either(parts: Sequence[Pair]) -> Pair:
        return (
            "(" + "|".join(ours for ours, _ in parts) + ")",
            "(?:" + "|".join(theirs for _, theirs in parts) + ")",
        )

    def repeated(drawn: tuple[Pair, str]) -> Pair:
        (ours, theirs), times = drawn
        return f"(?:{ours}){times}", f"(?:{theirs}){times}"

    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(concatenated),
        st.lists(inner, min_size=1, max_size=3).map(either),
        st.tuples(inner, st.sampled_from(REPEATS)).map(repeated),
    )


patterns = st.recursive(st.sampled_from(ATOMS), _wider, max_leaves=7)
values = st.lists(st.sampled_from(_PIECES), max_size=9).map(b"".join)


def compiled(pattern: str, by_states: bool = True) -> CompiledRegex:
    return CompiledRegex(compile_one(pattern), by_states)


def matches(pattern: str, value: bytes) -> bool:
    """As both ways of searching say, which agree."""
    found = {compiled(pattern, by_states).search(value) for by_states in (True, False)}
    assert len(found) == 1, f"{pattern!r} on {value!r}: states and positions disagree"
    return found.pop()


def compiled_set(given: Sequence[str]) -> CompiledRegexSet:
    return CompiledRegexSet(len(given), lambda numbers: together([given[number] for number in numbers]))
