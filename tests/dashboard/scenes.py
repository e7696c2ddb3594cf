"""Zones, calls and strange texts to look at; and every page of the dashboard with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import grpc

from fastgw.dashboard.table import PAGES
from tests.admin.conftest import Api
from tests.support.grpc_echo import channel, same

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def paths(zone: str) -> list[str]:
    """Every page that needs no more than a zone."""
    found = [page.path.replace("{zone_id}", zone) for page in PAGES]
    return [path for path in found if "{" not in path]


@contextlib.contextmanager
def caller(api: Api, name: str) -> Iterator[grpc.Channel]:
    """A connection for many calls."""
    host, _, port = api.gateway.addresses[0].rpartition(":")
    with channel((host, int(port)), ca_pem=api.ca.pem, name=name) as opened:
        yield opened


def ask(opened: grpc.Channel, path: str, **metadata: str) -> grpc.StatusCode:
    """One call of any method; how it ends."""
    method = opened.unary_unary(path, request_serializer=same, response_deserializer=same)
    try:
        method(b"hello", timeout=5, metadata=tuple(metadata.items()))
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def furnish(api: Api) -> str:
    """Some zones, with texts that would be scripts elsewhere; the id of the first."""
    first = api.zone("shop.test")
    second = api.zone("billing.test", grpc=False)
    api.sdk.zones.create(account={"id": api.account}, name="a-rather-long-name-of-a-zone.example.test")
    api.record(first, "evil.shop.test", comment=EVIL)
    api.http.post(
        f"/zones/{second}/dns_records", json={"type": "TXT", "name": "billing.test", "content": EVIL}
    )
    _write_rules(api, first)
    return first


def _write_rules(api: Api, zone: str) -> None:
    """Rules, an application and a token, with strange texts too."""
    rules = [
        {
            "action": "block",
            "expression": 'http.request.uri.path eq "/fastgw.test.Echo/Nothing"',
            "description": EVIL,
        },
        {"action": "log", "expression": "ip.src in {10.0.0.0/8 192.168.0.0/16}", "enabled": False},
    ]
    body = {"kind": "zone", "phase": "http_request_firewall_custom", "name": "default", "rules": rules}
    api.http.post(f"/zones/{zone}/rulesets", json=body).raise_for_status()
    token = api.http.post(f"/zones/{zone}/access/service_tokens", json={"name": EVIL})
    token.raise_for_status()
    include = [{"service_token": {"token_id": token.json()["result"]["id"]}}]
    policy = {"name": EVIL, "decision": "non_identity", "include": include}
    app = {"name": EVIL, "domain": "evil.shop.test", "type": "self_hosted", "policies": [policy]}
    api.http.post(f"/zones/{zone}/access/apps", json=app).raise_for_status()
