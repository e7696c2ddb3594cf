"""What is noted of a client's certificate that is asked for or required; the terms of names."""

import ssl

import pytest

from fastgw._core.io.tls import arm
from fastgw._core.io.tls_door import TlsDoor
from fastgw.tls.context import ClientTrust, context_address, front_context, server_context
from fastgw.tls.material import read_authorities, read_crls, read_material
from tests.io.io_support import DONE, FAILED, Peer
from tests.io.test_tls import shake
from tests.tls.pki import DAY, Pki

TWO, THREE = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REQUEST, REQUIRE = 1, 2
EXPIRED, UNKNOWN = 10, 20


class Ground:
    def __init__(self, folder):
        pki = Pki(folder)
        authority, foreign = pki.make("clients", ca=True), pki.make("foreign", ca=True)
        good = pki.make("good", issuer=authority, client=True)
        revoked = pki.make("revoked", issuer=authority, client=True)
        self.shown = {
            "none": None,
            "good": good,
            "revoked": revoked,
            "expired": pki.make("expired", issuer=authority, client=True, starts=-9 * DAY, ends=-DAY),
            "foreign": pki.make("foreigner", issuer=foreign, client=True),
        }
        leaf = pki.make("asks.test", "asks.test", issuer=authority)
        trust = ClientTrust(
            read_authorities(authority.certificate).roots, read_crls(pki.crl("clients", authority, revoked))
        )
        self.kept = server_context(read_material(leaf.certificate, leaf.key), clients=trust), front_context()
        self.context, self.front = (context_address(one) for one in self.kept)
        arm(self.context)
        arm(self.front, True)

    def door(self, **terms):
        return TlsDoor(self.front, names={b"asks.test": {"context": self.context, **terms}})

    def peer(self, shown="none", version=THREE, name="asks.test"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2"])
        if self.shown[shown]:
            context.load_cert_chain(self.shown[shown].certificate, self.shown[shown].key)
        return Peer(context, server_name=name)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return Ground(tmp_path_factory.mktemp("clients"))


@pytest.mark.parametrize("version", [TWO, THREE])
@pytest.mark.parametrize(
    ("shown", "presented", "verified", "revoked", "flaws"),
    [
        ("none", False, False, False, {0}),
        ("good", True, True, False, {0}),
        ("revoked", True, True, True, {0}),
        ("expired", True, False, False, {EXPIRED}),
        ("foreign", True, False, False, {UNKNOWN}),
    ],
)
def test_what_a_request_notes(ground, version, shown, presented, verified, revoked, flaws):
    door = ground.door(demand=REQUEST)
    assert shake(door, ground.peer(shown, version)) == DONE
    assert door.client[:4] == (REQUEST, presented, verified, revoked)
    assert door.client[4] in flaws
    assert door.version == version


@pytest.mark.parametrize("version", [TWO, THREE])
@pytest.mark.parametrize("shown", ["none", "good", "revoked", "expired", "foreign"])
def test_whom_a_requirement_lets_in(ground, version, shown):
    door = ground.door(demand=REQUIRE)
    result = shake(door, ground.peer(shown, version))
    assert result == (DONE if shown == "good" else FAILED)
    if shown == "good":
        assert door.client == (REQUIRE, True, True, False, 0)


def test_a_name_without_demands_asks_for_nothing(ground):
    door = ground.door()
    assert shake(door, ground.peer("good")) == DONE
    assert door.client == (0, False, False, False, 0)


def test_a_name_nobody_has_finds_no_certificate(ground):
    assert shake(ground.door(), ground.peer(name="else.test")) == FAILED


@pytest.mark.parametrize(
    ("terms", "version", "result"),
    [
        ({"version_least": 0x0304}, TWO, FAILED),
        ({"version_least": 0x0304}, THREE, DONE),
        ({"version_most": 0x0303}, TWO, DONE),
        ({"version_most": 0x0303}, THREE, FAILED),
        ({"no_h2": True}, THREE, FAILED),
    ],
)
def test_terms_of_a_name(ground, terms, version, result):
    assert shake(ground.door(**terms), ground.peer(version=version)) == result
