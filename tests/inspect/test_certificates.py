"""What rules are told of the certificate that a client has shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import hashes, serialization

from tests.conftest import house_toml
from tests.inspect.conftest import put
from tests.inspect.words import asking, block, log
from tests.support import frames
from tests.support.grpc_echo import Echo
from tests.support.house import House, alive
from tests.tls.pki import Pair, Pki

A = "cf.tls_client_auth."


@pytest.fixture
def clients(tmp_path: Path) -> tuple[Pair, Pair, Pair]:
    """Who vouches for clients, whom they have vouch for others, and a client."""
    pki = Pki(tmp_path / "clients")
    root = pki.make("Clients", ca=True)
    middle = pki.make("Some clients", issuer=root, ca=True)
    return root, middle, pki.make("client, the first", "client.test", issuer=middle, client=True)


@pytest.fixture
def house(gateway: Callable[..., House], origin: Any, clients: tuple[Pair, Pair, Pair]) -> House:
    more = f'[[zone.client_certs]]\nca = "{clients[0].certificate}"\n'
    return gateway(toml=house_toml(origin) + more)


def test_a_certificate_that_is_shown(house: House, clients: tuple[Pair, Pair, Pair], ca: Any) -> None:
    _, middle, client = clients
    read = client.leaf
    between = base64.b64encode(middle.leaf.public_bytes(serialization.Encoding.DER)).decode()
    said = {
        f"{A}cert_presented": True,
        f"{A}cert_verified": True,
        f"{A}cert_revoked": False,
        f'{A}cert_fingerprint_sha256 eq "{read.fingerprint(hashes.SHA256()).hex()}"': True,
        f'{A}cert_fingerprint_sha1 eq "{read.fingerprint(hashes.SHA1()).hex()}"': True,
        f'ends_with({A}cert_serial, "{read.serial_number:X}")': True,
        f'{A}cert_subject_dn eq r"{read.subject.rfc4514_string()}"': True,
        f'{A}cert_issuer_dn_rfc2253 eq "{read.issuer.rfc4514_string()}"': True,
        f'starts_with({A}cert_subject_dn_legacy, "/")': True,
        f'ends_with({A}cert_not_after, " GMT")': True,
        f'starts_with({A}cert_rfc9440, ":")': True,
        f'{A}cert_chain_rfc9440 eq ":{between}:"': True,
        f"{A}cert_rfc9440_too_large": False,
        f"{A}cert_chain_rfc9440_too_large": False,
    }
    rules = [log(f"r{number}", text) for number, text in enumerate(said)]
    put(house, asking(custom=[*rules, block("wall", f"not {A}cert_presented")]))
    named = (("grpc.default_authority", "gw.test"), ("grpc.ssl_target_name_override", "gw.test"))
    chain = client.certificate.read_bytes() + middle.certificate.read_bytes()
    credentials = grpc.ssl_channel_credentials(ca.pem, client.key.read_bytes(), chain)
    with grpc.secure_channel("{}:{}".format(*house.address), credentials, named) as channel:
        for _ in range(3):
            assert Echo(channel).unary(b"x", timeout=5) == b"x"
    counted = house.gateway.stats()["rules"]["gw.test"]
    assert {text: f"r{number}" in counted for number, text in enumerate(said)} == said
    assert counted["r0"] == {"held": 3, "denied": 0}


def test_without_one_all_of_it_is_empty(house: House) -> None:
    empty = f'not {A}cert_presented and {A}cert_subject_dn eq "" and {A}cert_fingerprint_sha256 eq ""'
    put(house, asking(custom=[block("wall", empty)]))
    with house.raw() as client:
        client.begin()
        client.head(1, frames.request(b"/a/B"), end=True)
        assert client.answer(1).head[b"fastgw-error"].endswith(b"rule=wall")
    assert not set(alive(house.gateway)) - {"links_open", "octets_lent"}
