"""The image of rules: what the compiler makes and the core loads, in numbers, octets and tuples only."""

from __future__ import annotations

from dataclasses import dataclass

OPERATIONS = (
    "GOTO", "MATCH", "END", "FLAG_CLEAR", "FLAG_FLIP", "FLAG_TEST", "ANY", "ALL", "NEXT_TRUE",
    "NEXT_FALSE", "IS", "PRESENT",
    "TEXT_EQ", "TEXT_NE", "TEXT_LT", "TEXT_LE", "TEXT_GT", "TEXT_GE", "TEXT_CONTAINS", "TEXT_STARTS",
    "TEXT_ENDS", "TEXT_WILDCARD", "TEXT_MATCHES", "TEXT_IN",
    "INT_EQ", "INT_NE", "INT_LT", "INT_LE", "INT_GT", "INT_GE", "INT_AND", "INT_IN",
    "IP_EQ", "IP_NE", "IP_LT", "IP_LE", "IP_GT", "IP_GE", "IP_IN",
)  # fmt: skip
"""What one step of the code does, in the order of the core's numbers."""

NODES = ("FIELD", "KEYED", "GROUPED", "ITEM", "EACH_ITEM", "EACH_ALL", "CALL", "MAPPED", "TEXT", "INT", "IP")
"""How a value comes about, in the order of the core's numbers."""

ENDS = 1
"""Flag of MATCH: the rule ends its phase."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value that is found or computed at most once per head.

    FIELD, KEYED, GROUPED: `what` is the source, `number` the fact, `text` the header's name or the map's key.
    CALL, MAPPED: `what` is the function. ITEM, EACH_ITEM, EACH_ALL: `number` the index in the first argument.
    TEXT, INT, IP: `number` is where the constant stands.
    """

    kind: int
    what: int = 0
    number: int = 0
    text: int = 0
    may_miss: bool = False
    type: str = ""
    arguments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: of `node` (of its element, if `each`) ask `operation` with `operand`, then go on."""

    operation: int
    then: int
    otherwise: int
    node: int = 0
    operand: int = 0
    each: bool = False


Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Image:
    """Rules in order, ready for the core. Spans of sets are sorted, disjoint and do not touch."""

    code: tuple[Step, ...]
    nodes: tuple[Node, ...]
    phases: tuple[int, ...]
    """Where each phase's code begins."""
    rules: int
    texts: tuple[bytes, ...]
    numbers: tuple[int, ...]
    addresses: tuple[bytes, ...]
    text_sets: tuple[tuple[bytes, ...], ...]
    number_sets: tuple[Spans, ...]
    address_sets: tuple[tuple[Spans, Spans], ...]
    """For IPv4 and for IPv6."""
    patterns: tuple[tuple[bytes, ...], ...]
    """Of wildcards: what stands between the stars, three parts and more."""
    regexes: tuple[bytes, ...]
    loops: tuple[tuple[int, ...], ...]
    """The arrays that an any() or all() goes through together."""
    values: tuple[int, ...] = ()
    """Nodes that are asked for by themselves."""
