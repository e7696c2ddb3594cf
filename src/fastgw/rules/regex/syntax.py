"""The text of a regular expression -> its tree: the syntax of Rust's regex without Unicode.

Groups catch nothing and all repetition is the same, greedy or not: what is asked is whether a value matches.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

from fastgw.rules.regex import brackets, octets, tree
from fastgw.rules.regex.cursor import Cursor, Letter
from fastgw.rules.regex.tree import Choice, Look, Node, Octet, RegexError, Repeat, Sequence

LONGEST = 4096
"""Octets of a pattern."""

DEEPEST = 128
"""How deep groups and repetitions may be nested."""

EMPTY = Sequence(())

_ASCII = (
    [Octet(1 << code) for code in range(0x80)],
    [Octet(octets.both_cases(1 << code)) for code in range(0x80)],
)
"""The nodes of single characters, without and with the flag i."""


@dataclass(frozen=True, slots=True)
class Flags:
    """i, m, s, R as they are here; U changes nothing, x is the cursor's."""

    i: bool = False
    m: bool = False
    s: bool = False
    R: bool = False

    @property
    def dot(self) -> int:
        return octets.ALL if self.s else octets.complement(octets.some(b"\r\n" if self.R else b"\n"))

    @property
    def caret(self) -> int:
        if not self.m:
            return tree.BEGINNING
        return tree.LINE_BEGINNING_CRLF if self.R else tree.LINE_BEGINNING

    @property
    def dollar(self) -> int:
        if not self.m:
            return tree.END
        return tree.LINE_END_CRLF if self.R else tree.LINE_END


@dataclass
class _Group:
    """A group that is not closed yet, with the flags to go back to at its end."""

    since: int
    flags: Flags
    verbose: bool
    branches: list[Node] = field(default_factory=list)
    parts: list[tuple[Node, int]] = field(default_factory=list)
    """The branch being read: nodes, each with how deep it is."""
    deepest: int = 0

    def end_branch(self) -> None:
        nodes = [node for node, _ in self.parts if node != EMPTY]
        self.branches.append(nodes[0] if len(nodes) == 1 else Sequence(tuple(nodes)))
        self.deepest = max([self.deepest, *(depth for _, depth in self.parts)])
        self.parts = []

    def node(self) -> Node:
        """The branches as one node; those of one octet, and those of none, are one branch."""
        self.end_branch()
        sets = [branch.among for branch in self.branches if isinstance(branch, Octet)]
        looks = [branch.where for branch in self.branches if isinstance(branch, Look)]
        looks += [tree.ALWAYS for branch in self.branches if branch == EMPTY]
        alone = (Octet, Look)
        branches: list[Node] = [one for one in self.branches if not isinstance(one, alone) and one != EMPTY]
        if sets:
            branches.append(Octet(reduce(or_, sets)))
        if looks:
            branches.append(Look(reduce(or_, looks)))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))


