"""Records of types that are for DNS alone: their content as text, and taken apart as `data`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

# The parts of a content in their order; those with a ' at the end stand in quotes, the last takes the rest.
PARTS: dict[str, tuple[str, ...]] = {
    "CAA": ("flags", "tag", "value'"),
    "CERT": ("type", "key_tag", "algorithm", "certificate"),
    "DNSKEY": ("flags", "protocol", "algorithm", "public_key"),
    "DS": ("key_tag", "algorithm", "digest_type", "digest"),
    "HTTPS": ("priority", "target", "value"),
    "NAPTR": ("order", "preference", "flags'", "service'", "regex'", "replacement"),
    "SMIMEA": ("usage", "selector", "matching_type", "certificate"),
    "SRV": ("priority", "weight", "port", "target"),
    "SSHFP": ("algorithm", "type", "fingerprint"),
    "SVCB": ("priority", "target", "value"),
    "TLSA": ("usage", "selector", "matching_type", "certificate"),
    "URI": ("weight", "target'"),
}
_LOC = (
    ("lat_degrees", "lat_minutes", "lat_seconds", "lat_direction"),
    ("long_degrees", "long_minutes", "long_seconds", "long_direction"),
)
_LOC_METRES = ("altitude", "size", "precision_horz", "precision_vert")


def content_of(kind: str, data: Mapping[str, Any]) -> str | None:
    """The content that `data` says, or None if something is missing or the type has no parts."""
    if kind == "LOC":
        words = [_text(data.get(name, 0)) for group in _LOC for name in group]
        return " ".join([*words, *(f"{_text(data.get(name, 0))}m" for name in _LOC_METRES)])
    found = []
    for part in PARTS.get(kind, ()):
        name = part.removesuffix("'")
        value = data.get(name)
        if value is None and name != "value":
            return None
        text = _text("" if value is None else value)
        found.append(f'"{text}"' if part != name else text)
    return " ".join(found).strip() or None


def data_of(kind: str, content: str) -> dict[str, Any] | None:
    """The content taken apart, or None if it is not of that form."""
    parts = PARTS.get(kind)
    if parts is None:
        return None
    try:
        words = shlex.split(content, posix=True) if any("'" in part for part in parts) else content.split()
    except ValueError:
        return None
    if len(words) > len(parts):
        words = [*words[: len(parts) - 1], " ".join(words[len(parts) - 1 :])]
    if len(words) < len(parts) - (parts[-1] == "value"):
        return None
    found: dict[str, Any] = {}
    for part, word in zip(parts, words, strict=False):
        found[part.removesuffix("'")] = (
            int(word) if word.isascii() and word.isdigit() and len(word) < 10 else word
        )
    return found


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
