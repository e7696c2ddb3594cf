"""A tree -> an automaton whose states are the positions of octets in the pattern, without empty moves.

Position n was reached by reading an octet of `reach[n]`. A move, a beginning and an end hold at places that
fulfil their condition. Moves are kept as products (from each of a set, to each of a set), so that their
number follows the length of the pattern and not the square of its repetitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fastgw.rules.regex.tree import ALWAYS, Choice, Look, Node, Octet, RegexError, Repeat, Sequence

MOST_POSITIONS = 4096
"""Positions of one pattern; a counted repetition has its inside as often as it counts."""

MOST_STEPS = 20_000
"""Steps that are spent on finding them."""

Sets = dict[int, int]
"""Condition -> set of positions, both as integers."""


@dataclass
class Automaton:
    """One pattern, or several side by side; `lasts` and `empty` are by pattern."""

    reach: list[int] = field(default_factory=list)
    firsts: Sets = field(default_factory=dict)
    moves: dict[tuple[int, int], int] = field(default_factory=dict)
    """(condition, set it leads to) -> set it comes from."""
    onward: int = 0
    """Positions that also lead to the one behind, anywhere: most of a pattern, so it is kept apart."""
    lasts: list[Sets] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    """Where the pattern matches without an octet: a condition."""
    owners: list[int] = field(default_factory=list)
    """The positions of each pattern."""


@dataclass(slots=True)
class _Part:
    """A part of the pattern: where it is empty, how it begins, how it ends."""

    empty: int
    firsts: Sets
    lasts: Sets


def positions(node: Node) -> Automaton:
    """The automaton of one pattern; raises RegexError if it is too large."""
    builder = _Builder()
    part = builder.part(node)
    whole = builder.automaton
    whole.firsts, whole.lasts, whole.empty = part.firsts, [part.lasts], [part.empty]
    whole.owners = [(1 << len(whole.reach)) - 1]
    return whole


def beside(automata: Iterable[Automaton]) -> Automaton:
    """All of them at once, each still with an end of its own."""
    whole = Automaton()
    for one in automata:
        shift = len(whole.reach)
        whole.reach += one.reach
        _join(whole.firsts, one.firsts, shift=shift)
        for (where, into), since in one.moves.items():
            whole.moves[where, into << shift] = since << shift
        whole.onward |= one.onward << shift
        whole.lasts += [{where: among << shift for where, among in lasts.items()} for lasts in one.lasts]
        whole.empty += one.empty
        whole.owners += [owned << shift for owned in one.owners]
    return whole


def _join(into: Sets, more: Sets, where: int = ALWAYS, shift: int = 0) -> None:
    """Add the sets of `more`, at places that also fulfil `where`."""
    for condition, among in more.items():
        both = condition & where
        if both:
            into[both] = into.get(both, 0) | among << shift


class _Builder:
    def __init__(self) -> None:
        self.automaton = Automaton()
        self.steps = 0

    def part(self, node: Node) -> _Part:
        self._spend(1)
        if isinstance(node, Octet):
            return self._run([node.among])
        if isinstance(node, Look):
            return _Part(node.where, {}, {})
        if isinstance(node, Choice):
            whole = _Part(0, {}, {})
            for one in node.among:
                part = self.part(one)
                whole.empty |= part.empty
                _join(whole.firsts, part.firsts)
                _join(whole.lasts, part.lasts)
            return whole
        if isinstance(node, Sequence):
            return self._sequence(node.parts)
        return self._repeat(node)

    def _sequence(self, parts: tuple[Node, ...]) -> _Part:
        whole = _Part(ALWAYS, {}, {})
        run: list[int] = []
        for one in parts:
            if isinstance(one, Octet):
                run.append(one.among)
                continue
            if run:
                whole, run = self._then(whole, self._run(run)), []
            whole = self._then(whole, self.part(one))
        return self._then(whole, self._run(run)) if run else whole

    def _run(self, sets: list[int]) -> _Part:
        """One octet of each set, in a row."""
        self._spend(1)
        reach = self.automaton.reach
        first, last = len(reach), len(reach) + len(sets) - 1
        if last >= MOST_POSITIONS:
            raise RegexError(
                "The pattern is too large: with its repetitions counted out it has more than "
                f"{MOST_POSITIONS} characters."
            )
        reach += sets
        self.automaton.onward |= (1 << last) - (1 << first)
        return _Part(0, {ALWAYS: 1 << first}, {ALWAYS: 1 << last})

    def _then(self, left: _Part, right: _Part) -> _Part:
        self._moves(left.lasts, right.firsts)
        _join(left.firsts, right.firsts, left.empty)
        _join(right.lasts, left.lasts, right.empty)
        return _Part(left.empty & right.empty, left.firsts, right.lasts)

    def _moves(self, lasts: Sets, firsts: Sets) -> None:
        moves = self.automaton.moves
        for condition, since in lasts.items():
            for other, into in firsts.items():
                self._spend(1)
                if condition & other:
                    key = condition & other, into
                    moves[key] = moves.get(key, 0) | since

    def _repeat(self, node: Repeat) -> _Part:
        if isinstance(node.what, Octet) and node.least > 1:
            # All but the last of those that must be there are a run.
            run = self._run([node.what.among] * min(node.least - 1, MOST_POSITIONS))
            more = None if node.most is None else node.most - node.least + 1
            return self._then(run, self._repeat(Repeat(node.what, 1, more)))
        before = len(self.automaton.reach)
        one = self.part(node.what)
        if len(self.automaton.reach) == before:
            # Nothing but places: once is as good as often.
            return one if node.least else _Part(ALWAYS, {}, {})
        if node.most == 0:
            return _Part(ALWAYS, {}, {})
        whole = one
        for _ in range(1, node.least):
            one = self.part(node.what)
            whole = self._then(whole, one)
        if node.most is None:
            self._moves(one.lasts, one.firsts)
        else:
            self._optional(whole, node.what, node.most - max(node.least, 1))
        if node.least == 0:
            whole.empty = ALWAYS
        return whole

    def _optional(self, whole: _Part, what: Node, times: int) -> None:
        """Behind `whole`, in place: up to `times` more, each only after the one before."""
        tails, joint = whole.lasts, whole.empty
        for _ in range(times):
            one = self.part(what)
            self._moves(tails, one.firsts)
            _join(whole.firsts, one.firsts, joint)
            # What this one adds at the end; if it can be empty, the next may also follow what came before.
            if one.empty:
                _join(one.lasts, tails, one.empty)
            tails, joint = one.lasts, joint & one.empty
            _join(whole.lasts, tails)

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise RegexError("The pattern is too large: its repetitions are nested too deep.")
