"""Nobody gets in who should not, and whoever knocks disturbs nobody."""

import json
import socket
import threading
import time

import cloudflare
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.admin import auth, server
from fastgw.admin.auth import Meter
from fastgw.store import tokens
from fastgw.store.ids import zone_id


def get(api, token: str | None = None, path: str = "/zones", **headers: str) -> httpx.Response:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return api.bare.get(api.url + path, headers=headers)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, 10000),
        ({"authorization": "Bearer"}, 400, 6003),
        ({"authorization": "Basic dTpw"}, 400, 6003),
        ({"authorization": "Bearer " + "x" * 40}, 401, 1000),
        ({"authorization": "Bearer " + "0" * 40}, 401, 1000),
        ({"authorization": "Bearer " + "%" * 5000}, 401, 1000),
        ({"x-auth-email": "a@b.test", "x-auth-key": "0" * 37}, 400, 6003),
    ],
)
def test_without_a_good_token(api, headers, status, code):
    answer = get(api, **headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert answer.json()["success"] is False


def test_the_trap_of_the_email_is_explained(api, monkeypatch):
    client = cloudflare.Cloudflare(api_token=api.token, api_email="a@b.test", base_url=api.url, max_retries=0)
    with pytest.raises(cloudflare.BadRequestError, match="CLOUDFLARE_EMAIL"):
        client.zones.list()


@pytest.mark.parametrize(
    ("scope", "method", "path", "fine"),
    [
        ("zones:read", "GET", "/zones", True),
        ("zones:read", "GET", "/zones/{zone}", True),
        ("zones:read", "PATCH", "/zones/{zone}", False),
        ("zones:read", "GET", "/zones/{zone}/settings", False),
        ("settings:read", "GET", "/zones/{zone}/settings/grpc", True),
        ("settings:read", "PATCH", "/zones/{zone}/settings/grpc", False),
        ("settings:write", "GET", "/zones/{zone}/settings/grpc", True),
        ("dns:write", "GET", "/zones/{zone}/dns_records", True),
        ("dns:write", "GET", "/zones/{zone}/custom_certificates", False),
        ("dns:write", "GET", "/user/tokens", False),
        ("tokens:read", "POST", "/user/tokens", False),
        ("audit:read", "GET", "/accounts/{account}/audit_logs", True),
        ("gateway:read", "POST", "{root}/fastgw/v1/drain", False),
    ],
)
def test_scopes(api, scope, method, path, fine):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    url = path.format(zone=zone, account=api.account, root=api.root)
    token = api.new_token(scope)
    body = None if method == "GET" else {"value": "on"}
    answer = httpx.request(
        method,
        url if "://" in url else api.url + url,
        headers={"authorization": f"Bearer {token}"},
        json=body,
    )
    assert answer.status_code == (200 if fine else 403), answer.text
    if not fine:
        assert answer.json()["errors"][0]["code"] == 10000


def test_a_token_of_one_zone(api):
    mine = api.sdk.zones.create(account={"id": api.account}, name="mine.test").id
    other = api.sdk.zones.create(account={"id": api.account}, name="other.test").id
    token = api.new_token("zones:write", "settings:write", "origins:write", zones=(mine,))
    client = api.client(token)
    assert [one.name for one in client.zones.list()] == ["mine.test"]
    client.zones.settings.edit("grpc", zone_id=mine, value="on")
    for call in (
        lambda: client.zones.get(zone_id=other),
        lambda: client.zones.settings.edit("grpc", zone_id=other, value="on"),
        lambda: client.zones.create(account={"id": api.account}, name="new.test"),
        lambda: client.load_balancers.pools.list(account_id=api.account),
    ):
        with pytest.raises(cloudflare.PermissionDeniedError):
            call()
    nowhere = get(api, token, f"/zones/{'0' * 32}")
    assert nowhere.status_code == get(api, token, f"/zones/{other}").status_code == 403, (
        "none tells which exist"
    )
    assert zone_id("new.test") not in {one.id for one in api.sdk.zones.list()}


def test_tokens_that_are_over(api):
    now = time.time()
    cases = {
        "expired": api.new_token("*", expires_on=now - 1),
        "disabled": api.new_token("*", enabled=False),
    }
    later = api.new_token("*", not_before=now + 60)
    elsewhere = api.new_token("*", within=("10.0.0.0/8",))
    for status, token in cases.items():
        assert get(api, token).status_code == 401
        assert api.client(token).user.tokens.verify().status == status
    assert get(api, later).status_code == 401
    assert get(api, elsewhere).status_code == 403


def test_tokens_through_the_sdk(api):
    groups = {one.name: one.id for one in api.sdk.user.tokens.permission_groups.list()}
    policy = {
        "effect": "allow",
        "permission_groups": [{"id": groups["zones:read"]}],
        "resources": {f"com.cloudflare.api.account.{api.account}": "*"},
    }
    made = api.sdk.user.tokens.create(name="ci", policies=[policy], expires_on="2099-01-01T00:00:00Z")
    assert len(made.value) == 40
    client = api.client(made.value)
    assert client.user.tokens.verify().id == made.id
    assert list(client.zones.list()) == []
    shown = api.http.get(f"/user/tokens/{made.id}").json()["result"]
    assert shown["value"] is None, "a secret is shown once"
    assert made.value not in api.http.get(f"/accounts/{api.account}/audit_logs").text
    assert tokens.hash_of(made.value) not in api.http.get(f"/accounts/{api.account}/audit_logs").text
    fresh = api.sdk.user.tokens.value.update(made.id, extra_body={})
    with pytest.raises(cloudflare.AuthenticationError):
        client.zones.list()
    again = api.client(fresh)
    again.zones.list()
    api.sdk.user.tokens.update(made.id, name="ci", policies=[policy], status="disabled")
    with pytest.raises(cloudflare.AuthenticationError):
        again.zones.list()
    assert {one.name for one in api.sdk.user.tokens.list()} == {"tests", "ci"}
    api.sdk.user.tokens.delete(made.id)
    with pytest.raises(cloudflare.NotFoundError):
        api.sdk.user.tokens.get(made.id)


def test_nobody_gives_away_what_he_may_not_do(api):
    client = api.client(api.new_token("tokens:write", "dns:read"))
    where = {f"com.cloudflare.api.account.{api.account}": "*"}

    def make(scope: str):
        return client.user.tokens.create(
            name="more",
            policies=[{"effect": "allow", "permission_groups": [{"id": scope}], "resources": where}],
        )

    assert make("dns:read").id
    for scope in ("dns:write", "zones:read", "*"):
        with pytest.raises(cloudflare.PermissionDeniedError):
            make(scope)
    mighty = next(one for one in api.sdk.user.tokens.list() if one.name == "tests").id
    with pytest.raises(cloudflare.PermissionDeniedError):
        client.user.tokens.value.update(mighty, extra_body={})


def test_guessing_is_slowed_down_and_good_tokens_are_not(api):
    statuses = [get(api, f"{number:040x}").status_code for number in range(auth.FAILURES + 5)]
    assert statuses[: auth.FAILURES] == [401] * auth.FAILURES
    assert statuses[auth.FAILURES :] == [429] * 5
    assert get(api, api.token).status_code == 200


def test_a_token_has_so_many_requests(api):
    api.admin.gatekeeper.requests = Meter(5, 300.0)
    answers = [get(api, api.token) for _ in range(7)]
    assert [one.status_code for one in answers] == [200] * 5 + [429] * 2
    assert answers[0].headers["ratelimit-policy"] == '"default";q=5;w=300'
    assert answers[0].headers["ratelimit"].startswith('"default";r=4;t=')
    assert int(answers[-1].headers["retry-after"]) <= 300


def test_the_meter_forgets():
    now = [0.0]
    meter = Meter(2, 10.0, lambda: now[0])
    assert [meter.take("a")[0] for _ in range(3)] == [True, True, False]
    now[0] = 10.5
    assert meter.take("a")[0] is True


@pytest.mark.parametrize(
    "octets", [b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff\xfe", b'{"name": NaN}']
)
def test_bodies_that_are_no_json(api, octets):
    answer = api.http.post("/zones", content=octets)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] in (6007, 100400)


def test_bodies_that_are_too_long(api):
    assert api.http.post("/zones", content=b" " * (2 << 20)).status_code == 413

    def pieces():
        for _ in range(64):
            yield b" " * 65536

    assert api.http.post("/zones", content=pieces()).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/zones/../user",
        "/zones/%2e%2e/user",
        "/zones/%2fetc",
        "/zones/a%00b",
        "//zones",
        "/zones/",
        "/nothing",
        "/zones/x/y/z",
    ],
)
def test_paths_that_lead_nowhere(api, path):
    host, _, port = api.root.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        head = ["host: x", f"authorization: Bearer {api.token}", "connection: close", "", ""]
        raw.sendall("\r\n".join([f"GET /client/v4{path} HTTP/1.1", *head]).encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    status = int(answer.split()[1])
    assert status in (307, 404), answer
    if status == 404:
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["success"] is False


def test_another_method(api):
    answer = api.http.request("PURGE", "/zones")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (405, 7001)


def test_slow_clients_are_let_go(api, monkeypatch):
    monkeypatch.setattr(server, "PATIENCE", 0.4)
    host, _, port = api.root.removeprefix("http://").rpartition(":")
    silent, drop_by_drop = (socket.create_connection((host, int(port)), timeout=5) for _ in range(2))
    ended = threading.Event()

    def drip() -> None:
        try:
            for octet in b"GET /client/v4/zones HTTP/1.1\r\n" + b"x: y\r\n" * 100:
                drop_by_drop.send(bytes([octet]))
                time.sleep(0.05)
        except OSError:
            ended.set()

    dripping = threading.Thread(target=drip)
    dripping.start()
    assert silent.recv(1) == b""
    assert ended.wait(5)
    dripping.join()
    for one in (silent, drop_by_drop):
        one.close()


def test_a_body_that_does_not_come(api, monkeypatch):
    monkeypatch.setattr("fastgw.admin.app.PATIENCE", 0.3)
    host, _, port = api.root.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        head = ["host: x", f"authorization: Bearer {api.token}", "content-length: 50", "", ""]
        raw.sendall("\r\n".join(["POST /client/v4/zones HTTP/1.1", *head]).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 408")


def test_the_data_plane_does_not_notice(api):
    api.zone()
    stop = threading.Event()

    def hammer() -> None:
        with httpx.Client() as client:
            while not stop.is_set():
                client.post(
                    f"{api.url}/zones", content=b"x" * 1000, headers={"authorization": "Bearer nonsense"}
                )

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for one in threads:
        one.start()
    try:
        for _ in range(10):
            assert api.call("shop.test") == b"hello"
    finally:
        stop.set()
        for one in threads:
            one.join()


@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_guess_is_a_token(lasting, text, octets):
    assert tokens.find(lasting.zones, text) is None
    assert tokens.find(lasting.zones, octets.decode("latin-1")) is None
    assert tokens.find(lasting.zones, lasting.token[:-1] + ("a" if lasting.token[-1] != "a" else "b")) is None
    assert tokens.find(lasting.zones, lasting.token) is not None
