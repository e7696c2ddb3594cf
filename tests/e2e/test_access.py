"""Access from end to end: grpcio and raw clients before a gateway whose zone says who may call."""

from __future__ import annotations

import io
import json
import logging
import queue
import time

import grpc
import jwt
import pytest

import fastgw
from fastgw.access import tokens
from fastgw.access.identity import public_keys
from fastgw.access.keys import parse
from tests.access.issuer import AUDIENCE, ISSUER, Issuer, KeyServer
from tests.support.calls import eventually, record, toml
from tests.support.grpc_echo import SERVICE, Echo
from tests.support.house import alive, host_and_port

FRESH = tokens.create("robot", None)
PAIR = [("cf-access-client-id", FRESH.client_id), ("cf-access-client-secret", FRESH.secret)]
WHO = "cf-access-jwt-assertion"


def access(policies: str, more: str = "", path: str = SERVICE) -> str:
    return f"""
[zone.access]
{more}
[[zone.access.service_tokens]]
id = "{FRESH.client_id}"
name = "robot"
secret_sha256 = "{FRESH.table["secret_sha256"]}"
[[zone.access.applications]]
name = "echo"
path = "{path.rstrip("/")}"
policies = [{policies}]
"""


ROBOTS = '{ name = "robots", decision = "service_auth", include = [{ any_valid_service_token = true }] }'
PEOPLE = '{ name = "people", decision = "allow", include = [{ email_domain = ["corp.test"] }] }'


def believed(source: str, **more: str) -> str:
    keys = "".join(f'{name} = "{value}"\n' for name, value in more.items())
    return f'[[zone.access.jwt]]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks_url = "{source}"\n{keys}'


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def server(issuer):
    found = KeyServer(issuer.jwks())
    yield found
    found.close()


@pytest.fixture
def begin(config_file, origin, open_channel):
    """`begin(tables)`: a gateway whose zone has these tables, and a client."""
    begun = []

    def start(more: str, **terms):
        gateway = fastgw.Gateway(config_file(toml(record("@", origin.port), **terms) + more))
        gateway.start()
        begun.append(gateway)
        return gateway, Echo(open_channel(host_and_port(gateway.addresses[0])))

    yield start
    for gateway in begun:
        gateway.stop()
        assert alive(gateway) == {}


def say(echo, metadata=(), **terms) -> bytes:
    return echo.unary(b"hello", metadata=list(metadata), timeout=10, **terms)


def refusal(call, *arguments, **terms) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **terms)
    return caught.value.code().name, caught.value.details()


def seen(echo, origin, metadata) -> list[tuple[str, str]]:
    """What the origin gets."""
    assert say(echo, metadata) == b"hello"
    return [(name, value) for name, value in origin.metadata if isinstance(value, str)]


class Conversation:
    """One stream, said and answered message by message."""

    def __init__(self, echo, metadata) -> None:
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._call = echo.chat(iter(self._out.get, None), metadata=list(metadata), timeout=60)

    def say(self, message: bytes) -> bytes:
        self._out.put(message)
        return next(self._call)

    def ending(self) -> tuple[str, str]:
        """Status and message of an end that nobody here has asked for."""
        try:
            with pytest.raises(grpc.RpcError) as caught:
                next(self._call)
            return caught.value.code().name, caught.value.details()
        finally:
            self._out.put(None)

    def close(self) -> None:
        self._out.put(None)
        assert list(self._call) == []


def test_service_tokens(begin):
    _, echo = begin(access(ROBOTS))
    assert say(echo, PAIR) == b"hello"
    status, text = refusal(say, echo)
    assert status == "UNAUTHENTICATED"
    assert text.startswith("zone gw.test: application echo asks who calls")
    status, text = refusal(say, echo, [PAIR[0], (PAIR[1][0], "wrong")])
    assert status == "UNAUTHENTICATED"
    assert "is another" in text


def test_known_and_not_permitted(begin):
    nobody = '{ name = "x", decision = "service_auth", include = [{ service_token = ["other"] }] }'
    other = f'[[zone.access.service_tokens]]\nid = "other"\nname = "o"\nsecret_sha256 = "{"0" * 64}"\n'
    _, echo = begin(access(nobody) + other)
    assert refusal(say, echo, PAIR)[0] == "PERMISSION_DENIED"


def test_signed_tokens(begin, issuer, server):
    _, echo = begin(access(PEOPLE) + believed(server.url))

    def bearer(**claims):
        return [("authorization", "Bearer " + issuer.token(**claims))]

    assert say(echo, bearer(email="a@corp.test")) == b"hello"
    assert refusal(say, echo, bearer(email="a@evil.test"))[0] == "PERMISSION_DENIED"
    nonsense = [("authorization", "Bearer x.y.z")]
    for wrong in (bearer(lifetime=-99), bearer(iss="x"), bearer(aud="x"), nonsense):
        assert refusal(say, echo, wrong)[0] == "UNAUTHENTICATED"
    evil = Issuer().token(email="a@corp.test")
    assert refusal(say, echo, [("authorization", f"Bearer {evil}")])[0] == "UNAUTHENTICATED"


def test_a_verdict_is_remembered(begin, issuer, server):
    _, echo = begin(access(PEOPLE) + believed(server.url))
    token = [("authorization", "Bearer " + issuer.token(email="a@corp.test"))]
    assert say(echo, token) == b"hello"
    begun = time.perf_counter()
    for _ in range(50):
        assert say(echo, token) == b"hello"
    assert time.perf_counter() - begun < 5
    assert server.asked == 1


