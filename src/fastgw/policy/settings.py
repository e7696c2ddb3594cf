"""The catalogue of zone settings: type, default, effect and section of the specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Switch = Literal["on", "off"]
EncryptionMode = Literal["off", "flexible", "full", "strict", "origin_pull"]

# Modes that speak TLS to the origin: the only ones that carry gRPC.
ENCRYPTED: frozenset[str] = frozenset({"full", "strict", "origin_pull"})
# Modes that judge the origin's certificate.
VERIFIED: frozenset[str] = frozenset({"strict", "origin_pull"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the catalogue."""

    id: str
    type: str
    default: object
    effect: str
    section: str


CATALOGUE: dict[str, Setting] = {
    row.id: row
    for row in (
        Setting(
            "grpc", "on|off", "off", "gRPC calls are carried; off: denied with grpc_disabled", "2 step 6"
        ),
        Setting("http", "on|off", "off", "requests that are not gRPC are carried; off: 403", "2 step 5"),
        Setting("ssl", "off|flexible|full|strict|origin_pull", "full", "TLS toward the origin", "5"),
        Setting("origin_connect_timeout", "duration", "19s", "longest wait for TCP toward the origin", "10"),
        Setting(
            "origin_handshake_timeout", "duration", "10s", "longest wait for TLS toward the origin", "10"
        ),
        Setting(
            "proxy_read_timeout",
            "duration",
            "100s",
            "longest silence on a stream, where its route says nothing else",
            "8",
        ),
        Setting(
            "long_lived_grpc",
            "on|off",
            "off",
            "streams may be silent for any time, where their route says nothing else",
            "8",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one zone, complete."""

    grpc: bool = False
    http: bool = False
    ssl: EncryptionMode = "full"
    origin_connect_timeout_ms: int = 19_000
    origin_handshake_timeout_ms: int = 10_000
    proxy_read_timeout_ms: int = 100_000
    long_lived_grpc: bool = False
    min_tls_version: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    tls_1_3: Literal["on", "off", "zrt"] = "on"
    ciphers: tuple[str, ...] = ()
    tls_client_auth: bool = False
    http2: bool = True

    @property
    def idle_ms(self) -> int:
        """Longest silence on a stream, in ms; 0: any."""
        return 0 if self.long_lived_grpc else self.proxy_read_timeout_ms

    @property
    def encrypted(self) -> bool:
        """Is TLS spoken to the origin?"""
        return self.ssl in ENCRYPTED

    @property
    def verified(self) -> bool:
        """Is the origin's certificate judged?"""
        return self.ssl in VERIFIED
