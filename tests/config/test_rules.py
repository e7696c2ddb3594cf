"""[[zone.rule]] and what else asks things of calls: what it becomes."""

from __future__ import annotations

import ipaddress
import json
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.config import load, load_text
from fastgw.config.firewall import _longest_wins
from fastgw.config.inspection import outline
from fastgw.config.load import with_zone
from fastgw.config.ruletables import ConfigTable
from fastgw.policy.inspection import (
    CONFIGURABLE,
    NOTHING,
    HeaderChange,
    Managed,
    RateLimit,
    Response,
    Route,
    Skip,
)
from tests.config.ruled import ZONE, judged, only, remarks, rule

RATE = "ratelimit = {{ characteristics = [{0}], period = 60, requests_per_period = 9 }}"


def test_a_zone_that_asks_nothing() -> None:
    assert judged("") is NOTHING
    assert not judged("")


def test_each_action_with_what_it_needs() -> None:
    found = only(rule('action = "block"\nresponse = { content = "no", grpc_status = "not_found" }'))
    assert found.response == Response(403, "no", "text/plain", 5)
    found = only(
        rule(
            'action = "skip"\nskip = { phase = "current", '
            'phases = ["managed", "http_ratelimit"], rules = ["m1"] }'
        )
    )
    assert found.skip == Skip(True, ("http_request_firewall_managed", "http_ratelimit"), (), ("m1",))
    found = only(rule('action = "log"\nid = "mine"\nenabled = false\nlogging = false\ndescription = "d"'))
    assert (found.id, found.enabled, found.logging, found.description) == ("mine", False, False, "d")
    found = only(rule('phase = "ratelimit"\n' + RATE.format('"ip.src"')))
    assert found.action == "block"
    assert found.ratelimit == RateLimit(("ip.src",), 60, 9)
    found = only(
        rule(
            'phase = "origin"\nroute = { origin = "b", port = 5, '
            'host = "Z.example", server_name = "y.example" }'
        )
    )
    assert found.route == Route("z.example", "y.example", "b.gw.test", 5)
    found = only(rule('phase = "config"\nconfig = { ssl = "strict" }'))
    assert (found.action, found.config) == ("set_config", (("ssl", "strict"),))


def test_changes_of_metadata_in_the_order_of_writing() -> None:
    text = 'phase = "transform"\nheaders."x-b" = { operation = "add", expression = "ip.src" }\n'
    text += 'headers."x-a" = { operation = "set", value = "1" }\nheaders."x-c" = { operation = "remove" }'
    assert only(rule(text)).changes == (
        HeaderChange("x-b", "add", "", "ip.src"),
        HeaderChange("x-a", "set", "1"),
        HeaderChange("x-c", "remove"),
    )


def test_characteristics_are_values() -> None:
    """An array counts as all of its elements: a header that is sent twice is another key."""
    text = RATE.format("""'http.request.headers["x-key"]', "lower(http.host)" """)
    found = only(rule(f'phase = "ratelimit"\n{text}')).ratelimit
    assert found is not None
    assert found.characteristics == ('join(http.request.headers["x-key"], ",")', "lower(http.host)")


def test_phases_are_in_their_order_and_rules_in_theirs() -> None:
    text = (
        rule('phase = "config"\nconfig = { ssl = "full" }')
        + rule('action = "log"')
        + rule('action = "block"', "not ssl")
    )
    text += rule('phase = "http_ratelimit"\n' + RATE.format('"ip.src"'))
    text += '[[zone.user_agent]]\nvalue = "a"\n[[zone.ip_access]]\nvalue = "::1"\nmode = "block"\n'
    found = judged(text)
    assert [phased.phase for phased in found.phases] == [
        "ip_access",
        "user_agent",
        "http_request_firewall_custom",
        "http_ratelimit",
        "http_config_settings",
    ]
    assert [one.action for one in found.phases[2].rules] == ["log", "block"]


def test_ids_stay_and_differ() -> None:
    first = judged(rule('action = "block"') + rule('action = "block"') + rule('action = "log"'))
    again = judged(rule('action = "log"') + rule('action = "block"\ndescription = "told"'))
    ids = [one.id for one in first.phases[0].rules]
    assert len(set(ids)) == 3
    assert [one.id for one in again.phases[0].rules] == [ids[2], ids[0]]


