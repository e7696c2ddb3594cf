"""Service tokens as they are made, and what origins are told of callers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.access import tokens
from fastgw.access.identity import OCTETS_MOST, Signer, public_keys
from fastgw.access.keys import parse
from fastgw.access.verdict import Who
from fastgw.errors import CertificateError
from fastgw.policy.access import Identity, ServiceToken
from tests.access.issuer import Issuer


def test_a_secret_has_its_form() -> None:
    secret = tokens.new_secret()
    assert len(secret) == 6 + 40 + 8
    assert tokens.is_secret(secret)
    assert tokens.is_secret("0" * 64)
    assert tokens.new_secret() != secret


@given(st.integers(6, 53), st.sampled_from("0123456789abcdef"))
def test_a_typing_error_is_seen(place: int, other: str) -> None:
    secret = tokens.new_secret()
    wrong = secret[:place] + other + secret[place + 1 :]
    assert tokens.is_secret(wrong) == (wrong == secret)


def test_only_digests_are_kept() -> None:
    fresh = tokens.create("billing")
    assert fresh.secret not in json.dumps(fresh.table)
    assert fresh.secret not in repr(fresh)
    assert fresh.table["secret_sha256"] == tokens.digest(fresh.secret)
    kept = ServiceToken("id", fresh.table["secret_sha256"], previous_sha256="ab" * 32)
    assert "sha256" not in repr(kept)


def test_a_change_of_secret() -> None:
    first = tokens.create("billing", None)
    second = tokens.rotate(first.table, 60)
    assert second.client_id == first.client_id
    assert second.table["previous_sha256"] == first.table["secret_sha256"]
    assert 0 < second.table["previous_until"] - time.time() <= 60
    third = tokens.rotate(second.table, 0)
    assert "previous_sha256" not in third.table
    gone = tokens.revoke(second.table)
    assert gone["enabled"] is False
    assert "previous_sha256" not in gone


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_origin_believes_it(algorithm: str, tmp_path: Path) -> None:
    file = tmp_path / "identity.key"
    file.write_bytes(Issuer(algorithm).private_pem)
    signer = Signer(Identity(file, "https://gw.test"))
    text, end = signer.sign(Who("me", "me@corp.test", "cn", ("a",), "mark"), ("app",), now=1000)
    (key,) = parse(json.dumps(public_keys([file])).encode())
    header = jwt.get_unverified_header(text)
    assert (header["alg"], header["kid"]) == (algorithm, key.kid)
    told = jwt.decode(
        text, key.public, [algorithm], audience="app", issuer="https://gw.test",
        options={"verify_exp": False},
    )  # fmt: skip
    assert told["exp"] == end == 1060
    assert told["sub"] == "me"
    assert told["email"] == "me@corp.test"
    assert told["common_name"] == "cn"
    assert told["groups"] == ["a"]
    assert told["cnf"] == {"x5t#S256": "mark"}


def test_it_never_outlives_the_callers_token(tmp_path: Path) -> None:
    file = tmp_path / "identity.key"
    file.write_bytes(Issuer().private_pem)
    assert Signer(Identity(file, "x")).sign(Who("me"), ("a",), 1010.5, 1000)[1] == 1010


def test_it_fits_into_the_core(tmp_path: Path) -> None:
    file = tmp_path / "identity.key"
    file.write_bytes(Issuer("RS256").private_pem)
    who = Who("s" * 256, "e" * 256, "c" * 256, tuple(str(number) * 64 for number in range(16)), "t" * 43)
    assert len(Signer(Identity(file, "i" * 100)).sign(who, ("a" * 100,))[0]) <= OCTETS_MOST


@pytest.mark.parametrize("octets", [b"", b"no key", Issuer().public_pem])
def test_no_key(octets: bytes, tmp_path: Path) -> None:
    file = tmp_path / "identity.key"
    file.write_bytes(octets)
    with pytest.raises(CertificateError, match="no key"):
        Signer(Identity(file, "x"))
