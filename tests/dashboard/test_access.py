"""Service tokens are made and shown once, applications ask for them; and where calls go is shown."""

from __future__ import annotations

import html
import re

import grpc

from tests.dashboard.scenes import EVIL, ask, caller

ECHO = "/fastgw.test.Echo/Unary"


def _made(visitor) -> dict[str, str]:
    found = re.findall(r"<dt>(CF-Access-[A-Za-z-]+)</dt><dd[^>]*>([^<]+)</dd>", visitor.last.text)
    return {name.lower(): html.unescape(value) for name, value in found}


def test_a_service_token_lets_a_real_call_in(api, visitor):
    id_ = api.zone("shop.test")
    assert "There is no application" in visitor.see(f"/zones/{id_}/access")
    at = f"/zones/{id_}/access/do"
    assert "it is shown this once" in visitor.send(f"{at}/make", token="robot", duration="24h")
    fields = _made(visitor)
    assert len(fields) == 2
    secret = fields["cf-access-client-secret"]
    visitor.see(f"/zones/{id_}/access")
    assert "robot" in visitor.words
    assert secret not in visitor.last.text
    said = visitor.send(
        f"{at}/add", domain="shop.test", name=EVIL, decision="non_identity", whose="any_valid_service_token"
    )
    assert "Its callers are asked from now on" in said
    assert "<img" not in visitor.last.text
    with caller(api, "shop.test") as opened:
        assert ask(opened, ECHO) is grpc.StatusCode.UNAUTHENTICATED
        assert ask(opened, ECHO, **fields) is grpc.StatusCode.OK
        (token,) = api.http.get(f"/zones/{id_}/access/service_tokens").json()["result"]
        assert "it is shown this once" in visitor.send(f"{at}/rotate", id=token["id"])
        assert ask(opened, ECHO, **fields) is not grpc.StatusCode.OK
        assert ask(opened, ECHO, **_made(visitor)) is grpc.StatusCode.OK
    (app,) = api.http.get(f"/zones/{id_}/access/apps").json()["result"]
    said = visitor.send(
        f"{at}/admit", app=app["id"], decision="bypass", whose="ip", values="127.0.0.0/8", policy="near"
    )
    assert "The policy is in force" in said
    assert "near" in said
    assert api.call("shop.test") == b"hello"
    assert "The application was removed" in visitor.send(f"{at}/remove", id=app["id"])
    assert "not good any more" in visitor.send(f"{at}/revoke", id=token["id"])
    assert "There is no service token yet" in visitor.words


def test_what_is_wrong_with_an_application_is_said(api, visitor):
    id_ = api.zone("shop.test")
    visitor.see(f"/zones/{id_}/access")
    said = visitor.send(
        f"/zones/{id_}/access/do/add", domain="other.test", decision="non_identity", whose="everyone"
    )
    assert "Nothing was changed" in said
    assert 'value="other.test"' in visitor.last.text


def test_origins_have_health_latency_and_share(api, visitor):
    id_ = api.zone("shop.test")
    api.record(id_, "named.shop.test", type="CNAME", content="localhost")
    assert api.call("shop.test") == b"hello"
    said = visitor.see(f"/zones/{id_}/origins")
    assert f"127.0.0.1:{api.origin.port} well" in said
    assert re.search(r"\d\.\d ms 100 %", said)
    assert "counts its addresses one by one" in said
