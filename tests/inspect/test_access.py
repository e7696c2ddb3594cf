"""Policies asked about heads in the core: there is no way round them."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastgw._core.inspect.access import AccessVerdict, Proof, judge
from fastgw._core.inspect.asked import AccessEntry, ApplicationEntry, AskedEntry, PolicyEntry, TokenEntry
from fastgw._core.inspect.paths import path_other_reading
from fastgw._core.inspect.policies import AccessTable, AskedKind, PolicyDecision
from fastgw._core.inspect.verdicts import Flaw, Vault

ADMITTED, UNAUTHENTICATED, FORBIDDEN, TO_BE_ASKED = AccessVerdict
ID, SECRET, OLD = b"abc.access", b"cfast_the-secret", b"0123456789abcdef"
PATH = b"/pkg.Secret/Read"
HOST = b"api.gw.test"
NOW = 1_800_000_000_000
CLIENT, PASSWORD, WHO = b"cf-access-client-id", b"cf-access-client-secret", b"cf-access-jwt-assertion"
PAIR = [(CLIENT, ID), (PASSWORD, SECRET)]
HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", PATH),
    (b":authority", HOST),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
]


def sha(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def asked(kind: AskedKind, **more: Any) -> AskedEntry:
    return AskedEntry(kind, **more)


ANY = asked(AskedKind.ANY_SERVICE_TOKEN)
EVERYONE = asked(AskedKind.EVERYONE)
HOME = asked(AskedKind.NETWORK, networks=(((0x0A000000, 0x0AFFFFFF),), ()))


def policy(decision: str, *include: AskedEntry, **more: Any) -> PolicyEntry:
    return PolicyEntry("p", PolicyDecision[decision], include, **more)


def table(*policies: PolicyEntry, path: str = "/pkg.Secret", **more: Any) -> AccessTable:
    token = TokenEntry(sha(ID), sha(SECRET), previous=sha(OLD), previous_until_ms=NOW + 1000)
    entry = AccessEntry(
        "gw.test",
        [ApplicationEntry("app", "", path, policies)],
        [
            token,
            TokenEntry(sha(b"off"), sha(SECRET), False),
            TokenEntry(sha(b"late"), sha(SECRET), True, NOW),
        ],
        ["authorization", "x-token"],
        **more,
    )
    return AccessTable(entry, Vault())


GUARDED = table(policy("SERVICE_AUTH", ANY), token_header="x-pair")


def ask(where: AccessTable, *more: tuple[bytes, bytes], path: bytes = PATH, **terms: Any) -> dict[str, Any]:
    fields = [(name, path if name == b":path" else value) for name, value in HEAD]
    terms = {"now_ms": NOW, **terms}
    found = judge(where, [*fields, *more], terms.pop("hostname", HOST), **terms)
    assert found["again"] == found["verdict"], "what was kept says something else"
    told = json.dumps([found["text"], repr(found["passed"])])
    for secret in (SECRET, OLD):
        assert secret.decode() not in told
    return found


# service tokens


def test_the_right_pair() -> None:
    found = ask(GUARDED, *PAIR)
    assert (found["verdict"], found["proof"]) == (ADMITTED, Proof.BY_SERVICE_TOKEN)
    assert not {CLIENT, PASSWORD} & {name for name, _ in found["passed"]}


def test_the_secret_before_is_good_for_a_while() -> None:
    pair = [(CLIENT, ID), (PASSWORD, OLD)]
    found = ask(GUARDED, *pair)
    assert (found["verdict"], found["expires_ms"]) == (ADMITTED, NOW + 1000)
    assert ask(GUARDED, *pair, now_ms=NOW + 1000)["verdict"] == UNAUTHENTICATED


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ([], "nothing was shown"),
        ([(CLIENT, ID)], "without the other"),
        ([(PASSWORD, SECRET)], "without the other"),
        ([*PAIR, (CLIENT, ID)], "twice"),
        ([*PAIR, (PASSWORD, SECRET)], "twice"),
        ([*PAIR, (PASSWORD, b"x")], "twice"),
        ([(PASSWORD, b"x"), *PAIR], "twice"),
        ([(CLIENT, ID), (PASSWORD, b"wrong")], "is another"),
        ([(CLIENT, b"nobody"), (PASSWORD, SECRET)], "is another"),
        ([(CLIENT, ID), (PASSWORD, b"")], "malformed"),
        ([(CLIENT, b""), (PASSWORD, SECRET)], "malformed"),
        ([(CLIENT, ID), (PASSWORD, b"x" * 513)], "malformed"),
        ([(CLIENT, b"off"), (PASSWORD, SECRET)], "switched off"),
        ([(CLIENT, b"late"), (PASSWORD, SECRET)], "expired"),
        ([(CLIENT, ID + b" "), (PASSWORD, SECRET)], "is another"),
        ([(CLIENT, ID), (PASSWORD, SECRET + b" ")], "is another"),
        ([(CLIENT, ID.upper()), (PASSWORD, SECRET)], "is another"),
    ],
)
def test_a_wrong_pair(shown: list[tuple[bytes, bytes]], why: str) -> None:
    found = ask(GUARDED, *shown)
    assert found["verdict"] == UNAUTHENTICATED
    assert why in found["text"]
    assert found["text"].startswith("zone gw.test: application app")


def pair_of(client: bytes = ID, secret: bytes = SECRET) -> bytes:
    return json.dumps({CLIENT.decode(): client.decode(), PASSWORD.decode(): secret.decode()}).encode()


@pytest.mark.parametrize("text", [pair_of(), pair_of().replace(b" ", b""), b" " + pair_of() + b"\t"])
def test_both_in_one_header(text: bytes) -> None:
    found = ask(GUARDED, (b"x-pair", text))
    assert found["verdict"] == ADMITTED
    assert b"x-pair" not in dict(found["passed"])


@pytest.mark.parametrize(
    "text",
    [
        pair_of()[:-1], pair_of() + b"x", b"{}", b"{", pair_of().replace(b"cfast_", b"\\u0063fast_"),
        b'{"cf-access-client-id":"abc.access"}', pair_of()[:-1] + b',"more":"x"}',
        b'{"cf-access-client-id":"abc.access",' + pair_of()[1:], pair_of(secret=b"x"),
        b"[" + pair_of() + b"]", pair_of().replace(b'"abc', b'["abc').replace(b'ss",', b'ss"],', 1),
    ],
)  # fmt: skip
def test_an_object_that_is_not_right(text: bytes) -> None:
    assert ask(GUARDED, (b"x-pair", text))["verdict"] == UNAUTHENTICATED


def test_both_manners_at_once() -> None:
    assert "two ways" in ask(GUARDED, *PAIR, (b"x-pair", pair_of()))["text"]
    assert "twice" in ask(GUARDED, (b"x-pair", pair_of()), (b"x-pair", pair_of()))["text"]


def test_authorization_that_is_no_object_is_left_alone() -> None:
    where = table(policy("SERVICE_AUTH", ANY), token_header="authorization")
    assert ask(where, (b"authorization", pair_of()))["verdict"] == ADMITTED
    found = ask(where, *PAIR, (b"authorization", b"Bearer x"))
    assert found["verdict"] == ADMITTED
    assert (b"authorization", b"Bearer x") in found["passed"]


# what never goes on


@given(
    st.permutations(
        [*PAIR, (WHO, b"x"), (b"cf_access_jwt_assertion", b"x"), (b"x-who", b"me"), (b"x-a", b"1")]
    )
)
def test_what_the_origin_never_sees(fields: list[tuple[bytes, bytes]]) -> None:
    for where in (GUARDED, table(policy("BYPASS", EVERYONE), identity="x-who"), table(path="/other")):
        passed = {name for name, _ in ask(where, *fields)["passed"]}
        assert not passed & {CLIENT, PASSWORD, WHO, b"cf_access_jwt_assertion"}
        assert b"x-a" in passed
    assert b"x-who" not in {name for name, _ in ask(table(identity="x-who"), *fields)["passed"]}


# paths


@st.composite
def disguised(draw: st.DrawFn) -> bytes:
    """A path that some server or other reads as PATH."""
    text = "".join(
        draw(st.sampled_from([one, one.upper(), one.lower(), quote(one, safe=""), f"%{ord(one):02x}"]))
        if one != "/"
        else draw(st.sampled_from(["/", "//", "/./", "/%2e/", "/x/../", "/x/%2e%2E/", "\\", "%2F", "%5c"]))
        for one in PATH.decode()
    )
    text += draw(st.sampled_from(["", "/", "?a=b", "?/../x", ";v=1", "%3fx", "/more", "/..%2fRead"]))
    return (text if text.startswith("/") else "/" + text).encode()


@given(disguised(), st.sampled_from([b"application/grpc", b"application/grpc-web+proto", b"text/html", b""]))
def test_no_way_round_by_the_path(path: bytes, kind: bytes) -> None:
    assume(b"pkg.secret" in (path_other_reading(path)[1] or path).lower())
    fields = [(name, path if name == b":path" else kind if name == b"content-type" else value)
              for name, value in HEAD]  # fmt: skip
    assert judge(GUARDED, fields, HOST, now_ms=NOW)["verdict"] != ADMITTED
    assert judge(GUARDED, [*fields, *PAIR], HOST, now_ms=NOW)["verdict"] == ADMITTED


@pytest.mark.parametrize(
    "path",
    [
        b"/pkg.Secret", b"/pkg.Secret/", b"/PKG.SECRET/READ", b"//pkg.Secret/Read", b"/./pkg.Secret/Read",
        b"/%70kg.Secret/Read", b"/%2570kg.Secret/Read", b"/pkg%2eSecret/Read", b"/open/../pkg.Secret/Read",
        b"/open/..%2fpkg.Secret/Read", b"/open\\..\\pkg.Secret/Read", b"/pkg.Secret;x=1/Read",
        b"/;/pkg.Secret/Read", b"/pkg.Secret%3f/Read", b"/pkg.Secret?x", b"/pkg.Secret#x", b"/%00/pkg.Secret",
        b"/" + b"%25" * 2 + b"2525252525" + b"70kg.Secret", b"/" + b"a/../" * 1000 + b"pkg.Secret",
    ],
)  # fmt: skip
def test_disguises(path: bytes) -> None:
    assert ask(GUARDED, path=path)["verdict"] != ADMITTED


@pytest.mark.parametrize("path", [b"/pkg.Secrets/Read", b"/pkg.Open/Read", b"/x?/pkg.Secret", b"/pkg", b"/"])
def test_other_paths_are_open(path: bytes) -> None:
    found = ask(GUARDED, path=path)
    assert (found["verdict"], found["application"]) == (ADMITTED, None)


@given(st.binary(max_size=40).map(lambda octets: b"/" + octets.replace(b"\0", b"")))
def test_another_reading_is_a_straight_path(path: bytes) -> None:
    """And reading it once more changes nothing."""
    other = path_other_reading(path)[1]
    if other is not None:
        assert other.startswith(b"/")
        assert b"//" not in other
        assert not {b".", b".."} & set(other.split(b"/"))


# hosts and applications


def test_the_most_special_application_judges() -> None:
    never = policy("DENY", EVERYONE)
    entry = AccessEntry("gw.test", [
        ApplicationEntry("exact", "api.gw.test", "", [policy("BYPASS", EVERYONE)]),
        ApplicationEntry("below", "*.gw.test", "", [never]),
        ApplicationEntry("path", "", "/pkg.*", [never]),
    ])  # fmt: skip
    where = AccessTable(entry, Vault())
    assert [ask(where, hostname=host, path=path)["application"] for host, path in (
        (b"api.gw.test", PATH), (b"x.api.gw.test", PATH), (b"gw.test", PATH), (b"gw.test", b"/other"),
        (b"xapi.gw.test", PATH), (b"evilgw.test", b"/other"),
    )] == [0, 1, 2, None, 1, None]  # fmt: skip


# policies


def test_order_of_decisions() -> None:
    """Bypass and service authentication are asked before denials."""
    denies = policy("DENY", EVERYONE)
    assert ask(table(denies, policy("SERVICE_AUTH", ANY)), *PAIR)["verdict"] == ADMITTED
    assert ask(table(denies, policy("ALLOW", ANY)), *PAIR)["verdict"] == FORBIDDEN
    assert ask(table(policy("ALLOW", EVERYONE), denies))["verdict"] == ADMITTED


def test_known_and_not_permitted() -> None:
    """403 for who is known, 401 for who is not."""
    where = table(policy("SERVICE_AUTH", asked(AskedKind.SERVICE_TOKEN, tokens=[1])))
    assert ask(where, *PAIR)["verdict"] == FORBIDDEN
    assert ask(where)["verdict"] == UNAUTHENTICATED


def test_require_and_exclude() -> None:
    at_home, away = bytes([10, 1, 2, 3]), bytes([11, 1, 2, 3])
    where = table(policy("SERVICE_AUTH", ANY, required=(HOME,)))
    assert ask(where, *PAIR, client=at_home)["verdict"] == ADMITTED
    assert ask(where, *PAIR, client=away)["verdict"] == FORBIDDEN
    assert ask(where, *PAIR)["verdict"] == FORBIDDEN
    where = table(policy("SERVICE_AUTH", ANY, excluded=(HOME,)))
    assert ask(where, *PAIR, client=at_home)["verdict"] == FORBIDDEN
    assert ask(where, *PAIR, client=away)["verdict"] == ADMITTED


def test_a_bad_pair_is_not_made_good_by_something_else() -> None:
    where = table(policy("ALLOW", EVERYONE))
    assert ask(where)["verdict"] == ADMITTED
    assert ask(where, (CLIENT, ID))["verdict"] == UNAUTHENTICATED


# tokens and certificates

FACT = asked(AskedKind.TOKEN_FACT, fact=1000)
TOKEN = b"e30.e30.AAAA"


def test_a_token_is_asked_about_once() -> None:
    where = table(policy("ALLOW", FACT))
    bearer = (b"authorization", b"bEARER " + TOKEN)
    found = ask(where, bearer)
    assert found["verdict"] == TO_BE_ASKED
    assert found["asked"] == {b":row": where.number.to_bytes(8, "little"), b":token0": TOKEN}
    key = where.key_of(0, sha(TOKEN))
    where.vault.put_verdict(key, NOW, NOW + 300, NOW + 200, [1000])
    found = ask(where, bearer)
    assert (found["verdict"], found["proof"], found["expires_ms"]) == (ADMITTED, Proof.BY_TOKEN, NOW + 200)
    assert ask(where, bearer, now_ms=NOW + 200)["verdict"] == UNAUTHENTICATED
    assert ask(where, bearer, now_ms=NOW + 300)["verdict"] == TO_BE_ASKED
    assert ask(where, (b"x-token", TOKEN))["verdict"] == TO_BE_ASKED, "another header, another issuer"
    where.renew()
    assert ask(where, bearer)["verdict"] == TO_BE_ASKED


def test_a_token_without_what_is_asked() -> None:
    where = table(policy("ALLOW", FACT))
    where.vault.put_verdict(where.key_of(0, sha(TOKEN)), NOW, NOW + 300, 0, [1])
    assert ask(where, (b"authorization", b"Bearer " + TOKEN))["verdict"] == FORBIDDEN


@pytest.mark.parametrize("flaw", list(Flaw)[1:-1])
def test_a_refused_token(flaw: Flaw) -> None:
    where = table(policy("ALLOW", FACT))
    where.vault.put_verdict(where.key_of(0, sha(TOKEN)), NOW, NOW + 300, 0, [1000], flaw)
    found = ask(where, (b"authorization", b"Bearer " + TOKEN))
    assert found["verdict"] == UNAUTHENTICATED
    assert "the token in authorization " in found["text"]


@pytest.mark.parametrize(
    "fields",
    [
        [(b"authorization", b"Bearer x")], [(b"authorization", b"Bearer a.b.c.d")],
        [(b"authorization", b"Bearer a.b c.d")], [(b"authorization", b"Bearer " + b"a" * 8190 + b".b.c")],
        [(b"authorization", b"Bearer " + TOKEN)] * 2, [(b"x-token", b"Bearer " + TOKEN)],
        [(b"authorization", b"Basic eDp5")], [(b"authorization", TOKEN)], [(b"authorization", b"Bearer ")],
        [(b"cookie", b"CF_Authorization=" + TOKEN)], [(WHO, TOKEN)],
    ],
)  # fmt: skip
def test_tokens_that_nobody_is_asked_about(fields: list[tuple[bytes, bytes]]) -> None:
    assert ask(table(policy("ALLOW", FACT)), *fields)["verdict"] == UNAUTHENTICATED


def test_nobody_is_asked_where_it_does_not_matter() -> None:
    where = table(policy("SERVICE_AUTH", ANY), policy("ALLOW", FACT))
    bearer = (b"authorization", b"Bearer " + TOKEN)
    assert ask(where, *PAIR, bearer)["verdict"] == ADMITTED
    assert ask(where, (CLIENT, ID), bearer)["verdict"] == UNAUTHENTICATED
    assert ask(table(policy("SERVICE_AUTH", ANY)), bearer)["verdict"] == UNAUTHENTICATED
    required = table(policy("ALLOW", FACT, required=(HOME,)))
    assert ask(required, bearer)["verdict"] in (TO_BE_ASKED, UNAUTHENTICATED)


def test_certificates() -> None:
    where = table(policy("ALLOW", asked(AskedKind.CERTIFICATE_FACT, fact=7)))
    shown = {"certificate": b"DER", "digest": sha(b"DER")}
    assert ask(where, **shown)["asked"][b":certificate"] == b"DER"
    assert ask(where, **shown, trusted=False)["verdict"] == UNAUTHENTICATED
    where.vault.put_verdict(where.key_of(4, sha(b"DER")), NOW, NOW + 300, NOW + 100, [7])
    found = ask(where, **shown)
    assert (found["verdict"], found["proof"]) == (ADMITTED, Proof.BY_CERTIFICATE)
    assert ask(where, **shown, trusted=False)["verdict"] == UNAUTHENTICATED
    assert ask(where)["verdict"] == UNAUTHENTICATED


def test_the_origin_is_told() -> None:
    where = table(policy("SERVICE_AUTH", ANY), identity="x-who")
    found = ask(where, *PAIR)
    assert found["verdict"] == TO_BE_ASKED
    assert found["asked"][b":assertion"] == b"\x01\0\0\0\0" + sha(ID)
    where.vault.put_assertion(where.key_of_assertion(1, 0, sha(ID)), NOW, NOW + 10, b"word")
    assert ask(where, *PAIR)["verdict"] == ADMITTED
    assert ask(where, *PAIR, now_ms=NOW + 10)["verdict"] == TO_BE_ASKED


# what is remembered


def test_refusals_push_out_no_verdict() -> None:
    vault = Vault()
    vault.put_verdict(sha(b"good"), 0, 100, 0, [1])
    for number in range(20_000):
        vault.put_verdict(sha(b"%d" % number), 0, 1000, 0, (), Flaw.MALFORMED)
    assert vault.verdict(sha(b"good"), 0) == (Flaw.FLAWLESS, 0, [1])
    assert vault.verdict(sha(b"good"), 100) is None
    assert vault.evicted > 10_000


def test_nothing_too_large_is_kept() -> None:
    vault = Vault()
    with pytest.raises(ValueError, match="at most 2040"):
        vault.put_assertion(sha(b""), 0, 1, b"x" * 2041)
    with pytest.raises(ValueError, match="no fact 1024"):
        vault.put_verdict(sha(b""), 0, 1, 0, [1024])
    with pytest.raises(OverflowError, match="at most are 4"):
        AccessTable(AccessEntry("z", [], headers=["a", "b", "c", "d", "e"]), vault)
