"""A pattern as an expression has it: its tables, made once, or what is wrong with it."""

from __future__ import annotations

from functools import lru_cache

from fastgw.rules.regex.tables import Tables, compile_one
from fastgw.rules.regex.tree import RegexError

KEPT = 1024
"""Patterns whose tables are remembered: zones often ask for the same ones."""


@lru_cache(KEPT)
def _compiled(pattern: bytes) -> Tables | RegexError:
    try:
        return compile_one(pattern.decode())
    except RegexError as error:
        return error.with_traceback(None)


def judge(pattern: bytes) -> str | RegexError:
    """What is wrong with a pattern, and where; "" if nothing is: for `compile_rules` and `parse`."""
    found = _compiled(pattern)
    return found if isinstance(found, RegexError) else ""


def tables_of(pattern: bytes) -> Tables:
    """The tables of a pattern. Raise RegexError."""
    found = _compiled(pattern)
    if isinstance(found, RegexError):
        raise found
    return found
