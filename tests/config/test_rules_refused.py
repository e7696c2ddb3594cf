"""What is refused in rules, each with its sentence: line of the addition, field, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.config import load_text
from fastgw.config.ruletables import ActionName, PhaseName
from fastgw.errors import ConfigError
from fastgw.policy.refusals import ACTIONS, PHASES, RATE_KEYS
from tests.config.ruled import ZONE, complaints, judged, rule

QUIET = ZONE.replace('grpc = "on"', 'grpc = "off"\nhttp = "on"').replace(', origin_protocol = "h2c"', "")
RATE = 'phase = "ratelimit"\nratelimit = '
SET = 'phase = "transform"\nheaders.'
TWO = 'ip_access = [{ value = "::1", mode = "allow" }, { value = "::1", mode = "block" }]'
TARGET = 'ip_access = [{ value = "10.0.0.0/8", target = "ip", mode = "block" }]'
BLOCK = 'action = "block"\n'

REFUSED = {
    # expressions
    rule(BLOCK, 'http.hots eq "x"'): (
        "1: rule[0].expression cannot be used: 1:1: there is no field http.hots\n"
        '  http.hots eq "x"\n  ^~~~~~~~~'
    ),
    rule(BLOCK, 'http.host matches "a("'): "rule[0].expression cannot be used: 1:19: ",
    rule(BLOCK, "ip.src in $ofice"): "there is no list $ofice\n  ip.src in $ofice\n            ^~~~~~",
    rule(BLOCK, "ip.src in $tenants"): "the list $tenants has 'acme', which is no address",
    rule(BLOCK, "cf.edge.server_port in $tenants"): "the list $tenants has 'acme', which is no integer",
    rule(BLOCK, 'http.request.headers["a"][*] eq "b"'): "the result is an array of booleans",
    rule(BLOCK, "http.request.body.size gt 1"): "the field http.request.body.size is not available",
    rule(BLOCK, "http.response.code eq 500"): "the field http.response.code is not available",
    "[[zone.rule]]\naction = 'block'\n": "0: rule[0].expression is missing",
    # rules
    rule(""): "0: rule[0] has no action",
    rule('action = "blok"'): '2: rule[0].action must be one of "block", "log"',
    rule('action = "rewrite"'): 'is "rewrite", which the phase "custom" does not have',
    rule('phase = "origin"\naction = "block"'): 'is "block", which the phase "origin" does not have',
    rule('phase = "nowhere"\naction = "block"'): "rule[0].phase must be one of",
    rule('action = "block"\nid = "a b"'): "rule[0].id is 'a b', which is no id",
    rule('action = "block"\nid = "a"') * 2: "rule[1].id is 'a', which another rule of the zone has",
    rule(
        'action = "log"\nresponse = { content = "x" }'
    ): 'rule[0].response has no effect on the action "log"',
    rule(
        'action = "block"\nratelimit = { characteristics = ["ip.src"], period = 10, requests_per_period = 1 }'
    ): ('rule[0].ratelimit has no effect in the phase "custom"'),
    rule('phase = "ratelimit"'): "rule[0] has no ratelimit",
    rule('action = "skip"'): 'rule[0] has no skip, which the action "skip" needs',
    rule('phase = "transform"'): 'rule[0] has no headers, which the action "rewrite" needs',
    rule('phase = "origin"'): 'rule[0] has no route, which the action "route" needs',
    rule('phase = "config"'): 'rule[0] has no config, which the action "set_config" needs',
    rule('phase = "config"\nconfig = {}'): "rule[0].config changes nothing",
    rule('action = "skip"\nskip = {}'): "rule[0].skip leaves nothing out",
    rule('action = "block"\nexpresion = "x"'): "rule[0].expresion is not a known key",
    "rule = 1": "rule must be an array of tables, not the number 1",
    "rule = [1]": "rule[0] must be a table, not the number 1",
    rule('action = "log"') * 1001: "rule[1000] is one too many: a phase has at most 1000 rules",
    # responses
    rule(
        'action = "block"\nresponse = { status_code = 200 }'
    ): "response.status_code is 200; it must be 400 to 499",
    rule(
        'action = "block"\nresponse = { status_code = 500 }'
    ): "response.status_code is 500; it must be 400 to 499",
    rule(
        'action = "block"\nresponse = { content_type = "image/png" }'
    ): "response.content_type must be one of",
    rule('action = "block"\nresponse = { grpc_status = "ok" }'): "response.grpc_status must be one of",
    rule(f'action = "block"\nresponse = {{ content = "{"x" * 30721}" }}'): (
        "response.content has 30721 octets; at most 30720 are allowed"
    ),
    # rates
    rule(RATE + '{ characteristics = ["ip.src"], period = 11, requests_per_period = 1 }'): (
        "ratelimit.period is 11; it must be one of 10, 60, 120, 300, 600, 3600 seconds"
    ),
    rule(
        RATE
        + '{ characteristics = ["ip.src"], period = 10, requests_per_period = 1, mitigation_timeout = 5 }'
    ): "ratelimit.mitigation_timeout is 5; it must be one of 0, 10, 60,",
    rule(RATE + '{ characteristics = ["ip.src"], period = 10, requests_per_period = 0 }'): (
        "ratelimit.requests_per_period is 0; it must be 1 to 268435455"
    ),
    rule(RATE + '{ characteristics = ["ip.src"], period = 10 }'): "ratelimit counts nothing",
    rule(RATE + "{ characteristics = [], period = 10, requests_per_period = 1 }"): "characteristics is empty",
    rule(RATE + "{ period = 10, requests_per_period = 1 }"): "ratelimit.characteristics is missing",
    rule(RATE + '{ characteristics = ["ip.scr"], period = 10, requests_per_period = 1 }'): (
        "characteristics[0] cannot be used: 1:1: there is no field ip.scr"
    ),
    rule(RATE + '{ characteristics = ["ip.src eq ::1"], period = 10, requests_per_period = 1 }'): (
        "characteristics[0] cannot be used: 1:8: the value should end here"
    ),
    rule(RATE + '{ characteristics = ["http.request.headers"], period = 10, requests_per_period = 1 }'): (
        "a value is needed, and this is a map of array of text"
    ),
    rule(
        RATE
        + "{ characteristics = ['http.request.headers[\"a\"][*]'], period = 10, requests_per_period = 1 }"
    ): ("one value is needed, and this is many"),
    rule(
        RATE + "{ characteristics = ['http.request.headers[\"A\"]'], period = 10, requests_per_period = 1 }"
    ): ("characteristics[0] names the header 'A'"),
    rule(RATE + '{ characteristics = ["ip.src", "ip.src"], period = 10, requests_per_period = 1 }'): (
        "characteristics[1] repeats ip.src"
    ),
    rule(RATE + '{ characteristics = ["cf.unique_visitor_id"], period = 10, requests_per_period = 1 }'): (
        "characteristics[0] is cf.unique_visitor_id, which needs cookies"
    ),
    rule(
        RATE
        + '{ characteristics = ["ip.src"], period = 10, requests_per_period = 1, '
        + 'counting_expression = "http.response.code eq 429" }'
    ): "counting_expression cannot be used: 1:1: the field http.response.code is not available",
    # changes
    rule(SET + '"X-A" = { operation = "set", value = "1" }'): "metadata names are lower-case in gRPC",
    rule(SET + '":path" = { operation = "set", value = "1" }'): "which is no metadata",
    rule(SET + 'a = { operation = "set" }'): "headers.a needs a value or an expression",
    rule(SET + 'a = { operation = "set", value = "1", expression = "ip.src" }'): "one of them only",
    rule(
        SET + 'a = { operation = "remove", value = "1" }'
    ): "headers.a.value has no effect: the name is removed",
    rule(
        SET + 'a = { operation = "set", value = "x\\ny" }'
    ): "headers.a.value is 'x\\ny', which no call can carry",
    rule(
        SET + 'a = { operation = "set", expression = "ip.sr" }'
    ): "headers.a.expression cannot be used: 1:1:",
    **{
        rule(
            SET + f'"{name}" = {{ operation = "set", value = "1" }}'
        ): f"headers.{name} changes {name}, which carries"
        for name in (
            "content-type",
            "te",
            "grpc-timeout",
            "connection",
            "host",
            "fastgw-ray",
            "cf-access-client-id",
        )
    },
    # routes and settings
    rule(
        'phase = "origin"\nroute = { origin = "c" }'
    ): "is c.gw.test, which is no proxied record of the zone",
    rule('phase = "origin"\nroute = { origin = "a..b" }'): "route.origin is 'a..b', which has an empty label",
    rule('phase = "origin"\nroute = { host = "10.0.0.1" }'): "route.host is '10.0.0.1', which is an address",
    rule('phase = "config"\nconfig = { ssl = "flexible" }'): (
        'config.ssl is "flexible", but gRPC is on and is carried over TLS only'
    ),
    rule('phase = "config"\nconfig = { ssl = "off" }'): 'config.ssl is "off", but gRPC is on',
    rule('phase = "config"\nconfig = { polish = "on" }'): "config.polish",
    # tables
    'ip_access = [{ value = "10.0.0.300", mode = "block" }]': "is '10.0.0.300', which is no address",
    'ip_access = [{ value = "10.0.0.1/8", mode = "block" }]': "is '10.0.0.1/8', which has bits beyond",
    'ip_access = [{ value = "::1", mode = "challenge" }]': 'mode is "challenge", which no gRPC client',
    TWO: "stands further up",
    TARGET: 'is "ip", but 10.0.0.0/8 is a network',
    'ip_access = [{ value = "x", target = "country", mode = "block" }]': "is 'x', which is no country",
    'lockdown = [{ urls = ["x.test/a"], configurations = ["::1"] }]': "which lies outside the zone gw.test",
    'lockdown = [{ urls = ["https://gw.test/a"], configurations = ["::1"] }]': "is 'https://gw.test/a'",
    'lockdown = [{ urls = ["/a"], configurations = ["::1"] }]': "is '/a', whose host is empty",
    'lockdown = [{ urls = ["gw.test/a"], configurations = ["1"] }]': "is '1', which is no address",
    'lockdown = [{ urls = ["gw.test/a**"], configurations = ["::1"] }]': "makes no rule: a wildcard pattern",
    'user_agent = [{ value = "a", mode = "js_challenge" }]': 'mode is "js_challenge", which no gRPC client',
    'user_agent = [{ value = "a" }, { value = "a" }]': "user_agent[1].value is 'a', which stands further up",
    'managed = { overrides = { a = "challenge" } }': "managed.overrides.a must be one of",
    'managed = { overrides = { injektion = "log" } }': "is neither a managed rule nor a group",
    'bots = { enabled = "on" }': "bots.enabled must be true or false",
    'lists = { "A" = [] }': "lists.A is no name of a list",
    'lists = { a = "x" }': "lists.a must be an array",
    "lists = { a = [true] }": "lists.a[0] must be text in quotes or a whole number, not true",
    "lists = []": "lists must be a table",
}


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=range(len(REFUSED)))
def test_it_is_refused_with_its_reason(text: str, said: str) -> None:
    found = complaints(text)
    assert said in "\n".join(found)
    assert len(found) == 1, "and nothing else is said"


@pytest.mark.parametrize("action", ["challenge", "js_challenge", "managed_challenge"])
def test_challenges_are_refused_where_grpc_is_on_and_where_it_is_not(action: str) -> None:
    text = rule(f'action = "{action}"')
    assert complaints(text) == [
        f'2: rule[0].action is "{action}", which no gRPC client can solve: it would be denied for good'
    ]
    assert complaints(text, QUIET) == [f'3: rule[0].action is "{action}", and there are no challenges here']


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_that_make_no_sense(action: str) -> None:
    (said,) = complaints(rule(f'action = "{action}"'))
    assert said.startswith(f'2: rule[0].action is "{action}", which ')
    assert ACTIONS[action][0] in said
    assert action not in ActionName.__args__  # type: ignore[attr-defined]


@pytest.mark.parametrize("phase", PHASES)
def test_phases_that_make_no_sense(phase: str) -> None:
    (said,) = complaints(rule(f'phase = "{phase}"\naction = "block"'))
    assert said.startswith(f'2: rule[0].phase is "{phase}", which ')
    assert PHASES[phase][0] in said
    assert phase not in PhaseName.__args__  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", RATE_KEYS)
def test_rate_limits_of_responses(key: str) -> None:
    text = rule(RATE + f'{{ characteristics = ["ip.src"], period = 10, requests_per_period = 1, {key} = 1 }}')
    (said,) = complaints(text)
    assert f"rule[0].ratelimit.{key} cannot be used: {RATE_KEYS[key][0]}" in said


def test_cleartext_by_rule_is_possible_where_grpc_is_off() -> None:
    text = rule('phase = "config"\nconfig = { ssl = "flexible" }')
    assert judged(text, QUIET).phases[0].rules[0].config == (("ssl", "flexible"),)


def test_the_line_is_that_of_the_expression_and_the_hint_is_said_once() -> None:
    text = rule('action = "block"') + "[[zone.rule]]\naction = 'block'\nexpression = 'http.hots eq 1'\n"
    with pytest.raises(ConfigError) as error:
        load_text(ZONE + text, Path("f"))
    (problem,) = error.value.problems
    assert problem.line == (ZONE + text).splitlines().index("expression = 'http.hots eq 1'") + 1
    assert str(problem).count("did you mean") == 1
    assert problem.rule == "expression"


def test_a_secret_from_elsewhere_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2hunter2")
    text = rule(BLOCK, 'http.request.headers["x"][0] eq "${env:TOKEN}" and nothing')
    (said,) = complaints(text)
    assert "hunter2" not in said
    assert "${env:TOKEN}" in said


def test_words_that_are_good_for_one_zone_are_judged_anew_for_another() -> None:
    text = rule('phase = "config"\nconfig = { ssl = "flexible" }')
    second = text + "[[zone]]" + ZONE.partition("[[zone]]")[2].replace("gw.test", "other.test") + text
    (said,) = complaints(second, QUIET)
    assert 'zone[1].rule[0].config.ssl is "flexible", but gRPC is on' in said
