"""What policies ask of tokens and certificates, numbered; and which of it holds for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from fastgw.access.verdict import Who
from fastgw.policy.access import OF_CERTIFICATES, OF_TOKENS, Access, Requirement


def asked_of(access: Access) -> dict[Requirement, int]:
    """Everything that is asked of tokens and certificates, each thing once, with its number."""
    found: dict[Requirement, int] = {}
    for application in access.applications:
        for policy in application.policies:
            for one in (*policy.include, *policy.require, *policy.exclude):
                if one.kind in OF_TOKENS or one.kind in OF_CERTIFICATES:
                    found.setdefault(one, len(found))
    return found


# ---- signed tokens


def of_token(asked: Mapping[Requirement, int], issuer: str, claims: Mapping[str, Any]) -> tuple[int, ...]:
    """What holds for a token with these claims."""
    return tuple(number for one, number in asked.items() if _token_has(one, issuer, claims))


def _token_has(one: Requirement, issuer: str, claims: Mapping[str, Any]) -> bool:
    if one.kind == "jwt":
        return not one.values or issuer in one.values
    if one.kind == "email":
        return _email(claims) in one.values
    if one.kind == "email_domain":
        return _email(claims).rpartition("@")[2] in one.values
    if one.kind == "claim":
        return not set(one.values).isdisjoint(_texts(_claim(claims, one.name)))
    return False


def _email(claims: Mapping[str, Any]) -> str:
    """Of nobody, if the issuer has not verified it; never empty, so that nothing fits by chance."""
    email = claims.get("email")
    verified = claims.get("email_verified", True) in (True, "true")
    if not isinstance(email, str) or not verified or "@" not in email:
        return "@"
    return email.lower()


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, or else what the dots in it lead to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _texts(value: Any) -> Iterable[str]:
    """A claim as texts: itself, or its items."""
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool):
            yield "true" if item else "false"
        elif isinstance(item, str | int):
            yield str(item)


def who_of(claims: Mapping[str, Any]) -> Who:
    """An identity as a token tells it; what is no short text is left out."""
    groups = claims.get("groups")
    return Who(
        subject=_short(claims.get("sub")),
        email=_short(claims.get("email")),
        groups=tuple(one for one in groups if isinstance(one, str) and len(one) <= 64)[:16]
        if isinstance(groups, list)
        else (),
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 256 else ""


# ---- certificates


def of_certificate(
    asked: Mapping[Requirement, int], certificate: x509.Certificate, mark: str
) -> tuple[int, ...]:
    """What holds for a certificate whose SHA-256 digest is `mark`, in hex."""
    names = common_names(certificate)
    others = alternative_names(certificate)
    found = []
    for one, number in asked.items():
        if (
            one.kind == "certificate"
            or (one.kind == "common_name" and not names.isdisjoint(one.values))
            or (one.kind == "fingerprint" and mark in one.values)
            or (one.kind == "san" and not others.isdisjoint(value.lower() for value in one.values))
        ):
            found.append(number)
    return tuple(found)


def common_names(certificate: x509.Certificate) -> set[str]:
    """Of its subject; none if there are several, of which one might be meant and another looked at."""
    found = {str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    return found if len(found) == 1 else set()


def alternative_names(certificate: x509.Certificate) -> set[str]:
    """DNS names, addresses, URIs and mail addresses it bears, in lower case."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    names: set[str] = set()
    for kind in (x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name):
        names.update(str(one).lower() for one in found.get_values_for_type(kind))
    names.update(str(one) for one in found.get_values_for_type(x509.IPAddress))
    return names
