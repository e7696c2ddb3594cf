"""[zone.access]: what it becomes, and each complaint about it by its text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fastgw.config import load_text
from fastgw.errors import ConfigError
from fastgw.policy.access import (
    OPEN,
    Access,
    AccessPolicy,
    Application,
    Identity,
    Jwt,
    Requirement,
    ServiceToken,
)
from fastgw.policy.tls import ClientCertificates, ClientRule
from fastgw.policy.zone import Zone
from tests.config.conftest import write_pair
from tests.config.ruled import ZONE

DIGEST = "ab" * 32
TOKENS = f"""
[[zone.access.service_tokens]]
id = "5a1e.access"
name = "nightly"
secret_sha256 = "{DIGEST.upper()}"
expires_at = 2036-01-31T00:00:00Z
"""
ISSUER = """
[[zone.access.jwt]]
issuer = "https://login.test"
audience = "shop"
jwks_url = "https://login.test/keys"
"""


def application(include: str, more: str = "", decision: str = "allow") -> str:
    policy = f'{{ name = "p", decision = "{decision}", include = [{include}] }}'
    return f'\n[[zone.access.applications]]\nname = "app"\n{more}\npolicies = [{policy}]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With keys and certificates that can be used, and such that cannot."""
    made = tmp_path_factory.mktemp("access")
    write_pair(made, "ca", [], ca=True)
    write_pair(made, "gw", ["gw.test", "*.gw.test"])
    keys = {
        "ec.key": ec.generate_private_key(ec.SECP256R1()),
        "other.key": ed25519.Ed25519PrivateKey.generate(),
        "short.key": rsa.generate_private_key(65537, 1024),
    }
    for name, key in keys.items():
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (made / name).write_bytes(text)
    (made / "keys.json").write_text(json.dumps({"keys": [{"kty": "EC", "kid": "1"}]}))
    (made / "secret.json").write_text(json.dumps({"keys": [{"kty": "oct", "k": "eA"}]}))
    (made / "private.json").write_text(json.dumps({"keys": [{"kty": "EC", "d": "eA"}]}))
    (made / "empty.json").write_text('{"keys": []}')
    (made / "broken.json").write_text("[")
    return made


def zone(folder: Path, text: str, base: str = ZONE) -> Zone:
    return load_text(base + text, folder / "f").zones[0]


def judged(folder: Path, text: str) -> Access:
    config = load_text(ZONE + text, folder / "f")
    assert config.warnings == ()
    return config.zones[0].inspection.access


def test_a_zone_without_it(folder: Path) -> None:
    assert judged(folder, "") is OPEN
    assert not OPEN


def test_all_of_it(folder: Path) -> None:
    include = '{ service_token = ["nightly"] }, { jwt = true }, { claim = "role", values = ["a", "b"] }'
    text = '[zone.access]\nrecheck = true\nread_service_tokens_from_header = "x-token"\n' + TOKENS + ISSUER
    text += '[zone.access.identity]\nkey = "ec.key"\nissuer = "gw"\naudience = "origin"\n'
    found = judged(folder, text + application(include, 'host = "b"\npath = "/a.B/"'))
    policy = AccessPolicy(
        "p",
        "allow",
        (
            Requirement("service_token", ("5a1e.access",)),
            Requirement("jwt"),
            Requirement("claim", ("a", "b"), "role"),
        ),
    )
    assert found == Access(
        applications=(Application("app", "b.gw.test", "/a.B", (policy,)),),
        service_tokens=(ServiceToken("5a1e.access", DIGEST, "nightly", expires_at=2_085_350_400),),
        jwt=(Jwt("https://login.test", ("shop",), jwks_url="https://login.test/keys"),),
        identity=Identity(folder / "ec.key", "gw", ("origin",)),
        recheck=True,
        token_header="x-token",
    )
    assert found
    assert hash(found)


