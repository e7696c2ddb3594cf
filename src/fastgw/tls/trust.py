"""Whom the gateway believes: contexts toward origins and clients, made once while nothing changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from OpenSSL import SSL

from fastgw.policy.certificates import CertificateFiles
from fastgw.tls.context import client_context, server_context
from fastgw.tls.material import Material, read_material, read_trust_store

UNVERIFIED = b"unverified"
PUBLIC_ROOTS = b"public"


@dataclass(slots=True)
class Shelf:
    """Finished contexts by what they were made of: an unchanged certificate keeps context and tickets.

    Files are read anew each time, so that a renewed certificate is seen. `sweep` forgets what is unused.
    """

    servers: dict[bytes, SSL.Context] = field(default_factory=dict)
    clients: dict[bytes, SSL.Context] = field(default_factory=dict)

    def server(self, files: CertificateFiles, groups: tuple[str, ...]) -> tuple[SSL.Context, Material, bool]:
        """The context that shows `files`, what it shows, and whether it was made just now."""
        material = read_material(files.file, files.key)
        key = hashlib.sha256(material.fingerprint + ":".join(groups).encode()).digest()
        context = self.servers.get(key)
        if context is not None:
            return context, material, False
        context = self.servers[key] = server_context(material, groups)
        return context, material, True

    def client(self, *, verify: bool, trust_store: Path | None) -> tuple[SSL.Context, bytes]:
        """The context toward origins judged this way, and a mark that is equal for equal judgement."""
        mark, roots = UNVERIFIED, None
        if verify and trust_store is not None:
            store = read_trust_store(trust_store)
            mark, roots = store.fingerprint, store.roots
        elif verify:
            mark = PUBLIC_ROOTS
        context = self.clients.get(mark)
        if context is None:
            context = self.clients[mark] = client_context(verify=verify, roots=roots)
        return context, mark

    def sweep(self, used: set[int]) -> None:
        """Forget contexts whose `id` is not in `used`; snapshots that still hold one keep it alive."""
        self.servers = {key: context for key, context in self.servers.items() if id(context) in used}
        self.clients = {key: context for key, context in self.clients.items() if id(context) in used}
