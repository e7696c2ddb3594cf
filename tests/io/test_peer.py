"""What a client's certificate says, compared with what cryptography reads in it; and octets that are none."""

from __future__ import annotations

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.io.peer import certificate_texts

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
BEGIN = datetime.datetime(2022, 3, 1, 13, 35, tzinfo=datetime.UTC)
TYPES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def made(
    subject: x509.Name, issuer: x509.Name, *, years: int = 10, extensions: bool = True
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(KEY.public_key())
        .serial_number(0x936EACBE07F201DF)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN.replace(year=BEGIN.year + years))
    )
    if extensions:
        authority = x509.AuthorityKeyIdentifier(b"\x27\x84\xff", [x509.DirectoryName(issuer)], 0x2688201DBA)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier(b"\x00\xab\xcd"), critical=False)
        builder = builder.add_extension(authority, critical=False)
    return builder.sign(OTHER, hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


SUBJECT = name(
    (NameOID.COUNTRY_NAME, "US"),
    (NameOID.STATE_OR_PROVINCE_NAME, "Texas"),
    (NameOID.ORGANIZATION_NAME, "Access Testing, Inc."),
    (NameOID.COMMON_NAME, "James Royal"),
)
ISSUER = name((NameOID.COUNTRY_NAME, "US"), (NameOID.COMMON_NAME, "Testing CA"))


def test_all_of_it() -> None:
    certificate = made(SUBJECT, ISSUER)
    texts = certificate_texts(der(certificate))
    field = texts.pop("field")
    assert base64.b64decode(field.strip(b":"), validate=True) == der(certificate)
    assert (field[:1], field[-1:]) == (b":", b":")
    assert texts == {
        "issuer": b"CN=Testing CA,C=US",
        "subject": b"CN=James Royal,O=Access Testing\\, Inc.,ST=Texas,C=US",
        "issuer_2253": b"CN=Testing CA,C=US",
        "subject_2253": b"CN=James Royal,O=Access Testing\\, Inc.,ST=Texas,C=US",
        "issuer_legacy": b"/C=US/CN=Testing CA",
        "subject_legacy": b"/C=US/ST=Texas/O=Access Testing, Inc./CN=James Royal",
        "serial": b"00936EACBE07F201DF",
        "issuer_serial": b"2688201DBA",
        "sha256": b"",
        "sha1": b"",
        "not_before": b"Mar  1 13:35:00 2022 GMT",
        "not_after": b"Mar  1 13:35:00 2032 GMT",
        "key_id": b"00ABCD",
        "issuer_key_id": b"2784FF",
    }


def test_a_year_of_four_digits_and_no_extensions() -> None:
    texts = certificate_texts(der(made(SUBJECT, ISSUER, years=40, extensions=False)))
    assert texts["not_after"] == b"Mar  1 13:35:00 2062 GMT"
    assert (texts["key_id"], texts["issuer_key_id"], texts["issuer_serial"]) == (b"", b"", b"")


visible = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
parts = st.lists(st.tuples(st.sampled_from(list(TYPES)), visible), min_size=1, max_size=6)


@given(parts)
def test_names_are_written_as_cryptography_does(chosen: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    subject = name(*chosen)
    expected = subject.rfc4514_string({oid: short for oid, short in TYPES.items()})
    texts = certificate_texts(der(made(subject, ISSUER, extensions=False)))
    assert texts["subject"].decode() == expected
    assert texts["subject_legacy"].decode() == "".join(f"/{TYPES[oid]}={value}" for oid, value in chosen)


def test_several_parts_at_once_types_without_a_short_name_and_letters_beyond_ascii() -> None:
    joint = x509.RelativeDistinguishedName(
        [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "b")]
    )
    odd = x509.RelativeDistinguishedName([x509.NameAttribute(x509.ObjectIdentifier("2.999.3"), "ä")])
    texts = certificate_texts(der(made(x509.Name([joint, odd]), ISSUER)))
    assert sorted(texts["subject"].partition(b",")[2].split(b"+")) == [b"CN=a", b"O=b"]
    assert texts["subject"].startswith(b"2.999.3=\\C3\\A4,")


def test_what_is_too_large_for_a_field_is_left_out() -> None:
    long = name(*[(NameOID.COMMON_NAME, "x" * 64)] * 60)
    texts = certificate_texts(der(made(long, long)))
    assert texts["field"]
    huge = name(*[(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 64)] * 64)
    names = x509.SubjectAlternativeName([x509.DNSName(f"{number}.{'x' * 60}.test") for number in range(200)])
    certificate = (
        x509.CertificateBuilder().subject_name(huge).issuer_name(huge).public_key(KEY.public_key()).serial_number(1)
        .not_valid_before(BEGIN).not_valid_after(BEGIN.replace(year=2030))
        .add_extension(names, False)
        .sign(OTHER, hashes.SHA256())
    )  # fmt: skip
    assert certificate_texts(der(certificate))["field"] == b""


WHOLE = der(made(SUBJECT, ISSUER))


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_a_piece_of_a_certificate_is_none(length: int) -> None:
    assert certificate_texts(WHOLE[:length]) is None


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6))
def test_any_octets_are_read_without_harm(changes: list[tuple[int, int]]) -> None:
    octets = bytearray(WHOLE)
    for at, value in changes:
        octets[at] = value
    texts = certificate_texts(bytes(octets))
    assert texts is None or all(isinstance(text, bytes) for text in texts.values())
