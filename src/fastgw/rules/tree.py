"""The typed tree of an expression: what the grammar makes and the compiler reads."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from fastgw.rules.types import BOOL, BOOLS, Type

Address = IPv4Address | IPv6Address
Plain = bytes | int | Address

EACH = "*"
"""The index that stands for every element."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant in an argument."""

    value: Plain
    type: Type
    each: int = 0


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The value of a field of the catalogue."""

    name: str
    type: Type
    each: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function's result; where it is `mapped`, one for each element of its first argument."""

    function: str
    arguments: tuple[Value | Logical, ...]
    result: Type
    mapped: bool = False
    each: int = 0

    @property
    def type(self) -> Type:
        return Type("array", self.result) if self.mapped else self.result


@dataclass(frozen=True, slots=True)
class Index:
    """Elements of a value: by number, by key, or each. `type` is that of one element."""

    base: FieldRef | Call
    steps: tuple[int | bytes | str, ...]
    type: Type

    @property
    def each(self) -> int:
        return self.steps.count(EACH)


Value = Literal | FieldRef | Call | Index


@dataclass(frozen=True, slots=True)
class Span:
    """Integers or addresses from `first` to `last`, both included."""

    first: int | Address
    last: int | Address


@dataclass(frozen=True, slots=True)
class ListName:
    """A list that is kept outside of the expression."""

    name: str


Operand = Plain | tuple[bytes, ...] | tuple[Span, ...] | ListName | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value op operand`; `op` is the word: eq ne lt le gt ge in contains matches wildcard strict and is."""

    value: Value
    op: str
    operand: Operand

    @property
    def type(self) -> Type:
        if self.value.each:
            return BOOLS
        return BOOLS if self.value.type.of == BOOL else BOOL


@dataclass(frozen=True, slots=True)
class Not:
    item: Logical

    @property
    def type(self) -> Type:
        return self.item.type


@dataclass(frozen=True, slots=True)
class Combine:
    """`and`, `or` or `xor` over two and more, all of them booleans or all of them arrays of these."""

    op: str
    items: tuple[Logical, ...]

    @property
    def type(self) -> Type:
        return self.items[0].type


@dataclass(frozen=True, slots=True)
class Quantifier:
    """`any` or `all` over an array of booleans."""

    op: str
    item: Logical

    @property
    def type(self) -> Type:
        return BOOL


Logical = Comparison | Not | Combine | Quantifier
