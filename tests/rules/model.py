"""A second reading of the rules' semantics: the tree, walked in plain Python."""

from __future__ import annotations

import functools
import operator
import re
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from fastgw.rules.operands import wildcard_parts
from fastgw.rules.tree import (
    Call,
    Combine,
    FieldRef,
    Index,
    Literal,
    Logical,
    Not,
    Quantifier,
    Value,
)
from tests.rules.heads import Known

MISSING = None
_ORDER = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
          "ge": operator.ge}  # fmt: skip


def value_of(value: Value | Logical, known: Known) -> Any:
    """The value; for one with [*], the list of its elements; None if it is missing."""
    if isinstance(value, Literal):
        return value.value
    if isinstance(value, FieldRef):
        return known.get(value.name)
    if isinstance(value, Index):
        return _indexed(value_of(value.base, known), list(value.steps))
    assert isinstance(value, Call)
    arguments = [value_of(argument, known) for argument in value.arguments]
    if not value.mapped:
        return call(value.function, arguments)
    if arguments[0] is MISSING:
        return MISSING
    results = [call(value.function, [item, *arguments[1:]]) for item in arguments[0]]
    return [result for result in results if result is not MISSING]


def _indexed(value: Any, steps: list[Any]) -> Any:
    """Walk the indexes; behind the first [*] each element is walked by itself."""
    if value is MISSING or not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step == "*":
        found = []
        for item in value.values() if isinstance(value, dict) else value:
            inner = _indexed(item, rest)
            if inner is not MISSING:
                found += inner if "*" in rest else [inner]
        return found
    if isinstance(step, bytes):
        return _indexed(value.get(step), rest)
    return _indexed(value[step] if step < len(value) else MISSING, rest)


def compare(op: str, value: Any, operand: Any) -> bool:
    if value is MISSING:
        return op == "ne"
    if op == "is":
        return bool(value)
    if op == "in":
        if isinstance(value, bytes):
            return value in operand
        return any(type(s.first) is type(value) and s.first <= value <= s.last for s in operand)
    if op == "contains":
        return operand in value
    if op == "matches":
        return operand in value  # regular expressions are plain texts in these tests
    if op in ("wildcard", "strict"):
        parts = wildcard_parts(operand)
        flags = re.DOTALL | (0 if op == "strict" else re.IGNORECASE)
        return re.fullmatch(b".*".join(map(re.escape, parts)), value, flags) is not None
    if op == "and":
        return value & operand != 0
    if isinstance(value, IPv4Address | IPv6Address) and value.version != operand.version:
        return op == "ne"
    return _ORDER[op](value, operand)


def truth(tree: Logical, known: Known) -> Any:
    """True or False; for an array of booleans a list, or None where it misses."""
    if isinstance(tree, Not):
        inner = truth(tree.item, known)
        return [not item for item in inner] if isinstance(inner, list) else _not(inner, tree)
    if isinstance(tree, Combine):
        items = [truth(item, known) for item in tree.items]
        if any(isinstance(item, list) or item is MISSING for item in items):
            if MISSING in items:
                return MISSING
            return [_combine(tree.op, row) for row in zip(*items, strict=False)]
        return _combine(tree.op, items)
    if isinstance(tree, Quantifier):
        row = truth(tree.item, known)
        if row is MISSING:
            return False
        return any(row) if tree.op == "any" else all(row)
    value = value_of(tree.value, known)
    if tree.type.name == "array":
        return MISSING if value is MISSING else [compare(tree.op, item, tree.operand) for item in value]
    return compare(tree.op, value, tree.operand)


def _not(inner: Any, tree: Not) -> Any:
    return MISSING if inner is MISSING and tree.type.name == "array" else not inner


def _combine(op: str, items: Any) -> bool:
    return all(items) if op == "and" else any(items) if op == "or" else sum(items) % 2 == 1


def call(name: str, arguments: list[Any]) -> Any:
    if name == "concat":
        present = [argument for argument in arguments if argument is not MISSING]
        return functools.reduce(operator.add, present) if present else MISSING
    if name == "has_key":
        return arguments[1] in arguments[0]
    if MISSING in arguments:
        return MISSING
    return FUNCTIONS[name](*arguments)


def url_decode(text: bytes, options: bytes = b"") -> bytes:
    pattern = rb"\+|%[0-9a-fA-F]{2}" + (rb"|%[uU][0-9a-fA-F]{4}" if b"u" in options else b"")

    def one(match: re.Match[bytes]) -> bytes:
        escape = match[0]
        if escape == b"+":
            return b" "
        if len(escape) == 3:
            return bytes([int(escape[1:], 16)])
        return chr(int(escape[2:], 16)).encode("utf-8", "surrogatepass")

    while True:
        decoded = re.sub(pattern, one, text)
        if decoded == text or b"r" not in options:
            return decoded
        text = decoded


def _string(value: Any) -> bytes:
    if isinstance(value, IPv6Address):
        return socket.inet_ntop(socket.AF_INET6, value.packed).encode()
    return str(value).lower().encode() if isinstance(value, bool) else str(value).encode()


def _cidr(address: Any, four: int, six: int) -> Any:
    bits = four if address.version == 4 else six
    size = address.max_prefixlen
    return type(address)(int(address) >> (size - bits) << (size - bits))


def _cidr6(address: Any, bits: int) -> Any:
    return IPv6Address(int(address) >> (128 - bits) << (128 - bits)) if address.version == 6 else address


def _without(query: bytes, *names: bytes) -> bytes:
    kept = [part for part in query.split(b"&") if part.partition(b"=")[0] not in names]
    if query.endswith(b"&") and kept and kept[-1] == b"":
        kept.pop()  # nothing stands behind the last sign
    return b"&".join(kept)


_WHITE = b" \t\n\v\f\r"

FUNCTIONS = {
    "lower": bytes.lower,
    "upper": bytes.upper,
    "len": len,
    "starts_with": bytes.startswith,
    "ends_with": bytes.endswith,
    "contains": lambda text, part: part in text,
    "wildcard": lambda text, pattern: compare("wildcard", text, pattern),
    "substring": lambda text, start, end=None: text[start:end],
    "to_string": _string,
    "url_decode": url_decode,
    "remove_bytes": lambda text, octets: bytes(octet for octet in text if octet not in octets),
    "trim": lambda text: text.strip(_WHITE),
    "trim_start": lambda text: text.lstrip(_WHITE),
    "trim_end": lambda text: text.rstrip(_WHITE),
    "join": lambda texts, separator: separator.join(texts),
    "split": lambda text, separator, limit: text.split(separator, limit - 1),
    "has_value": lambda texts, value: value in texts,
    "remove_query_args": _without,
    "cidr": _cidr,
    "cidr6": _cidr6,
}
