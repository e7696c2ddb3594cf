"""Rules in order become an image: the values each once, the conditions as steps that jump."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Never

from fastgw.rules.errors import RuleError, did_you_mean
from fastgw.rules.fields import FIELDS, NUMBER_FACTS, SOURCES, TEXT_FACTS
from fastgw.rules.functions import FUNCTIONS
from fastgw.rules.grammar import Judge, parse, parse_value
from fastgw.rules.image import ENDS, NODES, OPERATIONS, Image, Node, Spans, Step
from fastgw.rules.lexer import Lexer
from fastgw.rules.operands import wildcard_parts
from fastgw.rules.tree import (
    EACH,
    Call,
    Combine,
    Comparison,
    FieldRef,
    Index,
    ListName,
    Literal,
    Logical,
    Not,
    Quantifier,
    Span,
    Value,
)
from fastgw.rules.types import BOOL, INT, IP, TEXT, TEXTS, Type

STEPS_MOST = 1 << 20
NODES_MOST = 1 << 16

_OPERATION = {name: number for number, name in enumerate(OPERATIONS)}
_NODE = {name: number for number, name in enumerate(NODES)}
_SOURCE = {name: number for number, name in enumerate(SOURCES)}
_KIND = {TEXT: "TEXT", INT: "INT", IP: "IP", BOOL: "BOOL"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition, and whether it ends its phase where it holds. What happens then is up to the caller."""

    expression: str
    ends: bool = True


@dataclass(slots=True)
class _Label:
    at: int = -1


def merge(spans: Iterable[tuple[int, int]]) -> Spans:
    """The same numbers in as few spans as can be, sorted."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


class _Pool:
    """Things that are the same are kept once; the number of each is where it was first seen."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}

    def add(self, thing: Hashable) -> int:
        return self.numbers.setdefault(thing, len(self.numbers))

    @property
    def all(self) -> tuple[Any, ...]:
        return tuple(self.numbers)


class _Values:
    """Nodes and constants."""

    def __init__(self) -> None:
        self.nodes = _Pool()
        self.texts = _Pool()
        self.integers = _Pool()
        self.addresses = _Pool()

    def node(self, value: Value | Logical) -> int:
        """The number of the node that has this value; with [*], of the array of its elements."""
        if isinstance(value, Literal):
            return self._literal(value)
        if isinstance(value, FieldRef):
            return self._field("FIELD", value.name)
        if isinstance(value, Call):
            kind = "MAPPED" if value.mapped else "CALL"
            if value.function == "has_key":
                arguments: tuple[int, ...] = (self.node(_keyed(value)),)
            else:
                arguments = tuple(self.node(argument) for argument in value.arguments)
            return self.call(value.function, arguments, kind, _KIND.get(value.result, "LIST"))
        if isinstance(value, Index):
            return self._index(value)
        raise TypeError(f"{value} is no value")

    def call(self, function: str, arguments: tuple[int, ...], kind: str, type_: str) -> int:
        number = FUNCTIONS[function].number
        return self.nodes.add(Node(_NODE[kind], number, type=type_, arguments=arguments))

    def _literal(self, value: Literal) -> int:
        if value.type == TEXT:
            return self.nodes.add(Node(_NODE["TEXT"], number=self.texts.add(value.value), type="TEXT"))
        if value.type == INT:
            return self.nodes.add(Node(_NODE["INT"], number=self.integers.add(value.value), type="INT"))
        address = self.address(value.value)
        return self.nodes.add(Node(_NODE["IP"], number=address, type="IP"))

    def address(self, address: object) -> int:
        assert isinstance(address, IPv4Address | IPv6Address)
        return self.addresses.add(address.packed)

    def _field(self, kind: str, name: str, key: bytes | None = None) -> int:
        row = FIELDS[name]
        facts = {"TEXT_FACT": TEXT_FACTS, "NUMBER_FACT": NUMBER_FACTS}.get(row.source, ())
        number = facts.index(row.part) if facts else 0
        text = self.texts.add(row.part.encode() if key is None else key)
        type_ = _KIND.get(row.type, "LIST")
        return self.nodes.add(Node(_NODE[kind], _SOURCE[row.source], number, text, row.may_miss, type_))

    def _index(self, value: Index) -> int:
        steps = list(value.steps)
        each = False
        if value.base.type.name == "map":
            assert isinstance(value.base, FieldRef)
            step = steps.pop(0)
            if isinstance(step, bytes):
                headers = FIELDS[value.base.name].source in ("HEADERS", "METADATA")
                node = self._field("KEYED", value.base.name, step.lower() if headers else step)
            else:
                node, each = self._field("GROUPED", value.base.name), True
        else:
            node = self.node(value.base)
        for step in steps:
            if step == EACH and not each:
                each = True
                continue
            kind = "ITEM" if not each else "EACH_ALL" if step == EACH else "EACH_ITEM"
            number = step if isinstance(step, int) else 0
            node = self.nodes.add(Node(_NODE[kind], number=number, arguments=(node,)))
        return node


