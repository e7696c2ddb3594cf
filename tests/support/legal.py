"""Which field sections are legal, read from the RFCs once more and apart from the gateway's own code."""

from __future__ import annotations

import re
from collections.abc import Sequence

Fields = Sequence[tuple[bytes, bytes]]

HEAD_OCTETS, HEAD_FIELDS = 32768, 256  # the limits head_octets and head_fields, as they are usually
CONNECTION_SPECIFIC = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}

ASKED = {b":method", b":scheme", b":path"}

# RFC 9113 section 8.2.1 with the tchar of RFC 9110 section 5.6.2; a value without other control characters
# (RFC 9110 section 5.5) and without space at its edges.
NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
TEXT = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
PATH = re.compile(rb"/[!\"$-\x7e]*")
LENGTH = re.compile(rb"[0-9]+")


def fits(fields: Fields) -> bool:
    """Within the limits on one section (RFC 9113 section 6.5.2)."""
    size = sum(len(name) + len(value) + 32 for name, value in fields)
    return len(fields) <= HEAD_FIELDS and size <= HEAD_OCTETS


def split(fields: Fields) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]] | None:
    """Pseudo-fields and regular ones; None if one comes twice or too late (RFC 9113 section 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    regular: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if not name.startswith(b":"):
            regular.append((name, value))
        elif regular or name in pseudo:
            return None
        else:
            pseudo[name] = value
    return pseudo, regular


def _value(name: bytes, value: bytes) -> bool:
    edges = name == b"grpc-message" or value == value.strip(b" \t")
    return edges and TEXT.fullmatch(value) is not None


def _regular(fields: Fields) -> bool:
    return all(
        NAME.fullmatch(name) and _value(name, value) and name not in CONNECTION_SPECIFIC
        for name, value in fields
    )


def content_length(fields: Fields) -> int | None:
    """The one content-length, -1 if there is none, None if it is illegal (RFC 9110 section 8.6)."""
    values = [value for name, value in fields if name == b"content-length"]
    if not values:
        return -1
    if len(values) > 1 or not LENGTH.fullmatch(values[0]) or int(values[0]) >= 1 << 63:
        return None
    return int(values[0])


def request(fields: Fields, *, hosts: Sequence[bytes], ended: bool) -> bool:
    """A request head for one of `hosts` (RFC 9113 sections 8.2.2 and 8.3.1); `ended` by END_STREAM."""
    parts = split(fields)
    if parts is None:
        return False
    pseudo, regular = parts
    if not _regular(regular) or not all(_value(*pair) for pair in pseudo.items()):
        return False
    if (
        not {b":method", b":scheme", b":path"}
        <= set(pseudo)
        <= {b":method", b":scheme", b":path", b":authority"}
    ):
        return False
    if any(name == b"te" and value != b"trailers" for name, value in regular):
        return False
    named = [value for name, value in regular if name == b"host"]
    authorities = [pseudo[b":authority"], *named] if b":authority" in pseudo else named
    if len(named) > 1 or not authorities or len({one.lower() for one in authorities}) != 1:
        return False
    method, path = pseudo[b":method"], pseudo[b":path"]
    if not TOKEN.fullmatch(method) or method == b"CONNECT" or pseudo[b":scheme"] not in (b"http", b"https"):
        return False
    if not PATH.fullmatch(path) and (method, path) != (b"OPTIONS", b"*"):
        return False
    length = content_length(regular)
    if length is None or (ended and length > 0):
        return False
    return authorities[0].lower() in hosts


def response(fields: Fields, *, interim: bool = False) -> bool:
    """A response head (RFC 9113 section 8.3.2), an informational one if `interim`."""
    parts = split(fields)
    if parts is None or set(parts[0]) != {b":status"}:
        return False
    status, regular = parts[0][b":status"], parts[1]
    if not re.fullmatch(rb"[1-5][0-9][0-9]", status) or status == b"101":
        return False
    no_te = all(name != b"te" for name, _ in regular)
    return (
        _regular(regular)
        and no_te
        and content_length(regular) is not None
        and status.startswith(b"1") is interim
    )


def trailers(fields: Fields) -> bool:
    """Trailers of either side (RFC 9113 section 8.1, RFC 9110 section 6.5.1)."""
    too_late = {b"te", b"host", b"content-length"}
    parts = split(fields)
    return parts is not None and not parts[0] and _regular(parts[1]) and not too_late & dict(parts[1]).keys()
