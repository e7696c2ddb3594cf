"""What is shown and whom the gateway believes: contexts, made once while nothing changes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL

from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.compile import TargetRow
from fastgw.policy.tls import ClientCertificates, Shown, Terms
from fastgw.tls.context import ClientTrust, client_context, front_context, server_context
from fastgw.tls.material import (
    Material,
    TrustStore,
    read_authorities,
    read_crls,
    read_material,
    read_staple,
    read_trust_store,
)

UNVERIFIED = b"unverified"
PUBLIC_ROOTS = b"public"
PLAIN = Terms()

_Read = TypeVar("_Read")
_Signature = tuple[int, int, int]

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class OriginTrust:
    """How origins are judged. `roots` None: the public ones; `origin_ca` None: none; `shown` if they ask."""

    verify: bool
    roots: Path | None = None
    origin_ca: Path | None = None
    crl: Path | None = None
    shown: CertificateFiles | None = None


def trust_of(target: TargetRow, origin_ca: Path | None) -> OriginTrust:
    """How the origin behind `target` is judged; `origin_ca`: the root of the built-in Origin CA."""
    return OriginTrust(
        verify=target.verify,
        roots=target.trust_store,
        origin_ca=origin_ca if target.origin_ca else None,
        crl=target.crl,
        shown=target.pull,
    )


@dataclass(slots=True)
class ServerCertificate:
    """A context, what it shows, what is stapled to it, and whether it was made just now."""

    context: SSL.Context
    material: Material
    identity: bytes
    staple: bytes
    fresh: bool


@dataclass(slots=True)
class Shelf:
    """Finished contexts by what they were made of, and what their files held when they were last good.

    `shown` is what clients see at present, `files` all that has been read. A file is read again when it has
    changed. One that cannot be used any more, such as a certificate whose key is still being written, leaves
    what it held before in force; `troubles` says so by file. `sweep` forgets what is unused.
    """

    servers: dict[bytes, SSL.Context] = field(default_factory=dict)
    clients: dict[bytes, SSL.Context] = field(default_factory=dict)
    troubles: dict[Path, str] = field(default_factory=dict)
    shown: dict[Shown, Material] = field(default_factory=dict)
    _read: dict[tuple[Any, ...], tuple[tuple[_Signature, ...], Any]] = field(default_factory=dict)
    _front: tuple[Any, SSL.Context] | None = None

    def front(self, groups: tuple[str, ...], about: object) -> tuple[SSL.Context, bool]:
        """What connections are accepted with, and whether it was made just now, as `about` has changed.

        A fresh one cannot open the tickets of the one before.
        """
        key = (groups, about)
        if self._front is not None and self._front[0] == key:
            return self._front[1], False
        self._front = key, front_context(groups)
        return self._front[1], True

    def rotate(self) -> None:
        """Tickets are sealed with another key from the next front on."""
        self._front = None

    def server(
        self, files: CertificateFiles, groups: tuple[str, ...], terms: Terms = PLAIN
    ) -> ServerCertificate:
        """The context that shows `files` under these terms. Raise CertificateError."""
        material = self._kept(read_material, files.file, files.key)
        trust, mark = self._client_trust(terms.clients)
        made_of = [
            material.fingerprint,
            _digest(":".join(groups).encode()),
            _digest(":".join(terms.ciphers).encode()),
        ]
        key = _digest(*made_of, mark)
        context = self.servers.get(key)
        fresh = context is None
        if context is None:
            context = self.servers[key] = server_context(material, groups, terms.ciphers, trust)
        self.shown[Shown(files, terms)] = material
        identity = material.fingerprint
        if terms != PLAIN:
            identity = _digest(identity, repr(terms).encode())
        return ServerCertificate(context, material, identity, self._staple(files, material), fresh)

    def client(self, trust: OriginTrust) -> tuple[SSL.Context, bytes]:
        """The context toward origins judged this way, and a mark that is equal for equal judgement."""
        mark, roots, shown = UNVERIFIED, None, None
        crls: tuple[x509.CertificateRevocationList, ...] = ()
        more: tuple[x509.Certificate, ...] = ()
        if trust.verify:
            mark = PUBLIC_ROOTS
            if trust.roots is not None:
                store: TrustStore = self._kept(read_trust_store, trust.roots)
                mark, roots = store.fingerprint, store.roots
            if trust.origin_ca is not None and trust.origin_ca.exists():
                issuer: TrustStore = self._kept(read_trust_store, trust.origin_ca)
                mark, more = _digest(mark, b"origin ca", issuer.fingerprint), issuer.roots
            if trust.crl is not None:
                crls = self._kept(read_crls, trust.crl)
                mark = _digest(mark, b"crl", *_octets(crls))
        if trust.shown is not None:
            shown = self._kept(read_material, trust.shown.file, trust.shown.key)
            mark = _digest(mark, b"shown", shown.fingerprint)
        context = self.clients.get(mark)
        if context is None:
            context = client_context(verify=trust.verify, roots=roots, more=more, crls=crls, shown=shown)
            self.clients[mark] = context
        return context, mark

    def sweep(self, used: set[int], shown: Collection[Shown], files: Collection[Path]) -> None:
        """Forget what is not used: contexts by `id`, certificates, and what was read from other files.

        Snapshots that still hold a context keep it alive.
        """
        self.servers = {key: context for key, context in self.servers.items() if id(context) in used}
        self.clients = {key: context for key, context in self.clients.items() if id(context) in used}
        self.shown = {one: material for one, material in self.shown.items() if one in shown}
        self._read = {key: kept for key, kept in self._read.items() if all(path in files for path in key[1:])}
        self.troubles = {path: trouble for path, trouble in self.troubles.items() if path in files}

    def _client_trust(self, clients: ClientCertificates | None) -> tuple[ClientTrust | None, bytes]:
        if clients is None:
            return None, b""
        authorities: TrustStore = self._kept(read_authorities, clients.ca)
        if clients.crl is None:
            return ClientTrust(authorities.roots), authorities.fingerprint
        crls: tuple[x509.CertificateRevocationList, ...] = self._kept(read_crls, clients.crl)
        mark = _digest(authorities.fingerprint, *_octets(crls))
        return ClientTrust(authorities.roots, crls), mark

    def _staple(self, files: CertificateFiles, material: Material) -> bytes:
        """The OCSP response, or nothing: a bad one is warned of and left out."""
        if files.ocsp is None:
            return b""
        try:
            staple = read_staple(files.ocsp, material.chain[0])
        except CertificateError as error:
            self._note(files.ocsp, f"{error}; nothing is stapled")
            return b""
        self.troubles.pop(files.ocsp, None)
        return staple

    def _kept(self, read: Callable[..., _Read], *paths: Path) -> _Read:
        """What `read` makes of these files, or made when they were last good. Raise CertificateError."""
        key = (read, *paths)
        known = self._read.get(key)
        signatures = tuple(_signature(path) for path in paths)
        if known is not None and known[0] == signatures and paths[0] not in self.troubles:
            return known[1]  # type: ignore[no-any-return]
        try:
            found = read(*paths)
        except CertificateError as error:
            if known is None:
                raise
            self._note(paths[0], f"{error}; what was there before stays in force")
            return known[1]  # type: ignore[no-any-return]
        self.troubles.pop(paths[0], None)
        self._read[key] = signatures, found
        return found

    def _note(self, path: Path, sentence: str) -> None:
        if self.troubles.get(path) != sentence:
            logger.warning("%s: %s", path, sentence)
        self.troubles[path] = sentence


def signatures(paths: Iterable[Path]) -> dict[Path, _Signature]:
    """What tells a changed file from an unchanged one without reading it."""
    return {path: _signature(path) for path in paths}


def _signature(path: Path) -> _Signature:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _octets(crls: Iterable[x509.CertificateRevocationList]) -> list[bytes]:
    return [crl.public_bytes(serialization.Encoding.DER) for crl in crls]


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