def test_a_secret_is_no_part_of_what_is_printed(folder: Path) -> None:
    found = judged(
        folder, TOKENS + application("{ any_valid_service_token = true }", decision="service_auth")
    )
    assert DIGEST not in repr(found)


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ('{ ip = ["10.0.0.0/8", "::1"] }', Requirement("ip", ("10.0.0.0/8", "::1/128"))),
        ('{ ip_list = "office" }', Requirement("ip", ("192.0.2.0/24", "2001:db8::/32"))),
        ('{ email = ["A@X.org"] }', Requirement("email", ("a@x.org",))),
        ('{ email_domain = ["@X.org"] }', Requirement("email_domain", ("x.org",))),
        ('{ jwt = ["https://login.test"] }', Requirement("jwt", ("https://login.test",))),
    ],
)
def test_requirements(folder: Path, written: str, becomes: Requirement) -> None:
    found = judged(folder, ISSUER + application(written))
    assert found.applications[0].policies[0].include == (becomes,)


def test_whose_certificates_are_looked_at_is_asked_for_one(folder: Path) -> None:
    base = (
        ZONE.replace('"h2c://127.0.0.1:0"', '"127.0.0.1:0"') + 'cert = { file = "gw.pem", key = "gw.key" }\n'
    )
    text = '[zone.access]\ncertificates = { ca = "ca.pem" }\n' + application(
        "{ certificate = true }", 'host = "b"'
    )
    rule = ClientRule(ClientCertificates("request", folder / "ca.pem"), ("b.gw.test",))
    found = zone(folder, text, base)
    assert found.tls.clients == (rule,)
    assert found.inspection.access.authorities == (folder / "ca.pem",)
    everywhere = zone(folder, text.replace('host = "b"', ""), base)
    assert everywhere.tls.clients[0].hostnames == ()
    asked = base + '[[zone.client_certs]]\nca = "ca.pem"\ndemand = "require"\n'
    assert zone(folder, text, asked).tls.clients == (
        ClientRule(ClientCertificates("require", folder / "ca.pem")),
    )


