"""A place in the text of a pattern, and what stands there: blanks, numbers and escapes."""

from __future__ import annotations

from dataclasses import dataclass

from fastgw.rules.regex import octets, tree
from fastgw.rules.regex.tree import Look, Octet, RegexError

BLANKS = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(code) for code in range(0x2000, 0x200B)
}
_SPECIAL = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_SETS = {"d": octets.DIGIT, "s": octets.SPACE, "w": octets.WORD}
_LOOKS = {
    "A": tree.BEGINNING,
    "z": tree.END,
    "B": tree.NO_WORD_BORDER,
    "<": tree.WORD_BEGINNING,
    ">": tree.WORD_END,
}
_WORD_LOOKS = {
    "start": tree.WORD_BEGINNING,
    "end": tree.WORD_END,
    "start-half": tree.WORD_BEGINNING_HALF,
    "end-half": tree.WORD_END_HALF,
}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_MOST = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Letter:
    """A character of the pattern; `octet` if it was written as \\xHH and so means one octet, not UTF-8."""

    code: int
    octet: bool = False

    @property
    def encoded(self) -> bytes:
        return bytes([self.code]) if self.octet else chr(self.code).encode()


class Cursor:
    """Reads a pattern from left to right. `verbose` is the flag x: blanks and comments mean nothing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.verbose = False

    @property
    def here(self) -> str:
        """The character that is next; empty at the end."""
        return self.text[self.at : self.at + 1]

    def wrong(self, sentence: str, since: int | None = None) -> RegexError:
        since = self.at if since is None else since
        return RegexError(sentence, since, max(min(self.at + 1, len(self.text)), since + 1))

    def skip(self) -> None:
        """Over blanks and comments, where they mean nothing."""
        while self.verbose and self.here:
            if self.here in BLANKS:
                self.at += 1
            elif self.here == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end + 1
            else:
                return

    def step(self) -> None:
        self.at += 1
        self.skip()

    def after(self) -> str:
        """The character behind the next one, without blanks and comments."""
        kept = self.at
        self.step()
        found, self.at = self.here, kept
        return found

    def take(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def number(self) -> int | None:
        """A decimal number with blanks around it, or None if there is none."""
        since = self.at
        while self.here and self.here in BLANKS:
            self.at += 1
        digits = self.at
        while self.here and self.here in "0123456789":
            self.at += 1
        found = self.text[digits : self.at]
        while self.here and self.here in BLANKS:
            self.at += 1
        # The length is looked at first: Python refuses to read numbers of thousands of digits.
        if len(found.lstrip("0")) > 10 or (found and int(found) > _MOST):
            raise self.wrong("This number is too large.", since)
        return int(found) if found else None

    def escape(self) -> Letter | Octet | Look:
        """What a backslash and the characters behind it mean."""
        since = self.at
        self.at += 1
        name = self.here
        if not name:
            raise self.wrong("A backslash stands at the end; write \\\\ for a backslash.", since)
        if name in "0123456789":
            raise self.wrong("Backreferences are not supported: they take more than linear time.", since)
        if name in _HEX_DIGITS:
            return self._hex(since)
        if name in "pP":
            raise self.wrong("Unicode classes are not supported: values are octets, not text.", since)
        self.at += 1
        if name.lower() in _SETS:
            among = _SETS[name.lower()]
            return Octet(among if name.islower() else octets.complement(among))
        if name in _SPECIAL:
            return Letter(_SPECIAL[name])
        if name in _LOOKS:
            return Look(_LOOKS[name])
        if name == "b":
            return self._word_look(since)
        if name.isascii() and not name.isalnum():
            return Letter(ord(name))
        self.at -= 1
        hint = " The end of the value is \\z." if name == "Z" else ""
        raise self.wrong(f"\\{name} means nothing.{hint}", since)

    def _word_look(self, since: int) -> Look:
        """\\b, or \\b{start} and its like; \\b{2} is a repeated \\b."""
        kept = self.at
        if self.here != "{":
            return Look(tree.WORD_BORDER)
        self.step()
        begun = self.at
        if not self.here:
            raise self.wrong("This { is not closed.", since)
        if not (self.here.isascii() and (self.here.isalpha() or self.here == "-")):
            self.at = kept
            return Look(tree.WORD_BORDER)
        name = ""
        while self.here.isascii() and (self.here.isalpha() or self.here == "-"):
            name += self.here
            self.step()
        if self.here != "}":
            raise self.wrong("This { is not closed.", begun - 1)
        if name not in _WORD_LOOKS:
            known = ", ".join(f"\\b{{{known}}}" for known in _WORD_LOOKS)
            raise self.wrong(f"There are {known}.", since)
        self.at += 1
        return Look(_WORD_LOOKS[name])

    def _hex(self, since: int) -> Letter:
        """\\xHH, \\uHHHH, \\UHHHHHHHH, and each with braces around any number of digits."""
        kind = self.here
        self.step()
        braces = self.here == "{"
        digits = ""
        if braces:
            self.step()
            while self.here and self.here != "}":
                digits += self._hex_digit(since)
                self.step()
            if not self.here or not digits:
                raise self.wrong("Hexadecimal digits and } are missing.", since)
        else:
            for number in range(_HEX_DIGITS[kind]):
                if number:
                    self.step()
                digits += self._hex_digit(since)
        self.at += 1
        code = int(digits, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self.wrong("There is no such character.", since)
        return Letter(code, kind == "x" and not braces)

    def _hex_digit(self, since: int) -> str:
        if not self.here or self.here not in "0123456789abcdefABCDEF":
            raise self.wrong("Hexadecimal digits are missing.", since)
        return self.here
