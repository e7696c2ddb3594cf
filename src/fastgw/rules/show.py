"""A typed tree as people read it: one condition on a line, with the types that were found."""

from __future__ import annotations

from collections.abc import Iterator

from fastgw.rules.functions import FUNCTIONS
from fastgw.rules.tree import (
    Call,
    Combine,
    Comparison,
    FieldRef,
    Index,
    ListName,
    Literal,
    Logical,
    Not,
    Operand,
    Quantifier,
    Span,
    Value,
)

_SHOWN = 8
"""Members of a set; of a larger one the first are shown, and how many there are."""

_OPERATORS = {"and": "&", "strict": "strict wildcard"}


def show(tree: Logical) -> str:
    """The condition in lines, deeper parts indented."""
    return "\n".join(_lines(tree, 0))


def _lines(item: Logical, depth: int) -> Iterator[str]:
    left = "  " * depth
    if isinstance(item, Comparison):
        yield left + _comparison(item)
    elif isinstance(item, Not):
        yield f"{left}not"
        yield from _lines(item.item, depth + 1)
    elif isinstance(item, Quantifier):
        yield f"{left}{'any element' if item.op == 'any' else 'all elements'}"
        yield from _lines(item.item, depth + 1)
    else:
        yield f"{left}{item.op}"
        for part in item.items:
            yield from _lines(part, depth + 1)


def _comparison(item: Comparison) -> str:
    value = f"{show_value(item.value)} ({item.value.type})"
    if item.op == "is":
        return value
    return f"{value} {_OPERATORS.get(item.op, item.op)} {_operand(item.operand)}"


def show_value(value: Value) -> str:
    """A value in the words of the language."""
    if isinstance(value, Literal):
        return _plain(value.value)
    if isinstance(value, FieldRef):
        return value.name
    if isinstance(value, Call):
        arguments = ", ".join(_argument(one) for one in value.arguments)
        return f"{FUNCTIONS[value.function].name}({arguments})"
    return show_value(value.base) + "".join(f"[{_step(step)}]" for step in value.steps)


def _argument(item: Value | Logical) -> str:
    if isinstance(item, Literal | FieldRef | Call | Index):
        return show_value(item)
    if isinstance(item, Comparison):
        return _comparison(item)
    inner = (item.item,) if isinstance(item, Not | Quantifier) else item.items
    shown = [_argument(one) for one in inner]
    if isinstance(item, Combine):
        return f" {item.op} ".join(shown)
    return f"not {shown[0]}" if isinstance(item, Not) else f"{item.op}({shown[0]})"


def _step(step: int | bytes | str) -> str:
    return _plain(step) if isinstance(step, bytes) else str(step)


def _operand(operand: Operand) -> str:
    if isinstance(operand, ListName):
        return f"${operand.name}"
    if isinstance(operand, tuple):
        shown = [_span(one) if isinstance(one, Span) else _plain(one) for one in operand[:_SHOWN]]
        more = f" ... {len(operand)} in all" if len(operand) > _SHOWN else ""
        return "{" + " ".join(shown) + more + "}"
    return _plain(operand)


def _span(span: Span) -> str:
    return str(span.first) if span.first == span.last else f"{span.first}..{span.last}"


def _plain(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    shown = [
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 32 <= octet < 127 else f"\\x{octet:02x}"
        for octet in value
    ]
    return '"' + "".join(shown) + '"'
