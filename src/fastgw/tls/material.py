"""Certificates, keys and trust stores as they lie in files: read once, judged, fingerprinted."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from fastgw.errors import CertificateError

PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
_CRL_BEGINS = b"-----BEGIN X509 CRL-----"
_KEY_TYPES = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate chain, leaf first, with its key; `names` are DNS names and addresses in lower case."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey = field(repr=False)
    names: tuple[str, ...]
    fingerprint: bytes  # of the chain: equal for equal certificates

    @property
    def not_before(self) -> datetime.datetime:
        """First moment of validity, UTC."""
        return self.chain[0].not_valid_before_utc

    @property
    def not_after(self) -> datetime.datetime:
        """Last moment of validity, UTC."""
        return self.chain[0].not_valid_after_utc


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Certificates that replace the public roots."""

    roots: tuple[x509.Certificate, ...]
    fingerprint: bytes


def read_material(file: Path, key: Path) -> Material:
    """Read a chain and its key. Raise CertificateError; its `part` says if `file` or `key` is to blame."""
    chain = _certificates(file, "file")
    private = _private_key(key)
    if not _same(chain[0].public_key(), private.public_key()):
        hint = "the first certificate in the file must be the leaf, not the authority's"
        raise CertificateError(f"does not belong to the certificate in {file}", part="key", hint=hint)
    return Material(chain, private, names_of(chain[0]), _digest(chain))


def read_certificates(file: Path) -> tuple[x509.Certificate, tuple[str, ...]]:
    """The first certificate of a file and its names. Raise CertificateError."""
    leaf = _certificates(file, "file")[0]
    return leaf, names_of(leaf)


def read_trust_store(file: Path) -> TrustStore:
    """Read a file of PEM roots. Raise CertificateError with part `store`, also if one of them is no root."""
    roots = _certificates(file, "store")
    for root in roots:
        _demand_root(file, root)
    return TrustStore(roots, _digest(roots))


def read_authorities(file: Path) -> TrustStore:
    """Read PEM certificates of who vouches for clients, intermediates too. Raise CertificateError (ca)."""
    found = _certificates(file, "ca")
    for certificate in found:
        if not _is_authority(certificate):
            hint = "put the certificate there that signs those of the clients"
            raise CertificateError(
                f"names {file}, in which {_called(certificate)} is no authority", part="ca", hint=hint
            )
    return TrustStore(found, _digest(found))


def read_crls(file: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """Read revocation lists: one or several in PEM, or one in DER. Raise CertificateError with part `crl`."""
    data = _read(file, "crl")
    try:
        if b"-----BEGIN" not in data:
            return (x509.load_der_x509_crl(data),)
        # Cut at the beginnings, so that one without an end is refused and not passed over.
        return tuple(
            x509.load_pem_x509_crl(_CRL_BEGINS + piece) for piece in data.split(_CRL_BEGINS)[1:]
        ) or (x509.load_pem_x509_crl(data),)
    except ValueError:
        hint = "PEM begins with -----BEGIN X509 CRL-----"
        raise CertificateError(
            f"names {file}, which holds no revocation list", part="crl", hint=hint
        ) from None


def read_staple(file: Path, leaf: x509.Certificate) -> bytes:
    """The OCSP response in `file`, fit to be stapled to `leaf` now. Raise CertificateError, part `ocsp`."""
    hint = "fetch a new one: openssl ocsp -issuer ... -cert ... -respout FILE"
    data = _read(file, "ocsp")
    try:
        response = ocsp.load_der_ocsp_response(data)
    except ValueError:
        raise CertificateError(
            f"names {file}, which holds no OCSP response", part="ocsp", hint=hint
        ) from None
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        status = response.response_status.name.lower()
        raise CertificateError(f"names {file}, an OCSP response that says {status}", part="ocsp", hint=hint)
    if response.serial_number != leaf.serial_number:
        raise CertificateError(
            f"names {file}, the OCSP response for another certificate", part="ocsp", hint=hint
        )
    now = datetime.datetime.now(datetime.UTC)
    until = response.next_update_utc
    if until is not None and until <= now:
        raise CertificateError(
            f"names {file}, an OCSP response that expired on {until:%Y-%m-%d %H:%M} UTC",
            part="ocsp",
            hint=hint,
        )
    return data


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _demand_root(file: Path, root: x509.Certificate) -> None:
    hint = "put root certificates there, those that have signed themselves"
    if not _is_authority(root):
        raise CertificateError(
            f"names {file}, in which {_called(root)} is no authority (CA:TRUE is missing)",
            part="store",
            hint=hint,
        )
    if root.issuer != root.subject:
        raise CertificateError(
            f"names {file}, in which {_called(root)} is an intermediate certificate", part="store", hint=hint
        )


def _called(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"


def _read(path: Path, part: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CertificateError(f"names {path}, which does not exist", part=part) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = "the account that runs fastgw must be able to read it"
        raise CertificateError(f"names {path}, which cannot be read: {why}", part=part, hint=hint) from None


def _certificates(path: Path, part: str) -> tuple[x509.Certificate, ...]:
    data = _read(path, part)
    hint = "PEM begins with -----BEGIN CERTIFICATE-----"
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise CertificateError(f"names {path}, which holds no PEM certificate", part=part, hint=hint)
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError:
        raise CertificateError(f"names {path}, whose certificate is damaged", part=part, hint=hint) from None


def _private_key(path: Path) -> PrivateKey:
    data = _read(path, "key")
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        hint = "take the passphrase off: openssl pkey -in KEY -out KEY.plain"
        raise CertificateError(f"names {path}, which is encrypted", part="key", hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "PEM keys begin with -----BEGIN PRIVATE KEY----- or the like"
        raise CertificateError(
            f"names {path}, which holds no usable PEM key", part="key", hint=hint
        ) from None
    if not isinstance(key, _KEY_TYPES):
        raise CertificateError(
            f"names {path}, whose kind of key cannot serve TLS", part="key", hint="use ECDSA P-256 or RSA"
        )
    return key


def _same(one: object, other: object) -> bool:
    return _spki(one) == _spki(other)


def _spki(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """The subject alternative names; the common name is not one of them (RFC 9525 section 2)."""
    try:
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = [name.lower() for name in san.get_values_for_type(x509.DNSName)]
    names += [str(address) for address in san.get_values_for_type(x509.IPAddress)]
    return tuple(names)


def common_name_of(leaf: x509.Certificate) -> str:
    """The last common name of a certificate without a list of names, in lower case; else nothing."""
    try:
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        found = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[-1].value).lower() if found else ""
    return ""


def _digest(certificates: tuple[x509.Certificate, ...]) -> bytes:
    digest = hashlib.sha256()
    for certificate in certificates:
        digest.update(certificate.public_bytes(serialization.Encoding.DER))
    return digest.digest()
