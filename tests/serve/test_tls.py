"""TLS contexts: what they agree to, whom they believe, what the development authority may vouch for."""

from __future__ import annotations

import contextlib
import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL

from fastgw.errors import CertificateError, StartupError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.tls import Shown
from fastgw.tls import context, issue
from fastgw.tls.trust import OriginTrust, Shelf


def files(authority: Path, stem: str = "gw.test") -> CertificateFiles:
    return CertificateFiles(authority / f"{stem}.pem", authority / f"{stem}.key")


def shake(server: SSL.Context, client: SSL.Context, name: bytes = b"") -> SSL.Connection:
    """A handshake in memory; the client's side of it."""
    ends = SSL.Connection(server), SSL.Connection(client)
    ends[0].set_accept_state()
    ends[1].set_connect_state()
    if name:
        ends[1].set_tlsext_host_name(name)
    done = [False, False]
    for _ in range(10):
        for side in (1, 0):
            try:
                ends[side].do_handshake()
                done[side] = True
            except SSL.WantReadError:
                pass
            with contextlib.suppress(SSL.WantReadError):
                ends[1 - side].bio_write(ends[side].bio_read(1 << 16))
    assert all(done)
    return ends[1]


def test_a_strict_client_believes_the_trust_store(authority):
    shelf = Shelf()
    shown = shelf.server(files(authority), ("X25519",))
    server, material, fresh = shown.context, shown.material, shown.fresh
    client, _ = shelf.client(OriginTrust(verify=True, roots=authority / "ca.pem"))
    conn = shake(server, client)
    assert fresh
    assert conn.get_cipher_name() == "TLS_AES_128_GCM_SHA256"
    assert conn.get_protocol_version_name() == "TLSv1.3"
    assert material.names == ("gw.test", "*.gw.test")


def test_a_strict_client_does_not_believe_a_stranger(authority):
    shelf = Shelf()
    server = shelf.server(files(authority), ("X25519",)).context
    client, _ = shelf.client(OriginTrust(verify=True))
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        shake(server, client)
    unverified, _ = shelf.client(OriginTrust(verify=False))
    shake(server, unverified)


@pytest.mark.parametrize(
    ("ciphers", "good"),
    [
        (b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256", True),
        (b"ECDHE-ECDSA-AES128-SHA", False),
        (b"ECDHE-ECDSA-AES128-SHA256", False),
    ],
)
def test_tls_1_2_takes_only_what_rfc_9113_leaves(authority, ciphers, good):
    server = Shelf().server(files(authority), ("P-256",)).context
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_max_proto_version(SSL.TLS1_2_VERSION)
    client.set_cipher_list(ciphers)
    if good:
        assert shake(server, client).get_cipher_name() == "ECDHE-ECDSA-AES128-GCM-SHA256"
    else:
        with pytest.raises(SSL.Error):
            shake(server, client)


def test_tls_1_1_is_too_old(authority):
    server = Shelf().server(files(authority), ("P-256",)).context
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_cipher_list(b"ALL:@SECLEVEL=0")
    client.set_max_proto_version(SSL.TLS1_1_VERSION)
    with pytest.raises(SSL.Error, match="unsupported protocol"):
        shake(server, client)


def test_the_order_of_groups_is_ours(authority):
    shelf = Shelf()
    client, _ = shelf.client(OriginTrust(verify=False))
    for groups, wanted in ((("X25519", "P-256"), "x25519"), (("P-384",), "secp384r1")):
        server = shelf.server(files(authority), groups).context
        conn = shake(server, client)
        group = getattr(conn, "get_group_name", lambda wanted=wanted: wanted)()
        assert group.lower() == wanted


def test_unknown_groups_are_a_plain_sentence(authority):
    with pytest.raises(StartupError, match="does not know all of the TLS groups X448000"):
        Shelf().server(files(authority), ("X448000",))


def test_no_python_callback_is_set(authority):
    shelf = Shelf()
    server = shelf.server(files(authority), ("X25519",)).context
    for one in (server, shelf.client(OriginTrust(verify=True, roots=authority / "ca.pem"))[0]):
        helpers = {
            name: value for name, value in vars(one).items() if name.endswith(("_helper", "_callback"))
        }
        assert not any(helpers.values()), helpers


def test_the_shelf_keeps_what_is_used(authority):
    shelf = Shelf()
    first = shelf.server(files(authority), ("X25519",))
    second = shelf.server(files(authority), ("X25519",))
    other = shelf.server(files(authority, "else.test"), ("X25519",)).context
    assert first.context is second.context
    assert (first.fresh, second.fresh) == (True, False)
    kept = files(authority, "else.test")
    shelf.sweep({id(other)}, {Shown(kept)}, {kept.file, kept.key})
    assert list(shelf.servers.values()) == [other]
    assert list(shelf.shown) == [Shown(kept)]
    assert [key[1:] for key in shelf._read] == [(kept.file, kept.key)]


def test_the_guard_is_one_clear_sentence(authority, monkeypatch):
    monkeypatch.setattr(context, "_PRIVATE", ("SSL_CTX_no_such_thing",))
    with pytest.raises(
        StartupError, match="no longer offer SSL_CTX_no_such_thing, which fastgw needs for TLS"
    ):
        Shelf().server(files(authority), ("X25519",))


def test_the_authority_is_made_once_and_kept_private(tmp_path):
    directory = tmp_path / "deep" / "fastgw"
    made = issue.development_authority(directory)
    text = made.certificate.read_bytes()
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    pair = issue.development_certificate(made)
    leaf = pair.file.read_bytes()
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    assert issue.development_authority(directory).certificate.read_bytes() == text
    assert issue.development_certificate(made).file.read_bytes() == leaf
    assert sorted(path.name for path in directory.iterdir()) == [
        ".lock",
        "ca.key",
        "ca.pem",
        "localhost.key",
        "localhost.pem",
    ]


def test_a_leaf_is_renewed_before_it_ends_and_when_the_authority_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(issue, "LEAF_LIFE", issue.RENEW_BEFORE - datetime.timedelta(hours=1))
    made = issue.development_authority(tmp_path)
    before = issue.development_certificate(made).file.read_bytes()
    monkeypatch.undo()
    after = issue.development_certificate(made).file.read_bytes()
    assert before != after
    made.key.unlink()
    issue.development_certificate(issue.development_authority(tmp_path))
    assert issue.development_certificate(made).file.read_bytes() != after


def test_the_authority_cannot_vouch_for_the_world(tmp_path):
    made = issue.development_authority(tmp_path)
    shelf = Shelf()
    client, _ = shelf.client(OriginTrust(verify=True, roots=made.certificate))
    shake(shelf.server(issue.development_certificate(made), ("X25519",)).context, client)
    foreign = issue.development_certificate(made, ("bank.example",))
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        shake(shelf.server(foreign, ("X25519",)).context, client)


def test_the_leaf_names_this_machine(tmp_path):
    pair = issue.development_certificate(issue.development_authority(tmp_path))
    leaf = x509.load_pem_x509_certificates(pair.file.read_bytes())[0]
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["localhost"]
    assert list(map(str, san.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]


def test_a_key_openssl_refuses_is_a_plain_sentence(authority, monkeypatch):
    def refuse(*_):
        raise SSL.Error([("ssl", "", "ee key too small")])

    monkeypatch.setattr(SSL.Context, "use_certificate", refuse)
    with pytest.raises(CertificateError, match="is refused by OpenSSL: ee key too small"):
        Shelf().server(files(authority), ("X25519",))
