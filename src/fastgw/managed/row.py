"""What a managed rule is made of, and the texts that most of them look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VALUES = 'join(http.request.headers.values, "\\x0a")'
"""All values, a line each: looked through in one go, and put together once for all rules."""

LOWER = f"lower({VALUES})"
DECODED = f'lower(url_decode({VALUES}, "r"))'
URI = "lower(http.request.uri)"
URI_DECODED = 'lower(url_decode(http.request.uri, "r"))'
AGENT = "lower(http.user_agent)"
NATIVE = 'starts_with(http.request.headers["content-type"][0], "application/grpc") and not grpc.web'


@dataclass(frozen=True, slots=True)
class Example:
    """A head, by what differs from an ordinary gRPC call's."""

    path: str = "/helloworld.Greeter/SayHello"
    fields: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    method: str = "POST"


def sent(name: str, value: str) -> Example:
    """A call with one field more."""
    return Example(fields=((name, value),))


@dataclass(frozen=True, slots=True)
class ManagedRule:
    """One rule. `hits` are heads it is about, `near` heads that look alike and are none of its business.

    An `early` rule is asked of each head; the others only of heads in which something stands out (quiet.py).
    """

    id: str
    description: str
    references: tuple[str, ...]
    expression: str
    action: Literal["block", "log", "quiet"]
    hits: tuple[Example, ...]
    near: tuple[Example, ...]
    early: bool = False

    @property
    def group(self) -> str:
        return self.id.partition("-")[0]


def among(text: str, *parts: str) -> str:
    """A condition: `text` has one of the parts."""
    quoted = (part.replace("\\", "\\\\").replace('"', '\\"') for part in parts)
    return "(" + " or ".join(f'{text} contains "{part}"' for part in quoted) + ")"


def either(*parts: str) -> str:
    """A condition: one of the parts is in the values or in the path, decoded."""
    return f"({among(DECODED, *parts)} or {among(URI_DECODED, *parts)})"


def matching(pattern: str) -> str:
    """A condition: the pattern is found in the values or in the path, decoded and in lower case."""
    return f'({DECODED} matches r#"{pattern}"# or {URI_DECODED} matches r#"{pattern}"#)'
