"""RFC 9113 section 9.2: what TLS must be, toward clients and toward origins."""

from __future__ import annotations

import ssl
import warnings

import grpc
import pytest

from fastgw.tls.context import CIPHERS_TLS12
from tests.support import frames as f
from tests.support.calls import Refused, record, toml, tried
from tests.support.grpc_echo import Echo
from tests.support.raw import RawClient, h2_context
from tests.support.raw_origin import RawOrigin, RawServer, echo_calls
from tests.support.raw_tls import TLS_1_2, RawTls

OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]


def only(context: ssl.SSLContext, version: ssl.TLSVersion, ciphers: str | None = None) -> ssl.SSLContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return context


def connect(address: tuple[str, int], context: ssl.SSLContext) -> tuple[str, str | None, str | None]:
    """Version, cipher suite and compression of a connection on which HTTP/2 has begun."""
    with RawClient(address, context=context, server_name="gw.test") as client:
        client.begin()
        assert isinstance(client.sock, ssl.SSLSocket)
        cipher = client.sock.cipher()
        assert cipher is not None
        return str(client.sock.version()), cipher[0], client.sock.compression()


def prohibited() -> list[str]:
    """What this Python can offer of TLS 1.2 and appendix A lists: no ephemeral key exchange, or no AEAD."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:!PSK:!SRP:!aNULL:@SECLEVEL=0")
    rows = [row for row in context.get_ciphers() if row["protocol"] != "TLSv1.3"]
    fit = {row["name"] for row in rows if row["aead"] and row["kea"] in ("kx-ecdhe", "kx-dhe")}
    return [str(row["name"]) for row in rows if row["name"] not in fit]


@pytest.mark.rfc("9113 9.2")
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda one: one.name
)
def test_both_versions_are_spoken(gateway, origin, version: ssl.TLSVersion) -> None:
    seen, _, compression = connect(gateway(origin).address, only(h2_context(), version))
    assert (seen, compression) == (version.name.replace("_", "."), None)


@pytest.mark.rfc("9113 9.2")
@pytest.mark.parametrize("version", OLD, ids=lambda one: one.name)
def test_older_ones_are_not(gateway, origin, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match="ALERT"):
        connect(gateway(origin).address, only(h2_context(), version, "ALL"))


@pytest.mark.rfc("9113 9.2.1")
def test_compression_is_off_for_who_would_like_it(gateway, origin) -> None:
    context = only(h2_context(), ssl.TLSVersion.TLSv1_2)
    context.options &= ~ssl.OP_NO_COMPRESSION
    assert connect(gateway(origin).address, context)[2] is None


@pytest.mark.rfc("9113 9.2.1")
def test_renegotiation_ends_the_connection(gateway, origin) -> None:
    house = gateway(origin)
    with RawTls(house.address, "gw.test", highest=TLS_1_2) as client:
        client.send(f.PREFACE + f.settings())
        with pytest.raises(ConnectionError):
            client.renegotiate()
    assert connect(house.address, h2_context())[0] == "TLSv1.3"


@pytest.mark.rfc("9113 9.2.1")
def test_an_ephemeral_key_exchange_of_at_least_224_bits(gateway, origin) -> None:
    """ECDHE over groups of 253 bits and more: a client with a smaller one finds nothing to agree on."""
    context = only(h2_context(), ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM")
    context.set_ecdh_curve("secp224r1")
    with pytest.raises(ssl.SSLError, match="ALERT"):
        connect(gateway(origin).address, context)
    context.set_ecdh_curve("prime256v1")
    assert connect(gateway(origin).address, context)[0] == "TLSv1.2"


@pytest.mark.rfc("9113 9.2.2")
def test_no_suite_of_appendix_a_is_agreed_to(gateway, origin) -> None:
    house = gateway(origin)
    names = prohibited()
    assert {"AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"} <= set(names)
    for name in names:
        with pytest.raises(ssl.SSLError, match="ALERT"):
            connect(house.address, only(h2_context(), ssl.TLSVersion.TLSv1_2, name))
    everything = only(
        h2_context(), ssl.TLSVersion.TLSv1_2, ":".join(names) + ":ECDHE-ECDSA-AES128-GCM-SHA256"
    )
    assert connect(house.address, everything)[1] == "ECDHE-ECDSA-AES128-GCM-SHA256"


@pytest.mark.rfc("9113 9.2.2")
def test_what_is_agreed_to_is_no_suite_of_appendix_a(gateway, origin) -> None:
    """The one that every implementation must have among them."""
    assert not set(CIPHERS_TLS12.split(":")) & set(prohibited())
    house = gateway(origin)
    for name in CIPHERS_TLS12.split(":"):
        if "ECDSA" in name:  # the key of the certificate here
            assert connect(house.address, only(h2_context(), ssl.TLSVersion.TLSv1_2, name))[1] == name


# toward origins


def named(asked: list[str | None]):
    def tune(context: ssl.SSLContext) -> None:
        context.sni_callback = lambda _, name, __: asked.append(name)

    return tune


@pytest.mark.rfc("9113 9.2")
def test_an_origin_is_told_which_name_is_meant(gateway, origin_leaf, open_channel) -> None:
    asked: list[str | None] = []
    with RawOrigin(echo_calls, origin_leaf, tune=named(asked)) as origin:
        echo = Echo(open_channel(gateway(toml=toml(record("@", origin.port))).address))
        assert echo.unary(b"x", timeout=5) == b"x"
    assert asked == ["origin.test"]


@pytest.mark.rfc("9113 9.2.1")
def test_nothing_is_compressed_toward_an_origin(gateway, origin_leaf, open_channel) -> None:
    seen: list[tuple[str | None, str | None]] = []

    def play(peer: RawServer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        seen.append((peer.sock.version(), peer.sock.compression()))
        echo_calls(peer)

    def tune(context: ssl.SSLContext) -> None:
        only(context, ssl.TLSVersion.TLSv1_2)
        context.options &= ~ssl.OP_NO_COMPRESSION

    with RawOrigin(play, origin_leaf, tune=tune) as origin:
        echo = Echo(open_channel(gateway(toml=toml(record("@", origin.port))).address))
        assert echo.unary(b"x", timeout=5) == b"x"
    assert seen == [("TLSv1.2", None)]


WEAK = {
    "TLS 1.1": (ssl.TLSVersion.TLSv1_1, "ALL"),
    "CBC": (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA"),
    "CBC of SHA-2": (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384"),
}


@pytest.mark.rfc("9113 9.2.2")
@pytest.mark.parametrize("weak", WEAK)
def test_an_origin_that_knows_nothing_better_gets_no_call(
    gateway, origin_leaf, open_channel, weak: str
) -> None:
    with RawOrigin(
        echo_calls, origin_leaf, tune=lambda context: only(context, *WEAK[weak]) and None
    ) as origin:
        echo = Echo(open_channel(gateway(toml=toml(record("@", origin.port))).address))
        refused = Refused(lambda: echo.unary(b"x", timeout=5))
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    assert refused.fastgw_error == tried("origin_tls_failed; side=origin; phase=tls", origin.port)