def test_no_keys_no_call(begin, issuer, server):
    server.status = 500
    _, echo = begin(access(PEOPLE) + believed(server.url))
    status, text = refusal(say, echo, [("authorization", "Bearer " + issuer.token(email="a@corp.test"))])
    assert status == "UNAUTHENTICATED"
    assert "there are no keys of its issuer" in text


def test_what_the_origin_is_told(begin, origin, issuer, server, tmp_path):
    key = tmp_path / "identity.key"
    key.write_bytes(Issuer("RS256").private_pem)
    identity = f'identity = {{ key = "{key}", issuer = "https://gw.test" }}\n'
    _, echo = begin(access(f"{ROBOTS}, {PEOPLE}", identity) + believed(server.url))
    (public,) = parse(json.dumps(public_keys([key])).encode())
    forged = [(WHO, "forged"), ("cf_access_jwt_assertion", "forged")]
    for shown, claim, value in (
        (PAIR, "common_name", FRESH.client_id),
        ([("authorization", "Bearer " + issuer.token(email="a@corp.test"))], "email", "a@corp.test"),
    ):
        for _ in range(2):
            got = seen(echo, origin, [*shown, *forged])
            (text,) = [one for name, one in got if name == WHO]
            told = jwt.decode(text, public.public, ["RS256"], audience="echo", issuer="https://gw.test")
            assert told[claim] == value
            names = {name for name, _ in got}
            assert not names & {"cf-access-client-id", "cf-access-client-secret", "cf_access_jwt_assertion"}


def test_no_secret_goes_anywhere(begin, origin, caplog, tmp_path, issuer, server):
    """Log, access log, counters, errors, what goes to the origin: searched for everything that is secret."""
    caplog.set_level(logging.DEBUG)
    log = tmp_path / "access.log"
    tables = access(f"{ROBOTS}, {PEOPLE}") + believed(server.url)
    gateway, echo = begin(f'{tables}[log]\naccess = "{log}"\n')
    token = issuer.token(email="a@corp.test")
    bad = FRESH.secret[:-1] + "!"
    out = io.StringIO()
    print(seen(echo, origin, PAIR), file=out)
    for shown in (
        [PAIR[0], (PAIR[1][0], bad)],
        [*PAIR, PAIR[1]],
        [PAIR[1]],
        [(PAIR[1][0], FRESH.secret), ("cf-access-client-id", "x")],
        [("authorization", "Bearer " + token + "x")],
    ):
        print(refusal(say, echo, shown), file=out)
    say(echo, [("authorization", "Bearer " + token)])
    eventually(lambda: log.exists() and log.read_text().count("\n") >= 7)
    everything = out.getvalue() + log.read_text() + repr(gateway.stats()) + caplog.text
    for secret in (FRESH.secret, bad, FRESH.table["secret_sha256"], token.rpartition(".")[2][:20]):
        assert secret not in everything


@pytest.mark.parametrize("grpc_mode", ["enforce", "bypass"])
def test_bypass_is_as_the_reference_has_it(begin, origin, grpc_mode):
    _, echo = begin(access(ROBOTS, f'grpc = "{grpc_mode}"'))
    if grpc_mode == "enforce":
        assert refusal(say, echo)[0] == "UNAUTHENTICATED"
        return
    assert say(echo) == b"hello"
    names = {name for name, _ in seen(echo, origin, [*PAIR, (WHO, "forged")])}
    assert not names & {"cf-access-client-id", "cf-access-client-secret", WHO}


def test_a_stream_ends_with_its_token(begin, issuer, server):
    source = believed(server.url).replace("jwks", "leeway = 0\njwks")
    _, echo = begin(access(PEOPLE, "recheck = true") + source)
    token = issuer.token(email="a@corp.test", lifetime=1.5)
    call = Conversation(echo, [("authorization", "Bearer " + token)])
    assert call.say(b"one") == b"one"
    begun = time.monotonic()
    status, text = call.ending()
    assert status == "UNAUTHENTICATED"
    assert text.endswith("what this stream was admitted by has expired")
    assert time.monotonic() - begun < 3


def test_a_stream_ends_when_its_token_is_withdrawn(begin, config_file, origin):
    gateway, echo = begin(access(ROBOTS, "recheck = true"))
    call = Conversation(echo, PAIR)
    assert call.say(b"one") == b"one"
    gone = access(ROBOTS, "recheck = true").replace("name =", "enabled = false\nname =", 1)
    gateway.publish(config_file(toml(record("@", origin.port)) + gone))
    status, text = call.ending()
    assert status == "UNAUTHENTICATED"
    assert text.endswith("does not count any more")


def test_a_stream_goes_on_when_other_policies_change(begin, issuer, server, config_file, origin):
    tables = access(PEOPLE, "recheck = true") + believed(server.url)
    gateway, echo = begin(tables)
    call = Conversation(echo, [("authorization", "Bearer " + issuer.token(email="a@corp.test"))])
    assert call.say(b"one") == b"one"
    gateway.publish(config_file(toml(record("@", origin.port)) + tables.replace('"people"', '"staff"')))
    time.sleep(6)  # the stream is looked at every 5 s
    assert call.say(b"two") == b"two"
    call.close()
