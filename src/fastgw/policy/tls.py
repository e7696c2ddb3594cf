"""What zones and the gateway say about TLS, as frozen values; what of it holds for one name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import covers

if TYPE_CHECKING:
    from fastgw.policy.zone import Zone

Demand = Literal["request", "require"]
RecordLayer = Literal["own", "openssl"]

# The cipher suites of TLS 1.2 that RFC 9113 appendix A leaves and the reference product offers, by OpenSSL's
# names. AES-128 comes first: with hardware help it is cheapest.
CIPHERS: tuple[str, ...] = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
TLS_1_2, TLS_1_3 = 0x0303, 0x0304
TICKET_ROTATION_MS = 12 * 60 * 60 * 1000
EXPIRY_DAYS = (1, 7, 30)  # before the end of a certificate: each is worth a word


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Clients are asked for a certificate of `ca`; a bad one or none is noted ("request") or refused."""

    demand: Demand
    ca: Path
    crl: Path | None = None


@dataclass(frozen=True, slots=True)
class ClientRule:
    """Which names ask for it; none: all of the zone."""

    certificates: ClientCertificates
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PullRule:
    """What is shown to the origins of these names; none: to all of the zone."""

    files: CertificateFiles
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostTerms:
    """What one name asks of a handshake, where that differs from its zone; None: it does not."""

    hostname: str
    min_tls_version: str | None = None
    ciphers: tuple[str, ...] | None = None
    http2: bool | None = None


@dataclass(frozen=True, slots=True)
class ZoneTls:
    """A zone's words about TLS that are no settings.

    certificates     shown besides the zone's first one, to who asks for a name they bear
    clients          whose certificates are asked for
    origin_pull      the gateway's own certificate toward origins
    crl              revoked certificates of origins
    origin_ca        are origins believed that the built-in Origin CA has issued a certificate to?
    legacy_cn_match  does the common name of an origin's certificate count, if it lists no names?
    hosts            names with terms of their own
    """

    certificates: tuple[CertificateFiles, ...] = ()
    clients: tuple[ClientRule, ...] = ()
    origin_pull: tuple[PullRule, ...] = ()
    crl: Path | None = None
    origin_ca: bool = True
    legacy_cn_match: bool = False
    hosts: tuple[HostTerms, ...] = ()

    @property
    def by_name(self) -> bool:
        """May a name ask for something that its zone does not?"""
        return bool(self.clients or self.hosts)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """The gateway's words about TLS and what stands before it.

    ticket_rotation_ms  how long one key seals session tickets; 0: as long as the process lives
    record_layer        who seals the records of clients once the handshake is over, where there is a choice
    proxy_protocol      networks whose connections begin with a PROXY header
    origin_pull         shown to origins where the setting tls_client_auth is on
    origin_ca           the root of the built-in Origin CA, if the file exists
    """

    ticket_rotation_ms: int = TICKET_ROTATION_MS
    record_layer: RecordLayer = "own"
    proxy_protocol: tuple[str, ...] = ()
    origin_pull: CertificateFiles | None = None
    origin_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a name asks of a handshake with a client; equal terms may share a context."""

    version_least: int = TLS_1_2
    version_most: int = TLS_1_3
    ciphers: tuple[str, ...] = ()
    h2: bool = True
    clients: ClientCertificates | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate and the terms under which it is shown: one row of the snapshot."""

    files: CertificateFiles
    terms: Terms = Terms()


_NOTHING_OWN = HostTerms("")


def terms_of(zone: Zone, hostname: str = "") -> Terms:
    """What `hostname` asks; without one, what all names of the zone do that ask for nothing of their own.

    TLS 1.0 and 1.1 act as 1.2: HTTP/2 needs that (RFC 9113 section 9.2).
    """
    settings = zone.settings
    rule = _most_specific(zone.tls.clients, hostname)
    own = next((one for one in zone.tls.hosts if hostname and one.hostname == hostname), _NOTHING_OWN)
    version = own.min_tls_version or settings.min_tls_version
    least = TLS_1_3 if version == "1.3" else TLS_1_2
    most = TLS_1_2 if settings.tls_1_3 == "off" and least == TLS_1_2 else TLS_1_3
    ciphers = settings.ciphers if own.ciphers is None else own.ciphers
    h2 = settings.http2 if own.http2 is None else own.http2
    return Terms(least, most, ciphers, h2, rule.certificates if rule else None)


def pull_of(zone: Zone, hostname: str, everywhere: CertificateFiles | None) -> CertificateFiles | None:
    """What an origin of `hostname` is shown: that of the name, the zone's, the gateway's, nothing."""
    rule = _most_specific(zone.tls.origin_pull, hostname)
    if rule is not None:
        return rule.files
    return everywhere if zone.settings.tls_client_auth else None


def demands(zones: Iterable[Zone]) -> frozenset[tuple[str, str, ClientCertificates]]:
    """Who demands certificates of clients. A session from before a change must not be resumed after it."""
    return frozenset(
        (zone.name, name, rule.certificates)
        for zone in zones
        for rule in zone.tls.clients
        for name in rule.hostnames or ("",)
    )


def expiry_stage(days_left: float) -> int | None:
    """Which of EXPIRY_DAYS a certificate has come to; 0: it is over; None: its end is far."""
    return 0 if days_left < 0 else next((days for days in EXPIRY_DAYS if days_left <= days), None)


def better_cover(name: str, names: Iterable[str]) -> int:
    """How well a certificate with these names suits `name`: 2 exactly, 1 by a wildcard, 0 not at all."""
    found = 0
    for pattern in names:
        if pattern == name:
            return 2
        if covers(pattern, name):
            found = 1
    return found


_Rule = TypeVar("_Rule", ClientRule, PullRule)


def _most_specific(rules: Iterable[_Rule], hostname: str) -> _Rule | None:
    """The rule that names the host, else the longest wildcard above it, else that of the whole zone."""
    best: _Rule | None = None
    rank = -1
    for rule in rules:
        for name in rule.hostnames or ("",):
            size = _rank(name, hostname)
            if size > rank:
                best, rank = rule, size
    return best


def _rank(pattern: str, hostname: str) -> int:
    if not pattern:
        return 0
    if pattern == hostname:
        return 1000
    if pattern.startswith("*.") and hostname.endswith(pattern[1:]):
        return len(pattern)
    return -1
