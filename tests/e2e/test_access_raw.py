"""Access and clients that write what they like: no way round it, and nothing secret behind it."""

from __future__ import annotations

import itertools
import queue

import pytest
from cryptography.hazmat.primitives import hashes

from fastgw.access import tokens
from tests.support import frames
from tests.support.calls import record, toml
from tests.support.frames import Type, message
from tests.support.raw import RawClient, h2_context
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin
from tests.tls.pki import Pki

FRESH = tokens.create("robot", None)
CLIENT, SECRET = (b"cf-access-client-id", b"cf-access-client-secret")
PAIR = [(CLIENT, FRESH.client_id.encode()), (SECRET, FRESH.secret.encode())]
WHO = b"cf-access-jwt-assertion"
HIDDEN = {CLIENT, SECRET, WHO}
PATH = b"/pkg.Secret/Read"
GRPC, WEB = b"application/grpc", b"application/grpc-web+proto"

TABLES = f"""
[zone.access]
[[zone.access.service_tokens]]
id = "{FRESH.client_id}"
name = "robot"
secret_sha256 = "{FRESH.table["secret_sha256"]}"
[[zone.access.applications]]
name = "secret"
path = "/pkg.Secret"
[[zone.access.applications.policies]]
name = "robots"
decision = "service_auth"
include = [{{ any_valid_service_token = true }}]
"""


class Recorder:
    """An origin that keeps every field it gets, trailers too, and answers when a request ends."""

    def __init__(self) -> None:
        self.seen: queue.SimpleQueue[list[tuple[bytes, bytes]]] = queue.SimpleQueue()

    def __call__(self, peer) -> None:
        peer.begin()
        peer.timeout = 30.0
        while True:
            frame = peer.expect(Type.HEADERS, Type.DATA)
            if frame.type == Type.HEADERS:
                self.seen.put(peer.fields(frame))
            if frame.ends_stream:
                peer.head(frame.stream_id, GRPC_HEAD)
                peer.head(frame.stream_id, OK, end=True)

    def all(self) -> list[tuple[bytes, bytes]]:
        found = []
        while not self.seen.empty():
            found += self.seen.get()
        return found


@pytest.fixture
def house(gateway):
    recorder = Recorder()
    with RawOrigin(recorder, None) as origin:
        more = 'origin_protocol = "h2c"'
        text = toml(
            record("@", origin.port, more),
            record("*", origin.port, more),
            listen='"127.0.0.1:0", "h2c://127.0.0.1:0"',
            settings='http = "on"',
        )
        found = gateway(toml=text + TABLES)
        found.recorder = recorder
        yield found


def head(*more, method=b"POST", path=PATH, host=b"gw.test", kind=GRPC, te=True):
    fields = [(b":method", method), (b":scheme", b"https"), (b":path", path), (b":authority", host)]
    if kind:
        fields.append((b"content-type", kind))
    return [*fields, *([(b"te", b"trailers")] if te else []), *more]


def denied(answer) -> bool:
    error = answer.head.get(b"fastgw-error", b"")
    return error.startswith((b"access_unauthenticated;", b"access_denied;"))


def asked(client, numbers, fields):
    stream = next(numbers)
    client.head(stream, fields, end=True)
    return client.answer(stream)


@pytest.mark.parametrize("listener", [0, 1], ids=["tls", "h2c"])
def test_no_way_round_it(house, listener):
    """Ways to ask x ways to write the path and the host: none gets in, none reaches the origin."""
    paths = [
        PATH, b"/PKG.Secret/Read", b"//pkg.Secret/Read", b"/%70kg.Secret/Read", b"/a/../pkg.Secret/Read",
        b"/a/%2e%2e/pkg.Secret/Read", b"/pkg.Secret;a/Read", b"/pkg.Secret/", b"/pkg.Secret?x",
        b"/%2570kg.Secret/Read", b"/./pkg.Secret/Read",
    ]  # fmt: skip
    hosts = [b"gw.test", b"GW.TEST", b"gw.test.", b"gw.test:443", b"any.gw.test"]
    ways = [
        {"kind": GRPC}, {"kind": GRPC, "te": False}, {"kind": b"application/grpc+proto; x=y"}, {"kind": WEB},
        {"kind": b""}, {"kind": b"text/html"}, {"method": b"GET", "kind": b""}, {"method": b"OPTIONS"},
    ]  # fmt: skip
    with house.raw(tls=listener == 0, listener=listener) as client:
        client.begin()
        numbers = itertools.count(1, 2)
        for path, way in itertools.product(paths, ways):
            assert denied(asked(client, numbers, head(path=path, **way))), (path, way)
        for host, way in itertools.product(hosts, ways):
            assert denied(asked(client, numbers, head(host=host, **way))), (host, way)
    assert house.recorder.all() == []


