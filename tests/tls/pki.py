"""Certificates of every kind, good and bad, as files; revocation lists and OCSP responses."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in memory and as files."""

    leaf: x509.Certificate
    private: ec.EllipticCurvePrivateKey
    certificate: Path
    key: Path


class Pki:
    """Makes what is asked for in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def make(
        self,
        stem: str,
        *names: str,
        issuer: Pair | None = None,
        common: str | None = None,
        starts: datetime.timedelta = -DAY,
        ends: datetime.timedelta = 30 * DAY,
        ca: bool = False,
        client: bool = False,
    ) -> Pair:
        """Self-signed without `issuer`; `names` in the list of names, `common` in the subject."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common or stem)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.leaf.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() + starts)
            .not_valid_after(now() + ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_general(names)), critical=False)
        if not ca:
            use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        signed = builder.sign(issuer.private if issuer else key, hashes.SHA256())
        return self.write(stem, signed, key)

    def write(self, stem: str, leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
        pair = Pair(leaf, key, self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        pair.key.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        pair.certificate.write_bytes(leaf.public_bytes(PEM))
        return pair

    def crl(self, stem: str, issuer: Pair, *revoked: Pair, ends: datetime.timedelta = DAY) -> Path:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.leaf.subject)
            .last_update(now() - 2 * DAY)
            .next_update(now() + ends)
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.leaf.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now() - DAY).build())
        path = self.folder / f"{stem}.crl"
        path.write_bytes(builder.sign(issuer.private, hashes.SHA256()).public_bytes(PEM))
        return path

    def staple(self, stem: str, leaf: Pair, issuer: Pair, ends: datetime.timedelta = DAY) -> Path:
        response = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=leaf.leaf,
                issuer=issuer.leaf,
                algorithm=hashes.SHA256(),
                cert_status=ocsp.OCSPCertStatus.GOOD,
                this_update=now() - 2 * DAY,
                next_update=now() + ends,
                revocation_time=None,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.leaf)
            .sign(issuer.private, hashes.SHA256())
        )
        path = self.folder / f"{stem}.der"
        path.write_bytes(response.public_bytes(serialization.Encoding.DER))
        return path


def _general(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
