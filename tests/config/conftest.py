"""Certificates for configurations to name, good and bad ones."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_pair(
    directory: Path, stem: str, names: list[str], *, days: int = 30, begins: int = -1, ca: bool = False
) -> None:
    """Put STEM.pem and STEM.key into `directory`: self-signed, valid from day `begins` to day `days`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begins))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(san, critical=False)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    (directory / f"{stem}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    for suffix, protection in (
        ("key", serialization.NoEncryption()),
        ("locked", serialization.BestAvailableEncryption(b"secret")),
    ):
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        (directory / f"{stem}.{suffix}").write_bytes(text)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the examples name, and much that should not be named."""
    directory = tmp_path_factory.mktemp("config")
    write_pair(directory, "gateway", ["gw.test", "*.gw.test"])
    write_pair(directory, "other", ["other.test"])
    write_pair(directory, "nameless", [])
    write_pair(directory, "old", ["gw.test", "*.gw.test"], begins=-60, days=-30)
    write_pair(directory, "soon", ["gw.test", "*.gw.test"], days=3)
    write_pair(directory, "future", ["gw.test", "*.gw.test"], begins=10, days=40)
    write_pair(directory, "ca", [], ca=True)
    write_pair(directory, "old-ca", [], ca=True, begins=-60, days=-30)
    (directory / "empty.pem").write_text("")
    (directory / "damaged.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return directory
