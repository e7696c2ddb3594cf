"""TLS in the file: what is taken, and what is said about what cannot be meant."""

from __future__ import annotations

import dataclasses
import re
import shutil

import pytest

from fastgw.config import load
from fastgw.config.load import examine
from fastgw.config.report import Report
from fastgw.config.tls import _check_terms
from fastgw.errors import ConfigError
from fastgw.policy.settings import Settings
from fastgw.policy.tls import ClientCertificates, ServerTls, ZoneTls, demands, expiry_stage, pull_of, terms_of
from tests.tls.pki import DAY, Pki

GOOD = """\
[server]
ticket_rotation = "6h"
proxy_protocol = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]
origin_pull_cert = {{ file = "{d}/pull.pem", key = "{d}/pull.key" }}
[[zone]]
name = "a.test"
settings = {{ grpc = "on", ssl = "strict" }}
cert = {{ file = "{d}/a.pem", key = "{d}/a.key", ocsp = "{d}/a.der" }}
certs = [{{ file = "{d}/b.pem", key = "{d}/b.key" }}]
crl = "{d}/ca.crl"
origin_ca = false
legacy_cn_match = true
dns = [
  {{ name = "@", content = "10.0.0.7", proxied = true }},
  {{ name = "api", content = "10.0.0.8", proxied = true, origin_host = "inner" }},
  {{ name = "deep.api", content = "10.0.0.9", proxied = true }},
]
[[zone.client_certs]]
ca = "{d}/ca.pem"
[[zone.client_certs]]
ca = "{d}/ca.pem"
crl = "{d}/ca.crl"
demand = "require"
hostnames = ["api", "*.api"]
[[zone.origin_pull]]
file = "{d}/pull.pem"
key = "{d}/pull.key"
hostnames = ["api"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    pki = Pki(folder)
    ca = pki.make("ca", ca=True)
    leaf = pki.make("a", "a.test", "*.a.test", "*.api.a.test", issuer=ca)
    pki.make("b", "api.a.test", issuer=ca)
    pki.make("pull", issuer=ca, client=True)
    pki.crl("ca", ca)
    pki.staple("a", leaf, ca)
    pki.staple("late", leaf, ca, ends=-DAY)
    pki.staple("other", ca, ca)
    return folder


def judged(folder, *changes):
    text = GOOD.format(d=folder)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path = folder / "fastgw.toml"
    path.write_text(text)
    return load(path)


def test_all_words_are_taken(folder):
    config = judged(folder)
    assert config.warnings == ()
    assert config.tls.ticket_rotation_ms == 6 * 3_600_000
    assert config.tls.proxy_protocol == ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1")
    assert config.tls.origin_pull.file == folder / "pull.pem"
    zone = config.zones[0]
    assert zone.certificate.ocsp == folder / "a.der"
    assert [files.file.name for files in zone.tls.certificates] == ["b.pem"]
    assert (zone.tls.crl, zone.tls.origin_ca, zone.tls.legacy_cn_match) == (folder / "ca.crl", False, True)
    assert [record.origin_host for record in zone.records] == ["", "inner", ""]


def test_the_most_specific_rule_counts(folder):
    zone = judged(folder).zones[0]
    ca, crl = folder / "ca.pem", folder / "ca.crl"
    asked = {name: terms_of(zone, name).clients for name in ("", "a.test", "api.a.test", "deep.api.a.test")}
    assert asked[""] == asked["a.test"] == ClientCertificates("request", ca)
    assert asked["api.a.test"] == asked["deep.api.a.test"] == ClientCertificates("require", ca, crl)
    everywhere = judged(folder).tls.origin_pull
    assert pull_of(zone, "api.a.test", None) == zone.tls.origin_pull[0].files
    assert pull_of(zone, "a.test", everywhere) is None
    on = dataclasses.replace(zone, settings=Settings(tls_client_auth=True))
    assert pull_of(on, "a.test", everywhere) == everywhere
    assert len(demands([zone])) == 3


def test_without_a_word_nothing_is_asked(folder):
    text = GOOD.format(d=folder).split("[[zone.client_certs]]")[0]
    for line in (
        "ticket_rotation",
        "proxy_protocol",
        "origin_pull_cert",
        "certs",
        "crl",
        "origin_ca",
        "legacy",
    ):
        text = "\n".join(one for one in text.splitlines() if not one.startswith(line))
    (folder / "plain.toml").write_text(text)
    config = load(folder / "plain.toml")
    assert config.zones[0].tls == ZoneTls()
    assert dataclasses.replace(config.tls, origin_ca=None) == ServerTls()
    assert demands(config.zones) == frozenset()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            '"192.0.2.1"',
            '"192.0.2.256"',
            "server.proxy_protocol[2]: is '192.0.2.256', which is not a network",
        ),
        ("pull.key", "a.key", "server.origin_pull_cert.key: does not belong to the certificate"),
        ('b.key"', 'a.key"', "zone[0].certs[0].key: does not belong to the certificate"),
        (
            'ca = "{d}/ca.pem"',
            'ca = "{d}/a.pem"',
            "client_certs[0].ca: names {d}/a.pem, in which CN=a is no authority",
        ),
        ('crl = "{d}/ca.crl"', 'crl = "{d}/ca.pem"', "crl: names {d}/ca.pem, which holds no revocation list"),
        ('demand = "require"', 'demand = "maybe"', "client_certs[1].demand"),
        ('hostnames = ["api"]', 'hostnames = ["a..b"]', "origin_pull[0].hostnames[0]: is 'a..b', which"),
    ],
)
def test_what_is_refused(folder, before, after, words):
    with pytest.raises(ConfigError) as caught:
        judged(folder, (before.replace("{d}", str(folder)), after.replace("{d}", str(folder))))
    assert words.replace("{d}", str(folder)) in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("a.der", "late.der", "an OCSP response that expired on"),
        ("a.der", "other.der", "the OCSP response for another certificate; nothing is stapled"),
        ("a.der", "ca.pem", "which holds no OCSP response; nothing is stapled"),
        ("a.der", "gone.der", "which does not exist; nothing is stapled"),
        ('"6h"', '"10s"', "ticket_rotation: is less than a minute"),
        ('["api"]', '["nobody"]', "is nobody.a.test, which has no proxied record"),
        ('"strict"', '"full"', 'crl: has no effect under ssl = "full"'),
    ],
)
def test_what_is_warned_of(folder, before, after, words):
    assert any(words in str(problem) for problem in judged(folder, (before, after)).warnings)


@pytest.mark.parametrize(
    ("settings", "words", "warning"),
    [
        (Settings(min_tls_version="1.0"), 'is "1.0" and acts as "1.2"', True),
        (Settings(min_tls_version="1.3", tls_1_3="off"), 'is "off", but min_tls_version is "1.3"', False),
        (Settings(ciphers=("ECDHE-RSA-AES128-SHA",)), "which HTTP/2 prohibits", False),
        (Settings(http=True, http2=False), "nobody can connect to this zone", True),
    ],
)
def test_settings_that_cannot_be_meant(folder, settings, words, warning):
    class Part:
        path = ("zone", 0)
        cert, cert_given = object(), True

    report = Report("f", {})
    _check_terms(report, Part, settings, False)
    assert [(words in problem.sentence, problem.warning) for problem in report.problems] == [(True, warning)]


def test_demands_need_a_certificate_of_the_zone(folder):
    class Part:
        path = ("zone", 0)
        cert, cert_given = None, False

    report = Report("f", {})
    _check_terms(report, Part, Settings(), True)
    assert "asks for more in handshakes, but has no certificate" in report.problems[0].sentence


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (40, None, ""),
        (29.5, "note", "expires on"),
        (6.5, "warning", "in 6 days"),
        (0.5, "warning", "in less than a day"),
        (-1, "warning", "expired on"),
    ],
)
def test_all_certificates_are_said_to_run_out_alike_and_once(folder, tmp_path, days, level, words):
    """What the file names as shown to clients, and to origins, by the thresholds of the running gateway."""
    folder = shutil.copytree(folder, tmp_path / "copy")
    pki = Pki(folder)
    for stem, names in (("a", ("a.test", "*.a.test")), ("b", ("b.a.test",)), ("pull", ())):
        pki.make(stem, *names, ends=days * DAY)
    (folder / "fastgw.toml").write_text(GOOD.format(d=folder))
    about = {"certificate-expires", "certificate-expired"}
    found = [one for one in examine(folder / "fastgw.toml").problems if one.rule in about]
    assert all((one.level, words in one.sentence) == (level, True) for one in found), found
    assert (expiry_stage(days) is None) == (found == [])
    if level:
        fields = [one.field for one in found]
        assert len(fields) == len(set(fields))
        assert {"zone[0].cert.file", "zone[0].certs[0].file", "server.origin_pull_cert.file"} <= set(fields)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('min_tls_version = "1.0"', 'is "1.0" and acts as "1.2"'),
        ('min_tls_version = "1.3"\ntls_1_3 = "off"', 'min_tls_version is "1.3"'),
        ('http2 = "off"', "nobody can connect|gRPC is on"),
    ],
)
def test_no_finding_about_tls_is_made_twice(folder, tmp_path, written, words):
    folder = shutil.copytree(folder, tmp_path / "copy")
    text = (
        '[[zone]]\nname = "a.test"\ncert = { file = "a.pem", key = "a.key" }\n[zone.settings]\ngrpc = "on"\n'
    )
    (folder / "fastgw.toml").write_text(text + written + "\n")
    problems = examine(folder / "fastgw.toml").problems
    assert len([one for one in problems if re.search(words, one.sentence)]) == 1, problems
