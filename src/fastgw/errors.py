"""The exceptions people see: each carries a sentence one can act on, none knows the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class FastgwError(Exception):
    """Something the person who runs the gateway can put right."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, questionable (`warning`) or worth knowing (`note`, which never counts).

    `rule` is the id of the check that found it: a key of `fastgw.config.checks.RULES`.
    """

    field: str
    sentence: str
    hint: str = ""
    file: str = "config"
    line: int = 0
    warning: bool = False
    rule: str = ""
    note: bool = False

    @property
    def level(self) -> str:
        """error, warning or note."""
        return "note" if self.note else "warning" if self.warning else "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        kind = f"{self.level}: " if self.warning else ""
        named = f"{self.field}: " if self.field else ""
        text = f"{place}: {kind}{named}{self.sentence}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class ConfigError(FastgwError):
    """A configuration that cannot be put in force; `problems` lists all that was found, warnings too."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CertificateError(FastgwError):
    """A certificate, key or trust store is unusable; `part` is the field to look at: file, key or store."""

    def __init__(self, sentence: str, *, part: str = "file", hint: str = "") -> None:
        super().__init__(sentence)
        self.part = part
        self.hint = hint


class StartupError(FastgwError):
    """The gateway could not begin to listen."""


class StoreError(FastgwError):
    """Zones cannot be read from or written to a store; what was stored before is still there."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(f"{sentence}\n  hint: {hint}" if hint else sentence)
        self.sentence = sentence
        self.hint = hint


class StaleError(StoreError):
    """Somebody else changed the zone first: its revision is not the one that was expected."""
