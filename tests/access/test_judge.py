"""Which tokens are believed: a table of those that are not, and why."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.access.judge import Judge
from fastgw.access.keys import KeyRing
from fastgw.policy.access import Access, AccessPolicy, Application, Jwt, Requirement
from tests.access.issuer import AUDIENCE, ISSUER, Issuer

ASKED = (
    Requirement("jwt"),
    Requirement("email", ("a@corp.test",)),
    Requirement("email_domain", ("corp.test",)),
    Requirement("claim", ("admins", "7"), "groups"),
    Requirement("claim", ("true",), "nested.flag"),
    Requirement("jwt", ("https://other.test",)),
)
POLICY = AccessPolicy("p", "allow", ASKED)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def ring() -> Iterator[KeyRing]:
    found = KeyRing()
    yield found
    found.close()


@pytest.fixture(scope="module")
def judge(issuer: Issuer, ring: KeyRing, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    file.write_bytes(issuer.jwks())
    return judge_of(file, ring)


def judge_of(file: Path, ring: KeyRing, **more: object) -> Judge:
    one = Jwt(ISSUER, (AUDIENCE,), file, **more)  # type: ignore[arg-type]
    return Judge(Access((Application("app", policies=(POLICY,)),), jwt=(one,)), ring)


def test_a_good_token(issuer: Issuer, judge: Judge) -> None:
    found = judge.token(0, issuer.token(email="A@Corp.test", groups=["x", "admins"], nested={"flag": True}))
    assert found.good
    assert found.facts == (0, 1, 2, 3, 4)
    assert found.who.subject == "somebody"


@pytest.mark.parametrize(
    ("claims", "flaw"),
    [
        ({"lifetime": -31}, "EXPIRED"),
        ({"exp": None}, "MALFORMED"),
        ({"exp": "soon"}, "MALFORMED"),
        ({"exp": True}, "MALFORMED"),
        ({"exp": 1e300}, "MALFORMED"),
        ({"nbf": time.time() + 3600}, "NOT_YET_GOOD"),
        ({"nbf": "x"}, "MALFORMED"),
        ({"iss": "https://evil.test"}, "UNKNOWN_ISSUER"),
        ({"iss": None}, "UNKNOWN_ISSUER"),
        ({"iss": [ISSUER]}, "UNKNOWN_ISSUER"),
        ({"aud": "another"}, "WRONG_AUDIENCE"),
        ({"aud": None}, "WRONG_AUDIENCE"),
        ({"aud": []}, "WRONG_AUDIENCE"),
        ({"aud": {"gateway": 1}}, "WRONG_AUDIENCE"),
        ({"header": {"kid": "99"}}, "UNKNOWN_KEY"),
    ],
    ids=str,
)
def test_a_bad_token(issuer: Issuer, judge: Judge, claims: dict[str, Any], flaw: str) -> None:
    assert judge.token(0, issuer.token(**claims)).flaw == flaw


@pytest.mark.parametrize("more", [{"crit": ["b64"], "b64": True}, {"crit": []}, {"zip": "DEF"}], ids=str)
def test_a_header_that_changes_what_is_signed(issuer: Issuer, judge: Judge, more: dict[str, Any]) -> None:
    header = {"alg": "ES256", "kid": issuer.kid, **more}
    signed = f"{b64(json.dumps(header).encode())}.{issuer.token().split('.')[1]}"
    kind = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    assert judge.token(0, f"{signed}.{b64(kind.sign(signed.encode(), issuer.key))}").flaw == "MALFORMED"


def test_a_little_leeway(issuer: Issuer, judge: Judge) -> None:
    assert judge.token(0, issuer.token(lifetime=-20)).good
    assert judge.token(0, issuer.token(nbf=time.time() + 20)).good


def test_several_audiences(issuer: Issuer, judge: Judge) -> None:
    assert judge.token(0, issuer.token(aud=["x", AUDIENCE])).good


def test_nobody_signs_with_none(issuer: Issuer, judge: Judge) -> None:
    body = issuer.token().split(".")[1]
    for word in ("none", "None", "NONE", ""):
        header = b64(json.dumps({"alg": word, "kid": issuer.kid}).encode())
        for signature in ("", "AAAA"):
            assert not judge.token(0, f"{header}.{body}.{signature}").good


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(issuer: Issuer, judge: Judge, algorithm: str) -> None:
    """The oldest trick: the verifier's public key taken for a shared secret."""
    secrets = [issuer.public_pem, json.dumps(issuer.rows[-1]).encode(), b""]
    body = issuer.token().split(".")[1]
    header = b64(json.dumps({"alg": algorithm, "kid": issuer.kid}).encode())
    for secret in secrets:
        kind = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
        signature = b64(hmac.new(secret, f"{header}.{body}".encode(), kind).digest())
        assert judge.token(0, f"{header}.{body}.{signature}").flaw == "WRONG_ALGORITHM"


