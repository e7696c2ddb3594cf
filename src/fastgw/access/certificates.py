"""Client certificates judged once more, by the authorities that a zone's policies believe."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from fastgw.access.facts import common_names
from fastgw.access.thumbprint import base64url
from fastgw.access.verdict import Flaw, Who
from fastgw.errors import CertificateError
from fastgw.tls.material import read_authorities, read_crls

logger = logging.getLogger("fastgw")


class Authorities:
    """Who vouches for clients. What cannot be read vouches for nobody."""

    def __init__(self, files: Sequence[Path], revoked: Path | None) -> None:
        self.any = not files
        self._certificates: list[x509.Certificate] = []
        self._lists: list[x509.CertificateRevocationList] = []
        self._blind = False
        try:
            for file in files:
                self._certificates += read_authorities(file).roots
            if revoked is not None:
                self._lists = list(read_crls(revoked))
        except CertificateError as error:
            logger.warning("client certificates cannot be judged: %s", error)
            self._blind = True

    def judge(self, certificate: x509.Certificate, now: datetime) -> Flaw:
        """TLS has found it good by the authorities of its own; is it by these?"""
        if self._blind:
            return "NOT_TRUSTED"
        if now >= certificate.not_valid_after_utc:
            return "EXPIRED"
        if now < certificate.not_valid_before_utc:
            return "NOT_YET_GOOD"
        if self._is_revoked(certificate):
            return "REVOKED"
        return "FLAWLESS" if self.any or self._leads_here(certificate, now) else "NOT_TRUSTED"

    def _is_revoked(self, certificate: x509.Certificate) -> bool:
        return any(
            one.issuer == certificate.issuer
            and one.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
            for one in self._lists
        )

    def _leads_here(self, certificate: x509.Certificate, now: datetime) -> bool:
        """Has one of the authorities issued it? Those in between are to be among them."""
        return any(_has_issued(one, certificate, now) for one in self._certificates)


def _has_issued(authority: x509.Certificate, certificate: x509.Certificate, now: datetime) -> bool:
    if not authority.not_valid_before_utc <= now < authority.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
        return authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False


def who_of(certificate: x509.Certificate, der: bytes) -> Who:
    """An identity as a certificate tells it."""
    names = common_names(certificate)
    return Who(common_name=next(iter(names), "")[:256], thumbprint=base64url(hashlib.sha256(der).digest()))


def ends(certificate: x509.Certificate) -> float:
    """When it expires, in seconds since 1970."""
    return certificate.not_valid_after_utc.astimezone(UTC).timestamp()
