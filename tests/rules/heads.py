"""A request head for the core and, in plain Python, what each field of the rules is for it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from fastgw._core.rules.door import Asker, Head, Part
from fastgw._core.rules.program import Rules
from fastgw.rules.compile import Rule, compile_rules
from fastgw.rules.fields import FIELDS, NUMBER_FACTS, TEXT_FACTS
from fastgw.rules.types import BOOL, INT, TEXT

USUAL = (
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/shop.Cart/Add"),
    (b":authority", b"api.example.com:8443"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc+proto"),
    (b"user-agent", b"grpc-go/1.70.0"),
)


@dataclass
class Known:
    """A head in Python's own types."""

    fields: Sequence[tuple[bytes, bytes]] = USUAL
    hostname: bytes = b"api.example.com"
    client: str | None = "192.0.2.7"
    server: str | None = "198.51.100.1"
    secure: bool = True
    now_ms: int = 1_763_800_000_123
    too_large: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def head(self) -> Head:
        texts = {at: self.facts[name] for at, name in enumerate(TEXT_FACTS) if name in self.facts}
        numbers = {at: int(self.facts[name]) for at, name in enumerate(NUMBER_FACTS) if name in self.facts}
        return Head(
            list(self.fields), self.hostname, self.client, self.server, self.secure, self.now_ms, texts, numbers,
            None, self.too_large,
        )  # fmt: skip

    def first(self, name: bytes) -> bytes:
        return next((value for known, value in self.fields if known == name), b"")

    def joined(self, name: bytes, between: bytes) -> bytes:
        return between.join(value for known, value in self.fields if known == name)

    @property
    def uri(self) -> tuple[bytes, bytes]:
        path, _, query = self.first(b":path").partition(b"?")
        return path, query

    def pairs(self, source: str) -> list[tuple[bytes, bytes]]:
        plain = [(name, value) for name, value in self.fields if not name.startswith(b":")]
        if source == "HEADERS":
            host = self.first(b":authority")
            return plain if any(name == b"host" for name, _ in plain) else [*plain, (b"host", host)]
        if source == "COOKIES":
            crumbs = [crumb for name, value in plain if name == b"cookie" for crumb in value.split(b";")]
        elif source == "ARGS":
            crumbs = self.uri[1].split(b"&")
        else:
            return list(_metadata(plain))
        trimmed = [crumb.strip(b" \t") if source == "COOKIES" else crumb for crumb in crumbs]
        return [(name, value) for name, _, value in (crumb.partition(b"=") for crumb in trimmed if crumb)]

    def by_key(self, source: str) -> dict[bytes, list[bytes]]:
        grouped: dict[bytes, list[bytes]] = {}
        for name, value in self.pairs(source):
            grouped.setdefault(name, []).append(value)
        return grouped

    def get(self, name: str) -> Any:
        """The value of a field; None if it is missing."""
        row = FIELDS[name]
        if row.source in ("TEXT_FACT", "NUMBER_FACT"):
            if row.part in self.facts:
                return self.facts[row.part]
            return None if row.may_miss else {TEXT: b"", INT: 0, BOOL: False}[row.type]
        if row.source == "HEADER":
            return self.joined(row.part.encode(), b", ")
        if row.source in ("HEADERS", "COOKIES", "ARGS", "METADATA"):
            return self.by_key(row.source)
        return getattr(self, "_" + row.source.lower())()

    def _hostname(self) -> bytes:
        return self.hostname

    def _method(self) -> bytes:
        return self.first(b":method")

    def _version(self) -> bytes:
        return b"HTTP/2"

    def _zero(self) -> int:
        return 0

    def _uri(self) -> bytes:
        return self.first(b":path")

    def _uri_path(self) -> bytes:
        return self.uri[0]

    def _query(self) -> bytes:
        return self.uri[1]

    def _full_uri(self) -> bytes:
        return self.first(b":scheme") + b"://" + self.hostname + self.first(b":path")

    def _extension(self) -> bytes:
        last = self.uri[0].rpartition(b"/")[2]
        return last.rpartition(b".")[2].lower() if b"." in last else b""

    def _cookie(self) -> bytes:
        return self.joined(b"cookie", b"; ")

    def _client(self) -> Any:
        return None if self.client is None else ip_address(self.client)

    def _server(self) -> Any:
        return None if self.server is None else ip_address(self.server)

    def _secure(self) -> bool:
        return self.secure

    def _truncated(self) -> bool:
        return self.too_large

    def _header_names(self) -> list[bytes]:
        return [name for name, _ in self.pairs("HEADERS")]

    def _header_values(self) -> list[bytes]:
        return [value for _, value in self.pairs("HEADERS")]

    def _arg_names(self) -> list[bytes]:
        return [name for name, _ in self.pairs("ARGS")]

    def _arg_values(self) -> list[bytes]:
        return [value for _, value in self.pairs("ARGS")]

    def _seconds(self) -> int:
        return self.now_ms // 1000

    def _milliseconds(self) -> int:
        return self.now_ms % 1000

    def _grpc_web(self) -> bool:
        return self.first(b"content-type").startswith(b"application/grpc-web")

    def _service(self) -> bytes:
        path = self.uri[0]
        grpc = self.first(b"content-type").startswith(b"application/grpc") and path[:1] == b"/"
        return path.rpartition(b"/")[0][1:] if grpc and path.count(b"/") > 1 else b""

    def _grpc_method(self) -> bytes:
        path = self.uri[0]
        grpc = self.first(b"content-type").startswith(b"application/grpc") and path[:1] == b"/"
        return path.rpartition(b"/")[2] if grpc and path.count(b"/") > 1 else b""

    def _grpc_timeout(self) -> int | None:
        text = self.first(b"grpc-timeout")
        units = {b"n": 1, b"u": 10**3, b"m": 10**6, b"S": 10**9, b"M": 60 * 10**9, b"H": 3600 * 10**9}
        if len(text) < 2 or not text[:-1].isdigit() or text[-1:] not in units:
            return None
        return -(-int(text[:-1]) * units[text[-1:]] // 10**6)


def _metadata(plain: list[tuple[bytes, bytes]]) -> Any:
    for name, value in plain:
        if name in (b"te", b"content-type", b"host") or (name.startswith(b"grpc-") and len(name) > 5):
            continue
        if not (name.endswith(b"-bin") and len(name) > 4 and value):
            yield name, value
            continue
        for coded in value.removesuffix(b",").split(b","):
            octets = coded.strip(b" \t")
            yield name, base64.b64decode(octets + b"=" * (-len(octets) % 4))


def load(*expressions: str, lists: dict[str, list[str]] | None = None, ends: bool = True) -> Rules:
    """Rules of one phase; a regular expression is a plain text in these tests."""
    image = compile_rules([[Rule(expression, ends) for expression in expressions]], lists)
    return Rules(image, [Part(regex) for regex in image.regexes])


ASKER = Asker()


def holds(expression: str, known: Known | None = None, lists: dict[str, list[str]] | None = None) -> bool:
    """Is the expression true of the head, by the core?"""
    assert ASKER.begin(load(expression, lists=lists), (known or Known()).head())
    return ASKER.decide()[0] == 0