class _Code(_Values):
    """Steps. Each condition is given two labels: where to go if it holds and if it does not."""

    def __init__(self, lists: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.lists = lists
        self.steps: list[tuple[int, _Label, _Label, int, int, bool]] = []
        self.text_sets = _Pool()
        self.integer_sets = _Pool()
        self.address_sets = _Pool()
        self.patterns = _Pool()
        self.regexes = _Pool()
        self.loops = _Pool()
        self.flags = 0

    def place(self, label: _Label) -> None:
        label.at = len(self.steps)

    def step(
        self, name: str, then: _Label, otherwise: _Label, node: int = 0, operand: int = 0, each: bool = False
    ) -> None:
        self.steps.append((_OPERATION[name], then, otherwise, node, operand, each))

    def condition(self, item: Logical, then: _Label, otherwise: _Label) -> None:
        if isinstance(item, Not):
            self.condition(item.item, otherwise, then)
        elif isinstance(item, Quantifier):
            self._quantifier(item, then, otherwise)
        elif isinstance(item, Comparison):
            self._comparison(item, then, otherwise)
        elif item.op == "xor":
            self._xor(item, then, otherwise)
        else:
            for part in item.items[:-1]:
                following = _Label()
                if item.op == "and":
                    self.condition(part, following, otherwise)
                else:
                    self.condition(part, then, following)
                self.place(following)
            self.condition(item.items[-1], then, otherwise)

    def _xor(self, item: Combine, then: _Label, otherwise: _Label) -> None:
        """A flag is turned by each part that holds."""
        flag, self.flags = self.flags, self.flags + 1
        here = _Label()
        self.step("FLAG_CLEAR", here, here, operand=flag)
        self.place(here)
        for part in item.items:
            turn, following = _Label(), _Label()
            self.condition(part, turn, following)
            self.place(turn)
            self.step("FLAG_FLIP", following, following, operand=flag)
            self.place(following)
        self.flags = flag
        self.step("FLAG_TEST", then, otherwise, operand=flag)

    def _quantifier(self, item: Quantifier, then: _Label, otherwise: _Label) -> None:
        """The loop's body follows at once; its two ends lead back to the loop."""
        loop = len(self.steps)
        self.step(item.op.upper(), then, otherwise)
        holds, fails = _Label(), _Label()
        self.condition(item.item, holds, fails)
        body = self.steps[loop + 1 :]
        nodes = tuple(sorted({step[3] for step in body if step[5]}))
        operation, _, _, _, _, _ = self.steps[loop]
        self.steps[loop] = (operation, then, otherwise, 0, self.loops.add(nodes), False)
        self.place(holds)
        self.step("NEXT_TRUE", then, otherwise, operand=loop)
        self.place(fails)
        self.step("NEXT_FALSE", then, otherwise, operand=loop)

    def _comparison(self, item: Comparison, then: _Label, otherwise: _Label) -> None:
        value = item.value
        each = value.each > 0 or value.type.of == BOOL
        if item.op == "is":
            if isinstance(value, Call) and self._fused(value, then, otherwise):
                return
            self.step("IS", then, otherwise, self.node(value), each=each)
            return
        node = self.node(value)
        if item.op in ("wildcard", "strict"):
            assert isinstance(item.operand, bytes)
            self._wildcard(node, item.operand, item.op == "strict", each, then, otherwise)
            return
        name, operand = self._asked(item, value.type)
        self.step(name, then, otherwise, node, operand, each)

    def _asked(self, item: Comparison, type_: Type) -> tuple[str, int]:
        """Operation and operand of a comparison."""
        operand: Any = item.operand
        if item.op == "in":
            return f"{_KIND[type_]}_IN", self._set(operand, type_)
        if item.op == "matches":
            return "TEXT_MATCHES", self.regexes.add(operand)
        keep: Callable[[Any], int] = {TEXT: self.texts.add, INT: self.integers.add, IP: self.address}[type_]
        return f"{_KIND[type_]}_{item.op.upper()}", keep(operand)

    def _set(self, operand: tuple[Any, ...] | ListName, type_: Type) -> int:
        members = self._list(operand, type_) if isinstance(operand, ListName) else operand
        if type_ == TEXT:
            return self.text_sets.add(tuple(sorted(set(members))))
        if type_ == INT:
            return self.integer_sets.add(merge((span.first, span.last) for span in members))
        both = tuple(
            merge((int(span.first), int(span.last)) for span in members if span.first.version == version)
            for version in (4, 6)
        )
        return self.address_sets.add(both)

    def _list(self, name: ListName, type_: Type) -> tuple[Any, ...]:
        if name.name not in self.lists:
            raise _NoListError(name.name)
        return list_members(self.lists[name.name], type_, name.name)

    def _fused(self, call: Call, then: _Label, otherwise: _Label) -> bool:
        """Functions that are one step when their second argument is a constant."""
        asked = {"starts_with": "TEXT_STARTS", "ends_with": "TEXT_ENDS", "contains": "TEXT_CONTAINS"}
        first: Any = call.arguments[0]
        second = call.arguments[1] if len(call.arguments) > 1 else None
        if not isinstance(second, Literal):
            return False
        if call.function in asked:
            operand = self.texts.add(second.value)
            self.step(asked[call.function], then, otherwise, self.node(first), operand, call.mapped)
        elif call.function == "wildcard":
            assert isinstance(second.value, bytes)
            self._wildcard(self.node(first), second.value, False, call.mapped, then, otherwise)
        elif call.function == "has_key":
            self.step("PRESENT", then, otherwise, self.node(_keyed(call)))
        else:
            return False
        return True

    def _wildcard(
        self, node: int, pattern: bytes, strict: bool, each: bool, then: _Label, otherwise: _Label
    ) -> None:
        """Without regard to case is: both sides in lower case. Most patterns are a simpler question."""
        parts = wildcard_parts(pattern)
        assert isinstance(parts, list)
        if not strict:
            if any(part.lower() != part.upper() for part in parts):
                node = self.call("lower", (node,), "MAPPED" if each else "CALL", "TEXT")
            parts = [part.lower() for part in parts]
        if len(parts) == 1:
            name, part = "TEXT_EQ", parts[0]
        elif len(parts) == 2 and b"" in parts:
            name, part = ("TEXT_STARTS", parts[0]) if not parts[1] else ("TEXT_ENDS", parts[1])
        elif len(parts) == 3 and not parts[0] and not parts[2]:
            name, part = "TEXT_CONTAINS", parts[1]
        else:
            self.step("TEXT_WILDCARD", then, otherwise, node, self.patterns.add(tuple(parts)), each)
            return
        self.step(name, then, otherwise, node, self.texts.add(part), each)


def _keyed(call: Call) -> Index:
    """has_key(map, "key") looks at map["key"]."""
    field, key = call.arguments
    assert isinstance(field, FieldRef)
    assert isinstance(key, Literal)
    assert isinstance(key.value, bytes)
    return Index(field, (key.value,), TEXTS)


class _NoListError(Exception):
    pass


def list_members(items: Sequence[str], type_: Type, name: str) -> tuple[Any, ...]:
    """The members of a list: texts as they are, numbers and addresses as they stand in braces."""
    if type_ == TEXT:
        return tuple(item.encode() for item in items)
    members: list[Span] = []
    for item in items:
        lexer = Lexer(item.strip())
        members.append(lexer.address_span() if type_ == IP else lexer.integer_span())
        if lexer.at != len(lexer.text):
            lexer.fail(f"the list ${name} needs one {type_} in each item")
    return tuple(members)


def _point(error: _NoListError, rule: Rule, lists: Mapping[str, Sequence[str]]) -> Never:
    name = str(error)
    start = max(0, rule.expression.find(f"${name}"))
    hint = did_you_mean(name, lists)
    sentence = f"there is no list ${name}"
    raise RuleError(sentence, rule.expression, start, start + len(name) + 1, hint=hint) from None


def compile_rules(
    phases: Sequence[Sequence[Rule]],
    lists: Mapping[str, Sequence[str]] | None = None,
    judge: Judge | None = None,
    values: Sequence[str] = (),
) -> Image:
    """The image of the rules of each phase. Rules are numbered through all phases, from 0.

    `lists` are the named lists, `judge` says what is wrong with a regular expression. `values` are
    expressions whose values are asked for by themselves, as `lower(http.host)`; they are numbered from 0 too.
    Raises RuleError for the first rule that is wrong, OverflowError if all of it together is too large.
    """
    lists = lists or {}
    code = _Code(lists)
    begins, number = [], 0
    for rules in phases:
        begins.append(len(code.steps))
        for rule in rules:
            match, following = _Label(), _Label()
            try:
                code.condition(parse(rule.expression, judge), match, following)
            except _NoListError as error:
                _point(error, rule, lists)
            code.place(match)
            code.step("MATCH", following, following, number, ENDS if rule.ends else 0)
            code.place(following)
            number += 1
        here = _Label()
        code.place(here)
        code.step("END", here, here)
    wanted = tuple(code.node(parse_value(expression, judge)) for expression in values)
    if len(code.steps) > STEPS_MOST or len(code.nodes.numbers) > NODES_MOST:
        raise OverflowError(f"the rules together need {len(code.steps)} steps, at most are {STEPS_MOST}, and "
                            f"{len(code.nodes.numbers)} values, at most are {NODES_MOST}")  # fmt: skip
    return Image(
        code=tuple(Step(row[0], row[1].at, row[2].at, *row[3:]) for row in code.steps),
        nodes=code.nodes.all,
        phases=tuple(begins),
        rules=number,
        texts=code.texts.all,
        numbers=code.integers.all,
        addresses=code.addresses.all,
        text_sets=code.text_sets.all,
        number_sets=code.integer_sets.all,
        address_sets=code.address_sets.all,
        patterns=code.patterns.all,
        regexes=code.regexes.all,
        loops=code.loops.all,
        values=wanted,
    )