ME = '{ ip = ["::1"] }'
REFUSED = {
    application(ME, 'host = "a..b"'): "applications[0].host is 'a..b', which has an empty label",
    application(ME, 'path = "a"'): "applications[0].path is 'a', which is no path",
    application(ME, 'path = "/a*b"'): "applications[0].path is '/a*b', which is no path",
    application(ME) * 2: "applications[1] has the host and path of 'app', which is asked first",
    application("{}"): "include[0] asks for nothing",
    application('{ ip = ["::1"], jwt = true }'): "include[0] asks for ip and jwt in one",
    application('{ claim = "a" }'): "include[0] has a claim without values",
    application('{ ip = ["::1"], values = ["a"] }'): "include[0] has values without a claim",
    application('{ ip = ["10.0.0.1/8"] }'): "include[0].ip[0] is '10.0.0.1/8', which has bits beyond",
    application('{ ip_list = "ofice" }'): "include[0].ip_list is 'ofice', and there is no such list",
    application('{ ip_list = "tenants" }'): "the list $tenants has 'acme', which is no address",
    application('{ service_token = ["x"] }'): "service_token[0] is 'x', and there is no such service token",
    application("{ any_valid_service_token = true }"): "asks for a service token, and there is none",
    application("{ jwt = true }"): "include[0].jwt asks for a token, and no issuer is believed",
    application('{ email = ["a@b"] }'): "include[0].email asks for a token, and no issuer is believed",
    ISSUER + application('{ jwt = ["x"] }'): "names the issuer 'x', who is not believed",
    application("{ certificate = true }"): "looks at certificates, and no client is asked for one",
    application('{ fingerprint = ["ab"] }'): "fingerprint[0] is no SHA-256 digest",
    application("{ everyone = true }", decision="service_auth"): "asks for no token or certificate",
    ISSUER + application("{ jwt = true }", decision="bypass"): "is a bypass and asks who calls",
    application(ME, decision="maybe"): "must be one of",
    application("{ login_method = true }"): "login_method",
    TOKENS * 2 + application(ME): "service_tokens[1].id is '5a1e.access', which another token has",
    TOKENS.replace(DIGEST.upper(), "hunter2") + application(ME): "secret_sha256 is no SHA-256 digest",
    TOKENS.replace("2036-01-31T00:00:00Z", "2036-01-31T00:00:00")
    + application(ME): "expires_at has no time zone",
    TOKENS.replace("2036-01-31T00:00:00Z", '"soon"')
    + application(ME): "expires_at is 'soon', which is no time",
    TOKENS
    + f'previous_sha256 = "{DIGEST}"\n'
    + application(ME): "has one of previous_sha256 and previous_until",
    ISSUER.replace("https://login.test/keys", "http://login.test/keys") + application(ME): (
        "jwks_url is 'http://login.test/keys', over which anybody could send keys"
    ),
    ISSUER.replace("https://login.test/keys", "https://me:x@login.test/keys") + application(ME): "over which",
    ISSUER + 'jwks_file = "keys.json"\n' + application(ME): "jwt[0] needs one of jwks_file and jwks_url",
    ISSUER
    + 'algorithms = ["HS256"]\n'
    + application(ME): "is 'HS256', a secret that the issuer and the gateway",
    ISSUER + 'algorithms = ["none"]\n' + application(ME): "is 'none', with which everybody could sign",
    ISSUER + 'header = "te"\n' + application(ME): "header is 'te', which carries the call itself",
    ISSUER + "leeway = 500\n" + application(ME): "leeway is 500; it must be 0 to 300",
    '[zone.access.identity]\nkey = "no.key"\nissuer = "x"'
    + application(ME): "which cannot be read: no such file",
    '[zone.access.identity]\nkey = "other.key"\nissuer = "x"' + application(ME): "a key of another kind",
    '[zone.access.identity]\nkey = "short.key"\nissuer = "x"' + application(ME): "an RSA key of 1024 bits",
    '[zone.access.identity]\nkey = "keys.json"\nissuer = "x"' + application(ME): "which is no key",
    '[zone.access]\ngrpc = "on"' + application(ME): "access.grpc must be one of",
    "access = 1": "access must be a table",
    "access = { applications = 1 }": "access.applications must be an array of tables",
}
REFUSED |= {
    ISSUER.replace('jwks_url = "https://login.test/keys"', f'jwks_file = "{name}"') + application(ME): said
    for name, said in {
        "nothing.json": "cannot be read: no such file",
        "secret.json": "has a key that is secret",
        "private.json": "has a key that is secret",
        "empty.json": "has no keys",
        "broken.json": "is no JWK set",
    }.items()
}


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_refused(folder: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        zone(folder, text)
    found = [f"{problem.field} {problem.sentence}" for problem in error.value.problems]
    assert said in found[0]
    assert "hunter2" not in str(error.value)
    assert len(found) == 1, "and nothing else is said"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[zone.access]\ngrpc = "bypass"' + application(ME), "gRPC calls reach the origin unjudged"),
        (TOKENS, "access protects nothing"),
        (TOKENS.replace("2036", "2016") + application(ME), "is over: nobody gets in with this token"),
        (application("{ everyone = true }"), "lets everybody in"),
        (application('{ country = ["DE"] }'), "is never known"),
        (application(ME, decision="deny"), "deny only, and so is everybody else denied"),
        (application(ME, 'host = "c"'), "is c.gw.test, which no proxied record of the zone serves"),
        ('[[zone.access.applications]]\nname = "a"', "has no policy, so that everybody is denied"),
        (
            '[zone.access]\ncertificates = { ca = "ca.pem" }' + application(ME),
            "no policy looks at certificates",
        ),
    ],
)
def test_what_is_worth_a_word(folder: Path, text: str, said: str) -> None:
    (warning,) = load_text(ZONE + text, folder / "f").warnings
    assert said in f"{warning.field} {warning.sentence}"
