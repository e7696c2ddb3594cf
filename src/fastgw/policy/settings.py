"""The settings of one zone as frozen values, and how rows of the catalogue become them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastgw.policy.catalogue import CATALOGUE, Setting

Switch = Literal["on", "off"]
EncryptionMode = Literal["off", "flexible", "full", "strict", "origin_pull"]
TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]

# Modes that speak TLS to the origin: the only ones that carry gRPC.
ENCRYPTED: frozenset[str] = frozenset({"full", "strict", "origin_pull"})
# Modes that judge the origin's certificate.
VERIFIED: frozenset[str] = frozenset({"strict", "origin_pull"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one zone, complete.

    `kept` holds what was written for settings without an effect here: id and value as JSON, by id.
    """

    grpc: bool = False
    http: bool = False
    ssl: EncryptionMode = "full"
    origin_connect_timeout_ms: int = 19_000
    origin_handshake_timeout_ms: int = 10_000
    proxy_read_timeout_ms: int = 100_000
    long_lived_grpc: bool = False
    max_request_message_bytes: int = 0
    max_response_message_bytes: int = 0
    min_tls_version: TlsVersion = "1.2"
    tls_1_3: Literal["on", "off", "zrt"] = "on"
    ciphers: tuple[str, ...] = ()
    tls_client_auth: bool = False
    http2: bool = True
    zero_rtt: bool = False
    kept: tuple[tuple[str, str], ...] = ()

    @property
    def idle_ms(self) -> int:
        """Longest silence on a stream, in ms; 0: any."""
        return 0 if self.long_lived_grpc else self.proxy_read_timeout_ms

    @property
    def messages(self) -> tuple[int, int]:
        """Octets of the largest gRPC message of requests and of responses; 0: any."""
        return self.max_request_message_bytes, self.max_response_message_bytes

    @property
    def encrypted(self) -> bool:
        """Is TLS spoken to the origin?"""
        return self.ssl in ENCRYPTED

    @property
    def verified(self) -> bool:
        """Is the origin's certificate judged?"""
        return self.ssl in VERIFIED


def attribute(row: Setting) -> str:
    """What `Settings` calls a setting that has an effect."""
    if row.type == "duration":
        return f"{row.id}_ms"
    return {"0rtt": "zero_rtt"}.get(row.id, row.id)


def settings_of(written: Mapping[str, object]) -> Settings:
    """The settings of a zone from judged values by id; durations in ms, all else as in the file."""
    values: dict[str, Any] = {}
    kept = []
    for key in sorted(written):
        row, value = CATALOGUE[key], written[key]
        if row.kept:
            kept.append((key, json.dumps(value, sort_keys=True)))
        elif row.type == "on_off":
            values[attribute(row)] = value == "on"
        elif isinstance(value, list):
            values[attribute(row)] = tuple(value)
        else:
            values[attribute(row)] = value
    return Settings(**values, kept=tuple(kept))


def value_of(settings: Settings, row: Setting) -> object:
    """The value in force as the reference has it: "on", whole seconds where they are, else "500ms"."""
    if row.kept:
        for key, text in settings.kept:
            if key == row.id:
                return json.loads(text)
        return row.default
    value = getattr(settings, attribute(row))
    if row.type == "on_off":
        return "on" if value else "off"
    if row.type == "duration":
        return value // 1000 if value % 1000 == 0 else f"{value}ms"
    return list(value) if isinstance(value, tuple) else value


def describe(settings: Settings | None = None) -> list[dict[str, object]]:
    """Every setting with its value and all that is known of it, in the order of the catalogue."""
    mine = settings or Settings()
    return [
        {
            "id": row.id,
            "value": value_of(mine, row),
            "editable": row.editable,
            "type": row.type,
            "default": value_of(Settings(), row),
            "values": list(row.values),
            "effect": row.effect,
            "effective": not row.kept,
            "plan": row.plan,
            "section": row.section,
        }
        for row in CATALOGUE.values()
    ]