def test_only_lists_that_are_asked_belong_to_the_zone() -> None:
    found = judged(
        rule('action = "block"', "ip.src in $office") + '[zone.lists]\noffice = ["::1"]\nmore = ["a"]\n'
    )
    assert found.lists == (("office", ("::1",)),)
    text = rule('phase = "transform"\nheaders.x = { operation = "set", expression = \'to_string(ssl)\' }')
    assert judged(text).lists == ()
    counted = 'ratelimit = { characteristics = ["ip.src"], period = 10, '
    counted += 'requests_per_period = 1, counting_expression = "http.host in $tenants" }'
    assert judged(rule(f'phase = "ratelimit"\n{counted}')).lists == (("tenants", ("acme", "7")),)


def test_managed_rules_and_bots() -> None:
    found = judged(
        'managed = { enabled = true, overrides = { scanners = "log", protocol = "off" } }\n'
        "bots = { enabled = true }"
    )
    assert found.managed == Managed(True, (("scanners", "log"), ("protocol", "off")))
    assert found.bots
    assert found


def test_ip_access_becomes_a_few_rules_however_many_entries() -> None:
    text = "".join(f'[[zone.ip_access]]\nvalue = "10.{n}.0.0/16"\nmode = "block"\n' for n in range(200))
    found = judged(text + '[[zone.ip_access]]\nvalue = "10.7.1.1"\nmode = "whitelist"\n')
    (phased,) = found.phases
    assert [(one.id, one.action) for one in phased.rules] == [
        ("ip_access-allow-ip", "allow"),
        ("ip_access-block-ip", "block"),
    ]
    passed = phased.rules[0].skip
    assert passed is not None
    assert len(passed.phases) == 3
    assert dict(found.lists)["ip_access.allow"] == ("10.7.1.1",)


def test_an_allowed_country_passes_less_than_an_allowed_address() -> None:
    found = judged(
        'ip_access = [{ value = "de", mode = "allow" }, { value = "AS64496", mode = "block" }]', warned=True
    )
    asn, country = found.phases[0].rules
    assert (asn.action, asn.expression) == ("block", "ip.src.asnum in $ip_access.block.asn")
    assert country.skip == Skip(phases=("http_request_firewall_custom", "http_ratelimit"))
    assert dict(found.lists) == {"ip_access.allow.country": ("DE",), "ip_access.block.asn": ("64496",)}


networks = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 8)).map(
        lambda pair: ipaddress.ip_network((0x0A000000 | pair[0], 24 + pair[1]), strict=False)
    ),
    max_size=8,
)


@given(networks, networks)
@settings(max_examples=200, deadline=None)
def test_the_longest_network_decides(allowed, blocked) -> None:
    blocked = [one for one in blocked if one not in allowed]
    allowed = list(dict.fromkeys(allowed))
    spans = _longest_wins(allowed, list(dict.fromkeys(blocked)))
    sides = [(one, "allow") for one in allowed] + [(one, "block") for one in blocked]
    for last in range(256):
        address = ipaddress.IPv4Address(0x0A000000 | last)
        around = [(one.prefixlen, mode) for one, mode in sides if address in one]
        wanted = max(around)[1] if around else None
        found = [mode for mode in spans for span in spans[mode] if _inside(address, span)]
        assert found == ([wanted] if wanted else [])


def _inside(address: ipaddress.IPv4Address, span: str) -> bool:
    first, _, last = span.partition("..")
    return ipaddress.IPv4Address(first) <= address <= ipaddress.IPv4Address(last or first)


def test_a_lockdown_is_a_rule() -> None:
    text = 'lockdown = [{ urls = ["gw.test/a.B/*", "*.gw.test", "b.gw.test/x"], '
    text += 'configurations = ["10.0.0.0/8"], id = "l" }]'
    found = judged(text)
    assert found.phases[0].rules[0].expression == (
        '((http.host eq "gw.test" and http.request.uri.path wildcard "/a.B/*")'
        ' or http.host wildcard "*.gw.test"'
        ' or (http.host eq "b.gw.test" and http.request.uri.path eq "/x")) and not ip.src in $lockdown.0'
    )
    assert found.lists == (("lockdown.0", ("10.0.0.0/8",)),)


def test_user_agents_are_texts_not_expressions() -> None:
    (phased,) = judged("""user_agent = [{ value = 'a"b\\c' }, { value = "sqlmap*", mode = "log" }]""").phases
    assert [(one.expression, one.action) for one in phased.rules] == [
        (r'http.user_agent eq "a\"b\\c"', "block"),
        ('http.user_agent wildcard "sqlmap*"', "log"),
    ]


