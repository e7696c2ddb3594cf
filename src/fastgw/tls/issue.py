"""The development authority: certificates for this machine and nothing else, kept in one directory."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fastgw.errors import CertificateError, StartupError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import address
from fastgw.tls.material import Material, read_material

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
AUTHORITY_LIFE = datetime.timedelta(days=3650)
LEAF_LIFE = datetime.timedelta(days=90)
RENEW_BEFORE = datetime.timedelta(days=7)
_BACKDATE = datetime.timedelta(hours=1)  # clocks differ

# What the authority may vouch for: if its key is stolen, no real site's name can be imitated. Addresses
# are left open, since the BoringSSL in grpcio refuses every chain with a constraint on addresses.
_PERMITTED = x509.NameConstraints(
    permitted_subtrees=[x509.DNSName("localhost"), x509.DNSName("test")], excluded_subtrees=None
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority on disk; `certificate` is the file clients are to trust."""

    directory: Path
    certificate: Path
    key: Path


def data_directory() -> Path:
    """Where the development authority lives unless told otherwise: $XDG_DATA_HOME/fastgw."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "fastgw"


def development_authority(directory: Path | None = None) -> Authority:
    """The authority in `directory`, made if missing or run out; only the owner can read its key."""
    place = directory or data_directory()
    authority = Authority(place, place / "ca.pem", place / "ca.key")
    with locked(place):
        if _usable(authority.certificate, authority.key, ()) is None:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _authority_certificate(key)
            _write_pair(authority.certificate, authority.key, [certificate], key)
    return authority


def development_certificate(authority: Authority, names: Sequence[str] = LOCAL_NAMES) -> CertificateFiles:
    """A certificate of `authority` for `names` (DNS names below localhost or test, loopback addresses)."""
    stem = names[0].replace("*", "_").replace(":", "_")
    files = CertificateFiles(authority.directory / f"{stem}.pem", authority.directory / f"{stem}.key")
    with locked(authority.directory):
        issuer = read_material(authority.certificate, authority.key)
        known = _usable(files.file, files.key, names)
        if known is None or known.chain[-1] != issuer.chain[0]:
            key = ec.generate_private_key(ec.SECP256R1())
            leaf = _leaf_certificate(key, issuer, names)
            _write_pair(files.file, files.key, [leaf, issuer.chain[0]], key)
    return files


def _usable(file: Path, key: Path, names: Sequence[str]) -> Material | None:
    try:
        material = read_material(file, key)
    except CertificateError:
        return None
    now = datetime.datetime.now(datetime.UTC)
    fresh = material.not_before <= now < material.not_after - RENEW_BEFORE
    return material if fresh and set(names) <= set(material.names) else None


def builder(
    subject: x509.Name, issuer: x509.Name, key: Any, life: datetime.timedelta
) -> x509.CertificateBuilder:
    """What all certificates made here have in common; `key` is public."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = common_name("fastgw development CA")
    made = builder(name, name, key.public_key(), AUTHORITY_LIFE)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(key_usage(sign_certificates=True), critical=True)
    made = made.add_extension(_PERMITTED, critical=True)
    return made.sign(key, hashes.SHA256())


def _leaf_certificate(
    key: ec.EllipticCurvePrivateKey, issuer: Material, names: Sequence[str]
) -> x509.Certificate:
    authority = issuer.chain[0]
    made = builder(common_name(names[0]), authority.subject, key.public_key(), LEAF_LIFE)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(key_usage(sign_certificates=False), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    made = made.add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier_of_issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    made = made.add_extension(identifier_of_issuer, critical=False)
    if not isinstance(issuer.key, ec.EllipticCurvePrivateKey):
        raise CertificateError("is not the kind of key the development authority makes", part="key")
    return made.sign(issuer.key, hashes.SHA256())


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """DNS names and addresses as a certificate lists them."""
    found: list[x509.GeneralName] = []
    for name in names:
        literal = address(name)
        found.append(x509.IPAddress(ipaddress.ip_address(literal)) if literal else x509.DNSName(name))
    return found


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    """An authority's, or a server's."""
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def common_name(common: str) -> x509.Name:
    """A subject that is nothing else."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write_pair(
    file: Path, key_file: Path, chain: Sequence[x509.Certificate], key: ec.EllipticCurvePrivateKey
) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write(key_file, private, 0o600)
    write(file, b"".join(entry.public_bytes(serialization.Encoding.PEM) for entry in chain), 0o644)


def write(path: Path, data: bytes, mode: int) -> None:
    """Put `data` there whole or not at all; nobody ever sees a key with wider rights."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(fresh, path)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Nobody else makes certificates there at the same time; the directory is made if missing."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StartupError(f"the directory {directory} for certificates cannot be used: {why}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
