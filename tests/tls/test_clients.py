"""Toward clients: what each name shows and demands, by version, cipher suite, certificate and resumption."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from fastgw import Gateway
from fastgw.config import load
from fastgw.policy.settings import Settings
from tests.support.calls import eventually
from tests.support.house import host_and_port
from tests.support.raw import RawClient
from tests.tls.pki import DAY, Pki

DER = Encoding.DER
PING = b"\0\0\x08\x06\0\0\0\0\0awake..."
TWO, THREE = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = {"TLSv1.2": TWO, "TLSv1.3": THREE}
SLOW_CIPHER = "ECDHE-ECDSA-CHACHA20-POLY1305"
NO_PROTOCOL = "SSLError"  # Python has no word for the alert no_application_protocol
SETTINGS = {
    "plain.test": {},
    "least.test": {"min_tls_version": "1.3"},
    "old.test": {"min_tls_version": "1.0"},
    "most.test": {"tls_1_3": "off"},
    "ciphers.test": {"ciphers": (SLOW_CIPHER,)},
    "shut.test": {"http2": False},
    "asks.test": {},
    "must.test": {},
    "many.test": {},
    "staple.test": {},
}


class Front:
    """A gateway of one worker whose zones differ in TLS; clients with certificates of every kind."""

    def __init__(self, folder, stack):
        pki = self.pki = Pki(folder)
        self.root = pki.make("root", ca=True)
        self.clients = pki.make("clients", ca=True)
        foreign = pki.make("foreign", ca=True)
        good = pki.make("good", issuer=self.clients, client=True)
        revoked = pki.make("revoked", issuer=self.clients, client=True)
        self.crl = pki.crl("clients", self.clients, revoked)
        self.shown = {
            "none": None,
            "good": good,
            "foreign": pki.make("foreigner", issuer=foreign, client=True),
            "expired": pki.make("expired", issuer=self.clients, client=True, starts=-9 * DAY, ends=-DAY),
            "revoked": revoked,
            "server": pki.make("server-use", issuer=self.clients),
        }
        self.leafs = {zone: pki.make(zone, zone, f"*.{zone}", issuer=self.root) for zone in SETTINGS}
        self.exact = pki.make("exact", "exact.many.test", issuer=self.root)
        self.staple = pki.staple("staple", self.leafs["staple.test"], self.root)
        self.config = self._config()
        self.gateway = stack.enter_context(Gateway(self.config))

    def _zone(self, zone):
        leaf = self.leafs[zone]
        record = 'content = "127.0.0.1", proxied = true, origin_port = 9, origin_protocol = "h2c"'
        cert = f'{{ file = "{leaf.certificate}", key = "{leaf.key}" }}'
        if zone == "staple.test":
            cert = cert.replace(" }", f', ocsp = "{self.staple}" }}')
        rules = f'ca = "{self.clients.certificate}", crl = "{self.crl}"'
        more = {
            "asks.test": f"client_certs = [{{ {rules} }}]",
            "must.test": f'client_certs = [{{ demand = "require", hostnames = ["only"], {rules} }}]',
            "many.test": f'certs = [{{ file = "{self.exact.certificate}", key = "{self.exact.key}" }}]',
        }.get(zone, "")
        names = ("@", "only", "exact", "other")
        records = ", ".join(f'{{ name = "{name}", {record} }}' for name in names)
        head = f'[[zone]]\nname = "{zone}"\nsettings = {{ grpc = "on" }}'
        return f"{head}\ncert = {cert}\n{more}\ndns = [{records}]"

    def _config(self):
        server = '[server]\nlisten = ["127.0.0.1:0"]\nworkers = 1\ndrain_timeout = "100ms"\n'
        path = self.pki.folder / "front.toml"
        path.write_text(server + "\n".join(self._zone(zone) for zone in SETTINGS))
        config = load(path)
        zones = tuple(
            dataclasses.replace(zone, settings=Settings(grpc=True, **SETTINGS[zone.name]))
            for zone in config.zones
        )
        return dataclasses.replace(config, zones=zones)

    @property
    def address(self):
        return host_and_port(self.gateway.addresses[0])

    def context(self, versions=(TWO, THREE), shown="none", alpn=("h2",), ciphers=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.root.certificate)
        context.check_hostname = False
        context.minimum_version, context.maximum_version = versions
        context.set_alpn_protocols(list(alpn))
        if ciphers:
            context.set_ciphers(ciphers)
        if self.shown[shown] is not None:
            context.load_cert_chain(self.shown[shown].certificate, self.shown[shown].key)
        return context

    @contextlib.contextmanager
    def connect(self, name, context, session=None):
        """A connection that has heard from the other side: a late alert of TLS 1.3 is an error here."""
        with (
            socket.create_connection(self.address, timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=name, session=session) as tls,
        ):
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)[:3] + b"\x04" + bytes(5))
            assert tls.recv(100)
            yield tls

    def outcome(self, name, context, session=None):
        """What was agreed on, or the reason of the alert."""
        try:
            with self.connect(name, context, session) as tls:
                return tls.version(), tls.cipher()[0], tls.session_reused
        except (ssl.SSLError, ConnectionError) as error:
            return getattr(error, "reason", None) or type(error).__name__


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Front(tmp_path_factory.mktemp("front"), stack)


@pytest.mark.parametrize(
    ("name", "client", "wanted"),
    [
        ("plain.test", (TWO, TWO), "TLSv1.2"),
        ("plain.test", (TWO, THREE), "TLSv1.3"),
        ("plain.test", (THREE, THREE), "TLSv1.3"),
        ("old.test", (TWO, TWO), "TLSv1.2"),
        ("least.test", (TWO, TWO), "TLSV1_ALERT_PROTOCOL_VERSION"),
        ("least.test", (TWO, THREE), "TLSv1.3"),
        ("only.least.test", (TWO, TWO), "TLSV1_ALERT_PROTOCOL_VERSION"),
        ("most.test", (TWO, TWO), "TLSv1.2"),
        ("most.test", (TWO, THREE), "TLSv1.2"),
        ("most.test", (THREE, THREE), "TLSV1_ALERT_PROTOCOL_VERSION"),
        ("shut.test", (TWO, THREE), NO_PROTOCOL),
        ("shut.test", (TWO, TWO), NO_PROTOCOL),
    ],
)
def test_versions_by_name(front, name, client, wanted):
    found = front.outcome(name, front.context(client))
    assert (found if isinstance(found, str) else found[0]).replace("SSLV3", "TLSV1") == wanted


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
@pytest.mark.parametrize("name", ["plain.test", "old.test"])
def test_tls_1_0_and_1_1_are_too_old_for_http2(front, name, version):
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    with socket.create_connection(front.address, timeout=5) as raw:
        raw.settimeout(None)
        client = SSL.Connection(context, raw)
        client.set_tlsext_host_name(name.encode())
        client.set_connect_state()
        with pytest.raises(SSL.Error, match="protocol version"):
            client.do_handshake()


def test_ciphers_by_name(front):
    two = front.context((TWO, TWO))
    assert front.outcome("plain.test", two)[1] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert front.outcome("ciphers.test", two)[1] == SLOW_CIPHER
    other = front.context((TWO, TWO), ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "HANDSHAKE_FAILURE" in front.outcome("ciphers.test", other)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", ["none", "good", "foreign", "expired", "revoked", "server"])
def test_a_name_that_asks_lets_everybody_in(front, version, shown):
    context = front.context((VERSIONS[version],) * 2, shown)
    found = front.outcome("asks.test", context)
    assert found[0] == version


# what TLS 1.2 and 1.3 say
REQUIRED = {
    "none": ("HANDSHAKE_FAILURE", "CERTIFICATE_REQUIRED"),
    "good": ("", ""),
    "foreign": ("UNKNOWN_CA", "UNKNOWN_CA"),
    "expired": ("CERTIFICATE_EXPIRED", "CERTIFICATE_EXPIRED"),
    "revoked": ("CERTIFICATE_REVOKED", "CERTIFICATE_REVOKED"),
    "server": ("CERTIFICATE", "CERTIFICATE"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", REQUIRED)
def test_a_name_that_requires_lets_in_who_shows_a_good_one(front, version, shown):
    wanted = REQUIRED[shown][version == "TLSv1.3"]
    context = front.context((VERSIONS[version],) * 2, shown)
    found = front.outcome("only.must.test", context)
    if wanted:
        assert isinstance(found, str)
        assert wanted in found
    else:
        assert found[0] == version
    assert front.outcome("must.test", context)[0] == version, "its neighbour asks for nothing"


def ticket_of(front, name, context):
    with front.connect(name, context) as tls:
        for _ in range(50):
            if tls.session is not None and tls.session.has_ticket:
                return tls.session
            with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
                tls.settimeout(0.05)
                tls.recv(100)
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_of_plain_names_are_resumed_also_after_a_renewed_certificate(front, version):
    context = front.context((VERSIONS[version],) * 2)
    session = ticket_of(front, "plain.test", context)
    assert front.outcome("plain.test", context, session)[2] is True
    front.gateway.publish(front.config)
    assert front.outcome("plain.test", context, session)[2] is True
    leaf = front.leafs["plain.test"]
    before = leaf.certificate.read_bytes(), leaf.key.read_bytes()
    front.pki.make("plain.test", "plain.test", issuer=front.root)
    front.gateway.publish(front.config)
    with front.connect("plain.test", front.context()) as tls:
        assert tls.getpeercert(True) != leaf.leaf.public_bytes(DER)
    assert front.outcome("plain.test", context, session)[2] is True
    leaf.certificate.write_bytes(before[0])
    leaf.key.write_bytes(before[1])
    front.gateway.publish(front.config)


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_not_resumed_after_a_rotation(front, version):
    context = front.context((VERSIONS[version],) * 2)
    session = ticket_of(front, "plain.test", context)
    front.gateway._renew(True)
    assert front.outcome("plain.test", context, session)[2] is False


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["asks.test", "only.must.test"])
def test_sessions_of_demanding_names_are_not_resumed(front, name, version):
    context = front.context((VERSIONS[version],) * 2, "good")
    with front.connect(name, context) as tls:
        session = tls.session
    found = front.outcome(name, context, session)
    assert found[2] is False


def test_a_session_of_another_name_is_no_way_in(front):
    """TLS 1.3 lets a client take up a session under another name: there it has shown no certificate."""
    context = front.context((THREE, THREE), "good")
    session = ticket_of(front, "must.test", context)
    assert session is not None
    assert front.outcome("must.test", context, session)[2] is True
    assert "CERTIFICATE_REQUIRED" in str(front.outcome("only.must.test", context, session))


def test_a_new_demand_ends_all_sessions(front):
    context = front.context((THREE, THREE))
    session = ticket_of(front, "plain.test", context)
    zones = tuple(
        dataclasses.replace(zone, tls=dataclasses.replace(zone.tls, clients=()))
        if zone.name == "asks.test"
        else zone
        for zone in front.config.zones
    )
    front.gateway.publish(dataclasses.replace(front.config, zones=zones))
    assert front.outcome("plain.test", context, session)[2] is False
    front.gateway.publish(front.config)


@pytest.mark.parametrize(
    ("name", "leaf"),
    [
        ("exact.many.test", "exact"),
        ("other.many.test", "many.test"),
        ("many.test", "many.test"),
        ("nobody.test", "plain.test"),
        (None, "plain.test"),
    ],
)
def test_which_certificate_is_shown(front, name, leaf):
    wanted = front.exact if leaf == "exact" else front.leafs[leaf]
    context = front.context()
    with front.connect(name, context) as tls:
        assert tls.getpeercert(True) == wanted.leaf.public_bytes(DER)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("name", ["staple.test", "plain.test"])
def test_a_response_is_stapled_to_who_asks(front, name, version):
    got = []
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    context.set_alpn_protos([b"h2"])
    context.set_ocsp_client_callback(lambda conn, response, data: got.append(response) or True)
    with socket.create_connection(front.address, timeout=5) as raw:
        raw.settimeout(None)
        client = SSL.Connection(context, raw)
        client.set_tlsext_host_name(name.encode())
        client.request_ocsp()
        client.set_connect_state()
        client.do_handshake()
    assert got == [front.staple.read_bytes() if name == "staple.test" else b""]


def test_renewed_files_are_seen_without_a_word(front, stack):
    """Two hundred handshakes while half a pair changes at a time: none fails, old or new is shown."""
    leaf = front.leafs["ciphers.test"]
    context = front.context()
    shown = set()
    ends = time.monotonic() + 15
    fresh = None
    held = stack.enter_context(front.connect("ciphers.test", context))
    for number in range(200):
        if number == 30:
            fresh = front.pki.make("fresh", "ciphers.test", issuer=front.root)
            leaf.certificate.write_bytes(fresh.certificate.read_bytes())
        if number == 60:
            eventually(lambda: front.gateway._shelf.troubles)
            leaf.key.write_bytes(fresh.key.read_bytes())
        with front.connect("ciphers.test", context) as tls:
            shown.add(tls.getpeercert(True))
    while fresh.leaf.public_bytes(DER) not in shown:
        assert time.monotonic() < ends
        time.sleep(0.05)
        with front.connect("ciphers.test", context) as tls:
            shown.add(tls.getpeercert(True))
    assert shown == {leaf.leaf.public_bytes(DER), fresh.leaf.public_bytes(DER)}
    assert front.gateway._shelf.troubles == {}
    held.sendall(PING)
    octets = b""
    while PING[9:] not in octets:
        octets += held.recv(1000)
    files = {row["file"]: row["days_left"] for row in front.gateway.stats()["certificates"]}
    assert 29 < files[str(leaf.certificate)] <= 30


CALL = [
    (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/a.B/C"),
    (b"content-type", b"application/grpc"), (b"te", b"trailers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("opened", "shown", "versions", "asked", "misdirected"),
    [
        ("must.test", "good", (THREE, THREE), "must.test", False),
        ("must.test", "good", (THREE, THREE), "only.must.test", True),
        ("only.must.test", "good", (THREE, THREE), "only.must.test", False),
        ("only.must.test", "good", (TWO, TWO), "must.test", False),
        ("asks.test", "none", (THREE, THREE), "only.asks.test", False),
        ("asks.test", "none", (TWO, TWO), "only.asks.test", False),
        ("both.test", "none", (TWO, TWO), "only.both.test", True),
        ("both.test", "none", (THREE, THREE), "only.both.test", False),
    ],
)
def test_a_connection_answers_only_for_names_whose_demands_it_has_met(
    front, opened, shown, versions, asked, misdirected
):
    """RFC 9110 section 15.5.20. "both": a zone below another one, with its certificate, wants TLS 1.3."""
    config = front.config
    if opened == "both.test":
        plain = next(zone for zone in config.zones if zone.name == "plain.test")
        opened, asked = "plain.test", "only.plain.test"
        strict = dataclasses.replace(
            plain, name="only.plain.test", settings=Settings(grpc=True, min_tls_version="1.3"),
            records=tuple(one for one in plain.records if one.name == "only.plain.test"),
        )  # fmt: skip
        rest = tuple(one for one in plain.records if one.name != "only.plain.test")
        zones = [dataclasses.replace(one, records=rest) if one is plain else one for one in config.zones]
        config = dataclasses.replace(config, zones=(*zones, strict))
    front.gateway.publish(config)
    context = front.context(versions, shown)
    client = RawClient(front.address, context=context, server_name=opened)
    with client:
        client.begin()
        client.head(1, [*CALL[:3], (b":authority", asked.encode()), *CALL[3:]], end=True)
        head = client.answer(1).head
    found = b"certificate does not cover" in head.get(b"grpc-message", b"").replace(b"%20", b" ")
    assert found is misdirected, head
    front.gateway.publish(front.config)
