"""Every complaint about a configuration, by its text: file, line, field, a plain sentence, a hint."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from fastgw.config import load_text
from fastgw.errors import ConfigError, Problem

GOOD = """\
[server]
listen = ["127.0.0.1:8443"]

[[zone]]
name = "gw.test"
cert = { file = "gateway.pem", key = "gateway.key" }
settings = { grpc = "on", ssl = "strict" }
dns = [
  { name = "@", content = "127.0.0.1", proxied = true, origin_port = 50443 },
]
"""
RECORD = '  { name = "@", content = "127.0.0.1", proxied = true, origin_port = 50443 },'


def judge(text: str, files: Path) -> list[Problem]:
    """All problems of `text`, errors and warnings."""
    path = files / "fastgw.toml"
    try:
        return list(load_text(dedent(text), path).warnings)
    except ConfigError as error:
        return list(error.problems)


def said(problems: list[Problem], files: Path) -> str:
    """The problems as they are printed, without the directory."""
    return "\n".join(map(str, problems)).replace(f"{files}{os.sep}", "")


def test_the_good_one_is_good(files):
    assert judge(GOOD, files) == []


# what is replaced in GOOD, by what, and what must be said; "f" stands for the file's name
CASES = {
    "unknown key": (
        "proxied = true",
        "proxed = true",
        "f:9: zone[0].dns[0].proxed: is not a known key\n  hint: did you mean 'proxied'?",
    ),
    "unknown key in server": (
        "listen = [",
        "lisen = [",
        "f:2: server.lisen: is not a known key\n  hint: did you mean 'listen'?",
    ),
    "unknown table": (
        "[server]",
        "[srever]",
        "f:1: srever: is not a known key\n  hint: did you mean 'server'?",
    ),
    "key in the wrong table": (
        'name = "gw.test"',
        'name = "gw.test"\nworkers = 1',
        "f:6: zone[0].workers: is not a known key\n  hint: 'workers' belongs in [server]",
    ),
    "wrong type": (
        'name = "gw.test"',
        "name = 5",
        "f:5: zone[0].name: must be text in quotes, not the number 5",
    ),
    "text for a number": (
        "origin_port = 50443",
        'origin_port = "50443"',
        "f:9: zone[0].dns[0].origin_port: must be a whole number, not the text '50443'\n"
        "  hint: without quotes",
    ),
    "text for a truth": (
        "proxied = true",
        'proxied = "yes"',
        "f:9: zone[0].dns[0].proxied: must be true or false, not the text 'yes'\n  hint: without quotes",
    ),
    "truth for a switch": (
        'grpc = "on"',
        "grpc = true",
        'f:7: zone[0].settings.grpc: must be "on" or "off" in quotes, not true\n  hint: write "on"',
    ),
    "bad mode": (
        'ssl = "strict"',
        'ssl = "strickt"',
        'f:7: zone[0].settings.ssl: must be one of "off", "flexible", "full", "strict", "origin_pull", '
        "not the text 'strickt'\n  hint: did you mean 'strict'?",
    ),
    "bad record type": (
        'content = "127.0.0.1"',
        'content = "127.0.0.1", type = "MY"',
        'f:9: zone[0].dns[0].type: must be one of "A", "AAAA", "CNAME", "CAA", ',
    ),
    "missing content": (
        'content = "127.0.0.1", ',
        "",
        "f:9: zone[0].dns[0].content: is missing\n  hint: an address, for CNAME a name, or ",
    ),
    "certificate file missing": (
        '"gateway.pem"',
        '"gone.pem"',
        "f:6: zone[0].cert.file: names gone.pem, which does not exist",
    ),
    "key file missing": (
        '"gateway.key"',
        '"gone.key"',
        "f:6: zone[0].cert.key: names gone.key, which does not exist",
    ),
    "unreadable key": (
        '"gateway.key"',
        '"."',
        "which cannot be read: is a directory\n  hint: the account that runs fastgw must be able",
    ),
    "no key in the key file": (
        '"gateway.key"',
        '"gateway.pem"',
        "f:6: zone[0].cert.key: names gateway.pem, which holds no usable PEM key\n"
        "  hint: PEM keys begin with",
    ),
    "encrypted key": (
        '"gateway.key"',
        '"gateway.locked"',
        "f:6: zone[0].cert.key: names gateway.locked, which is encrypted\n  hint: take the passphrase off",
    ),
    "key of another certificate": (
        '"gateway.key"',
        '"other.key"',
        "f:6: zone[0].cert.key: does not belong to the certificate in gateway.pem\n"
        "  hint: the first certificate",
    ),
    "no certificate in the file": (
        '"gateway.pem"',
        '"gateway.key"',
        "f:6: zone[0].cert.file: names gateway.key, which holds no PEM certificate\n  hint: PEM begins with",
    ),
    "damaged certificate": (
        '"gateway.pem"',
        '"damaged.pem"',
        "f:6: zone[0].cert.file: names damaged.pem, whose certificate is damaged",
    ),
    "certificate without key": (
        ', key = "gateway.key"',
        "",
        "f:6: zone[0].cert.key: is missing\n  hint: PEM, not encrypted",
    ),
    "no certificate for a TLS listener": (
        'cert = { file = "gateway.pem", key = "gateway.key" }',
        "",
        "f:4: zone[0]: has no certificate, but a listener speaks TLS\n  hint: add cert = {",
    ),
    "trust store missing": (
        'ssl = "strict" }',
        'ssl = "strict" }\ntrust_store = "gone.pem"',
        "f:8: zone[0].trust_store: names gone.pem, which does not exist",
    ),
    "trust store empty": (
        'ssl = "strict" }',
        'ssl = "strict" }\ntrust_store = "empty.pem"',
        "f:8: zone[0].trust_store: names empty.pem, which holds no PEM certificate",
    ),
    "bad address": (
        'content = "127.0.0.1"',
        'content = "127.0.0.256"',
        "f:9: zone[0].dns[0].content: is '127.0.0.256', which is neither an IP address nor a name",
    ),
    "address with a port": (
        'content = "127.0.0.1"',
        'content = "127.0.0.1:50051", type = "A"',
        "f:9: zone[0].dns[0].content: is '127.0.0.1:50051', which is not an IPv4 address as type A demands\n"
        "  hint: an IPv4 address is needed; a port goes into origin_port",
    ),
    "IPv6 for type A": (
        'content = "127.0.0.1"',
        'content = "::1", type = "A"',
        "f:9: zone[0].dns[0].content: is '::1', which is not an IPv4 address as type A demands\n"
        '  hint: write type = "AAAA", or leave the type out',
    ),
    "IPv4 for type AAAA": (
        'content = "127.0.0.1"',
        'content = "127.0.0.1", type = "AAAA"',
        'which is not an IPv6 address as type AAAA demands\n  hint: write type = "A"',
    ),
    "address for a CNAME": (
        'content = "127.0.0.1"',
        'content = "127.0.0.1", type = "CNAME"',
        "f:9: zone[0].dns[0].content: is '127.0.0.1', an address, but type CNAME demands a name",
    ),
    "CNAME to itself": (
        'content = "127.0.0.1"',
        'content = "GW.test."',
        "f:9: zone[0].dns[0].content: is 'GW.test.', the record's own name\n  hint: name the origin",
    ),
    "bad port": (
        "origin_port = 50443",
        "origin_port = 70000",
        "f:9: zone[0].dns[0].origin_port: is 70000, which is not a port\n  hint: ports are 1 to 65535",
    ),
    "listen without a port": (
        '"127.0.0.1:8443"',
        '"127.0.0.1"',
        "f:2: server.listen[0]: is '127.0.0.1', which has no port\n  hint: write \"HOST:PORT\"",
    ),
    "listen with a bad port": (
        '"127.0.0.1:8443"',
        '"127.0.0.1:84430"',
        "which has the port '84430', which is not a number from 0 to 65535",
    ),
    "listen with a bad host": (
        '"127.0.0.1:8443"',
        '"127.0.0.300:8443"',
        "f:2: server.listen[0]: is '127.0.0.300:8443', whose host is not an IP address\n"
        "  hint: write an IP address",
    ),
    "listen with bare IPv6": ('"127.0.0.1:8443"', '"::1:8443"', "which has an IPv6 address without brackets"),
    "listen with a scheme": (
        '"127.0.0.1:8443"',
        '"http://127.0.0.1:8443"',
        "with the scheme 'http', which is not known",
    ),
    "listen twice": (
        '"127.0.0.1:8443"',
        '"127.0.0.1:8443", "h2c://127.0.0.1:8443"',
        "f:2: server.listen[1]: is 'h2c://127.0.0.1:8443', which is already listed as '127.0.0.1:8443'",
    ),
    "listen nowhere": ('"127.0.0.1:8443"', "", "f:2: server.listen: is empty"),
    "no workers": (
        "[server]",
        "[server]\nworkers = 0",
        "f:2: server.workers: is 0; there must be 1 to 256 workers\n  hint: ",
    ),
    "workers in words": (
        "[server]",
        '[server]\nworkers = "many"',
        "f:2: server.workers: must be a whole number or \"auto\", not the text 'many'",
    ),
    "drain timeout without a unit": (
        "[server]",
        "[server]\ndrain_timeout = 30",
        "f:2: server.drain_timeout: must be a duration in quotes, not the number 30\n"
        "  hint: write a number and",
    ),
    "drain timeout of words": (
        "[server]",
        '[server]\ndrain_timeout = "30 seconds"',
        "is '30 seconds', which is not a duration",
    ),
    "version of the future": (
        "[server]",
        "version = 2\n[server]",
        "f:1: version: is 2; this fastgw reads version 1",
    ),
    "record outside the zone": (
        'name = "@"',
        'name = "api.other.example."',
        "f:9: zone[0].dns[0].name: is 'api.other.example.', which lies outside the zone gw.test\n"
        "  hint: write",
    ),
    "record in a sister zone": (
        'name = "@"',
        'name = "api.other.test"',
        "is 'api.other.test', which lies outside the zone gw.test\n"
        "  hint: if api.other.test.gw.test is meant",
    ),
    "star in the middle": (
        'name = "@"',
        'name = "a.*.b"',
        "f:9: zone[0].dns[0].name: is 'a.*.b', which has a * that is not the whole first label",
    ),
    "star in a label": ('name = "@"', 'name = "a*"', "which has a * that is not the whole first label"),
    "empty label": ('name = "@"', 'name = "a..b"', "which has an empty label"),
    "label too long": (
        'name = "@"',
        f'name = "{"a" * 64}"',
        "which has a label of 64 characters, at most 63",
    ),
    "letters that are none": (
        'name = "@"',
        'name = "a b"',
        "has the label 'a b'; labels are made of letters",
    ),
    "bad international name": (
        'name = "@"',
        'name = "xn--\\u00e9-"',
        "which is not a valid international name",
    ),
    "ambiguous international name": (
        'name = "@"',
        'name = "stra\\u00dfe"',
        "has the label 'straße', which IDNA versions read differently",
    ),
    "zone named by an address": (
        'name = "gw.test"',
        'name = "127.0.0.1"',
        "f:5: zone[0].name: is '127.0.0.1', which is an address",
    ),
    "gRPC in cleartext": (
        'ssl = "strict"',
        'ssl = "flexible"',
        'f:7: zone[0].settings.ssl: is "flexible", but gRPC is on and is carried over TLS only\n'
        "  hint: write ssl",
    ),
    "wildcard that cannot be verified": (
        'name = "@"',
        'name = "*"',
        "f:9: zone[0].dns[0]: is a wildcard, so no name is known to verify",
    ),
    "setting given twice": (
        'name = "gw.test"',
        'name = "gw.test"\ngrpc = "off"',
        "f:6: zone[0].grpc: is given twice, here and in settings\n  hint: keep one of the two",
    ),
    "record twice": (
        RECORD,
        RECORD + "\n" + RECORD,
        "f:10: zone[0].dns[1]: repeats a record of gw.test\n  hint: remove one",
    ),
    "CNAME with company": (
        RECORD,
        RECORD + '\n{ name = "b", content = "::1" },\n{ name = "b", content = "origin.example" },',
        "f:11: zone[0].dns[2]: adds to b.gw.test, but in DNS a CNAME stands alone",
    ),
    "CNAMEs in a circle": (
        'name = "@", content = "127.0.0.1"',
        'name = "a", content = "b.gw.test" },\n{ name = "b", content = "a.gw.test"',
        "zone[0].dns[1].content: is a CNAME that leads back to itself",
    ),
    "points at the gateway": (
        "origin_port = 50443",
        "origin_port = 8443",
        "f:9: zone[0].dns[0].content: points to https://127.0.0.1:8443, where this gateway itself listens",
    ),
    "records that are no array": (
        "dns = [",
        'dns = 5\nplan = "free"\nx = [',
        "f:8: zone[0].dns: must be an array of records, not the number 5",
    ),
    "certificate that is no table": (
        'cert = { file = "gateway.pem", key = "gateway.key" }',
        'cert = "gateway.pem"',
        "f:6: zone[0].cert: must be a table, not the text 'gateway.pem'",
    ),
    "one bracket": ("[[zone]]", "[zone]", "f:4: zone: must be an array of tables\n  hint: write [[zone]]"),
    "access log nowhere": (
        "[server]",
        '[log]\naccess = "gone/access.log"\n[server]',
        "f:2: log.access: lies in gone, which is not a directory",
    ),
    "no quotes": ('"gw.test"', "gw.test", "f:5: this is not valid TOML: invalid value (column 8)\n  hint: "),
    "no end": (GOOD, 'x = """', "f:1: this is not valid TOML: "),
    "key twice in TOML": (
        'name = "gw.test"',
        'name = "gw.test"\nname = "b"',
        "f:6: this is not valid TOML: ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_error(case, files):
    old, new, wanted = CASES[case]
    assert old in GOOD
    problems = judge(GOOD.replace(old, new), files)
    text = said(problems, files)
    expected = wanted.replace("f:", "fastgw.toml:", 1) if wanted.startswith("f:") else wanted
    assert expected in text
    assert any(not problem.warning for problem in problems)


WARNINGS = {
    "expired": (
        'gateway.pem", key = "gateway.key',
        'old.pem", key = "old.key',
        "f:6: warning: zone[0].cert.file: expired",
    ),
    "expires soon": (
        'gateway.pem", key = "gateway.key',
        'soon.pem", key = "soon.key',
        "zone[0].cert.file: expires on",
    ),
    "not yet valid": (
        'gateway.pem", key = "gateway.key',
        'future.pem", key = "future.key',
        "cert.file: is not valid before",
    ),
    "not covered": (
        'gateway.pem", key = "gateway.key',
        'other.pem", key = "other.key',
        "f:6: warning: zone[0].cert.file: does not cover gw.test: calls to it over TLS are denied\n"
        "  hint: the certificate covers other.test",
    ),
    "no names": (
        'gateway.pem", key = "gateway.key',
        'nameless.pem", key = "nameless.key',
        "covers no name at all",
    ),
    "everything off": (
        'grpc = "on", ',
        "",
        "f:4: warning: zone[0]: has grpc and http off, so every request is denied\n  hint: ",
    ),
    "trust store without use": (
        'ssl = "strict" }',
        'ssl = "full" }\ntrust_store = "ca.pem"',
        'f:8: warning: zone[0].trust_store: has no effect under ssl = "full"',
    ),
    "h2c under strict": (
        "proxied = true",
        'proxied = true, origin_protocol = "h2c"',
        'f:9: warning: zone[0].dns[0].origin_protocol: is "h2c": calls to this origin are cleartext, '
        'though ssl = "strict" verifies the others',
    ),
    "nothing proxied": (
        "proxied = true",
        "proxied = false",
        "f:4: warning: zone: has no proxied record, so nothing is served",
    ),
    "server name for h2c": (
        'ssl = "strict" }\ndns = [\n  { name = "@",',
        'ssl = "full" }\ndns = [\n  { name = "@", origin_protocol = "h2c", origin_server_name = "x.test",',
        "f:9: warning: zone[0].dns[0].origin_server_name: has no effect on an h2c origin",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_warning(case, files):
    old, new, wanted = WARNINGS[case]
    assert old in GOOD
    problems = judge(GOOD.replace(old, new), files)
    assert all(problem.warning for problem in problems)
    expected = wanted.replace("f:", "fastgw.toml:", 1) if wanted.startswith("f:") else wanted
    assert expected in said(problems, files)


def test_two_zones_of_one_name(files):
    text = GOOD + '\n[[zone]]\nname = "GW.test"\n'
    assert "fastgw.toml:13: zone[1].name: is 'GW.test', a zone that is already there" in said(
        judge(text, files), files
    )


def test_a_name_in_two_zones(files):
    text = GOOD.replace('name = "@"', 'name = "a.b"') + (
        '\n[[zone]]\nname = "b.gw.test"\ngrpc = "on"\ncert = { file = "gateway.pem", key = "gateway.key" }\n'
        'dns = [{ name = "a", content = "127.0.0.1", proxied = true }]\n'
    )
    assert "fastgw.toml:16: zone[1].dns[0].name: is a.b.gw.test, which another zone holds too" in said(
        judge(text, files), files
    )


def test_a_record_of_the_other_zone(files):
    text = GOOD.replace('name = "@"', 'name = "api.else.example"') + '\n[[zone]]\nname = "else.example"\n'
    assert "which belongs to the zone else.example, not to gw.test" in said(judge(text, files), files)


def test_no_zone(files):
    assert "there is no zone, so nothing would be served" in said(
        judge("[server]\nworkers = 1\n", files), files
    )


def test_empty_file(files):
    assert "fastgw.toml: the file is empty\n  hint: the smallest" in said(judge("  \n", files), files)


def test_all_errors_at_once_in_the_order_of_lines(files):
    text = """\
        [server]
        listen = ["nowhere"]
        workers = 0
        [[zone]]
        name = "gw..test"
        cert = { file = "gone.pem", key = "gateway.key" }
        dns = [
          { name = "a", content = "1.2.3.4.5", proxed = true, origin_port = 0 },
          { name = "b" },
        ]
        [[zone]]
        nam = "x"
        settings = { grpc = 1 }
        """
    problems = [problem for problem in judge(text, files) if not problem.warning]
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)
    fields = {problem.field for problem in problems}
    assert fields >= {
        "server.listen[0]",
        "server.workers",
        "zone[0].name",
        "zone[0].dns[0].proxed",
        "zone[0].dns[0].origin_port",
        "zone[0].dns[1].content",
        "zone[1].nam",
        "zone[1].name",
        "zone[1].settings.grpc",
    }
