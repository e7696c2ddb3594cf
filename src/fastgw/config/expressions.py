"""Expressions of rules judged: what they ask for, each text once, however many rules and zones share it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastgw.config.lines import Path
from fastgw.rules.compile import list_members
from fastgw.rules.errors import RuleError, did_you_mean
from fastgw.rules.grammar import parse, parse_value
from fastgw.rules.regex.tables import compile_one
from fastgw.rules.regex.tree import RegexError
from fastgw.rules.tree import Call, Combine, Comparison, FieldRef, Index, ListName, Literal, Not, Quantifier
from fastgw.rules.types import TEXT, TEXTS, Type

if TYPE_CHECKING:
    from fastgw.config.report import Report

Lists = Mapping[str, tuple[str, ...]]
_KEPT = 16_384  # different texts; of more the oldest are judged again
_BY_NAME = ("http.request.headers", "grpc.metadata")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an expression asks for: lists with the type of what is looked for in them, and fields."""

    type: Type
    lists: tuple[tuple[str, Type], ...]
    fields: frozenset[str]
    raised: tuple[str, ...]
    """Keys of headers that are not in lower case."""

    @property
    def unknown(self) -> list[str]:
        """Fields that no call ever has: places of addresses, of which there is no database."""
        return sorted(name for name in self.fields if name.startswith(("ip.src.", "ip.geoip.")))


def regex_judge(pattern: bytes) -> str:
    """What is wrong with a regular expression; empty if nothing is."""
    try:
        return _regex(pattern.decode())
    except UnicodeDecodeError:
        return "the pattern is not UTF-8"


@functools.lru_cache(_KEPT)
def _regex(pattern: str) -> str:
    try:
        compile_one(pattern)
    except RegexError as error:
        said = str(error)
        return said[:1].lower() + said[1:].rstrip(".")
    return ""


@functools.lru_cache(_KEPT)
def _judged(expression: str, value: bool) -> Asked | RuleError:
    try:
        tree = parse_value(expression, regex_judge) if value else parse(expression, regex_judge)
    except RuleError as error:
        return error
    lists: dict[tuple[str, Type], None] = {}
    fields: set[str] = set()
    raised: dict[str, None] = {}
    for part in _parts(tree):
        if isinstance(part, Comparison) and isinstance(part.operand, ListName):
            type_ = part.value.type
            lists[part.operand.name, type_] = None
        elif isinstance(part, FieldRef):
            fields.add(part.name)
        elif isinstance(part, Index) and isinstance(part.base, FieldRef) and part.base.name in _BY_NAME:
            key = part.steps[0]
            if isinstance(key, bytes) and key != key.lower():
                raised[key.decode()] = None
    return Asked(tree.type, tuple(lists), frozenset(fields), tuple(raised))


def _parts(item: object) -> Iterator[object]:
    yield item
    inner: tuple[object, ...] = ()
    if isinstance(item, Comparison):
        inner = (item.value,)
    elif isinstance(item, Not | Quantifier):
        inner = (item.item,)
    elif isinstance(item, Combine):
        inner = item.items
    elif isinstance(item, Call):
        inner = item.arguments
    elif isinstance(item, Index):
        inner = (item.base,)
    for one in inner:
        if not isinstance(one, Literal):
            yield from _parts(one)


def judge_expression(
    report: Report, path: Path, expression: str, lists: Lists, *, value: bool = False
) -> Asked | None:
    """What `expression`, a condition or a `value`, asks for; None if it cannot be used, which is reported."""
    asked = _judged(expression, value)
    if isinstance(asked, RuleError):
        _complain(report, path, asked)
        return None
    for name, type_ in asked.lists:
        wrong = _wrong_list(lists, name, type_)
        if wrong:
            start = max(0, expression.find(f"${name}"))
            hint = (
                did_you_mean(name, lists) if name not in lists else "the list is in [lists] or [zone.lists]"
            )
            _complain(report, path, RuleError(wrong, expression, start, start + len(name) + 1, hint=hint))
            return None
    if asked.unknown and not report.places:
        report.warning(
            path,
            f"asks for {', '.join(asked.unknown)}, which is never known: there is no database of addresses",
            "name one in [server] geoip, or write networks, as in ip.src in {192.0.2.0/24}",
            rule="never-known",
        )
    return asked


def _complain(report: Report, path: Path, error: RuleError) -> None:
    drawn = str(error).removesuffix(f"\n  hint: {error.hint}")
    report.error(path, f"cannot be used: {drawn}", error.hint, rule="expression")


def _wrong_list(lists: Lists, name: str, type_: Type) -> str:
    if name not in lists:
        return f"there is no list ${name}"
    return list_wrong(lists[name], type_, name)


@functools.lru_cache(1024)
def list_wrong(items: tuple[str, ...], type_: Type, name: str) -> str:
    """Why values of this type cannot be looked for in a list; empty if they can."""
    if type_ in (TEXT, TEXTS):
        return ""
    try:
        list_members(items, type_, name)
    except RuleError as error:
        return f"the list ${name} has {error.expression[:60]!r}, which is no {type_}: {error.sentence}"
    return ""


def as_text(expression: str, asked: Asked) -> str:
    """A value that is an array as one text: it tells counters apart, or is the value of a header."""
    return f'join({expression.strip()}, ",")' if asked.type == TEXTS else expression.strip()


def lists_of(expression: str, *, value: bool = False) -> list[str]:
    """The lists that an expression names."""
    if "$" not in expression:
        return []
    asked = _judged(expression, value)
    return [] if isinstance(asked, RuleError) else [name for name, _ in asked.lists]


def quoted(text: str) -> str:
    """A text as it is written in an expression."""
    shown = []
    for octet in text.encode():
        char = chr(octet)
        if char in '"\\':
            shown.append("\\" + char)
        else:
            shown.append(char if 32 <= octet < 127 else f"\\x{octet:02x}")
    return '"' + "".join(shown) + '"'
