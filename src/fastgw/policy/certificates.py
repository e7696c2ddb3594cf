"""Which certificate a zone shows: where its files lie, nothing about what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate chain, leaf first, and its key, both PEM; `ocsp`: a response to be stapled, DER."""

    file: Path
    key: Path
    ocsp: Path | None = None
