from collections.abc import Sequence
from typing import NamedTuple, Self, final

class ZoneEntry(NamedTuple):
    name: str
    number: int
    grpc: bool
    http: bool
    encrypted: bool
    certificate: int

class OriginEntry(NamedTuple):
    address: bytes
    context: int
    server_name: str
    verify: bool
    connect_timeout_ms: int
    handshake_timeout_ms: int
    label: str
    identity: bytes

class CertificateEntry(NamedTuple):
    context: int
    names: Sequence[str]
    identity: bytes

class HostEntry(NamedTuple):
    hostname: str
    proxied: bool
    zone: int
    origin: int

@final
class Snapshot:
    def __new__(
        cls,
        *,
        revision: int,
        zones: Sequence[ZoneEntry],
        hosts: Sequence[HostEntry],
        origins: Sequence[OriginEntry],
        certificates: Sequence[CertificateEntry],
        default_certificate: int,
        keep: object,
    ) -> Self: ...
    @property
    def revision(self) -> int: ...
    @property
    def users(self) -> int: ...
    def explain(self, authority: str) -> tuple[str, int, int]: ...

def sockaddr(host: str, port: int) -> bytes: ...
def hostname_of(authority: bytes) -> bytes | None: ...
def certificate_of(snapshot: Snapshot, sni: bytes | None) -> int: ...
def covers(snapshot: Snapshot, certificate: int, hostname: bytes) -> bool: ...
def hash_of(low: int, high: int, octets: bytes) -> int: ...
def lookup_cost(snapshot: Snapshot, authorities: list[bytes], rounds: int) -> float: ...
