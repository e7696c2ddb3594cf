"""Origins of every kind in each mode of encryption: who is believed, and in which words not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import grpc
import pytest
from OpenSSL import SSL

from tests.support.calls import Refused
from tests.support.grpc_echo import Echo
from tests.support.house import House
from tests.support.raw_origin import RawOrigin, echo_calls
from tests.tls.pki import DAY, Pki

MODES = ("full", "strict", "origin_pull")
INVALID, FAILED, NO_H2, REFUSED = "origin_cert_invalid", "origin_tls_failed", "origin_no_h2", "origin_refused"
CLOSED = "closed port"

# An origin: its certificate, what is changed of its TLS; then what a mode that verifies says: "" serves.
CASES: dict[str, tuple[str, str]] = {
    "good": ("", ""),
    "expired": (INVALID, "expired"),
    "early": (INVALID, "not yet valid"),
    "self-signed": (INVALID, "self-signed"),
    "wrong-name": (INVALID, "wrong name: it is for else.test, 10.9.8.7, not for"),
    "no-name": (INVALID, "wrong name: it is for no name at all"),
    "target-name": ("", ""),
    "address": ("", ""),
    "other-address": (INVALID, "wrong name: it is for 127.0.0.2"),
    "wildcard": ("", ""),
    "deep-wildcard": (INVALID, "wrong name: it is for *.test"),
    "common-only": (INVALID, "wrong name"),
    "unknown-ca": (INVALID, "unknown authority"),
    "revoked": (INVALID, "revoked"),
    "client-only": (INVALID, "not made for this purpose"),
}
# These fail, or not, in all modes alike.
ALIKE: dict[str, tuple[str, str]] = {
    "no-alpn": (NO_H2, "ALPN"),
    "http1": (NO_H2, "ALPN"),
    CLOSED: (REFUSED, "refused"),
    "old-tls": (FAILED, "no TLS version of 1.2 or later"),
    "old-tls-1.1": (FAILED, "no TLS version of 1.2 or later"),
    "tls-1.2": ("", ""),
    "wants-client-1.3": (FAILED, "it demands a client certificate and is shown none"),
    "wants-client-1.2": (FAILED, "it demands a client certificate and is shown none"),
}


def context_of(pair, alpn=("h2",), versions=None, clients=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if versions:
        context.minimum_version, context.maximum_version = versions
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.certificate)
    return context


class OldOrigin:
    """Speaks TLS 1.0 or 1.1 and nothing later."""

    def __init__(self, pair, version):
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_cipher_list(b"ALL:@SECLEVEL=0")
        self._context.set_min_proto_version(version)
        self._context.set_max_proto_version(version)
        self._context.use_certificate_file(str(pair.certificate))
        self._context.use_privatekey_file(str(pair.key))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                conn = SSL.Connection(self._context, sock)
                conn.set_accept_state()
                with contextlib.suppress(SSL.Error):
                    conn.do_handshake()
                sock.close()


class Field:
    """All origins, and a gateway with a zone for each mode that has a name for each of them."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, ca, gateway_leaf) -> None:
        pki = self.pki = Pki(folder / "pki")
        self.root = pki.make("root", ca=True)
        stranger = pki.make("stranger", ca=True)
        mine = {"issuer": self.root}
        leafs = {
            "expired": pki.make("expired", "origin.test", starts=-30 * DAY, ends=-DAY, **mine),
            "early": pki.make("early", "origin.test", starts=DAY, **mine),
            "self-signed": pki.make("self-signed", "origin.test"),
            "wrong-name": pki.make("wrong-name", "else.test", "10.9.8.7", **mine),
            "no-name": pki.make("no-name", **mine),
            "target-name": pki.make("target-name", "localhost", **mine),
            "address": pki.make("address", "127.0.0.1", **mine),
            "other-address": pki.make("other-address", "127.0.0.2", **mine),
            "deep-wildcard": pki.make("deep-wildcard", "*.test", **mine),
            "unknown-ca": pki.make("unknown-ca", "origin.test", issuer=stranger),
            "client-only": pki.make("client-only", "origin.test", client=True, **mine),
        }
        for mode in MODES:
            zone = zone_of(mode)
            leafs[f"good.{zone}"] = pki.make(f"good-{mode}", f"good.{zone}", **mine)
            leafs[f"wildcard.{zone}"] = pki.make(f"wildcard-{mode}", f"*.{zone}", **mine)
            leafs[f"common-only.{zone}"] = pki.make(f"common-{mode}", common=f"common-only.{zone}", **mine)
            leafs[f"revoked.{zone}"] = pki.make(f"revoked-{mode}", f"revoked.{zone}", **mine)
        revoked = [pair for name, pair in leafs.items() if name.startswith("revoked")]
        self.crl = pki.crl("origins", self.root, *revoked)
        self.ports: dict[str, int] = {}
        self._alike(stack, leafs)
        for name, pair in leafs.items():
            self._origin(stack, name, context_of(pair))
        zones = "\n".join(self._zone(mode) for mode in MODES)
        text = f'[server]\nlisten = ["h2c://127.0.0.1:0"]\nworkers = 1\ndrain_timeout = "100ms"\n{zones}'
        self.house = stack.enter_context(House(text, folder, ca))

    def _origin(self, stack, name, context):
        origin = RawOrigin(echo_calls, None)
        origin._context = context
        self.ports[name] = stack.enter_context(origin).port

    def _alike(self, stack, leafs):
        any_names = [f"{case}.{zone_of(mode)}" for case in ALIKE for mode in MODES]
        pair = self.pki.make("alike", *any_names, issuer=self.root)
        two, three = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        for name, context in {
            "no-alpn": context_of(pair, alpn=()),
            "http1": context_of(pair, alpn=("http/1.1",)),
            "tls-1.2": context_of(pair, versions=(two, two)),
            "wants-client-1.3": context_of(pair, versions=(three, three), clients=self.root),
            "wants-client-1.2": context_of(pair, versions=(two, two), clients=self.root),
        }.items():
            self._origin(stack, name, context)
        for name, version in (("old-tls", SSL.TLS1_VERSION), ("old-tls-1.1", SSL.TLS1_1_VERSION)):
            self.ports[name] = stack.enter_context(OldOrigin(pair, version)).port
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            self.ports[CLOSED] = closed.getsockname()[1]

    def _zone(self, mode):
        zone = zone_of(mode)
        records = []
        for case in (*CASES, *ALIKE):
            name = case.replace(" ", "-")
            port = self.ports.get(f"{case}.{zone}") or self.ports[case]
            content = "localhost" if case == "target-name" else "127.0.0.1"
            records.append(
                f'{{ name = "{name}", content = "{content}", proxied = true, origin_port = {port} }}'
            )
        verified = mode != "full"
        return "\n".join(
            (
                f'[[zone]]\nname = "{zone}"\nsettings = {{ grpc = "on", ssl = "{mode}" }}',
                f'trust_store = "{self.root.certificate}"\ncrl = "{self.crl}"' if verified else "",
                f"dns = [{', '.join(records)}]",
            )
        )


def zone_of(mode):
    return f"{mode.replace('_', '-')}.test"


@pytest.fixture(scope="module")
def field(tmp_path_factory, ca, gateway_leaf):
    with contextlib.ExitStack() as stack:
        yield Field(tmp_path_factory.mktemp("origins"), stack, ca, gateway_leaf)


def outcome(field, name):
    """ "" or the error's name and its sentence."""
    host, port = field.house.address
    options = [("grpc.default_authority", name), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
        echo = Echo(channel)
        try:
            assert echo.unary(b"x", timeout=5) == b"x"
        except grpc.RpcError:
            refused = Refused(lambda: echo.unary(b"x", timeout=5))
            return refused.fastgw_error.partition(";")[0], refused.message
    return "", ""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", [*CASES, *ALIKE])
def test_each_origin_in_each_mode(field, mode, case):
    wanted, words = ALIKE.get(case) or (("", "") if mode == "full" else CASES[case])
    error, message = outcome(field, f"{case.replace(' ', '-')}.{zone_of(mode)}")
    assert (error, words in message) == (wanted, True), message
