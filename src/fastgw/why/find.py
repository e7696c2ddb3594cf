"""Which row answers: from an authority to a hostname, a host and a route, as the core looks them up.

The core has its own code for this; that both agree is tested, not assumed.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastgw.policy.names import HOSTNAME_MAX, LABEL_MAX
from fastgw.policy.routes import Match, RouteRow
from fastgw.why.tables import Host

Fields = Sequence[tuple[str, str]]
Kind = Literal["exact", "wildcard", "none"]

_NAME = re.compile(r"([A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_PORT = re.compile(r"(:[0-9]{0,5})?")
_MEDIA = re.compile(r"application/grpc(\+.+)?", re.DOTALL)
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def hostname_of(authority: str) -> str | None:
    """The hostname of an authority: lower case, without port, dot at the end and the brackets of IPv6."""
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].lower().partition("]")
        return literal if bracket and _is_port(rest) and _is_v6(literal) else None
    found = _NAME.fullmatch(authority)
    assert found is not None
    name, rest = found[1].lower(), found[2]
    if not _is_port(rest):
        return None
    name = name.removesuffix(".")
    if not name or len(name) > HOSTNAME_MAX:
        return None
    if any(not 0 < len(label) <= LABEL_MAX for label in name.split(".")):
        return None
    return name


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and (len(text) < 2 or int(text[1:]) <= 65_535)


def _is_v6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Found:
    """The host that answers, and how it was found. `stopped_by`: the name that ended the search upward."""

    kind: Kind
    host: Host | None = None
    stopped_by: str = ""


def host_of(hosts: Mapping[str, Host], name: str) -> Found:
    """The name itself, else the longest wildcard above; a name on the way up with a row ends the search."""
    if name in hosts:
        return Found("exact", hosts[name])
    rest = name
    while "." in rest:
        rest = rest.partition(".")[2]
        if f"*.{rest}" in hosts:
            return Found("wildcard", hosts[f"*.{rest}"])
        if rest in hosts:
            return Found("none", None, rest)
    return Found("none")


def is_grpc(method: str, content_type: str | None) -> bool:
    """Is this a gRPC call: POST, and application/grpc or application/grpc+ and something behind?"""
    media = (content_type or "").partition(";")[0].rstrip(" \t")
    lowered = media[:16].lower() + media[16:]
    return method == "POST" and _MEDIA.fullmatch(lowered) is not None


def timeout_ms(value: str | None) -> float | None:
    """A grpc-timeout in ms; None if there is none or it is not one."""
    found = _TIMEOUT.fullmatch(value or "")
    return None if found is None else int(found[1]) * _UNITS[found[2]] * 1000


def first(fields: Fields, name: str) -> str | None:
    """The value of the first field of this name."""
    return next((value for key, value in fields if key == name), None)


def route_of(
    routes: Sequence[RouteRow], name: str, path: str, fields: Fields
) -> tuple[RouteRow, Match | None]:
    """The first row with a match that fits, and that match; None: the last row, which takes every call."""
    for row in routes:
        for match in row.matches:
            if _fits(match, name, path, fields):
                return row, match
    return routes[-1], None


def _fits(match: Match, name: str, path: str, fields: Fields) -> bool:
    if match.host.startswith("*."):
        if not name.endswith(match.host[1:]):
            return False
    elif match.host and name != match.host:
        return False
    wanted = match.path
    if wanted and path != wanted and not (wanted.endswith("/") and path.startswith(wanted)):
        return False
    return all(first(fields, key) == value for key, value in match.headers)