def test_another_kind_of_key(judge: Judge, issuer: Issuer) -> None:
    """An algorithm that is believed, for a key of another kind, or of another issuer."""
    other = Issuer("RS256")
    assert judge.token(0, other.token(header={"kid": issuer.kid})).flaw == "UNKNOWN_KEY"
    assert judge.token(0, Issuer().token()).flaw == "WRONG_SIGNATURE"
    assert judge.token(0, Issuer("RS256").token(header={"alg": "RS256"})).flaw == "UNKNOWN_KEY"


def test_a_changed_claim(issuer: Issuer, judge: Judge) -> None:
    head, _, signature = issuer.token().split(".")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, "email": "a@corp.test"}
    assert judge.token(0, f"{head}.{b64(json.dumps(claims).encode())}.{signature}").flaw == "WRONG_SIGNATURE"


def test_keys_named_in_the_token_are_not_looked_at(issuer: Issuer, judge: Judge) -> None:
    evil = Issuer()
    header = {"jwk": evil.rows[-1], "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}
    assert judge.token(0, evil.token(header=header)).flaw == "WRONG_SIGNATURE"


def test_without_a_name_the_only_key(issuer: Issuer, ring: KeyRing, tmp_path: Path) -> None:
    one = Issuer()
    file = tmp_path / "one.json"
    file.write_bytes(one.jwks())
    text = jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 9}, one.key, algorithm="ES256")
    assert judge_of(file, ring).token(0, text).good
    one.rotate()
    both = tmp_path / "both.json"
    both.write_bytes(one.jwks())
    assert judge_of(both, ring).token(0, text).flaw == "UNKNOWN_KEY"


@pytest.mark.parametrize("email", ["@", "", 7, None, ["a@corp.test"], {"x": 1}])
def test_what_is_no_address(issuer: Issuer, judge: Judge, email: object) -> None:
    assert not {1, 2} & set(judge.token(0, issuer.token(email=email)).facts)


@pytest.mark.parametrize("verified", [False, "false", 0, "no", None])
def test_an_address_that_was_not_verified(issuer: Issuer, judge: Judge, verified: object) -> None:
    token = jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 9, "email": "a@corp.test",
         "email_verified": verified},
        issuer.key, algorithm="ES256", headers={"kid": issuer.kid},
    )  # fmt: skip
    assert judge.token(0, token).facts == (0,)


@pytest.mark.parametrize("place", [-1, 1, 4])
def test_a_header_that_nobody_is_believed_by(issuer: Issuer, judge: Judge, place: int) -> None:
    assert judge.token(place, issuer.token()).flaw == "MALFORMED"


def test_a_token_judged_again(issuer: Issuer, judge: Judge, ring: KeyRing, tmp_path: Path) -> None:
    before = judge.token(0, issuer.token(groups="admins"))
    assert judge.again(0, before).facts == before.facts
    assert judge.again(0, before, time.time() + 3600).flaw == "EXPIRED"
    rotated = tmp_path / "rotated.json"
    rotated.write_bytes(Issuer().jwks())
    assert judge_of(rotated, ring).again(0, before).flaw == "UNKNOWN_KEY"
    file = tmp_path / "same.json"
    file.write_bytes(issuer.jwks())
    other = Judge(Access(jwt=(Jwt(ISSUER, ("elsewhere",), file),)), ring)
    assert other.again(0, before).flaw == "WRONG_AUDIENCE"


_RING = KeyRing()
NOBODY = Judge(Access(jwt=(Jwt(ISSUER, (), Path("/nowhere")),)), _RING)
_RING.close()


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda octets: ".".join([b64(octets)] * 3)))
def test_nonsense_is_never_good(text: str) -> None:
    assert not NOBODY.token(0, text).good
