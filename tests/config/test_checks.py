"""Each check of `fastgw check`: a configuration in which it fires, and one in which it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fastgw.config.checks import RULES
from fastgw.config.checks.origins import is_private
from fastgw.config.checks.policies import CHALLENGES, check_access, check_action
from fastgw.config.load import examine
from fastgw.config.sarif import sarif
from tests.config.conftest import write_pair

GOOD = """\
[server]
listen = ["h2c://127.0.0.1:8443"]
[[zone]]
name = "gw.example"
grpc = "on"
dns = [{ name = "api", content = "10.0.0.1", proxied = true }]
"""
RECORD = '{ name = "api", content = "10.0.0.1", proxied = true }'
TLS = GOOD.replace("h2c://", "")


def more(text: str) -> str:
    return GOOD.replace(RECORD, f"{RECORD}, {text}")


def settings(text: str) -> str:
    return f"{GOOD}settings = {{ {text} }}\n"


def route(text: str) -> str:
    return f"{GOOD}[[zone.route]]\n{text}\n"


def cert(stem: str) -> str:
    return f'{TLS}cert = {{ file = "{stem}.pem", key = "{stem}.key" }}\n'


def ruled(text: str, expression: str = "ssl") -> str:
    return f"{GOOD}[[zone.rule]]\nexpression = '{expression}'\n{text}\n"


def access(text: str, decision: str = "deny") -> str:
    policies = f'[{{ name = "p", decision = "{decision}", include = [{{ ip = ["::1"] }}] }}]'
    return f"{GOOD}[zone.access]\n{text}\n[[zone.access.applications]]\nname = 'a'\npolicies = {policies}\n"


RATED = 'phase = "ratelimit"\nratelimit = {{ characteristics = ["ip.src"], period = 10, {} = 5 }}'
WILD = '{ name = "*", content = "10.0.0.2", proxied = true }'
METHOD = 'match = [{ service = "a.B", method = "C" }]\ntimeout = "5s"'
LOOP = '{ name = "b", content = "c.gw.example", proxied = true }, { name = "c", content = "b.gw.example" }'
TWO = f'\n[[zone]]\nname = "a.gw.example"\ngrpc = "on"\ndns = [{RECORD.replace("api", "x")}]\n'

# rule: fires, does not
PAIRS = {
    "invalid": (GOOD.replace("proxied", "proxed"), GOOD),
    "questionable": (more('{ name = "t", content = "x", type = "TXT", weight = 2 }'), GOOD),
    "variable-unset": (
        GOOD.replace("10.0.0.1", "${env:UNSET}"),
        GOOD.replace("10.0.0.1", "${env:UNSET:-::1}"),
    ),
    "setting-kept": (settings('brotli = "on"'), settings('http = "on"')),
    "grpc-needs-tls": (settings('ssl = "flexible"'), settings('ssl = "full"')),
    "grpc-needs-http2": (settings('http2 = "off"'), settings('http2 = "on"')),
    "tls-version-low": (settings('min_tls_version = "1.1"'), settings('min_tls_version = "1.3"')),
    "all-denied": (GOOD.replace('"on"', '"off"'), GOOD),
    "cleartext-origin": (
        settings('ssl = "strict"').replace("true }", 'true, origin_protocol = "h2c" }'),
        settings('ssl = "full"').replace("true }", 'true, origin_protocol = "h2c" }'),
    ),
    "access-bypass": (access('grpc = "bypass"'), access("recheck = true")),
    "access-bypass-policy": (access("", "bypass"), access("")),
    "challenge-for-grpc": (ruled('action = "challenge"'), ruled('action = "block"')),
    "expression": (ruled('action = "block"', "ssl eq"), ruled('action = "block"')),
    "refused-for-grpc": (ruled(RATED.format("score_per_period")), ruled(RATED.format("messages_per_period"))),
    "never-known": (
        ruled('action = "block"', "ip.src.asnum eq 1"),
        ruled('action = "block"', "ip.src in {10.0.0.0/8}"),
    ),
    "response-for-http": (
        ruled('action = "block"\nresponse = { content = "{}", content_type = "application/json" }'),
        ruled('action = "block"\nresponse = { content = "no" }'),
    ),
    "window-above-limit": (
        ruled(RATED.format("octets_per_period").replace("= 5 ", "= 524_287 ")),
        ruled(RATED.format("octets_per_period").replace("= 5 ", "= 524_288 ")),
    ),
    "binary-metadata": (
        ruled('phase = "transform"\nheaders.a-bin = { operation = "set", value = "YQ" }'),
        ruled('phase = "transform"\nheaders.a-bin = { operation = "remove" }'),
    ),
    "timeout-ends-streams": (route('match = [{ service = "a.B" }]\ntimeout = "5s"'), route(METHOD)),
    "timeout-on-long-lived": (
        route(METHOD).replace("[[zone.route]]", '[zone.settings]\nlong_lived_grpc = "on"\n[[zone.route]]'),
        route(METHOD),
    ),
    "name-twice": (more('{ name = "x.a", content = "::1" }') + TWO, GOOD + TWO),
    "cname-loop": (more(LOOP), more('{ name = "b", content = "c.example", proxied = true }')),
    "second-star": (more(WILD.replace('"*"', '"*.*"')), more(WILD)),
    "route-host-not-served": (
        route('match = [{ host = "dns" }]').replace(RECORD, f'{RECORD}, {{ name = "dns", content = "::1" }}'),
        route('match = [{ host = "api" }]'),
    ),
    "dns-only": (more('{ name = "dns", content = "::1" }'), more('{ name = "_dns", content = "::1" }')),
    "wildcard-shadowed": (more(f"{WILD}, {WILD.replace('*', '*.a')}"), more(WILD)),
    "wildcard-stopped": (more(WILD), GOOD),
    "private-name": (
        more('{ name = "b", content = "pods.internal", proxied = true }'),
        more('{ name = "b", content = "pods.example.net", proxied = true }'),
    ),
    "private-name-verified": (
        settings('ssl = "strict"').replace("gw.example", "gw.internal"),
        settings('ssl = "strict"'),
    ),
    "origin-port": (
        GOOD.replace("true }", "true, origin_port = 5 }") + 'plan = "free"\n',
        GOOD.replace("true }", "true, origin_port = 5 }"),
    ),
    "certificate-unusable": (cert("empty"), cert("good")),
    "certificate-expired": (cert("old"), cert("good")),
    "certificate-not-yet-valid": (cert("future"), cert("good")),
    "certificate-expires": (cert("soon"), cert("good")),
    "certificate-does-not-cover": (cert("other"), cert("good")),
    "certificate-for-dns-only": (
        cert("named").replace(RECORD, f'{RECORD}, {{ name = "dns", content = "::1" }}'),
        cert("named"),
    ),
}
# What needs the network is tested apart.
APART = {"origin-unresolved", "origin-unreachable"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("checks")
    names = ["*.gw.example", "gw.example"]
    write_pair(directory, "good", names, days=90)
    write_pair(directory, "old", names, begins=-60, days=-30)
    write_pair(directory, "future", names, begins=10, days=90)
    write_pair(directory, "month", names, days=20)
    write_pair(directory, "soon", names, days=4)
    write_pair(directory, "now", names, days=1)
    write_pair(directory, "other", ["other.example"], days=90)
    write_pair(directory, "named", ["api.gw.example", "dns.gw.example"], days=90)
    (directory / "empty.pem").write_text("")
    (directory / "empty.key").write_text("")
    return directory


def found(text: str, place: Path) -> dict[str, str]:
    """Rule to level of all that is said."""
    assert "\n" in text
    return {problem.rule: problem.level for problem in examine(place / "fastgw.toml", text).problems}


@pytest.mark.parametrize("rule", PAIRS)
def test_it_fires_and_it_does_not(rule, place, monkeypatch):
    monkeypatch.delenv("UNSET", raising=False)
    fires, quiet = PAIRS[rule]
    said = found(fires, place)
    assert rule in said
    assert said[rule] == RULES[rule].level
    assert rule not in found(quiet, place)


def test_every_rule_has_its_pair():
    assert PAIRS.keys() | APART == RULES.keys()
    assert not PAIRS.keys() & APART


@pytest.mark.parametrize(
    ("stem", "level", "words"),
    [
        ("month", "note", "expires on"),
        ("soon", "warning", "in 3 days"),
        ("now", "warning", "in less than a day"),
    ],
)
def test_certificates_that_run_out(stem, level, words, place):
    problems = examine(place / "fastgw.toml", cert(stem)).problems
    (problem,) = [one for one in problems if one.rule == "certificate-expires"]
    assert problem.level == level
    assert words in problem.sentence


def test_a_place_and_a_sentence(place):
    text = more(f"\n{WILD}")
    (problem,) = [one for one in examine(place / "f.toml", text).problems if one.rule == "wildcard-stopped"]
    assert problem.line == 6
    assert problem.sentence == (
        "is api.gw.example, so that the names below it are not served by *.gw.example"
    )


def test_names_of_services_stop_wildcards_silently(place):
    assert "wildcard-stopped" not in found(
        GOOD.replace(RECORD, f'{WILD}, {{ name = "_dmarc", content = "v=1", type = "TXT" }}'), place
    )


@pytest.mark.parametrize("action", [*CHALLENGES, "block", "log", "skip"])
@pytest.mark.parametrize("grpc", [True, False])
def test_challenges(action, grpc):
    finding = check_action(action, grpc=grpc)
    assert (finding is not None) == (action in CHALLENGES and grpc)
    assert finding is None or (finding.rule in RULES and finding.hint)


def test_bypass():
    finding = check_access("bypass", grpc=True)
    assert finding is not None
    assert finding.rule in RULES
    assert check_access("enforce", grpc=True) is check_access("bypass", grpc=False) is None


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("db", True),
        ("pods.svc.internal", True),
        ("printer.local", True),
        ("x.home.arpa", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("::1", False),
        ("api.example.com", False),
        ("notinternal.example", False),
    ],
)
def test_private_names(name, private):
    assert is_private(name) == private


def test_sarif(place):
    problems = examine(place / "a b.toml", settings('brotli = "on", ssl = "flexible"')).problems
    run = sarif([*problems, replace(problems[0], file="config", line=0)])["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"].rstrip(".")
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["grpc-needs-tls"] == "error"
    assert levels["setting-kept"] == "note"
    location = run["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == (place / "a b.toml").as_uri()
    assert location["region"] == {"startLine": 7}
    last = run["results"][-1]["locations"][0]["physicalLocation"]
    assert last == {"artifactLocation": {"uri": "config"}}


def test_the_window_that_is_compared_is_the_one_that_is_set():
    limited = ruled(RATED.format("octets_per_period").replace("= 5 ", "= 32_768 "))
    small, large = (
        f"{limited}[limits]\nstream_window = 65535\n",
        f"{limited}[limits]\nstream_window = 65537\n",
    )
    found = [[problem.rule for problem in examine("fastgw.toml", text).problems] for text in (small, large)]
    assert found[0].count("window-above-limit") == 0
    assert found[1].count("window-above-limit") == 1
