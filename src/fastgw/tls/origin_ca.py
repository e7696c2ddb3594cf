"""The Origin CA: certificates for origins, which gateways of the same account believe; requests, expiry."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from fastgw.errors import CertificateError
from fastgw.policy.names import HostnameError, address, hostname
from fastgw.tls.issue import (
    Authority,
    builder,
    common_name,
    data_directory,
    general_names,
    key_usage,
    locked,
    write,
)
from fastgw.tls.material import Material, read_certificates, read_material

DAYS_MAX = 5475  # what the reference product grants at most
_AUTHORITY_LIFE = datetime.timedelta(days=7300)


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM octets; `key` is empty if the certificate was made from a request."""

    certificate: bytes
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Expiry:
    """One certificate file; `problem` says why nothing else is known of it."""

    file: Path
    names: tuple[str, ...] = ()
    issuer: str = ""
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    problem: str = ""

    @property
    def days_left(self) -> float | None:
        """Days until it runs out, negative afterwards; None if it cannot be read."""
        if self.not_after is None:
            return None
        return (self.not_after - datetime.datetime.now(datetime.UTC)).total_seconds() / 86400


def root_file(directory: Path | None = None) -> Path:
    """Where the root is, if there is one: gateways of this account believe it."""
    return (directory or data_directory()) / "origin-ca.pem"


def origin_authority(directory: Path | None = None) -> Authority:
    """The Origin CA in `directory`, made if missing; only the owner can read its key."""
    place = directory or data_directory()
    authority = Authority(place, root_file(place), place / "origin-ca.key")
    with locked(place):
        if not authority.certificate.exists() and not authority.key.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = common_name("fastgw Origin CA")
            root = builder(name, name, key.public_key(), _AUTHORITY_LIFE)
            root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            root = root.add_extension(key_usage(sign_certificates=True), critical=True)
            write(authority.key, _key_pem(key), 0o600)
            write(authority.certificate, _pem(root.sign(key, hashes.SHA256())), 0o644)
        read_material(authority.certificate, authority.key)
    return authority


def issue_origin(
    authority: Authority, hostnames: Sequence[str], days: int, csr: bytes | None = None
) -> Issued:
    """A certificate of `authority` for `hostnames` and `days`. Raise CertificateError.

    `*.` may stand in front of a name and is one label. `csr`: a PEM request whose key is taken, and whose
    names if `hostnames` is empty; without it a key is made.
    """
    if not 1 <= days <= DAYS_MAX:
        raise CertificateError(f"would be good for {days} days; 1 to {DAYS_MAX} are possible")
    issuer = read_material(authority.certificate, authority.key)
    request = None if csr is None else _request(csr)
    names = _judged(hostnames or (() if request is None else _asked(request)))
    if request is not None:
        public = request.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey) and getattr(public, "key_size", 0) < 2048:
            raise CertificateError("is asked for a key that is too weak", hint="use ECDSA P-256 or RSA 2048")
        return Issued(_pem(_leaf(issuer, public, names, days)) + _pem(issuer.chain[0]))
    key = ec.generate_private_key(ec.SECP256R1())
    chain = _pem(_leaf(issuer, key.public_key(), names, days)) + _pem(issuer.chain[0])
    return Issued(chain, _key_pem(key))


def make_csr(names: Sequence[str]) -> Issued:
    """A request for a certificate of these names, and its new key."""
    judged = _judged(names)
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(common_name(judged[0]))
    request = request.add_extension(x509.SubjectAlternativeName(general_names(judged)), critical=False)
    return Issued(request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _key_pem(key))


def expiry(files: Iterable[Path]) -> list[Expiry]:
    """What is known of each file's first certificate; unreadable ones, then what runs out first, lead."""
    found = []
    for file in files:
        try:
            leaf, names = read_certificates(file)
        except CertificateError as error:
            found.append(Expiry(file, problem=str(error)))
            continue
        issuer = leaf.issuer.rfc4514_string()
        found.append(Expiry(file, names, issuer, leaf.not_valid_before_utc, leaf.not_valid_after_utc))
    return sorted(found, key=lambda one: one.days_left if one.days_left is not None else float("-inf"))


def _judged(names: Sequence[str]) -> tuple[str, ...]:
    hint = 'write names as in "grpc.example.com" or "*.example.com", or addresses'
    if not names:
        raise CertificateError("would bear no name", hint=hint)
    found = []
    for text in names:
        bare = text.removeprefix("*.")
        try:
            found.append(address(text) or text[: len(text) - len(bare)] + hostname(bare))
        except HostnameError as error:
            raise CertificateError(f"would bear {text!r}, which {error}", hint=hint) from None
        if bare != text and "." not in bare:
            raise CertificateError(f"would bear {text!r}, a star above a single label", hint=hint)
    return tuple(dict.fromkeys(found))


def _leaf(issuer: Material, public: object, names: Sequence[str], days: int) -> x509.Certificate:
    made = builder(common_name(names[0]), issuer.chain[0].subject, public, datetime.timedelta(days=days))
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(key_usage(sign_certificates=False), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    made = made.add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
    identifier = issuer.chain[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = made.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )
    assert isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    return made.sign(issuer.key, hashes.SHA256())


def _request(csr: bytes) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(csr)
    except ValueError:
        hint = "PEM begins with -----BEGIN CERTIFICATE REQUEST-----"
        raise CertificateError("is asked for by something that is no request", hint=hint) from None
    if not request.is_signature_valid:
        raise CertificateError("is asked for by a request whose signature does not hold")
    return request


def _asked(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
