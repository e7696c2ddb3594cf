"""Targets, origins, routes and retries: what they become, and every complaint about them by its text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastgw.config import load_text
from fastgw.errors import ConfigError, Problem
from fastgw.policy import origins
from fastgw.policy.origins import HealthPolicy, OriginPolicy
from fastgw.policy.records import Record
from fastgw.policy.routes import Match, Retry, Route
from fastgw.policy.zone import Zone

GOOD = """\
[server]
listen = ["h2c://127.0.0.1:8443"]

[[zone]]
name = "gw.test"
settings = { grpc = "on", long_lived_grpc = "off" }
dns = [
  { name = "@", content = "10.0.0.1", proxied = true, weight = 9 },
  { name = "@", content = "10.0.0.2", proxied = true },
  { name = "@", content = "spare.example", proxied = true, priority = 1 },
  { name = "api", content = "unix:/run/app.sock", proxied = true, origin_protocol = "h2c" },
]

[zone.origin]
balance = "hash"
hash_key = "x-user"
eject_after = 3
min_ready = 1

[zone.origin.health]
check = "grpc"
service = "demo.Echo"
interval = "10s"

[zone.retry]
on = ["unavailable"]
attempts = 4

[[zone.route]]
match = [{ service = "demo.Echo", method = "Say" }, { host = "api", service = "demo.Echo", method = "Ask" }]
timeout = "5s"
retry = { on = ["UNAVAILABLE", "aborted"], attempts = 2, bytes = 1024 }

