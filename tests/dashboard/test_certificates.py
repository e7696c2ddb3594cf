"""Certificates are uploaded, shown with their end, and made for origins."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fastgw.dashboard.pages.certificates import end_of

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("2026-02-28T00:00:00Z", "expired", "bad"),
        ("2026-03-01T13:00:00Z", "less than a day left", "note"),
        ("2026-03-03T00:00:00Z", "1 day left", "note"),
        ("2026-03-21T12:00:00Z", "20 days left", "note"),
        ("2026-06-09T12:00:00Z", "100 days left", "good"),
        (None, "cannot be read", "bad"),
    ],
)
def test_the_end_of_a_certificate_in_words(text, words, kind):
    end = end_of(text, NOW)
    assert (end.words, end.kind) == (words, kind)


def test_a_certificate_is_uploaded_and_shown_to_clients(api, visitor):
    id_ = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    leaf = api.leaf("shop.test")
    assert "There is no certificate yet" in visitor.see(f"/zones/{id_}/certificates")
    key = leaf.key.read_text()
    said = visitor.send(
        f"/zones/{id_}/certificates/do/upload", certificate=leaf.certificate.read_text(), private_key=key
    )
    assert "shown to clients from now on" in said
    assert "*.shop.test" in said
    assert "left" in said
    api.record(id_, "shop.test")
    api.sdk.zones.settings.edit("grpc", zone_id=id_, value="on")
    assert api.call("shop.test") == b"hello"
    assert key.splitlines()[1] not in visitor.last.text
    (one,) = api.sdk.custom_certificates.list(zone_id=id_)
    said = visitor.send(f"/zones/{id_}/certificates/do/remove", id=one.id)
    assert "Nothing was changed" in said  # a name is served that no other is left for


def test_a_key_that_does_not_belong_is_refused_and_not_sent_back(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/certificates")
    good, other = api.leaf("shop.test"), api.leaf("other.test")
    key = other.key.read_text()
    said = visitor.send(
        f"/zones/{id_}/certificates/do/upload", certificate=good.certificate.read_text(), private_key=key
    )
    assert "Nothing was changed" in said
    assert key.splitlines()[1] not in visitor.last.text


def test_the_oldest_tls_is_chosen(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/certificates")
    said = visitor.send(f"/zones/{id_}/certificates/do/change", id="min_tls_version", value="1.3")
    assert "Minimum TLS version is TLS 1.3" in said
    assert api.sdk.zones.settings.get("min_tls_version", zone_id=id_).value == "1.3"
    said = visitor.send(f"/zones/{id_}/certificates/do/change", id="grpc", value="off")
    assert "this page has no such setting" in said


def test_a_certificate_is_made_for_an_origin_and_revoked(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/certificates")
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    at = f"/zones/{id_}/certificates/do"
    said = visitor.send(f"{at}/issue", hostnames="shop.test, *.shop.test", days="90", csr=csr)
    assert "stands below" in said
    assert "BEGIN CERTIFICATE" in said
    (one,) = api.sdk.origin_ca_certificates.list(zone_id=id_)
    assert "The certificate is revoked" in visitor.send(f"{at}/revoke", id=one.id)
    assert "No certificate was made for an origin" in visitor.see(f"/zones/{id_}/certificates")
    assert "requested_validity" in visitor.send(f"{at}/issue", hostnames="shop.test", days="x", csr=csr)
