"""Automaton -> the tables that the core reads: classes of octets, and plain moves apart from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastgw.rules.regex import octets
from fastgw.rules.regex.positions import Automaton, beside, positions
from fastgw.rules.regex.syntax import parse
from fastgw.rules.regex.tree import ALWAYS, CR, EDGE, KINDS, LF, OTHER, WORD, RegexError, place

MOST_WORK = 1024
"""Words of 64 positions that one octet may have to look at when no table of all states can be made."""

_OF_KIND = {LF: octets.some(b"\n"), CR: octets.some(b"\r"), WORD: octets.WORD}


@dataclass(frozen=True, slots=True)
class Tables:
    """An automaton as the core wants it. Sets of positions are integers, conditions are those of tree.py."""

    patterns: int
    words: int
    """Words of 64 bits in a set of positions."""
    class_of: bytes
    """Class of each of the 256 octets."""
    kinds: bytes
    """Kind of neighbour that the octets of each class are."""
    reach: tuple[int, ...]
    """Positions that an octet of each class may lead to."""
    next: int
    """Positions from which the one behind is reached, at any place."""
    same: int
    """Positions that are reached from themselves, at any place."""
    firsts: tuple[tuple[int, int], ...]
    """(condition, positions to begin with)."""
    moves: tuple[tuple[int, int, int], ...]
    """(condition, from any of these, to all of these): the other moves."""
    lasts: tuple[tuple[int, int, int], ...]
    """(condition, positions a pattern may end with, which pattern)."""
    empty: tuple[tuple[int, int], ...]
    """(condition, which pattern): where it matches without an octet."""
    owners: tuple[int, ...]
    """The positions of each pattern."""


def compile_one(pattern: str) -> Tables:
    """The tables of a pattern; raises RegexError with the sentence why not."""
    return tables(positions(parse(pattern)))


def together(patterns: Sequence[str]) -> Tables:
    """One automaton for patterns that `compile_one` takes; it may be larger than one of them may be."""
    return _pack(beside(positions(parse(pattern)) for pattern in patterns))


def tables(automaton: Automaton) -> Tables:
    """The tables of an automaton that can be searched without a table of all states."""
    found = _pack(automaton)
    if work(found) > MOST_WORK:
        raise RegexError("The pattern is too large: too many of its repetitions may end at many places.")
    return found


def work(of: Tables) -> int:
    """How many words the core looks at for one octet, at most."""
    moves = sum(_span(since) + _span(into) for _, since, into in of.moves)
    return 4 * of.words + moves + sum(_span(into) for _, into in of.firsts)


def _span(among: int) -> int:
    """Words from the first to the last position of a set."""
    first = (among & -among).bit_length() - 1
    return (among.bit_length() - 1) // 64 - first // 64 + 1


def _pack(automaton: Automaton) -> Tables:
    kinds_used = _kinds(automaton)
    classes = _classes(automaton.reach, [_OF_KIND[kind] for kind in kinds_used])
    class_of = bytearray(256)
    for number, among in enumerate(classes):
        for octet in octets.members(among):
            class_of[octet] = number
    by_set: dict[int, int] = {}
    for number, among in enumerate(automaton.reach):
        by_set[among] = by_set.get(among, 0) | 1 << number
    reach = []
    for among in classes:
        one = among & -among
        reach.append(sum(held for over, held in by_set.items() if over & one))
    onward, same, moves = _split(automaton.moves)
    return Tables(
        patterns=len(automaton.lasts),
        words=max(1, (len(automaton.reach) + 63) // 64),
        class_of=bytes(class_of),
        kinds=bytes(
            next((kind for kind in kinds_used if _OF_KIND[kind] & among), OTHER) for among in classes
        ),
        reach=tuple(reach),
        next=onward | automaton.onward,
        same=same,
        firsts=tuple(automaton.firsts.items()),
        moves=moves,
        lasts=tuple(
            (where, among, n) for n, lasts in enumerate(automaton.lasts) for where, among in lasts.items()
        ),
        empty=tuple((where, n) for n, where in enumerate(automaton.empty) if where),
        owners=tuple(automaton.owners),
    )


def _classes(reach: Sequence[int], kinds: Sequence[int]) -> list[int]:
    """The coarsest partition of the 256 octets that no set of the pattern cuts."""
    classes = [octets.ALL]
    for among in dict.fromkeys([*kinds, *reach]):
        classes = [part for one in classes for part in (one & among, one & ~among) if part]
    return classes


def _kinds(automaton: Automaton) -> list[int]:
    """The kinds of neighbours that some condition tells from OTHER."""
    conditions = {*automaton.firsts, *automaton.empty, *(where for where, _ in automaton.moves)}
    for lasts in automaton.lasts:
        conditions |= lasts.keys()

    def told_apart(where: int, kind: int) -> bool:
        return any(
            (where >> place(kind, other) ^ where >> place(OTHER, other)) & 1
            or (where >> place(other, kind) ^ where >> place(other, OTHER)) & 1
            for other in range(KINDS)
        )

    return [
        kind
        for kind in range(KINDS)
        if kind not in (EDGE, OTHER) and any(told_apart(where, kind) for where in conditions)
    ]


def _split(moves: dict[tuple[int, int], int]) -> tuple[int, int, tuple[tuple[int, int, int], ...]]:
    """(moves one further, moves to the same, the rest), where moves from the same set are one."""
    onward = same = 0
    rest: dict[tuple[int, int], int] = {}
    for (where, into), since in moves.items():
        if where == ALWAYS and since & since - 1 == 0:
            onward |= since if into & since << 1 else 0
            same |= since if into & since else 0
            into &= ~(since | since << 1)
        elif where == ALWAYS and into & into - 1 == 0:
            onward |= since & into >> 1
            same |= since & into
            since &= ~(into | into >> 1)
        if since and into:
            rest[where, since] = rest.get((where, since), 0) | into
    return onward, same, tuple((where, since, into) for (where, since), into in rest.items())
