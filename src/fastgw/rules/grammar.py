"""The grammar: an expression becomes a typed tree, or a RuleError that points at the culprit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

from fastgw.rules.errors import RuleError, did_you_mean
from fastgw.rules.fields import FIELDS
from fastgw.rules.fields import REFUSED as FIELDS_REFUSED
from fastgw.rules.functions import FUNCTIONS, QUANTIFIERS, Function, Kind
from fastgw.rules.functions import REFUSED as FUNCTIONS_REFUSED
from fastgw.rules.lexer import Lexer
from fastgw.rules.operands import call_check, wildcard_check
from fastgw.rules.regex.tree import RegexError
from fastgw.rules.tree import (
    EACH,
    Call,
    Combine,
    Comparison,
    FieldRef,
    Index,
    Literal,
    Logical,
    Not,
    Operand,
    Quantifier,
    Value,
)
from fastgw.rules.types import BOOL, BOOLS, INT, IP, TEXT, TEXTS, Type

NESTING_MOST = 128
LENGTH_MOST = 4096
"""Octets of one expression."""

Judge = Callable[[bytes], "str | RegexError"]
"""Says what is wrong with a regular expression, and if it can where; "" if nothing is."""

_COMBINING = {"or": 1, "||": 1, "xor": 2, "^^": 2, "and": 3, "&&": 3}
_COMBINING_NAME = {1: "or", 2: "xor", 3: "and"}
_ORDERING = {
    "eq": "eq", "==": "eq", "ne": "ne", "!=": "ne", "ge": "ge", ">=": "ge", "le": "le", "<=": "le",
    "gt": "gt", ">": "gt", "lt": "lt", "<": "lt",
}  # fmt: skip
_COMPARING = {
    "in": "in", **_ORDERING, "&": "and", "bitwise_and": "and", "contains": "contains", "~": "matches",
    "matches": "matches", "wildcard": "wildcard", "strict wildcard": "strict",
}  # fmt: skip
_OF_TEXT = ("contains", "matches", "wildcard", "strict")


class _Parser(Lexer):
    """Recursive descent; each kind of bracket, `not` and call is one level of nesting."""

    def __init__(self, text: str, judge: Judge | None) -> None:
        super().__init__(text)
        self.depth = 0
        self.judge = judge

    def deeper(self) -> None:
        if self.depth >= NESTING_MOST:
            self.fail(f"nested more than {NESTING_MOST} levels deep")
        self.depth += 1

    # and, or, xor, not

    def logical(self, least: int = 1) -> Logical:
        """Everything that operators of at least this precedence hold together."""
        start = self.at
        left = self.simple()
        while True:
            before = self.at
            self.space()
            operator_at = self.at
            word = self.take(*_COMBINING)
            if word is None or _COMBINING[word] < least:
                self.at = before
                return left
            precedence = _COMBINING[word]
            self.space()
            right_at = self.at
            right = self.logical(precedence + 1)
            if left.type != right.type:
                one, other = ("a boolean", "an array of booleans")[:: 1 if left.type == BOOL else -1]
                self.fail(f"{word!r} has {one} on its left and {other} on its right", right_at, self.at,
                          "any(...) or all(...) makes one boolean of an array")  # fmt: skip
            if left.type not in (BOOL, BOOLS):
                self.fail(f"{word!r} needs booleans", start, operator_at)
            name = _COMBINING_NAME[precedence]
            if isinstance(left, Combine) and left.op == name:
                left = Combine(name, (*left.items, right))
            else:
                left = Combine(name, (left, right))

    def simple(self) -> Logical:
        if self.ahead("("):
            self.deeper()
            self.take("(")
            self.space()
            item = self.logical()
            self.space()
            self.expect(")", "to close the bracket")
            self.depth -= 1
            return item
        if self.ahead("not") or self.ahead("!"):
            self.deeper()
            self.take("not", "!")
            self.space()
            inner = self.simple()
            self.depth -= 1
            return Not(inner)
        op = self.quantifier_ahead()
        if op:
            return self.quantifier(op)
        return self.comparison(self.index())

    def quantifier_ahead(self) -> str | None:
        start = self.at
        op = self.take(*QUANTIFIERS)
        if op:
            self.space()
            if not self.ahead("("):
                op = None
        self.at = start
        return op

    def quantifier(self, op: str) -> Logical:
        self.take(op)
        self.space()
        self.deeper()
        self.expect("(", f"after {op}")
        self.space()
        start = self.at
        item = self.argument()
        if isinstance(item, FieldRef | Call | Index) and item.type == BOOLS:
            item = Comparison(item, "is", None)
        if not isinstance(item, Comparison | Not | Combine | Quantifier) or item.type != BOOLS:
            found = f"array of {item.type}" if isinstance(item, Index) and item.each else item.type
            self.fail(f"{op}() needs an array of booleans, this is {_a(found)}", start, self.at,
                      f'compare each element: {op}(http.request.headers["x"][*] == "y")')  # fmt: skip
        self.space()
        self.expect(")", f"to close {op}(")
        self.depth -= 1
        return Quantifier(op, item)

    # comparisons

    def comparison(self, value: FieldRef | Call | Index) -> Comparison:
        if value.type == BOOL:
            return Comparison(value, "is", None)
        if value.type.of == BOOL:
            if value.each:
                self.fail("the elements are arrays themselves: an index is missing")
            return Comparison(value, "is", None)
        self.space()
        start = self.at
        word = self.take(*_COMPARING)
        if word is None:
            sentence = (
                "expected an operator" if self.at < len(self.text) else f"{_a(value.type)} is not a condition"
            )
            hint = "operators: == != < <= > >= in contains matches wildcard, strict wildcard, &"
            self.fail(sentence, hint="equality is written ==" if self.ahead("=") else hint)
        op, end = _COMPARING[word], self.at
        self.space()
        if (
            value.type not in (IP, TEXT, INT)
            or (op in _OF_TEXT and value.type != TEXT)
            or (op == "and" and value.type != INT)
        ):
            self.fail(f"{word!r} does not work on {_a(value.type)}", start, end, _element_hint(value.type))
        return Comparison(value, op, self.operand(op, value.type))

    def operand(self, op: str, type_: Type) -> Operand:
        if op == "in":
            return self.list_name() if self.ahead("$") else self.braces(type_)
        if op == "matches":
            start = self.at
            regex = self.pattern().encode()
            wrong = self.judge(regex) if self.judge else ""
            if isinstance(wrong, RegexError):
                said = str(wrong)
                last = len(self.places) - 1
                at, to = min(wrong.at, last), min(max(wrong.to, wrong.at + 1), last)
                self.fail(said[:1].lower() + said[1:].rstrip("."), self.places[at], self.places[to])
            if wrong:
                self.fail(wrong, start, self.at)
            return regex
        if op in ("wildcard", "strict"):
            start = self.at
            pattern = self.text_literal()
            wrong = wildcard_check(pattern)
            if wrong:
                self.fail(wrong, start, self.at)
            return pattern
        start = self.at
        name = self.name() or ""
        self.at = start
        if name in FIELDS or name in FUNCTIONS:
            self.fail("the right side of a comparison is a constant", start, start + len(name))
        if type_ == IP:
            return self.address()
        return self.integer() if type_ == INT else self.octets()

    def braces(self, type_: Type) -> Operand:
        self.expect("{", "after in")
        one = {IP: self.address_span, INT: self.integer_span, TEXT: self.octets}[type_]
        items = []
        self.space()
        while not self.take("}"):
            if self.at >= len(self.text):
                self.fail("expected '}' to close the set")
            if self.ahead(","):
                self.fail("the members of a set are separated by spaces, not by commas", end=self.at + 1)
            items.append(one())
            self.space()
        return tuple(items)  # type: ignore[return-value]

    # values

    def index(self) -> FieldRef | Call | Index:
        base = self.identifier()
        type_ = base.type
        steps: list[int | bytes | str] = []
        while self.ahead("["):
            start = self.at
            self.take("[")
            self.space()
            step = self.step()
            self.space()
            self.expect("]", "to close the index")
            wanted = {bytes: ("map",), int: ("array",), str: ("array", "map")}[type(step)]
            if type_.of is None or type_.name not in wanted:
                what = "a key" if isinstance(step, bytes) else "an index"
                self.fail(f"{_a(type_)} has no elements that {what} could name", start, self.at)
            type_ = type_.of
            steps.append(step)
        return Index(base, tuple(steps), type_) if steps else base

    def step(self) -> int | bytes | str:
        start = self.at
        if self.take(EACH):
            return EACH
        if self.ahead('"'):
            key = self.octets()
            try:
                key.decode()
            except UnicodeDecodeError:
                self.fail("a key is UTF-8", start, self.at)
            return key
        try:
            number = self.integer()
        except RuleError:
            self.fail("an index is a number, a key in quotes, or *", start)
        if not 0 <= number < 2**32:
            self.fail("an index is not negative and fits into 32 bits", start, self.at)
        return number

    def identifier(self) -> FieldRef | Call:
        start = self.at
        name = self.name()
        if name is None:
            self.fail("expected the name of a field or a function" if start < len(self.text) else
                      "the expression ends too early")  # fmt: skip
        if self.ahead("."):
            self.fail("expected a name after the dot", self.at + 1)
        if name in FUNCTIONS:
            return self.call(FUNCTIONS[name], start)
        if name in FIELDS:
            return FieldRef(name, FIELDS[name].type)
        self.unknown(name, start)

    def unknown(self, name: str, start: int) -> Never:
        end = start + len(name)
        for begin, why in FIELDS_REFUSED.items():
            if name == begin or name.startswith(begin + "."):
                self.fail(f"the field {name} is not available", start, end, why)
        if name in FUNCTIONS_REFUSED:
            self.fail(f"the function {name} is not available", start, end, FUNCTIONS_REFUSED[name])
        lowered = name.lower()
        if name in QUANTIFIERS:
            self.fail(f"expected '(' after {name}")
        if lowered != name and lowered in (*_COMBINING, "not", *_COMPARING):
            self.fail(f"operators are written in lower case: {lowered}", start, end)
        if name in ("true", "false"):
            self.fail(
                "there are no boolean constants: write the condition itself, or `not` before it", start, end
            )
        called = self.text[end:].lstrip(" \r\n").startswith("(")
        what, known = ("function", FUNCTIONS) if called else ("field", {**FIELDS, **FUNCTIONS})
        self.fail(f"there is no {what} {name}", start, end, did_you_mean(name, known))

    def call(self, function: Function, start: int) -> Call:
        self.space()
        self.deeper()
        self.expect("(", f"after the function {function.name}")
        self.space()
        arguments: list[Value | Logical] = []
        places: list[tuple[int, int]] = []
        while self.at < len(self.text) and not self.ahead(")"):
            if arguments:
                self.expect(",", "between arguments")
                self.space()
            place = self.at
            argument = self.argument()
            if len(arguments) >= function.most:
                self.fail(f"{function.signature} takes at most {function.most} arguments", place, self.at)
            if arguments and _each(argument):
                self.fail("only the first argument may have [*]", place, self.at)
            self.check_argument(function, arguments, argument, place)
            arguments.append(argument)
            places.append((place, self.at))
            self.space()
        if len(arguments) < function.least:
            self.fail(f"{function.signature} takes at least {function.least} arguments", start, self.at + 1)
        self.expect(")", f"to close {function.name}(")
        self.depth -= 1
        wrong = call_check(function, arguments)
        if wrong:
            self.fail(wrong[1], *places[wrong[0]])
        first = arguments[0]
        result = function.result or first.type
        return Call(function.name, tuple(arguments), result, _each(first) > 0)

    def check_argument(
        self, function: Function, before: list[Value | Logical], argument: Value | Logical, start: int
    ) -> None:
        parameter = function.parameter(len(before))
        types = (before[0].type,) if function.result is None and before else parameter.types
        is_literal = isinstance(argument, Literal)
        named = f"argument {parameter.name!r} of {function.name}()"
        if parameter.kind != Kind.EITHER and is_literal != (parameter.kind == Kind.LITERAL):
            self.fail(f"{named} is {parameter.kind.value}", start, self.at)
        if argument.type not in types:
            sentence = f"{named} is {' or '.join(_a(type_) for type_ in types)}, this is {_a(argument.type)}"
            self.fail(sentence, start, self.at, _element_hint(argument.type))

    def argument(self) -> Value | Logical:
        """A constant, a value or a condition: which it is, is seen from its first characters."""
        ahead = self.text[self.at : self.at + 3]
        if ahead[:1] == '"' or ahead[:2] in ('r"', "r#"):
            return Literal(self.octets(), TEXT)
        if ahead[:1] in ("(", "!") or ahead[:3] == "not" or self.quantifier_ahead():
            return self.logical()
        if _is_name_surely(ahead):
            return self.value_or_comparison()
        start = self.at
        name = self.name()
        self.at = start
        if name in FUNCTIONS or name in FIELDS:
            return self.value_or_comparison()
        for literal, type_ in ((self.address, IP), (self.integer, INT), (self.octets, TEXT)):
            try:
                return Literal(literal(), type_)
            except RuleError:
                self.at = start
        self.fail("expected an argument", start)

    def value_or_comparison(self) -> Value | Logical:
        value = self.index()
        end = self.at
        self.space()
        compared = self.take(*_COMPARING)
        self.at = end
        return self.comparison(value) if compared else value


def _is_name_surely(ahead: str) -> bool:
    """Three characters that no number, address or octets begin with."""
    for char in ahead:
        if not (char.isascii() and (char.isalnum() or char == "_")):
            return False
        if char not in "0123456789abcdefABCDEF":
            return True
    return False


def _each(argument: Value | Logical) -> int:
    return argument.each if isinstance(argument, Index) else 0


def _a(type_: Type | str) -> str:
    text = str(type_)
    if text == "text":
        return "a text"
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def _element_hint(type_: Type) -> str:
    if type_.name == "map":
        return 'name a key: ["key"]'
    return "name an element: [0], or each of them: any(...[*] ...)" if type_.name == "array" else ""


def parse(expression: str, judge: Judge | None = None) -> Logical:
    """The typed tree of an expression. Raises RuleError, and nothing else, if it is none.

    `judge` is asked about each regular expression: what is wrong with it, empty if nothing is.
    """
    parser = _begin(expression, judge)
    tree = parser.logical()
    _end(parser, "the expression should end here, or go on with and, or, xor")
    if tree.type != BOOL:
        raise RuleError("the result is an array of booleans, and a rule needs one boolean", expression,
                        0, len(parser.text), hint="write any(...) or all(...) around it")  # fmt: skip
    return tree


def parse_value(expression: str, judge: Judge | None = None) -> FieldRef | Call | Index:
    """The typed tree of a value, such as `lower(http.host)`. Raises RuleError if it is none."""
    parser = _begin(expression, judge)
    start = parser.at
    tree = parser.index()
    _end(parser, "the value should end here")
    if tree.each:
        parser.fail("one value is needed, and this is many", start, hint='name one, as in ["x-key"][0]')
    if tree.type.of is not None and tree.type != TEXTS:
        parser.fail(f"a value is needed, and this is {_a(tree.type)}", start)
    return tree


def _begin(expression: str, judge: Judge | None) -> _Parser:
    try:
        length = len(expression.encode())
    except UnicodeEncodeError as error:
        raise RuleError("the expression is not UTF-8", expression, error.start, error.end) from None
    if length > LENGTH_MOST:
        raise RuleError(f"the expression has {length} octets, at most are {LENGTH_MOST}", expression, 0, 1)
    parser = _Parser(expression, judge)
    parser.at = len(expression) - len(expression.lstrip())
    parser.text = expression.rstrip()
    if not parser.text:
        raise RuleError("the expression is empty", expression, 0, 0)
    return parser


def _end(parser: _Parser, sentence: str) -> None:
    """There is nothing behind it."""
    text = parser.text
    if parser.at >= len(text):
        return
    parser.space()
    word = text[parser.at :].split()[0] if text[parser.at :].split() else ""
    hint = ""
    if word.lower() in _COMBINING and word != word.lower():
        hint = f"operators are written in lower case: {word.lower()}"
    elif text[parser.at] == "\t":
        hint = "a tab is not a space here"
    parser.fail(sentence, hint=hint)