WHOLE = (
    'lockdown = [{ urls = ["gw.test"], configurations = ["::1"] }]\nuser_agent = [{ value = "x" }]\n'
    + rule('action = "block"', "ip.src in $office")
    + rule('phase = "origin"\nroute = { origin = "b" }')
)


def test_a_stored_document_becomes_the_same_zone() -> None:
    text = ZONE + 'ip_access = [{ value = "::1", mode = "block" }]\n' + WHOLE
    written = load_text(text, Path("f"))
    document = json.loads(json.dumps(tomllib.loads(text)["zone"][0]))
    other = {"server": {"listen": ["h2c://127.0.0.1:0"]}, "lists": tomllib.loads(text)["lists"]}
    config = load({**other, "zone": [{"name": "other.test"}]})
    stored = with_zone(config, document)
    assert stored.zones[1] == written.zones[0]
    assert hash(stored.zones[1].inspection) == hash(written.zones[0].inspection)
    assert with_zone(stored, document).zones[1] is stored.zones[1]


def test_the_outline_of_a_document_has_its_rules() -> None:
    text = ZONE + WHOLE
    document = tomllib.loads(text)["zone"][0]
    assert [(phased.phase, [one.id for one in phased.rules]) for phased in outline(document).phases] == [
        (phased.phase, [one.id for one in phased.rules])
        for phased in load_text(text, Path("f")).zones[0].inspection.phases
    ]


def test_equal_rules_of_many_zones_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 zones with 20 rules need not cost 200,000 parses; those of one zone are shared by all."""
    from fastgw.config import expressions

    expressions._judged.cache_clear()
    parsed = []
    real = expressions.parse
    monkeypatch.setattr(expressions, "parse", lambda *given: parsed.append(given) or real(*given))
    rules = [{"expression": f'http.host eq "{n}"', "action": "block"} for n in range(5)]
    zones = [
        {
            "name": f"z{n}.test",
            "grpc": "on",
            "dns": [{"name": "@", "content": "10.0.0.1", "proxied": True}],
            "rule": rules,
        }
        for n in range(300)
    ]
    began = time.process_time()
    config = load({"server": {"listen": ["h2c://127.0.0.1:0"]}, "zone": zones})
    assert time.process_time() - began < 2
    assert len(parsed) == 5
    assert len({id(zone.inspection) for zone in config.zones}) == 1


def test_an_origin_of_one_zone_is_none_of_another() -> None:
    text = rule('phase = "origin"\nroute = { origin = "b" }')
    other = ZONE + text + "[[zone]]" + ZONE.partition("[[zone]]")[2].replace("gw.test", "other.test") + text
    config = load_text(other, Path("f"))
    routes = [zone.inspection.phases[0].rules[0].route for zone in config.zones]
    assert [route.origin for route in routes if route] == ["b.gw.test", "b.other.test"]


@pytest.mark.parametrize(
    ("text", "rule_id", "said"),
    [
        (
            rule('action = "block"', 'ip.src.country eq "DE"'),
            "never-known",
            "expression asks for ip.src.country, which is never known",
        ),
        (
            'ip_access = [{ value = "DE", mode = "block" }]',
            "never-known",
            "value names a country, which is never known",
        ),
        (
            rule('action = "block"\nresponse = { content = "{}", content_type = "application/json" }'),
            "response-for-http",
            'note rule[0].response.content_type is "application/json"',
        ),
        (
            rule(f'action = "block"\nresponse = {{ content = "{"x" * 5000}" }}'),
            "questionable",
            "has 5000 octets",
        ),
        (rule('action = "skip"\nskip = { products = ["bic"] }'), "questionable", "not there to be left out"),
        (
            rule('action = "skip"\nskip = { products = ["uaBlock"] }'),
            "questionable",
            "asked before any rule is",
        ),
        (
            rule('phase = "ratelimit"\n' + RATE.format('"ip.src", "cf.colo.id"')),
            "questionable",
            "one counter for all workers",
        ),
        (
            rule('phase = "transform"\nheaders."x-bin" = { operation = "set", value = "YQ==" }'),
            "binary-metadata",
            "must be base64",
        ),
        ('managed = { overrides = { path = "off" } }', "questionable", "has no effect, as enabled is false"),
        ('lists = { twice = ["a", "a"] }', "questionable", "has 1 items more than once"),
    ],
)
def test_what_is_worth_a_word(text: str, rule_id: str, said: str) -> None:
    assert said in remarks(text)[rule_id]


def test_what_a_rule_may_set_is_what_the_core_is_told() -> None:
    assert tuple(ConfigTable.model_fields) == CONFIGURABLE
