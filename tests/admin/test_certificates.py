"""Certificates through the SDK: each change is seen in the next handshake, keys never leave the machine."""

import socket
import ssl
import stat

import cloudflare
import grpc
import pytest
from cryptography import x509

from fastgw.tls.origin_ca import make_csr


def shown(api, name: str, **terms) -> tuple[x509.Certificate, str]:
    """The certificate and the version of TLS that `name` is shown."""
    host, _, port = api.gateway.addresses[0].rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    for key, value in terms.items():
        setattr(context, key, value)
    raw = socket.create_connection((host, int(port)), timeout=5)
    with raw, context.wrap_socket(raw, server_hostname=name) as one:
        return x509.load_der_x509_certificate(one.getpeercert(True)), one.version()


def pems(leaf) -> dict[str, str]:
    return {"certificate": leaf.certificate.read_text(), "private_key": leaf.key.read_text()}


def test_a_certificate_comes_is_exchanged_and_goes(api):
    zone = api.zone()
    (first,) = list(api.sdk.custom_certificates.list(zone_id=zone))
    assert (first.hosts, first.status, first.zone_id) == (["shop.test", "*.shop.test"], "active", zone)
    before, _ = shown(api, "shop.test")
    fresh = api.ca.leaf("shop.test", "*.shop.test", file="renewed")
    edited = api.sdk.custom_certificates.edit(first.id, zone_id=zone, **pems(fresh))
    assert (edited.id, edited.uploaded_on) == (first.id, first.uploaded_on)
    after, _ = shown(api, "shop.test")
    assert after.serial_number != before.serial_number
    assert after == x509.load_pem_x509_certificate(fresh.certificate.read_bytes())
    second = api.sdk.custom_certificates.create(zone_id=zone, **pems(api.ca.leaf("shop.test", file="second")))
    assert shown(api, "shop.test")[0] == after
    order = [{"id": second.id, "priority": 9}, {"id": first.id, "priority": 1}]
    ranked = list(api.sdk.custom_certificates.prioritize.update(zone_id=zone, certificates=order))
    assert [one.id for one in ranked] == [second.id, first.id]
    assert shown(api, "shop.test")[0].serial_number != after.serial_number
    api.sdk.custom_certificates.delete(second.id, zone_id=zone)
    assert shown(api, "shop.test")[0] == after
    with pytest.raises(cloudflare.BadRequestError, match="no certificate"):
        api.sdk.custom_certificates.delete(first.id, zone_id=zone)
    assert api.call("shop.test") == b"hello"


