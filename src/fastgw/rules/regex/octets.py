"""Sets of octets as integers of 256 bits: the named ones, ranges, and what ignoring case adds."""

from __future__ import annotations

from collections.abc import Iterable

NONE = 0
ALL = (1 << 256) - 1


def span(first: int, last: int) -> int:
    """The octets `first` to `last`, both included."""
    return (1 << last + 1) - (1 << first)


def some(octets: Iterable[int]) -> int:
    return sum(1 << octet for octet in set(octets))


UPPER = span(0x41, 0x5A)
LOWER = span(0x61, 0x7A)
DIGIT = span(0x30, 0x39)
ALPHA = UPPER | LOWER
WORD = ALPHA | DIGIT | some(b"_")
SPACE = some(b"\t\n\v\f\r ")

NAMED = {
    "alnum": ALPHA | DIGIT,
    "alpha": ALPHA,
    "ascii": span(0, 0x7F),
    "blank": some(b"\t "),
    "cntrl": span(0, 0x1F) | some([0x7F]),
    "digit": DIGIT,
    "graph": span(0x21, 0x7E),
    "lower": LOWER,
    "print": span(0x20, 0x7E),
    "punct": span(0x21, 0x7E) & ~(ALPHA | DIGIT),
    "space": SPACE,
    "upper": UPPER,
    "word": WORD,
    "xdigit": DIGIT | span(0x41, 0x46) | span(0x61, 0x66),
}
"""The names that stand in [:name:]."""


def complement(among: int) -> int:
    return ALL & ~among


def both_cases(among: int) -> int:
    """The set with the other case of each ASCII letter in it."""
    return among | (among & UPPER) << 32 | (among & LOWER) >> 32


def members(among: int) -> list[int]:
    return [octet for octet in range(256) if among >> octet & 1]