[[zone.route]]
match = [{ headers = { "x-canary" = "1" } }]
idle_timeout = "0s"
age = "1h"
"""


def judge(text: str, files: Path) -> tuple[Zone | None, list[Problem]]:
    path = files / "fastgw.toml"
    try:
        config = load_text(text, path)
    except ConfigError as error:
        return None, list(error.problems)
    return config.zones[0], list(config.warnings)


def said(problems: list[Problem], files: Path) -> str:
    return "\n".join(map(str, problems)).replace(f"{files}{os.sep}", "")


def test_the_good_one_becomes_values(files):
    zone, problems = judge(GOOD, files)
    assert problems == []
    assert zone is not None
    assert zone.records == (
        Record("gw.test", "A", "10.0.0.1", True, weight=9),
        Record("gw.test", "A", "10.0.0.2", True),
        Record("gw.test", "CNAME", "spare.example", True, priority=1),
        Record("api.gw.test", "UNIX", "unix:/run/app.sock", True, origin_protocol="h2c"),
    )
    assert zone.origin == OriginPolicy(
        balance="hash",
        hash_key="x-user",
        eject_after=3,
        min_ready=1,
        health=HealthPolicy("grpc", "demo.Echo", interval_ms=10_000),
    )
    assert zone.retry == Retry((14,), 4)
    assert zone.routes == (
        Route(
            (Match("", "demo.Echo", "Say"), Match("api.gw.test", "demo.Echo", "Ask")),
            timeout_ms=5000,
            retry=Retry((10, 14), 2, 1024),
        ),
        Route((Match(headers=(("x-canary", "1"),)),), idle_timeout_ms=0, age_ms=3_600_000),
    )
    assert (zone.settings.proxy_read_timeout_ms, zone.settings.idle_ms) == (100_000, 100_000)


def test_without_a_word_the_defaults_are_those_of_the_catalogue(files):
    zone, problems = judge('[server]\nlisten = ["h2c://[::1]:1"]\n[[zone]]\nname = "gw.test"\n', files)
    assert zone is not None
    assert (zone.origin, zone.routes, zone.retry) == (OriginPolicy(), (), Retry())
    assert [problem.sentence for problem in problems] == ["has no proxied record, so nothing is served"]
    for catalogue, policy in ((origins.ORIGIN, zone.origin), (origins.HEALTH, zone.origin.health)):
        for row in catalogue.values():
            assert getattr(policy, f"{row.id}_ms" if row.is_duration else row.id) == row.default
            assert row.allows(row.default)


def test_long_lived_lifts_the_limit_on_silence(files):
    zone, problems = judge(GOOD.replace('long_lived_grpc = "off"', 'long_lived_grpc = "on"'), files)
    assert zone is not None
    assert (zone.settings.idle_ms, problems) == (0, [])
    zone, _ = judge(GOOD.replace('long_lived_grpc = "off"', 'proxy_read_timeout = "5m"'), files)
    assert zone is not None
    assert zone.settings.idle_ms == 300_000


# what is replaced in GOOD, by what, and what must be said; "f" stands for the file's name
CASES = {
    "weight of nothing": (
        "weight = 9",
        "weight = 0",
        "f:8: zone[0].dns[0].weight: is 0; it must be 1 to 1000\n  hint: share of calls",
    ),
    "weight of too much": ("weight = 9", "weight = 1001", "f:8: zone[0].dns[0].weight: is 1001; it must be"),
    "weight in words": (
        "weight = 9",
        'weight = "much"',
        "f:8: zone[0].dns[0].weight: must be a whole number, not the text 'much'",
    ),
    "priority below the first": (
        "priority = 1",
        "priority = -1",
        "f:10: zone[0].dns[2].priority: is -1; it must be 0 to 65535",
    ),
    "socket without a protocol": (
        ', origin_protocol = "h2c" },',
        " },",
        "f:11: zone[0].dns[3]: points to a unix socket, but does not say what is spoken there\n"
        '  hint: write origin_protocol = "h2c", or "h2" if it speaks TLS',
    ),
    "socket without a whole path": (
        "unix:/run/app.sock",
        "unix:app.sock",
        "f:11: zone[0].dns[3].content: is 'unix:app.sock', which is not the path of a socket\n"
        '  hint: write the whole path, as in "unix:/run/app.sock"',
    ),
    "socket with a URL": (
        "unix:/run/app.sock",
        "unix://run/",
        "'unix://run/', which is not the path of a socket",
    ),
    "socket with a long path": (
        "unix:/run/app.sock",
        f"unix:/{'a' * 107}",
        "f:11: zone[0].dns[3].content: is 'unix:/aaa",
    ),
    "socket with a type": (
        'content = "unix:/run/app.sock"',
        'content = "unix:/run/app.sock", type = "A"',
        'f:11: zone[0].dns[3].type: is "A", but the content is a unix socket\n  hint: leave it out',
    ),
    "unknown balance": (
        'balance = "hash"',
        'balance = "least_call"',
        'f:15: zone[0].origin.balance: must be one of "round_robin", "random", "least_calls", "peak_ewma", '
        "\"hash\", not the text 'least_call'\n  hint: did you mean 'least_calls'?",
    ),
    "hash of nothing": (
        'hash_key = "x-user"\n',
        "",
        'f:15: zone[0].origin.balance: is "hash", but hash_key is missing\n  hint: name the metadata',
    ),
    "hash key in capitals": (
        '"x-user"',
        '"X-User"',
        "f:16: zone[0].origin.hash_key: is 'X-User', but metadata names are lower-case in gRPC\n"
        '  hint: write "x-user"',
    ),
    "hash key that is a pseudo-field": (
        '"x-user"',
        '":path"',
        "f:16: zone[0].origin.hash_key: is ':path', which is no metadata",
    ),
    "hash key that is no name": (
        '"x-user"',
        '"x user"',
        "hash_key: is 'x user', which is no name of metadata",
    ),
    "number out of range": (
        "eject_after = 3",
        "eject_after = 1001",
        "f:17: zone[0].origin.eject_after: is 1001; it must be 1 to 1000 failures, or 0: never\n"
        "  hint: eject_after: so many in a row take an endpoint out",
    ),
    "duration out of range": (
        "eject_after = 3",
        'connection_age = "10ms"',
        "f:17: zone[0].origin.connection_age: is 10ms; it must be 1s to 24h, or 0s: any age",
    ),
    "duration as a number": (
        "eject_after = 3",
        "eject_for = 30",
        "f:17: zone[0].origin.eject_for: must be a duration in quotes, not the number 30",
    ),
    "ejected for no time": (
        "eject_after = 3",
        'eject_for = "0s"',
        "f:17: zone[0].origin.eject_for: is 0s; it must be 100ms to 24h",
    ),
    "more ready than allowed": (
        "min_ready = 1",
        "min_ready = 5\nconnections = 4",
        "f:18: zone[0].origin.min_ready: is 5, more than connections (4)",
    ),
    "unknown key of an origin": (
        "eject_after = 3",
        "eject_afer = 3",
        "f:17: zone[0].origin.eject_afer: is not a known key\n  hint: did you mean 'eject_after'?",
    ),
    "key of health in the origin": (
        "eject_after = 3",
        "interval = 3",
        "f:17: zone[0].origin.interval: is not a known key\n"
        "  hint: 'interval' belongs in [zone.origin.health]",
    ),
    "key of the origin in the zone": (
        'name = "gw.test"',
        'name = "gw.test"\nbalance = "random"',
        "f:6: zone[0].balance: is not a known key\n  hint: 'balance' belongs in [zone.origin]",
    ),
    "origin that is no table": (
        "[server]",
        "[[zone]]\nname = 'b.test'\norigin = 5\n[server]",
        "f:3: zone[0].origin: must be a table, not the number 5",
    ),
    "unknown check": (
        'check = "grpc"',
        'check = "ping"',
        'f:21: zone[0].origin.health.check: must be one of "none"',
    ),
    "no good answers needed": (
        'interval = "10s"',
        "rise = 0",
        "f:23: zone[0].origin.health.rise: is 0; it must be 1 to 100 checks\n  hint: rise: good ones",
    ),
    "path of nothing": (
        'check = "grpc"\nservice = "demo.Echo"',
        'check = "http"\npath = "up"',
        "f:22: zone[0].origin.health.path: is 'up', which does not begin with a slash",
    ),
    "unknown status": (
        'on = ["unavailable"]',
        'on = ["unavailabel"]',
        "f:26: zone[0].retry.on[0]: must be one of",
    ),
    "a status that is good": (
        'on = ["unavailable"]',
        'on = ["ok"]',
        "f:26: zone[0].retry.on[0]: is 'ok', which is no failure\n  hint: name the failures",
    ),
    "a status by its number": (
        'on = ["unavailable"]',
        "on = [14]",
        "f:26: zone[0].retry.on[0]: must be one of",
    ),
    "a status without an array": (
        'on = ["unavailable"]',
        'on = "unavailable"',
        "f:26: zone[0].retry.on: must be an array, not the text 'unavailable'\n  hint: put it in [ ]",
    ),
    "too many attempts": (
        "attempts = 4",
        "attempts = 11",
        "f:27: zone[0].retry.attempts: is 11; it must be 1 to 10",
    ),
    "too much kept": (
        "bytes = 1024",
        "bytes = 99999999",
        "f:32: zone[0].route[0].retry.bytes: is 99999999; it must be 0 to 16777216",
    ),
    "one bracket": (
        "[server]",
        "[[zone]]\nname = 'b.test'\n[zone.route]\ntimeout = '1s'\n[server]",
        "f:3: zone[0].route: must be an array of tables\n  hint: write [[zone.route]] with two brackets",
    ),
    "route that is no table": (
        "[server]",
        "[[zone]]\nname = 'b.test'\nroute = [5]\n[server]",
        "f:3: zone[0].route[0]: must be a table, not the number 5",
    ),
    "no match": (
        'match = [{ headers = { "x-canary" = "1" } }]\n',
        "",
        "f:34: zone[0].route[1]: has no match\n  hint: name calls, as in match = [{ service = ",
    ),
    "empty match": (
        '[{ headers = { "x-canary" = "1" } }]',
        "[]",
        "f:35: zone[0].route[1].match: is empty\n  hint: name",
    ),
    "match of everything": (
        '[{ headers = { "x-canary" = "1" } }]',
        "[{ headers = {} }]",
        "f:35: zone[0].route[1].match[0]: names nothing, so it would fit every call\n"
        "  hint: what holds for all calls is written in the zone",
    ),
    "match without brackets": (
        '[{ headers = { "x-canary" = "1" } }]',
        '{ service = "a.B" }',
        "f:35: zone[0].route[1].match: must be an array of tables, not a table\n  hint: put it in [ ]",
    ),
    "too many matches": (
        '[{ headers = { "x-canary" = "1" } }]',
        "[" + ", ".join(f'{{ service = "a.B{number}" }}' for number in range(65)) + "]",
        "f:35: zone[0].route[1].match: has 65 entries; at most 64 are allowed",
    ),
    "method without a service": (
        'service = "demo.Echo", method = "Say"',
        'method = "Say"',
        "f:30: zone[0].route[0].match[0].method: is given without its service\n  hint: add service",
    ),
    "service with its method": (
        'service = "demo.Echo", method = "Say"',
        'service = "demo.Echo/Say"',
        "f:30: zone[0].route[0].match[0].service: is 'demo.Echo/Say', which is no name of a gRPC service\n"
        '  hint: write the full name, as in "pkg.Service"; the method has a key of its own',
    ),
    "method that is a path": (
        'method = "Say"',
        'method = "/Say"',
        "match[0].method: is '/Say', which is no name of a gRPC method\n  hint: write its last name",
    ),
    "unknown key of a match": (
        'method = "Say"',
        'metod = "Say"',
        "f:30: zone[0].route[0].match[0].metod: is not a known key\n  hint: did you mean 'method'?",
    ),
    "host that is none": (
        'host = "api"',
        'host = "a..b"',
        "f:30: zone[0].route[0].match[1].host: is 'a..b', which has an empty label",
    ),
    "host outside the zone": (
        'host = "api"',
        'host = "api.else.test."',
        "match[1].host: is 'api.else.test.', which lies outside the zone gw.test",
    ),
    "header in capitals": (
        '"x-canary" = "1"',
        '"X-Canary" = "1"',
        "f:35: zone[0].route[1].match[0].headers: has a name that is 'X-Canary', but metadata names are",
    ),
    "header that is a number": (
        '"x-canary" = "1"',
        '"x-canary" = 1',
        "headers: has 'x-canary', which must be text in quotes, not the number 1",
    ),
    "header no call can carry": (
        '"x-canary" = "1"',
        '"x-canary" = " 1"',
        "headers: has 'x-canary' with the value ' 1', which no call can carry",
    ),
    "headers of a list": (
        '{ "x-canary" = "1" }',
        '["x-canary"]',
        'match[0].headers: must be a table, not an array\n  hint: write { "x-canary" = "1" }',
    ),
    "too many headers": (
        '"x-canary" = "1"',
        ", ".join(f'"x-{number}" = "1"' for number in range(17)),
        "headers: has 17 headers; at most 16 are allowed in one match",
    ),
    "the same match twice": (
        '{ headers = { "x-canary" = "1" } }',
        '{ service = "demo.Echo", method = "Say" }',
        "f:35: zone[0].route[1].match[0]: repeats a match that stands further up, which is asked first",
    ),
    "unknown key of a route": (
        'age = "1h"',
        'max_age = "1h"',
        "f:37: zone[0].route[1].max_age: is not a known key",
    ),
    "timeout as a number": (
        'timeout = "5s"',
        "timeout = 5",
        "f:31: zone[0].route[0].timeout: must be a duration in quotes, not the number 5",
    ),
    "retry that is no table": (
        'age = "1h"',
        'retry = ["unavailable"]',
        "f:37: zone[0].route[1].retry: must be a table, not an array",
    ),
    "no silence at all": (
        'long_lived_grpc = "off"',
        'proxy_read_timeout = "0s"',
        "f:6: zone[0].settings.proxy_read_timeout: is 0, so that no stream could wait\n"
        '  hint: long_lived_grpc = "on" lifts it',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_error(case, files):
    old, new, wanted = CASES[case]
    assert old in GOOD
    zone, problems = judge(GOOD.replace(old, new, 1), files)
    expected = wanted.replace("f:", "fastgw.toml:", 1) if wanted.startswith("f:") else wanted
    assert expected in said(problems, files)
    assert zone is None


WARNINGS = {
    "status that comes again": (
        'on = ["unavailable"]',
        'on = ["unavailable", "not_found"]',
        'f:26: warning: zone[0].retry.on[1]: is "not_found", which another attempt would bring again\n'
        "  hint: worth another attempt: cancelled, unknown, deadline_exceeded, resource_exhausted, aborted, "
        "internal, unavailable",
    ),
    "one attempt": (
        "attempts = 2",
        "attempts = 1",
        "f:32: warning: zone[0].route[0].retry.attempts: is 1, so that nothing is tried again",
    ),
    "timeout of streams": (
        ', method = "Ask" }',
        " }",
        "f:31: warning: zone[0].route[0].timeout: ends streams too: this route takes calls of any method, "
        "and some may be streams\n  hint: name the method in match, or write idle_timeout",
    ),
    "silence longer than the call": (
        'timeout = "5s"',
        'timeout = "5s"\nidle_timeout = "6s"',
        "f:32: warning: zone[0].route[0].idle_timeout: has no effect: it is longer than the timeout",
    ),
    "host that is not served": (
        'host = "api"',
        'host = "nobody"',
        "f:30: warning: zone[0].route[0].match[1].host: is nobody.gw.test, which no proxied record of the "
        "zone serves, so no call fits\n  hint: served here: api.gw.test, gw.test",
    ),
    "weight of a lone target": (
        'content = "10.0.0.2", proxied = true',
        'content = "10.0.0.2", proxied = true, priority = 2',
        "f:8: warning: zone[0].dns[0].weight: has no effect: no other target of gw.test has the priority 0",
    ),
    "hash key without hash": (
        'balance = "hash"',
        'balance = "peak_ewma"',
        'f:16: warning: zone[0].origin.hash_key: has no effect under balance = "peak_ewma"\n'
        '  hint: write balance = "hash"',
    ),
    "time of what never happens": (
        "eject_after = 3",
        'eject_after = 0\neject_for = "1m"',
        "f:18: warning: zone[0].origin.eject_for: has no effect, as eject_after is 0",
    ),
    "wishes for no check": (
        'check = "grpc"\n',
        "",
        'f:21: warning: zone[0].origin.health.service: has no effect under check = "none"',
    ),
    "service for another check": (
        'check = "grpc"',
        'check = "tcp"',
        'f:22: warning: zone[0].origin.health.service: has no effect under check = "tcp"',
    ),
    "answers later than questions": (
        'interval = "10s"',
        'interval = "500ms"',
        "zone[0].origin.health.timeout: is longer than the interval",
    ),
    "port of a socket": (
        'origin_protocol = "h2c" },',
        'origin_protocol = "h2c", origin_port = 80 },',
        "f:11: warning: zone[0].dns[3].origin_port: has no effect on a unix socket",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_warning(case, files):
    old, new, wanted = WARNINGS[case]
    assert old in GOOD
    zone, problems = judge(GOOD.replace(old, new, 1), files)
    expected = wanted.replace("f:", "fastgw.toml:", 1) if wanted.startswith("f:") else wanted
    assert expected in said(problems, files)
    assert zone is not None
    assert all(problem.warning for problem in problems)


@pytest.mark.parametrize("host", ["*.gw.test", "*", "a.b", "*.b"])
def test_a_wildcard_record_serves_what_a_match_may_name(host, files):
    text = GOOD.replace('name = "api"', 'name = "*"').replace('host = "api"', f'host = "{host}"')
    assert judge(text, files)[1] == []


def test_there_may_be_64_targets_and_no_more(files):
    line = '  { name = "@", content = "10.0.0.2", proxied = true },\n'
    more = "".join(line.replace("10.0.0.2", f"10.0.1.{number}") for number in range(61))
    zone, problems = judge(GOOD.replace(line, line + more), files)
    assert (zone is not None, problems) == (True, [])
    more += line.replace("10.0.0.2", "10.0.2.1")
    zone, problems = judge(GOOD.replace(line, line + more), files)
    assert [problem.field for problem in problems] == ["zone[0].dns[64]"]
    assert problems[0].sentence == "is one target of gw.test too many; at most 64 are allowed"


def test_names_may_stand_beside_addresses_where_the_gateway_serves_them(files):
    assert judge(GOOD, files)[1] == []
    zone, problems = judge(GOOD.replace("proxied = true", "proxied = false"), files)
    assert zone is None
    assert "zone[0].dns[2]: adds to gw.test, but in DNS a CNAME stands alone" in said(problems, files)


def test_a_circle_among_several_targets_is_found(files):
    text = GOOD.replace("spare.example", "api.gw.test").replace(
        'content = "unix:/run/app.sock", proxied = true, origin_protocol = "h2c"',
        'content = "gw.test", proxied = true',
    )
    assert said(judge(text, files)[1], files).count("is a CNAME that leads back to itself") == 2


@pytest.mark.parametrize("row", [*origins.ORIGIN.values(), *origins.HEALTH.values()], ids=lambda row: row.id)
def test_each_number_is_taken_at_the_ends_of_its_range_and_not_beyond(row, files):
    table = "zone.origin" if row.id in origins.ORIGIN else "zone.origin.health"
    start = '[server]\nlisten = ["h2c://[::1]:1"]\n[[zone]]\nname = "gw.test"\n'

    def errors(value: int) -> list[str]:
        written = f'"{value}ms"' if row.is_duration else value
        extra = "connections = 100000\n" if row.id == "min_ready" else ""
        text = f"{start}[{table}]\n{row.id} = {written}\n{extra}"
        return [problem.sentence for problem in judge(text, files)[1] if not problem.warning]

    good = [row.least, row.most, *([0] if row.zero else [])]
    bad = [row.most + 1, *([] if row.zero and row.least == 1 else [row.least - 1])]
    assert [errors(value) for value in good] == [[]] * len(good)
    assert all(errors(value) for value in bad)