def test_files_are_the_owners_alone_and_go_with_what_they_were_for(api):
    zone = api.zone()
    folder = api.admin.desk.directory
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {path: path.read_text() for path in folder.iterdir()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    everything = api.http.get(f"/zones/{zone}/custom_certificates").text
    assert "PRIVATE KEY" not in everything
    other = api.ca.leaf("other.test")
    wrong = {
        "certificate": other.certificate.read_text(),
        "private_key": api.leaf("shop.test").key.read_text(),
    }
    for bad in (wrong, {**wrong, "certificate": "nonsense"}, {**wrong, "private_key": "nonsense"}):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            api.sdk.custom_certificates.create(zone_id=zone, **bad)
        assert str(folder) not in str(caught.value), "where files lie is nobody's business"
    assert {path: path.read_text() for path in folder.iterdir()} == files


def test_terms_of_one_name(api):
    zone = api.zone()
    api.record(zone, "strict")
    tls = api.sdk.hostnames.settings.tls
    made = tls.update("strict.shop.test", zone_id=zone, setting_id="min_tls_version", value="1.3")
    assert (made.hostname, made.value) == ("strict.shop.test", "1.3")
    assert shown(api, "shop.test", maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        shown(api, "strict.shop.test", maximum_version=ssl.TLSVersion.TLSv1_2)
    assert [one.hostname for one in tls.list("min_tls_version", zone_id=zone)] == ["strict.shop.test"]
    tls.delete("strict.shop.test", zone_id=zone, setting_id="min_tls_version")
    assert shown(api, "strict.shop.test", maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"
    with pytest.raises(cloudflare.NotFoundError):
        tls.delete("strict.shop.test", zone_id=zone, setting_id="min_tls_version")
    with pytest.raises(cloudflare.BadRequestError):
        tls.update("strict.shop.test", zone_id=zone, setting_id="min_tls_version", value="9")


def test_roots_replace_the_public_ones(api):
    zone = api.zone()
    api.sdk.zones.settings.edit("ssl", zone_id=zone, value="strict")
    api.record(
        zone, "named", extra_body={"origin_port": api.origin.port, "origin_server_name": "origin.test"}
    )
    assert api.refused("named.shop.test") is grpc.StatusCode.UNAVAILABLE, "the test CA is no public root"
    store = api.sdk.acm.custom_trust_store
    made = store.create(zone_id=zone, certificate=api.ca.pem.decode())
    assert api.call("named.shop.test") == b"hello"
    assert [one.id for one in store.list(zone_id=zone)] == [made.id]
    assert store.get(made.id, zone_id=zone).to_dict() == made.to_dict()
    with pytest.raises(cloudflare.ConflictError):
        store.create(zone_id=zone, certificate=api.ca.pem.decode())
    with pytest.raises(cloudflare.BadRequestError):
        store.create(zone_id=zone, certificate=api.leaf("shop.test").certificate.read_text())
    store.delete(made.id, zone_id=zone)
    assert api.refused("named.shop.test") is grpc.StatusCode.UNAVAILABLE


def test_what_origins_are_shown(api):
    zone = api.zone()
    aop = api.sdk.origin_tls_client_auth
    mine = api.ca.leaf("gateway.test", file="pull")
    made = aop.zone_certificates.create(zone_id=zone, **pems(mine))
    assert aop.settings.get(zone_id=zone).enabled is False
    assert api.zones.config.zones[0].tls.origin_pull == (), "it is not shown before it is switched on"
    assert aop.settings.update(zone_id=zone, enabled=True).enabled is True
    (rule,) = api.zones.config.zones[0].tls.origin_pull
    assert rule.hostnames == ()
    assert [one.id for one in aop.zone_certificates.list(zone_id=zone)] == [made.id]
    named = aop.hostname_certificates.create(zone_id=zone, **pems(api.ca.leaf("named.test", file="pull2")))
    config = [{"hostname": "shop.test", "cert_id": named.id, "enabled": True}]
    (done,) = list(aop.hostnames.update(zone_id=zone, config=config))
    assert (done.hostname, done.enabled) == ("shop.test", True)
    assert aop.hostnames.get("shop.test", zone_id=zone).cert_id == named.id
    assert [one.hostnames for one in api.zones.config.zones[0].tls.origin_pull] == [("shop.test",), ()]
    with pytest.raises(cloudflare.BadRequestError, match="names are still shown it"):
        aop.hostname_certificates.delete(named.id, zone_id=zone)
    list(aop.hostnames.update(zone_id=zone, config=[{"hostname": "shop.test", "enabled": None}]))
    aop.hostname_certificates.delete(named.id, zone_id=zone)
    aop.zone_certificates.delete(made.id, zone_id=zone)
    assert api.zones.config.zones[0].tls.origin_pull == ()
    assert api.call("shop.test") == b"hello"


def test_clients_are_asked_for_certificates_of_an_authority(api):
    zone = api.zone()
    made = api.sdk.mtls_certificates.create(
        account_id=api.account, ca=True, certificates=api.ca.pem.decode(), name="clients"
    )
    names = api.sdk.certificate_authorities.hostname_associations
    done = names.update(zone_id=zone, hostnames=["shop.test"], mtls_certificate_id=made.id)
    assert done.hostnames == ["shop.test"]
    (rule,) = api.zones.config.zones[0].tls.clients
    assert (rule.hostnames, rule.certificates.demand) == (("shop.test",), "request")
    assert api.call("shop.test") == b"hello", "asked for, never demanded"
    with pytest.raises(cloudflare.ConflictError, match="still asks"):
        api.sdk.mtls_certificates.delete(made.id, account_id=api.account)
    assert names.update(zone_id=zone, hostnames=[], mtls_certificate_id=made.id).hostnames == []
    assert api.zones.config.zones[0].tls.clients == ()
    api.sdk.mtls_certificates.delete(made.id, account_id=api.account)
    assert list(api.sdk.mtls_certificates.list(account_id=api.account)) == []


def test_the_origin_ca_signs(api, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    zone = api.zone()
    csr = make_csr(["shop.test", "*.shop.test"]).certificate.decode()
    made = api.sdk.origin_ca_certificates.create(
        csr=csr, hostnames=["shop.test", "*.shop.test"], request_type="origin-ecc", requested_validity=90
    )
    leaf = x509.load_pem_x509_certificate(made.certificate.encode())
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == ["shop.test", "*.shop.test"]
    assert [one.id for one in api.sdk.origin_ca_certificates.list(zone_id=zone)] == [made.id]
    assert api.sdk.origin_ca_certificates.get(made.id).certificate == made.certificate
    assert api.sdk.origin_ca_certificates.delete(made.id).revoked_at is not None
    assert list(api.sdk.origin_ca_certificates.list(zone_id=zone)) == []
    for wrong in ({"csr": "nonsense"}, {"requested_validity": 12}):
        with pytest.raises(cloudflare.BadRequestError):
            api.sdk.origin_ca_certificates.create(
                **{"csr": csr, "hostnames": ["a.shop.test"], "request_type": "origin-ecc", **wrong}
            )
    limited = api.client(api.new_token("certificates:write", zones=(zone,)))
    limited.origin_ca_certificates.create(csr=csr, hostnames=["a.shop.test"], request_type="origin-ecc")
    with pytest.raises(cloudflare.PermissionDeniedError):
        limited.origin_ca_certificates.create(csr=csr, hostnames=["a.other.test"], request_type="origin-ecc")
