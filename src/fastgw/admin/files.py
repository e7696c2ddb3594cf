"""Certificates that were uploaded: PEM files beside the store, which only their owner can read."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from fastgw.admin.errors import CERTIFICATE_INVALID, refuse
from fastgw.errors import CertificateError
from fastgw.store.ids import fixed_id, fresh_id
from fastgw.tls.issue import write
from fastgw.tls.material import names_of

PEM_MAX = 256 * 1024
ORPHAN_AGE = 3600.0  # seconds after which a file that nothing names is a left-over of a request cut short


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its key, as a zone names them; `id` is in the name of an uploaded file."""

    id: str
    file: Path
    key: Path
    ocsp: str | None = None

    @property
    def table(self) -> dict[str, str]:
        """As a zone names them."""
        found = {"file": str(self.file), "key": str(self.key)}
        return {**found, "ocsp": self.ocsp} if self.ocsp else found


class Files:
    """The directory they are in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pair(self, table: dict[str, Any], base: Path) -> Pair:
        """What a table of a zone names. Files that others have put somewhere are called by their place."""
        file, key = base / Path(table["file"]).expanduser(), base / Path(table["key"]).expanduser()
        return Pair(self.id_of(file), file, key, table.get("ocsp"))

    def id_of(self, file: Path) -> str:
        """The id of a file."""
        if file.parent == self.directory:
            return file.name.partition(".")[0]
        return fixed_id("fastgw file", str(file))

    @contextlib.contextmanager
    def fresh(self) -> Iterator[_Fresh]:
        """New files, which are gone again if the body of `with` fails."""
        made = _Fresh(self)
        try:
            yield made
        except BaseException:
            self.remove(made.paths)
            raise

    def remove(self, paths: Iterable[Path]) -> None:
        """Let these go, if they are ours."""
        for path in paths:
            if path.parent == self.directory:
                with contextlib.suppress(OSError):
                    path.unlink()

    def sweep(self, used: Iterable[str]) -> list[Path]:
        """Let go of what no zone names, if it is old enough not to belong to a request that runs."""
        named = set(used)
        gone = []
        for path in self.directory.glob("*.*") if self.directory.is_dir() else ():
            with contextlib.suppress(OSError):
                if str(path) not in named and time.time() - path.stat().st_mtime > ORPHAN_AGE:
                    path.unlink()
                    gone.append(path)
        return gone


class _Fresh:
    """Files of one request."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.paths: list[Path] = []

    def pair(self, certificate: str, key: str, id_: str = "") -> Pair:
        """A chain and its key; `id_`: of what they take the place of."""
        id_ = id_ or fresh_id()
        stem = f"{id_}.{os.urandom(4).hex()}"
        return Pair(id_, self.put(f"{stem}.pem", certificate), self.put(f"{stem}.key", key))

    def put(self, name: str, text: str) -> Path:
        """One file."""
        directory = self._files.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / name
        self.paths.append(path)
        write(path, text.encode(), 0o600)
        return path


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself."""

    certificate: x509.Certificate
    names: tuple[str, ...]

    @property
    def issuer(self) -> str:
        """Who has signed it."""
        return self.certificate.issuer.rfc4514_string()

    @property
    def expires_on(self) -> str:
        """Its last moment."""
        return _text(self.certificate.not_valid_after_utc)

    @property
    def expired(self) -> bool:
        """Is it over?"""
        return self.certificate.not_valid_after_utc < datetime.datetime.now(datetime.UTC)

    @property
    def serial(self) -> str:
        """Its number."""
        return str(self.certificate.serial_number)

    @property
    def signature(self) -> str:
        """How it was signed."""
        found = self.certificate.signature_hash_algorithm
        kind = type(self.certificate.public_key()).__name__.strip("_").replace("PublicKey", "")
        return f"{'ECDSA' if 'Elliptic' in kind else kind}-{found.name.upper()}" if found else kind

    @property
    def pem(self) -> str:
        """As PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def facts(pem: str, pointer: str = "/certificate") -> list[Facts]:
    """All certificates in a text. Raise ApiError."""
    if len(pem) > PEM_MAX:
        raise refuse(400, CERTIFICATE_INVALID, f"a certificate has at most {PEM_MAX} octets here", pointer)
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        return [Facts(one, names_of(one)) for one in found]
    except ValueError:
        said = "it holds no PEM certificate that can be read; PEM begins with -----BEGIN CERTIFICATE-----"
        raise refuse(400, CERTIFICATE_INVALID, said, pointer) from None


def facts_of(file: Path) -> Facts | None:
    """The first certificate in a file; None: it cannot be read now."""
    with contextlib.suppress(OSError, ValueError, CertificateError):
        found = x509.load_pem_x509_certificates(file.read_bytes())
        return Facts(found[0], names_of(found[0]))
    return None


def written_on(file: Path) -> str | None:
    """When the file was written."""
    with contextlib.suppress(OSError):
        return _text(datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC))
    return None


def _text(at: datetime.datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
