"""Whom origins must satisfy and what they are shown: Origin CA, stores, common names, pulls, other hosts."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from fastgw.errors import CertificateError, ConfigError
from fastgw.serve.reach import reach
from fastgw.tls.material import read_crls
from fastgw.tls.origin_ca import issue_origin, origin_authority
from tests.support.house import House
from tests.support.raw_origin import RawOrigin, echo_calls
from tests.tls.pki import DAY, Pki
from tests.tls.test_origins import context_of, outcome

HEAD = '[server]\nlisten = ["h2c://127.0.0.1:0"]\nworkers = 1\ndrain_timeout = "100ms"\n'
THREE = ssl.TLSVersion.TLSv1_3
PORT = "origin_port"


class Grounds:
    """Origins by name, and a gateway over a text in which {name} is the port of that origin."""

    def __init__(self, folder, stack, ca):
        self.pki = Pki(folder / "pki")
        self.folder, self.stack, self.ca = folder, stack, ca
        self.ports: dict[str, int] = {}
        self.heads: dict[str, list[bytes]] = {}
        self.house: House | None = None

    def origin(self, name, context):
        def play(peer):
            decoded = peer.fields

            def fields(frame):
                found = decoded(frame)
                self.heads.setdefault(name, []).append(dict(found)[b":authority"])
                return found

            peer.fields = fields
            echo_calls(peer)

        origin = RawOrigin(play, None)
        origin._context = context
        self.ports[name] = self.stack.enter_context(origin).port

    def zone(self, name, more, *origins, ssl_mode="strict", keys=""):
        records = ", ".join(
            f'{{ name = "{one}", content = "127.0.0.1", proxied = true, {PORT} = {self.ports[one]}{keys} }}'
            for one in origins
        )
        settings = f'settings = {{ grpc = "on", ssl = "{ssl_mode}" }}'
        return f'[[zone]]\nname = "{name}"\n{settings}\n{more}\ndns = [{records}]\n'

    def serve(self, *zones, server=""):
        self.house = self.stack.enter_context(House(HEAD + server + "".join(zones), self.folder, self.ca))


@pytest.fixture
def grounds(tmp_path, ca, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with contextlib.ExitStack() as stack:
        yield Grounds(tmp_path, stack, ca)


def test_the_origin_ca_is_believed_unless_it_is_switched_off(grounds):
    authority = origin_authority()
    issued = issue_origin(authority, ["*.believed.test", "*.denied.test"], 30)
    for suffix, octets in (("pem", issued.certificate), ("key", issued.key)):
        (grounds.folder / f"o.{suffix}").write_bytes(octets)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(grounds.folder / "o.pem", grounds.folder / "o.key")
    context.set_alpn_protocols(["h2"])
    grounds.origin("a", context)
    grounds.serve(
        grounds.zone("believed.test", "", "a"), grounds.zone("denied.test", "origin_ca = false", "a")
    )
    assert outcome(grounds, "a.believed.test") == ("", "")
    error, message = outcome(grounds, "a.denied.test")
    assert error == "origin_cert_invalid"
    assert "unknown authority" in message


def test_a_trust_store_replaces_and_fails_closed_when_it_runs_out(grounds):
    pki = grounds.pki
    old = pki.make("old", ca=True, starts=-9 * DAY, ends=-DAY)
    grounds.origin("a", context_of(pki.make("a", "*.old.test", issuer=old)))
    store = f'trust_store = "{old.certificate}"'
    grounds.serve(grounds.zone("old.test", store, "a"))
    error, message = outcome(grounds, "a.old.test")
    assert error == "origin_cert_invalid"
    assert "the authority's certificate: expired" in message
    warnings = [problem.sentence for problem in grounds.house.gateway.warnings]
    assert "holds only expired certificates: no origin will be trusted" in warnings


@pytest.mark.parametrize("kind", ["leaf", "intermediate"])
def test_a_trust_store_holds_roots_only(grounds, kind):
    root = grounds.pki.make("root", ca=True)
    wrong = grounds.pki.make("wrong", "x.test", issuer=root, ca=kind == "intermediate")
    grounds.ports["a"] = 9
    with pytest.raises(ConfigError, match=r"CN=wrong is (no authority|an intermediate)"):
        grounds.serve(grounds.zone("x.test", f'trust_store = "{wrong.certificate}"', "a"))


def test_a_common_name_counts_where_it_is_allowed_and_alone(grounds):
    pki = grounds.pki
    root = pki.make("root", ca=True)
    grounds.origin("a", context_of(pki.make("a", common="a.legacy.test", issuer=root)))
    grounds.origin("b", context_of(pki.make("b", "else.test", common="b.legacy.test", issuer=root)))
    store = f'trust_store = "{root.certificate}"\nlegacy_cn_match = true'
    grounds.serve(grounds.zone("legacy.test", store, "a", "b"))
    assert outcome(grounds, "a.legacy.test") == ("", "")
    assert "it is for else.test" in outcome(grounds, "b.legacy.test")[1]


def test_a_missing_revocation_list_of_the_issuer_fails_closed(grounds):
    pki = grounds.pki
    root, other = pki.make("root", ca=True), pki.make("other", ca=True)
    grounds.origin("a", context_of(pki.make("a", "a.x.test", issuer=root)))
    crl = pki.crl("other", other)
    grounds.serve(grounds.zone("x.test", f'trust_store = "{root.certificate}"\ncrl = "{crl}"', "a"))
    assert "no revocation list" in outcome(grounds, "a.x.test")[1]


# Lists in the file, by who signed them and whom they revoke; then what is said of an origin behind an
# intermediate: "" serves.
CHAINS = {
    "nobody is revoked": (("root", None), ("middle", None), ""),
    "revoked chain": (("root", "middle"), ("middle", None), "the authority's certificate: revoked"),
    "revoked chain, other order": (
        ("middle", None),
        ("root", "middle"),
        "the authority's certificate: revoked",
    ),
    "revoked leaf": (("root", None), ("middle", "leaf"), "not accepted: revoked"),
    "no list of the root": (("middle", None), ("other", "middle"), ""),
    "no list of the intermediate": (("root", None), ("other", None), "no revocation list"),
    "old list of the root": (
        ("root", "late"),
        ("middle", None),
        "revocation list of its authority is not up",
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_an_authority_is_looked_up_where_its_issuers_list_is_at_hand(grounds, case):
    pki = grounds.pki
    root, other = pki.make("root", ca=True), pki.make("other", ca=True)
    middle = pki.make("middle", ca=True, issuer=root)
    leaf = pki.make("leaf", "a.x.test", issuer=middle)
    known = {"root": root, "other": other, "middle": middle, "leaf": leaf}
    *lists, words = CHAINS[case]
    file = grounds.folder / "lists.crl"
    texts = []
    for signer, about in lists:
        revoked, ends = ([], -DAY) if about == "late" else ([known[about]] if about else [], DAY)
        texts.append(pki.crl(f"one-{signer}", known[signer], *revoked, ends=ends).read_bytes())
    file.write_bytes(b"".join(texts))
    leaf.certificate.write_bytes(leaf.certificate.read_bytes() + middle.certificate.read_bytes())
    grounds.origin("a", context_of(leaf))
    grounds.serve(grounds.zone("x.test", f'trust_store = "{root.certificate}"\ncrl = "{file}"', "a"))
    error, message = outcome(grounds, "a.x.test")
    assert (error, words in message) == ("origin_cert_invalid" if words else "", True), message
    config = grounds.house.gateway.config
    (reached,) = reach(config.zones, server=config.tls)
    assert (reached.sentence == "") == (words == ""), "health checks and probes judge in the same way"


def test_revocation_lists_are_read_whole(tmp_path):
    pki = Pki(tmp_path)
    one, two = (pki.crl(stem, pki.make(stem, ca=True)).read_bytes() for stem in ("one", "two"))
    file = tmp_path / "lists.crl"
    file.write_bytes(b"# one\n" + one + b"# two\n" + two)
    lists = read_crls(file)
    assert [crl.issuer.rfc4514_string() for crl in lists] == ["CN=one", "CN=two"]
    file.write_bytes(lists[0].public_bytes(serialization.Encoding.DER))
    assert read_crls(file) == lists[:1]
    for damaged in (one + two[: len(two) // 2], one + b"-----BEGIN X509 CRL-----\n", b"", b"-----BEGIN"):
        file.write_bytes(damaged)
        with pytest.raises(CertificateError, match="holds no revocation list"):
            read_crls(file)


@pytest.mark.parametrize("versions", [(ssl.TLSVersion.TLSv1_2,) * 2, (THREE, THREE)])
def test_the_most_specific_certificate_is_pulled(grounds, versions):
    """Each origin wants one of a certain authority: that of the name, of the zone; another one is refused."""
    pki = grounds.pki
    root = pki.make("root", ca=True)
    one, two = pki.make("one-ca", ca=True), pki.make("two-ca", ca=True)
    of_zone = pki.make("of-zone", issuer=one, client=True)
    of_name = pki.make("of-name", issuer=two, client=True)
    leaf = pki.make("leaf", "*.pull.test", "*.none.test", issuer=root)
    grounds.origin("a", context_of(leaf, versions=versions, clients=one))
    grounds.origin("b", context_of(leaf, versions=versions, clients=two))
    store = f'trust_store = "{root.certificate}"\n'
    pull = (
        f'origin_pull = [{{ file = "{of_zone.certificate}", key = "{of_zone.key}" }}, '
        f'{{ file = "{of_name.certificate}", key = "{of_name.key}", hostnames = ["b"] }}]'
    )
    swapped = pull.replace('hostnames = ["b"]', 'hostnames = ["a"]').replace("pull.test", "none.test")
    grounds.serve(
        grounds.zone("pull.test", store + pull, "a", "b"),
        grounds.zone("none.test", store + swapped, "a", "b"),
    )
    assert outcome(grounds, "a.pull.test") == ("", "")
    assert outcome(grounds, "b.pull.test") == ("", "")
    for name in ("a.none.test", "b.none.test"):
        error, message = outcome(grounds, name)
        assert error == "origin_tls_failed"
        assert "it does not accept the client certificate it is shown" in message


def test_another_host_is_asked_for(grounds):
    pki = grounds.pki
    root = pki.make("root", ca=True)
    grounds.origin("a", context_of(pki.make("a", "inner.example", issuer=root)))
    keys = ', origin_host = "virtual.example", origin_server_name = "inner.example"'
    grounds.serve(grounds.zone("x.test", f'trust_store = "{root.certificate}"', "a", keys=keys))
    assert outcome(grounds, "a.x.test") == ("", "")
    assert grounds.heads["a"] == [b"virtual.example"]


def test_a_name_written_down_is_the_only_one_that_counts(grounds):
    pki = grounds.pki
    root = pki.make("root", ca=True)
    grounds.origin("a", context_of(pki.make("a", "a.x.test", issuer=root)))
    keys = ', origin_server_name = "inner.example"'
    grounds.serve(grounds.zone("x.test", f'trust_store = "{root.certificate}"', "a", keys=keys))
    assert "it is for a.x.test, not for inner.example" in outcome(grounds, "a.x.test")[1]


def test_origin_certificates_are_judged_before_they_are_made(tmp_path):
    authority = origin_authority(tmp_path)
    for names, days, words in (
        ([], 30, "would bear no name"),
        (["a.test"], 0, "would be good for 0 days"),
        (["*.*.test"], 9, "would bear"),
        (["*.test"], 9, "a star above a single label"),
        (["bad_name!"], 9, "would bear"),
    ):
        with pytest.raises(CertificateError, match=words.replace("*", r"\*")):
            issue_origin(authority, names, days)
    with pytest.raises(CertificateError, match="no request"):
        issue_origin(authority, [], 9, csr=b"nothing")
