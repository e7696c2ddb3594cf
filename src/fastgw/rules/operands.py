"""Constants that must make sense by themselves: wildcard patterns, options and limits in arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastgw.rules.functions import Function
from fastgw.rules.tree import Literal

STARS_MOST = 10
PARTS_MOST = 128


def wildcard_parts(pattern: bytes) -> list[bytes] | str:
    """The pieces between the stars of a pattern, or what is wrong with it."""
    parts, at = [bytearray()], 0
    while at < len(pattern):
        octet = pattern[at : at + 1]
        if octet == b"\\":
            at += 1
            octet = pattern[at : at + 1]
            if octet not in (b"*", b"\\"):
                return r"in a wildcard pattern a backslash stands before * or \ only"
            parts[-1] += octet
        elif octet == b"*":
            if len(parts) > 1 and not parts[-1] and pattern[at - 1 : at] == b"*":
                return "a wildcard pattern has no double star"
            parts.append(bytearray())
        else:
            parts[-1] += octet
        at += 1
    if len(parts) - 1 > STARS_MOST:
        return f"a wildcard pattern has at most {STARS_MOST} stars"
    return [bytes(part) for part in parts]


def wildcard_check(pattern: bytes) -> str:
    """What is wrong with a pattern; empty if nothing is."""
    parts = wildcard_parts(pattern)
    return parts if isinstance(parts, str) else ""


def _only(value: Any, letters: bytes) -> bool:
    return isinstance(value, bytes) and all(octet in letters for octet in value)


def call_check(function: Function, arguments: Sequence[Any]) -> tuple[int, str] | None:
    """The first argument whose constant the function cannot use, and why."""
    values: list[Any] = [argument.value if isinstance(argument, Literal) else None for argument in arguments]
    name = function.name
    if name in ("wildcard", "wildcard_replace"):
        wrong = wildcard_check(values[1])
        if wrong:
            return 1, wrong
    letters = {"url_decode": (1, b"ru"), "encode_base64": (1, b"up"), "wildcard_replace": (3, b"s"),
               "is_timed_hmac_valid_v0": (5, b"s")}  # fmt: skip
    if name in letters:
        at, allowed = letters[name]
        if len(values) > at and not _only(values[at], allowed):
            return at, f"the letters of this argument are {', '.join(map(chr, allowed))}"
    if name == "split":
        if not values[1]:
            return 1, "a separator is not empty"
        if not 1 <= values[2] <= PARTS_MOST:
            return 2, f"the limit is 1 to {PARTS_MOST}"
    bits = {"cidr": ((1, 32), (2, 128)), "cidr6": ((1, 128),)}.get(name, ())
    for at, most in bits:
        if not 0 <= values[at] <= most:
            return at, f"the length of a network is 0 to {most}"
    if name.startswith("lookup_json"):
        for at, value in enumerate(values[1:], 1):
            if isinstance(value, int) and not 0 <= value < 2**31:
                return at, "a position is not negative and fits into 31 bits"
    if name == "is_timed_hmac_valid_v0":
        if values[2] < 0:
            return 2, "a time to live is not negative"
        if len(values) > 4 and not 0 <= values[4] <= 256:
            return 4, "the length of the separator is 0 to 256"
    return None
