"""Names: how a hostname is written, compared and kept (lower case, A-labels, RFC 5890 section 2.3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from socket import AF_INET, inet_pton

HOSTNAME_MAX = 253
LABEL_MAX = 63
_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")

# IDNA 2003, the mapping of the standard library, turns these into something else than IDNA 2008 does.
_AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")


# Lower-case labels of at most 63 characters.
_PLAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


class HostnameError(ValueError):
    """A name that cannot be a hostname; the text is a sentence without its subject."""


def hostname(text: str) -> str:
    """`text` as it is kept: lower case, A-labels, no dot at the end. Raise HostnameError if it is no name."""
    if _is_plain(text):
        return text
    name = text.strip().removesuffix(".")
    if not name:
        raise HostnameError("is empty")
    labels = [_label(label) for label in name.split(".")]
    kept = ".".join(labels)
    if len(kept) > HOSTNAME_MAX:
        raise HostnameError(f"is {len(kept)} characters long, at most {HOSTNAME_MAX} are allowed")
    return kept


def record_name(text: str, zone: str) -> str:
    """The full name of a record of `zone`, from `@`, a relative or a full name, with a leading `*` or not.

    A full name ends in the zone's name; a dot at the end says that nothing is to be added. In `*.*.x` only
    the first star stands for others, the second is a label like any other.
    """
    relative = text.removesuffix("." + zone)
    if relative != zone and _is_plain(relative):
        full = f"{relative}.{zone}"
        if len(full) <= HOSTNAME_MAX:
            return full
    name = text.strip()
    if name == "@":
        return zone
    first, dot, rest = name.partition(".")
    star = ""
    if first == "*":
        star, name = "*.", rest if dot else "@"
        if name == "*" or name.startswith("*."):
            second = record_name(name, zone)
            return star + second
    if "*" in name:
        raise HostnameError("has a * that is not the whole first label")
    if name == "@":
        return star + zone
    full = hostname(name)
    if full != zone and not full.endswith("." + zone):
        if name.endswith("."):
            raise HostnameError(f"lies outside the zone {zone}")
        full = hostname(f"{full}.{zone}")
    return star + full


def address(text: str) -> str | None:
    """`text` as an IP address in its usual form, or None if it is none."""
    if ":" not in text:
        try:
            inet_pton(AF_INET, text)
        except (OSError, ValueError):
            return None
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def host_and_port(text: str) -> tuple[str, int]:
    """Split `HOST:PORT` or `[v6]:PORT`, port 0 to 65535. Raise ValueError, a sentence without its subject."""
    host, colon, digits = text.rpartition(":")
    if not colon:
        raise ValueError("has no port")
    if not digits.isascii() or not digits.isdigit() or int(digits) > 65535:
        raise ValueError(f"has the port {digits!r}, which is not a number from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        bare = host[1:-1]
        if ":" not in bare or address(bare) is None:
            raise ValueError(f"has {bare!r} in brackets, which is not an IPv6 address")
        return bare, int(digits)
    if ":" in host:
        raise ValueError("has an IPv6 address without brackets")
    if not host:
        raise ValueError("has no host")
    return host, int(digits)


def parents(name: str) -> Iterator[str]:
    """The names above `name`, the nearest first: `a.b.c` has `b.c` and `c`."""
    _, dot, rest = name.partition(".")
    while dot:
        yield rest
        _, dot, rest = rest.partition(".")


def readable(name: str) -> str:
    """A kept name for people: `b\u00fccher.example (xn--bcher-kva.example)` where the two differ."""
    if "xn--" not in name:
        return name
    try:
        unicode = name.encode("ascii").decode("idna")
    except UnicodeError:
        return name
    return name if unicode == name else f"{unicode} ({name})"


def admin_place(place: tuple[str, int]) -> str:
    """What the sockets of the admin API are called when one process hands them to the next."""
    return f"admin://{joined(*place)}"


def joined(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def covers(pattern: str, name: str) -> bool:
    """Does the name `pattern` in a certificate cover `name`? A `*` is one label (RFC 9525 section 6.3)."""
    if pattern == name:
        return True
    if not pattern.startswith("*."):
        return False
    return name.partition(".")[2] == pattern[2:] and not name.startswith("*.")


def _is_plain(text: str) -> bool:
    """Does it need no second look: is it as it is kept, and no label of it international?"""
    return len(text) <= HOSTNAME_MAX and "xn--" not in text and _PLAIN.fullmatch(text) is not None


def _label(label: str) -> str:
    if not label:
        raise HostnameError("has an empty label (two dots in a row, or one at the start)")
    lowered = label.lower()
    try:
        if not lowered.isascii():
            if _AMBIGUOUS & set(label.lower()):
                raise HostnameError(f"has the label {label!r}, which IDNA versions read differently")
            lowered = lowered.encode("idna").decode("ascii")
        elif lowered.startswith("xn--"):
            lowered.encode("ascii").decode("idna")
    except UnicodeError:
        raise HostnameError(f"has the label {label!r}, which is not a valid international name") from None
    if len(lowered) > LABEL_MAX:
        raise HostnameError(f"has a label of {len(lowered)} characters, at most {LABEL_MAX} are allowed")
    if not _LABEL_CHARACTERS.issuperset(lowered):
        raise HostnameError(f"has the label {label!r}; labels are made of letters, digits and hyphens")
    if lowered.startswith("-") or lowered.endswith("-"):
        raise HostnameError(f"has the label {label!r}, which begins or ends with a hyphen")
    return lowered
