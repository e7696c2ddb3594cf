"""Key sets: rotation, and servers that are slow, huge, broken or gone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastgw.access import keys
from fastgw.access.judge import Judge
from fastgw.access.keys import KeyRing, KeysError, fetch, parse
from fastgw.policy.access import Access, AccessPolicy, Application, Jwt, Requirement
from tests.access.issuer import AUDIENCE, ISSUER, Issuer, KeyServer

POLICY = AccessPolicy("p", "allow", (Requirement("jwt"),))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def server(issuer: Issuer) -> Iterator[KeyServer]:
    found = KeyServer(issuer.jwks())
    yield found
    found.close()


@pytest.fixture
def ring() -> Iterator[KeyRing]:
    found = KeyRing()
    yield found
    found.close()


def judge_of(ring: KeyRing, source: str | Path) -> Judge:
    file, url = (source, "") if isinstance(source, Path) else (None, source)
    access = Access((Application("app", policies=(POLICY,)),), jwt=(Jwt(ISSUER, (AUDIENCE,), file, url),))
    return Judge(access, ring)


def test_keys_from_a_url(issuer: Issuer, server: KeyServer, ring: KeyRing) -> None:
    judge = judge_of(ring, server.url)
    assert judge.token(0, issuer.token(), wait=3).good
    assert judge.token(0, issuer.token()).good
    assert server.asked == 1


def test_a_new_key_is_fetched_when_a_token_names_it(
    issuer: Issuer, server: KeyServer, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_of(ring, server.url)
    assert judge.token(0, issuer.token(), wait=3).good
    issuer.rotate()
    server.body = issuer.jwks()
    assert judge.token(0, issuer.token(), wait=3).flaw == "UNKNOWN_KEY"  # it was fetched a moment ago
    monkeypatch.setattr(keys, "AGAIN_SECONDS", 0.0)
    assert judge.token(0, issuer.token(), wait=3).good


def test_tokens_of_keys_nobody_has_cause_few_fetches(
    issuer: Issuer, server: KeyServer, ring: KeyRing
) -> None:
    judge = judge_of(ring, server.url)
    assert judge.token(0, issuer.token(), wait=3).good
    for number in range(50):
        assert judge.token(0, issuer.token(header={"kid": f"x{number}"}), wait=3).flaw == "UNKNOWN_KEY"
    assert server.asked == 1


def test_the_last_good_keys_are_kept(issuer: Issuer, server: KeyServer, ring: KeyRing) -> None:
    judge = judge_of(ring, server.url)
    assert judge.token(0, issuer.token(), wait=3).good
    (found,) = judge.key_sets
    for status, body in (
        (500, b""),
        (200, b"<html>"),
        (200, b'{"keys": []}'),
        (200, b"x" * (1 << 20) + b"x"),
    ):
        server.status, server.body = status, body
        assert found.claim()
        found.look()
        assert found.error
        assert judge.token(0, issuer.token()).good


def test_a_key_that_is_withdrawn_is_told(issuer: Issuer, server: KeyServer) -> None:
    gone: list[object] = []
    ring = KeyRing(gone.append)
    judge = judge_of(ring, server.url)
    assert judge.token(0, issuer.token(), wait=3).good
    before = issuer.token()
    (found,) = judge.key_sets
    issuer.rotate(keep=False)
    server.body = issuer.jwks()
    assert found.claim()
    ring._look(found)
    assert gone == [found]
    assert judge.token(0, before).flaw == "UNKNOWN_KEY"
    ring.close()


def test_a_file_is_read_anew(issuer: Issuer, ring: KeyRing, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(issuer.jwks())
    judge = judge_of(ring, file)
    assert judge.token(0, issuer.token()).good
    issuer.rotate(keep=False)
    file.write_bytes(issuer.jwks())
    os.utime(file, ns=(1, 1))
    (found,) = judge.key_sets
    assert found.claim()
    assert found.look()
    assert judge.token(0, issuer.token()).good


@pytest.mark.parametrize("how", ["pause", "trickle"])
def test_a_slow_server_is_cut_off(
    how: str, issuer: Issuer, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.3)
    setattr(server, how, 1.5 if how == "pause" else 0.05)
    begun = time.monotonic()
    with pytest.raises(KeysError, match=r"did not come within 0\.3 s"):
        fetch(server.url)
    assert time.monotonic() - begun < 1.4


def test_no_redirect_is_followed(server: KeyServer) -> None:
    server.status, server.location = 302, server.url
    with pytest.raises(KeysError, match="HTTP 302"):
        fetch(server.url)
    assert server.asked == 1


@pytest.mark.parametrize(
    "url", ["http://keys.test/x", "http://10.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "", "//x/y"]
)
def test_only_https_or_this_machine(url: str) -> None:
    with pytest.raises(KeysError, match="not fetched over https"):
        fetch(url)


def test_nobody_listens(server: KeyServer, ring: KeyRing, issuer: Issuer) -> None:
    server.close()
    judge = judge_of(ring, server.url)
    assert judge.token(0, issuer.token(), wait=3).flaw == "NO_KEYS"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": {"a": 1}}', b'{"keys": []}', b'{"keys": [null, 7]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', b'{"keys": [{"kty": "RSA"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}', b"[" * 100_000,
        json.dumps({"keys": [{}] * 101}).encode(), b"\xff\xfe",
    ],
)  # fmt: skip
def test_no_key_set(text: bytes) -> None:
    with pytest.raises(KeysError):
        parse(text)


def test_keys_that_are_passed_over(issuer: Issuer) -> None:
    row = issuer.rows[0]
    for more in ({"use": "enc"}, {"key_ops": ["sign"]}, {"d": "AA"}, {"kty": "oct"}):
        rows = [{**row, **more}, {**row, "kid": "good"}]
        assert [key.kid for key in parse(json.dumps({"keys": rows}).encode())] == ["good"]