def test_pairs_in_any_order(house):
    with house.raw() as client:
        client.begin()
        numbers = itertools.count(1, 2)
        noise = [(b"x-a", b"1"), (b"cookie", b"CF_Authorization=x"), (WHO, b"forged")]
        for fields in itertools.permutations([*PAIR, *noise]):
            answer = asked(client, numbers, head(*fields))
            assert answer.grpc_status == 0
        for fields in itertools.permutations([*PAIR, (SECRET, b"x")]):
            assert denied(asked(client, numbers, head(*fields)))
    names = {name for name, _ in house.recorder.all()}
    assert b"x-a" in names
    assert not names & HIDDEN


def test_an_http_request_is_denied_in_http(house):
    with house.raw() as client:
        client.begin()
        answer = asked(client, itertools.count(1), head(method=b"GET", kind=b"", te=False))
        assert answer.head[b":status"] == b"401"
        assert b"application secret" in answer.body


def test_trailers_carry_nothing_round_it(house):
    """What is taken out of the head does not come in behind the messages."""
    with house.raw() as client:
        client.begin()
        client.head(1, head(*PAIR))
        client.send(frames.data(1, message(b"x")))
        client.head(1, [(WHO, b"forged"), (SECRET, b"x"), (b"x-late", b"1")], end=True)
        client.answer(1)
    assert not {name for name, _ in house.recorder.all()} & HIDDEN


def test_upper_case_names_are_no_fields(house):
    with house.raw() as client:
        client.begin()
        client.head(1, head((b"CF-Access-Client-Id", FRESH.client_id.encode()), PAIR[1]), end=True)
        client.expect_reset(1, frames.Code.PROTOCOL_ERROR)


def test_paths_beside_it_are_open_and_clean(house):
    with house.raw() as client:
        client.begin()
        answer = asked(client, itertools.count(1), head(*PAIR, (WHO, b"forged"), path=b"/pkg.Open/Read"))
        assert answer.grpc_status == 0
    assert not {name for name, _ in house.recorder.all()} & HIDDEN


# client certificates


@pytest.mark.parametrize(
    ("asks", "shown", "status"),
    [
        ("certificate = true", "good", 0),
        ("certificate = true", None, 16),
        ("certificate = true", "foreign", 16),
        ("certificate = true", "revoked", 16),
        ('common_name = ["good"]', "good", 0),
        ('common_name = ["other"]', "good", 7),
        ('fingerprint = ["{good}"]', "good", 0),
        ('fingerprint = ["{good}"]', "other", 7),
        ('san = ["robot.test"]', "good", 0),
        ('san = ["robot.test"]', "other", 7),
    ],
)
def test_certificates(gateway, tmp_path, asks, shown, status):
    pki = Pki(tmp_path)
    authority, foreign = pki.make("clients", ca=True), pki.make("foreign", ca=True)
    leafs = {
        "good": pki.make("good", "robot.test", issuer=authority, client=True),
        "other": pki.make("odd", "odd.test", issuer=authority, client=True),
        "foreign": pki.make("stranger", "robot.test", issuer=foreign, client=True),
        "revoked": pki.make("gone", "robot.test", issuer=authority, client=True),
    }
    crl = pki.crl("clients", authority, leafs["revoked"])
    mark = leafs["good"].leaf.fingerprint(hashes.SHA256()).hex()
    tables = f"""
[zone.access]
certificates = {{ ca = "{authority.certificate}", crl = "{crl}" }}
[[zone.access.applications]]
name = "secret"
policies = [{{ name = "p", decision = "allow", include = [{{ {asks.replace("{good}", mark)} }}] }}]
"""
    with RawOrigin(Recorder(), None) as origin:
        house = gateway(toml=toml(record("@", origin.port, 'origin_protocol = "h2c"')) + tables)
        context = h2_context(house.ca.file)
        if shown is not None:
            context.load_cert_chain(leafs[shown].certificate, leafs[shown].key)
        with RawClient(house.address, context=context, server_name="gw.test") as client:
            client.begin()
            numbers = itertools.count(1, 2)
            assert asked(client, numbers, head()).grpc_status == status
            assert asked(client, numbers, head()).grpc_status == status
