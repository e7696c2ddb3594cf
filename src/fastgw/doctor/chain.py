"""Judges the chain of certificates an endpoint has sent: to whom it leads, its order, names and times."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from fastgw.errors import CertificateError
from fastgw.policy.names import HostnameError, address, covers, hostname
from fastgw.tls.context import client_context

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: times have a line of their own
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19  # X509_V_ERR_…
_NO_ISSUER = (2, 20, 21)
SHOWN = 5  # names of a certificate that are listed

Certificates = Sequence[x509.Certificate]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, and what to do; `problem` empty: nothing, and `seen` says what there is."""

    problem: str = ""
    hint: str = ""
    seen: str = ""


def parse(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """The certificates. Raise ValueError if one is damaged."""
    return tuple(x509.load_der_x509_certificate(one) for one in chain)


def roots_in(file: Path) -> tuple[x509.Certificate, ...]:
    """PEM certificates to trust, authorities or the server's own. Raise CertificateError, part `store`."""
    try:
        return tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CertificateError(f"{file} cannot be read: {why}", part="store") from None
    except ValueError:
        raise CertificateError(f"{file} holds no PEM certificate", part="store") from None


def trusted(chain: Certificates, roots: Certificates | None) -> Verdict:
    """Does it lead to one of `roots` (None: the public ones), whatever its times?"""
    context: Any = client_context(verify=True, roots=roots)
    store = context.get_cert_store()  # lives only as long as the context
    store.set_flags(_NO_CHECK_TIME)
    leaf, *others = (crypto.X509.from_cryptography(one) for one in chain)
    try:
        path = crypto.X509StoreContext(store, leaf, others).get_verified_chain()
    except crypto.X509StoreContextError as error:
        code = error.errors[0] if error.errors else 0
        return _untrusted(chain, code, str(error), roots)
    if not _for_servers(chain[0]):
        return Verdict(
            "the certificate is not meant for servers: its extended key usage lacks serverAuth",
            "get one with serverAuth",
        )
    root = name_of(path[-1].to_cryptography().subject)
    return Verdict(seen=f"leads to {root}{', one of the public roots' if roots is None else ''}")


def _untrusted(chain: Certificates, code: int, text: str, roots: Certificates | None) -> Verdict:
    whom = "this machine" if roots is None else "--ca"
    if code == _SELF_SIGNED:
        return Verdict(
            "the certificate is self-signed: no authority vouches for it",
            "get one from an authority; for a test, give it with --ca FILE",
        )
    if code == _SELF_SIGNED_IN_CHAIN:
        root = name_of(chain[-1].subject)
        return Verdict(
            f"it leads to the authority {root}, which {whom} does not trust",
            "give that authority's root with --ca FILE, and clients too; or get a public certificate",
        )
    if code in _NO_ISSUER:
        known = {one.subject for one in chain}
        open_end = next((one for one in chain if one.issuer not in known), chain[-1])
        return Verdict(
            f"it is issued by the authority {name_of(open_end.issuer)}, "
            f"which was not sent and {whom} does not trust",
            "if that is an intermediate, send its certificate behind the leaf; "
            "if it is a private root, give it with --ca FILE",
        )
    return Verdict(f"the chain is not accepted: {text}")


def _for_servers(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    return bool({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage))


def ordered(chain: Certificates) -> Verdict:
    """Is each followed by its issuer?"""
    for below, above in pairwise(chain):
        if not _issued(below, above):
            problem = f"{name_of(below.subject)} is followed by {name_of(above.subject)}, not by its issuer"
            return Verdict(problem)
    if len(chain) == 1:
        return Verdict(seen="the leaf alone was sent")
    last = chain[-1]
    root = ", the root among them, which could be left out" if last.issuer == last.subject else ""
    return Verdict(seen=f"{len(chain)} certificates, each followed by its issuer{root}")


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def named(leaf: x509.Certificate, asked: str) -> Verdict:
    """Is it for the name that clients ask for?"""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        text = f"; its common name {common[0].value!r} does not count" if common else ""
        return Verdict(f"the certificate has no subject alternative name{text}")
    literal = address(asked)
    listed = [one.lower() for one in names.get_values_for_type(x509.DNSName)]
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    if literal is not None:
        if ipaddress.ip_address(literal) in names.get_values_for_type(x509.IPAddress):
            return Verdict(seen=f"is for {literal}")
    else:
        try:
            name = hostname(asked)
        except HostnameError:
            name = asked
        found = next((one for one in listed if covers(one, name)), None)
        if found is not None:
            return Verdict(seen=f"is for {found}")
    all_names = [*listed, *addresses]
    more = f" and {len(all_names) - SHOWN} more" if len(all_names) > SHOWN else ""
    return Verdict(
        f"the certificate is for {', '.join(all_names[:SHOWN]) or 'no name'}{more}, not for {asked}"
    )


@dataclass(frozen=True, slots=True)
class Times:
    """When the certificate of the chain that ends first does so, and is that soon for one of its life?"""

    problem: str
    seen: str
    soon: bool


def times(chain: Certificates, now: datetime.datetime) -> Times:
    """Are all of them valid at `now`, and for how long yet?"""
    for one in chain:
        whose = "the certificate" if one is chain[0] else f"the certificate of {name_of(one.subject)}"
        if one.not_valid_before_utc > now:
            return Times(f"{whose} is not valid before {_day(one.not_valid_before_utc)}", "", False)
        if one.not_valid_after_utc < now:
            return Times(f"{whose} expired {_day(one.not_valid_after_utc)}", "", False)
    first = min(chain, key=lambda one: one.not_valid_after_utc)
    left = first.not_valid_after_utc - now
    life = first.not_valid_after_utc - first.not_valid_before_utc
    whose = "" if first is chain[0] else f" ({name_of(first.subject)})"
    days = left.days
    if days >= 1:
        words = f"{days} day{'' if days == 1 else 's'} left"
    else:
        words = f"{left.seconds // 3600} hours left"
    seen = f"valid until {_day(first.not_valid_after_utc)}, {words}{whose}"
    return Times("", seen, left <= datetime.timedelta(days=30) and left * 3 < life)


def left_days(chain: Certificates, now: datetime.datetime) -> int:
    """Whole days until the first of them ends."""
    return min(one.not_valid_after_utc - now for one in chain).days


def _day(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def name_of(name: x509.Name) -> str:
    """How people call an authority."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(kind)
        if found:
            return str(found[0].value)
    return name.rfc4514_string() or "without a name"
