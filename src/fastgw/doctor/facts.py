"""What was seen of an endpoint, without any judgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fastgw.policy.names import joined

Fields = list[tuple[bytes, bytes]]
Speaks = Literal["", "http/2", "http/1.1", "tls", "something else"]


@dataclass(frozen=True, slots=True)
class Target:
    """Which endpoint, and how to ask it. Empty: `server_name` is the host, `ca` the public roots."""

    host: str
    port: int = 443
    server_name: str = ""
    plaintext: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    service: str = ""
    timeout: float = 5.0  # seconds that one step may take
    pings: int = 5

    @property
    def asked(self) -> str:
        """The name that clients ask for."""
        return self.server_name or self.host

    @property
    def where(self) -> str:
        """How reports name it."""
        return joined(self.host, self.port)

    @property
    def authority(self) -> str:
        """As gRPC clients write it: the port only where it is not the usual one."""
        usual = 80 if self.plaintext else 443
        bare = f"[{self.asked}]" if ":" in self.asked else self.asked
        return bare if self.port == usual else joined(self.asked, self.port)


@dataclass(slots=True)
class Hello:
    """One TLS handshake. `error`: why it did not come about; `chain`: DER, as it was sent.

    asks  the server asked for a client certificate
    """

    error: str = ""
    timed_out: bool = False
    version: str = ""
    cipher: str = ""
    alpn: str = ""
    chain: tuple[bytes, ...] = ()
    asks: bool = False


@dataclass(slots=True)
class Call:
    """One gRPC call and what came back. `error`: why it did not end; empty: it ended."""

    error: str = ""
    head: Fields = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    trailers_only: bool = False
    message: bytes | None = None


@dataclass(slots=True)
class Pings:
    """PINGs that were sent one after the other, `interval` seconds apart, and how many were answered."""

    sent: int = 0
    answered: int = 0
    interval: float = 0.0
    code: int | None = None  # of the GOAWAY that came meanwhile
    debug: bytes = b""
    error: str = ""


@dataclass(slots=True)
class Facts:
    """All of it; None: it did not come to that.

    connects  each address with why it could not be connected to, empty if it could
    unrouted  addresses of a family that this machine has no route for
    hello     the handshake of a client like gRPC's; `wide`: that of one that takes anything, if it was needed
    speaks    what the port seems to speak if it is not what was asked for
    settings  of the server, by number; `first`: the first octets of its plaintext
    """

    target: Target
    addresses: tuple[str, ...] = ()
    name_error: str = ""
    connects: tuple[tuple[str, str], ...] = ()
    unrouted: tuple[str, ...] = ()
    hello: Hello | None = None
    wide: Hello | None = None
    speaks: Speaks = ""
    first: bytes = b""
    settings: dict[int, int] | None = None
    talk_error: str = ""
    call: Call | None = None
    pings: Pings | None = None
