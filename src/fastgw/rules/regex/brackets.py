"""What stands between [ and ]: characters, ranges, classes, classes in classes, and set operations."""

from __future__ import annotations

from dataclasses import dataclass

from fastgw.rules.regex import octets
from fastgw.rules.regex.cursor import Cursor, Letter
from fastgw.rules.regex.tree import Octet, RegexError

NESTED = 64
"""How deep brackets may stand in brackets."""


@dataclass
class _Open:
    """A bracket that is not closed yet: `union` since the last operator, `left` and `operator` before it."""

    since: int
    negated: bool
    union: int = octets.NONE
    left: int = octets.NONE
    operator: str = ""

    def close(self, fold: bool) -> int:
        """The set so far: operators have one rank and go from left to right."""
        right = self.union
        if self.operator and fold:
            right, self.left = octets.both_cases(right), octets.both_cases(self.left)
        if self.operator == "&":
            return self.left & right
        if self.operator == "-":
            return self.left & ~right
        if self.operator == "~":
            return self.left ^ right
        return right


def read(cursor: Cursor, fold: bool) -> Octet:
    """The set of the bracket at the cursor, which goes behind it. `fold` is the flag i."""
    stack: list[_Open] = []
    _open(cursor, stack)
    while True:
        cursor.skip()
        top = stack[-1]
        if not cursor.here:
            raise _unclosed(stack)
        pair = cursor.text[cursor.at : cursor.at + 2]
        if pair[0] == "[":
            named = _named(cursor, fold)
            if named is None:
                _open(cursor, stack)
            else:
                top.union |= named
        elif pair[0] == "]":
            cursor.at += 1
            among = top.close(fold)
            if fold:
                among = octets.both_cases(among)
            if top.negated:
                among = octets.complement(among)
            stack.pop()
            if not stack:
                return Octet(among)
            stack[-1].union |= among
        elif pair in ("&&", "--", "~~"):
            cursor.at += 2
            top.left, top.operator, top.union = top.close(fold), pair[0], octets.NONE
        else:
            top.union |= _range(cursor, stack)


def _unclosed(stack: list[_Open]) -> RegexError:
    return RegexError("This [ is not closed.", stack[-1].since)


def _open(cursor: Cursor, stack: list[_Open]) -> None:
    """[ or [^; a ] or - that comes next is an ordinary character."""
    if len(stack) >= NESTED:
        raise cursor.wrong(f"Brackets are nested deeper than {NESTED}.")
    top = _Open(cursor.at, False)
    stack.append(top)
    cursor.step()
    if cursor.here == "^":
        top.negated = True
        cursor.step()
    while cursor.here == "-":
        top.union |= octets.some(b"-")
        cursor.step()
    if not top.union and cursor.here == "]":
        top.union |= octets.some(b"]")
        cursor.step()
    if not cursor.here:
        raise _unclosed(stack)


def _named(cursor: Cursor, fold: bool) -> int | None:
    """[:name:] or [:^name:], or None if that is not what stands here."""
    text, at = cursor.text, cursor.at
    end = text.find(":]", at + 2)
    if not text.startswith("[:", at) or end < 0:
        return None
    name = text[at + 2 : end]
    among = octets.NAMED.get(name.removeprefix("^"))
    if among is None:
        return None
    cursor.at = end + 2
    if fold:
        among = octets.both_cases(among)
    return octets.complement(among) if name.startswith("^") else among


def _item(cursor: Cursor, stack: list[_Open]) -> Letter | int:
    since = cursor.at
    if not cursor.here:
        raise _unclosed(stack)
    if cursor.here != "\\":
        cursor.at += 1
        item: Letter | int = Letter(ord(cursor.text[since]))
    else:
        found = cursor.escape()
        if isinstance(found, Letter):
            item = found
        elif isinstance(found, Octet):
            item = found.among
        else:
            raise RegexError("This is a place, not a character.", since, cursor.at)
    if isinstance(item, Letter) and item.code > 0x7F and not item.octet:
        raise RegexError(
            "Only ASCII characters and octets (\\xHH) can stand in brackets: values are octets, not text.",
            since,
            cursor.at,
        )
    return item


def _range(cursor: Cursor, stack: list[_Open]) -> int:
    """One character, a class, or a range of characters."""
    since = cursor.at
    first = _item(cursor, stack)
    cursor.skip()
    if not cursor.here:
        raise _unclosed(stack)
    if cursor.here != "-" or cursor.after() in ("]", "-"):
        return octets.span(first.code, first.code) if isinstance(first, Letter) else first
    cursor.step()
    last = _item(cursor, stack)
    if not isinstance(first, Letter) or not isinstance(last, Letter):
        raise RegexError("A range goes from one character to another.", since, cursor.at)
    if first.code > last.code:
        raise RegexError("This range ends before it begins.", since, cursor.at)
    return octets.span(first.code, last.code)
