"""What a pattern means, as a tree; sets of octets are integers of 256 bits, and so are sets of places.

A place, before an octet or behind it, is known by its two neighbours. Each is one of the five kinds below, so
there are 25 kinds of places, and a condition is an integer with a bit for each kind where it holds: two
conditions at the same place are their bitwise `and`, and 0 can never hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

EDGE, LF, CR, WORD, OTHER = range(5)
"""Kinds of neighbours: beginning or end of the value, line feed, carriage return, [0-9A-Za-z_], the rest."""

KINDS = 5


def place(before: int, after: int) -> int:
    """The number of the place between these kinds of neighbours; its bit in a condition."""
    return before * KINDS + after


def condition(holds: Callable[[int, int], bool]) -> int:
    """The places where `holds(before, after)` is true."""
    pairs = ((before, after) for before in range(KINDS) for after in range(KINDS))
    return sum(1 << place(before, after) for before, after in pairs if holds(before, after))


ALWAYS = condition(lambda before, after: True)
BEGINNING = condition(lambda before, after: before == EDGE)
END = condition(lambda before, after: after == EDGE)
LINE_BEGINNING = condition(lambda before, after: before in (EDGE, LF))
LINE_END = condition(lambda before, after: after in (EDGE, LF))
LINE_BEGINNING_CRLF = condition(lambda before, after: before in (EDGE, LF) or (before == CR and after != LF))
LINE_END_CRLF = condition(lambda before, after: after in (EDGE, CR) or (after == LF and before != CR))
WORD_BORDER = condition(lambda before, after: (before == WORD) != (after == WORD))
NO_WORD_BORDER = ALWAYS & ~WORD_BORDER
WORD_BEGINNING = condition(lambda before, after: before != WORD and after == WORD)
WORD_END = condition(lambda before, after: before == WORD and after != WORD)
WORD_BEGINNING_HALF = condition(lambda before, after: before != WORD)
WORD_END_HALF = condition(lambda before, after: after != WORD)


@dataclass(frozen=True, slots=True)
class Octet:
    """One octet out of a set: bit n of `among` is octet n. An empty set matches nothing."""

    among: int


@dataclass(frozen=True, slots=True)
class Look:
    """No octet, at a place that fulfils a condition."""

    where: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; none at all matches the empty string."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of them."""

    among: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; None is without end."""

    what: Node
    least: int
    most: int | None


Node = Octet | Look | Sequence | Choice | Repeat


class RegexError(ValueError):
    """A pattern that cannot be used: a sentence why, and the part to look at, from `at` to `to`."""

    def __init__(self, sentence: str, at: int = 0, to: int | None = None) -> None:
        super().__init__(sentence)
        self.at = at
        self.to = at + 1 if to is None else to
