"""What is wrong with an expression, where, and how it looks to the person who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fastgw.errors import FastgwError

_SHOWN = 110
"""Characters of a line that are shown; of a longer one the part around the culprit."""


class RuleError(FastgwError):
    """An expression that is not a rule; `start` and `end` mark the culprit in `expression`, in characters."""

    def __init__(self, sentence: str, expression: str, start: int, end: int, *, hint: str = "") -> None:
        self.sentence = sentence
        self.expression = expression
        self.start = min(start, len(expression))
        self.end = max(self.start, min(end, len(expression)))
        self.hint = hint
        super().__init__(self._drawn())

    @property
    def line(self) -> int:
        """Where the culprit begins; the first line is 1."""
        return self.expression.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Where in its line the culprit begins; the first column is 1."""
        return self.start - (self.expression.rfind("\n", 0, self.start) + 1) + 1

    def _drawn(self) -> str:
        text = self.expression.splitlines()[self.line - 1] if self.expression.strip() else ""
        column = min(self.column - 1, len(text))
        length = max(1, min(self.end - self.start, len(text) - column))
        if len(text) > _SHOWN:
            left = max(0, min(column - _SHOWN // 3, len(text) - _SHOWN))
            text, column = text[left : left + _SHOWN], column - left
            length = max(1, min(length, _SHOWN - column))
        plain = "".join(char if char.isprintable() else " " for char in text)
        mark = " " * column + "^" + "~" * (length - 1)
        said = f"{self.line}:{self.column}: {self.sentence}\n  {plain}\n  {mark}"
        return f"{said}\n  hint: {self.hint}" if self.hint else said


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names what is spelled most alike, or an empty one."""
    close = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else ""