def parse(text: str) -> Node:
    """The tree of a pattern; raises RegexError."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as why:
        raise RegexError("This is no character.", why.start) from None
    if size > LONGEST:
        raise RegexError(f"A pattern has at most {LONGEST} octets; this one has {size}.", 0, len(text))
    return _Parser(text).pattern()


class _Parser:
    def __init__(self, text: str) -> None:
        self.cursor = Cursor(text)
        self.flags = Flags()
        self.names: set[str] = set()
        self.groups = [_Group(0, self.flags, False)]

    def pattern(self) -> Node:
        cursor = self.cursor
        while True:
            cursor.skip()
            here = cursor.here
            if not here:
                break
            if here == "(":
                self._open()
            elif here == ")":
                self._close()
            elif here == "|":
                cursor.at += 1
                self.groups[-1].end_branch()
            elif here in "?*+":
                self._repeat(*{"?": (0, 1), "*": (0, None), "+": (1, None)}[here])
            elif here == "{":
                self._counted()
            else:
                self._single(here)
        if len(self.groups) > 1:
            raise RegexError("This ( is not closed.", self.groups[-1].since)
        return self.groups[0].node()

    def _add(self, node: Node, depth: int = 0) -> None:
        self.groups[-1].parts.append((node, depth))

    def _single(self, here: str) -> None:
        cursor, flags = self.cursor, self.flags
        if here == "[":
            self._add(brackets.read(cursor, flags.i))
        elif here == "\\":
            found = cursor.escape()
            if isinstance(found, Letter):
                self._letter(found)
            else:
                self._add(found)
        else:
            cursor.at += 1
            if here == ".":
                self._add(Octet(flags.dot))
            elif here == "^":
                self._add(Look(flags.caret))
            elif here == "$":
                self._add(Look(flags.dollar))
            else:
                self._letter(Letter(ord(here)))

    def _letter(self, letter: Letter) -> None:
        if letter.code < 0x80:
            self._add(_ASCII[self.flags.i][letter.code])
            return
        sets = [octets.span(octet, octet) for octet in letter.encoded]
        self._add(Octet(sets[0]) if len(sets) == 1 else Sequence(tuple(Octet(among) for among in sets)))

    # Groups and flags

    def _open(self) -> None:
        cursor = self.cursor
        since = cursor.at
        cursor.step()
        if any(cursor.text.startswith(look, cursor.at) for look in ("?=", "?!", "?<=", "?<!")):
            cursor.at += 2
            raise cursor.wrong(
                "Looking ahead or behind is not supported: it takes more than linear time.", since
            )
        group = _Group(since, self.flags, cursor.verbose)
        if cursor.take("?P<") or cursor.take("?<"):
            self._name()
        elif cursor.take("?"):
            flags, verbose = self._set_flags(since)
            self.flags, cursor.verbose = flags, verbose
            if cursor.text[cursor.at - 1] == ")":
                # The flags hold to the end of the group around them; they cannot be repeated.
                self._add(EMPTY, -1)
                return
        if len(self.groups) > DEEPEST:
            raise cursor.wrong(f"Groups are nested deeper than {DEEPEST}.", since)
        self.groups.append(group)

    def _close(self) -> None:
        cursor = self.cursor
        if len(self.groups) == 1:
            raise cursor.wrong("This ) closes nothing.")
        cursor.at += 1
        group = self.groups.pop()
        node = group.node()
        self.flags, cursor.verbose = group.flags, group.verbose
        self._add(node, self._deeper(group.deepest, group.since))

    def _name(self) -> None:
        cursor = self.cursor
        since = cursor.at
        end = cursor.text.find(">", since)
        name = cursor.text[since : max(end, since)]
        legal = name and (name[0] == "_" or name[0].isalpha())
        if not legal or not all(letter in "_.[]" or letter.isalnum() for letter in name):
            raise cursor.wrong("The name of a group has letters, digits and _, and > behind it.", since)
        if name in self.names:
            raise RegexError("Another group has this name.", since, end)
        self.names.add(name)
        cursor.at = end + 1

    def _set_flags(self, since: int) -> tuple[Flags, bool]:
        """The flags up to : or ), with the cursor behind that."""
        cursor = self.cursor
        flags, verbose = self.flags, cursor.verbose
        seen, on, last = set[str](), True, ""
        while cursor.here not in (":", ")", ""):
            last = cursor.here
            if last in seen:
                raise cursor.wrong("This flag stands here twice.")
            if last not in "imsURxu-":
                raise cursor.wrong("There are the flags i, m, s, R, U and x.")
            if last == "u" and on:
                raise cursor.wrong("Unicode is not supported: values are octets, not text.")
            if last == "-":
                on = False
            elif last == "x":
                verbose = on
            elif last in "imsR":
                flags = replace(flags, **{last: on})
            seen.add(last)
            cursor.at += 1
        if not cursor.here:
            raise RegexError("This ( is not closed.", since)
        if last == "-":
            raise cursor.wrong("A flag is missing behind the -.")
        if cursor.here == ")" and not seen:
            raise cursor.wrong("A flag is missing behind the ?.")
        cursor.at += 1
        return flags, verbose

    # Repetition

    def _deeper(self, depth: int, since: int) -> int:
        if depth >= DEEPEST:
            raise self.cursor.wrong(f"Groups and repetitions are nested deeper than {DEEPEST}.", since)
        return depth + 1

    def _repeat(self, least: int, most: int | None) -> None:
        """At the last character of the operator; a ? behind it makes no difference."""
        since = self.cursor.at
        parts = self.groups[-1].parts
        if not parts or parts[-1][1] < 0:
            raise self.cursor.wrong("There is nothing to repeat.")
        self.cursor.at += 1
        self.cursor.take("?")
        node, depth = parts.pop()
        self._add(Repeat(node, least, most), self._deeper(depth, since))

    def _counted(self) -> None:
        cursor = self.cursor
        since = cursor.at
        parts = self.groups[-1].parts
        if not parts or parts[-1][1] < 0:
            raise cursor.wrong("There is nothing to repeat; a { itself is written \\{.")
        cursor.step()
        least = cursor.number()
        most = least
        if cursor.here == ",":
            cursor.step()
            most = None
            if cursor.here != "}":
                most = cursor.number()
                if most is None:
                    raise cursor.wrong("A number or } is missing.", since)
        if least is None:
            raise cursor.wrong("A number is missing; a { itself is written \\{.", since)
        if cursor.here != "}":
            raise cursor.wrong("This repetition is not closed; a { itself is written \\{.", since)
        if most is not None and most < least:
            raise cursor.wrong("The least is more than the most.", since)
        if cursor.after() == "?" and cursor.verbose:
            cursor.step()
            cursor.at -= 1
        self._repeat(least, most)
