"""The Origin CA as a library: what it issues, requests, expiry reports."""

from __future__ import annotations

import stat

from cryptography import x509

from fastgw.tls.material import read_material
from fastgw.tls.origin_ca import expiry, issue_origin, make_csr, origin_authority
from tests.tls.pki import DAY, Pki


def test_it_is_made_once_and_only_its_owner_reads_the_key(tmp_path):
    first = origin_authority(tmp_path / "deep")
    octets = first.certificate.read_bytes()
    assert origin_authority(tmp_path / "deep") == first
    assert first.certificate.read_bytes() == octets
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o600


def test_a_request_keeps_its_key_and_its_names(tmp_path):
    authority = origin_authority(tmp_path)
    asked = make_csr(["grpc.example.com", "*.example.com", "10.0.0.7"])
    made = issue_origin(authority, [], 90, csr=asked.certificate)
    assert made.key == b""
    (tmp_path / "o.pem").write_bytes(made.certificate)
    (tmp_path / "o.key").write_bytes(asked.key)
    material = read_material(tmp_path / "o.pem", tmp_path / "o.key")
    assert material.names == ("grpc.example.com", "*.example.com", "10.0.0.7")
    assert len(material.chain) == 2
    assert 89 < (material.not_after - material.not_before).days <= 90
    material.chain[0].verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    )


def test_names_given_stand_in_for_those_of_the_request(tmp_path):
    made = issue_origin(origin_authority(tmp_path), ["b.test"], 9, csr=make_csr(["a.test"]).certificate)
    leaf = x509.load_pem_x509_certificates(made.certificate)[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["b.test"]


def test_the_report_begins_with_what_needs_a_hand(tmp_path):
    pki = Pki(tmp_path)
    late, soon = pki.make("late", "late.test"), pki.make("soon", "soon.test", ends=2 * DAY)
    over = pki.make("over", "over.test", starts=-9 * DAY, ends=-DAY)
    rows = expiry([late.certificate, soon.certificate, tmp_path / "gone.pem", over.certificate])
    assert [row.file.stem for row in rows] == ["gone", "over", "soon", "late"]
    assert "does not exist" in rows[0].problem
    assert rows[0].days_left is None
    assert rows[1].days_left < 0 < rows[2].days_left < 2
    assert rows[3].names == ("late.test",)
