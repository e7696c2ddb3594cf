"""Who gets in, which forms are taken, what pages may load; what lies there is what npm has brought."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from fastgw.dashboard import sessions, site
from fastgw.dashboard.table import PAGES
from fastgw.store import tokens
from tests.dashboard.conftest import Visitor

VENDOR = Path(site.HERE) / "static/vendor"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_without_a_session_there_is_only_the_login(api, stranger):
    for page in PAGES:
        path = page.path.replace("{zone_id}", "0" * 32)
        answer = stranger.get(f"{api.root}/dashboard{path}")
        assert answer.status_code == 303
        assert "/dashboard/login" in answer.headers["location"]
        for name in page.writes:
            answer = stranger.post(f"{api.root}/dashboard{path.rstrip('/')}/do/{name}", data={"csrf": ""})
            assert answer.status_code == 303


def test_a_wrong_token_is_told_so_and_counted(api, stranger):
    url = f"{api.root}/dashboard/login"
    answer = stranger.post(url, data={"token": "x" * 40})
    assert answer.status_code == 401
    assert "not good here" in answer.text
    for _ in range(30):
        answer = stranger.post(url, data={"token": "x" * 40})
    assert answer.status_code == 429


def test_the_cookie_is_for_nobody_else(api, stranger):
    answer = stranger.post(f"{api.root}/dashboard/login", data={"token": api.token})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/dashboard" in cookie
    assert api.token not in cookie


@pytest.mark.parametrize(
    "target", ["//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)"]
)
def test_the_login_leads_nowhere_else(api, target, stranger):
    answer = stranger.post(f"{api.root}/dashboard/login", data={"token": api.token, "next": target})
    assert answer.headers["location"] == "/dashboard/"


def test_the_login_leads_where_one_wanted_to_go(api, stranger):
    answer = stranger.get(f"{api.root}/dashboard/zones")
    assert answer.headers["location"] == "/dashboard/login?next=/zones"
    answer = stranger.post(f"{api.root}/dashboard/login", data={"token": api.token, "next": "/zones"})
    assert answer.headers["location"] == "/dashboard/zones"


def test_logging_out_ends_the_session(visitor):
    cookies = dict(visitor.http.cookies)
    visitor.send("/logout")
    assert "Log in" in visitor.words
    again = httpx.get(f"{visitor.http.base_url}zones", cookies=cookies)
    assert again.status_code == 303


def test_logging_in_anew_ends_the_session_before(api, stranger):
    url = f"{api.root}/dashboard/login"
    stranger.post(url, data={"token": api.token})
    before = dict(stranger.cookies)
    stranger.post(url, data={"token": api.token})
    assert stranger.get(f"{api.root}/dashboard/zones").status_code == 200
    assert httpx.get(f"{api.root}/dashboard/zones", cookies=before).status_code == 303


async def test_mounted_in_an_application_it_knows_its_place(api):
    app = Starlette(routes=[Mount("/gw", api.admin.app)])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tests/gw") as client:
        assert (await client.get("/")).headers["location"] == "/gw/dashboard/"
        answer = await client.get("/dashboard/zones")
        assert answer.headers["location"] == "/gw/dashboard/login?next=/zones"
        answer = await client.get("/dashboard/login")
        assert 'href="/gw/dashboard/static/style.css"' in answer.text
        assert (await client.get("/dashboard/static/style.css")).status_code == 200
        answer = await client.post("/dashboard/login", data={"token": api.token})
        assert "Path=/gw/dashboard" in answer.headers["set-cookie"]
        assert 'action="/gw/dashboard/logout"' in (await client.get("/dashboard/")).text


def test_a_stranger_cannot_log_somebody_out(visitor):
    visitor.http.post("/logout", data={"csrf": "wrong"})
    assert "Add a zone" in visitor.see("/zones")


def test_a_form_needs_its_token_and_its_origin(api, visitor):
    for csrf, headers in (
        ("", {}),
        ("wrong", {}),
        (visitor.csrf, {"origin": "http://evil.test"}),
        (visitor.csrf, {"sec-fetch-site": "cross-site"}),
        (visitor.csrf, {"sec-fetch-site": "same-site", "origin": api.root}),
    ):
        answer = visitor.http.post("/zones/do/add", data={"csrf": csrf, "name": "a.test"}, headers=headers)
        assert answer.status_code == 403
    assert [zone.name for zone in api.sdk.zones.list()] == []
    visitor.http.post(
        "/zones/do/add", data={"csrf": visitor.csrf, "name": "a.test"}, headers={"origin": api.root}
    )
    assert [zone.name for zone in api.sdk.zones.list()] == ["a.test"]


@pytest.mark.parametrize("how", ["removed", "rolled", "disabled"])
def test_a_token_that_is_revoked_ends_its_sessions(api, how):
    secret = api.new_token("zones:read")
    visitor = Visitor(api, secret)
    assert "Zones" in visitor.see("/zones")
    token = tokens.find(api.zones, secret)
    path = f"/user/tokens/{token.id}"
    if how == "removed":
        api.http.delete(path).raise_for_status()
    elif how == "rolled":
        api.http.put(f"{path}/value", json={}).raise_for_status()
    else:
        told = api.http.get(path).json()["result"]
        api.http.put(path, json={**told, "status": "disabled"}).raise_for_status()
    assert "Log in" in visitor.see("/zones")


def test_sessions_end_by_themselves(api):
    now = [1000.0]
    kept = sessions.Sessions(api.zones, lambda: now[0])
    token = tokens.find(api.zones, api.token)
    key = kept.begin(token)
    now[0] += sessions.IDLE - 1
    assert kept.find(key, "") is not None
    now[0] += sessions.IDLE
    assert kept.find(key, "") is None
    key = kept.begin(token)
    for _ in range(int(sessions.LONGEST / sessions.IDLE * 2) - 1):
        now[0] += sessions.IDLE / 2
        assert kept.find(key, "") is not None
    now[0] += sessions.IDLE / 2
    assert kept.find(key, "") is None
    assert not kept.anybody


def test_what_a_token_may_not_do_the_dashboard_does_not(api):
    id_ = api.zone("shop.test")
    visitor = Visitor(api, api.new_token("zones:read"))
    visitor.see(f"/zones/{id_}")
    said = visitor.send(f"/zones/{id_}/do/pause", paused="on")
    assert visitor.last.status_code == 403
    assert "it needs the scope zones:write" in said
    assert api.sdk.zones.get(zone_id=id_).paused is False


def test_a_write_is_in_the_log_of_changes_under_its_token(api, visitor):
    visitor.send("/zones/do/add", name="a.test")
    rows = api.http.get(f"/accounts/{api.account}/audit_logs").json()["result"]
    row = next(row for row in rows if row["resource"].get("name") == "a.test")
    assert row["actor"]["id"] == tokens.find(api.zones, api.token).id


def test_pages_load_nothing_from_elsewhere_and_no_text_is_a_script(api, visitor):
    id_ = api.zone("shop.test")
    for page in PAGES:
        visitor.see(page.path.replace("{zone_id}", id_))
        assert visitor.last.status_code == 200, page.path
        policy = visitor.last.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert visitor.last.headers["cache-control"] == "no-store"
        text = visitor.last.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text), page.path
        assert all(url.startswith("/") for url in re.findall(r'(?:src|href)="([^"#?]*)', text) if url)


def test_strange_text_is_shown_as_it_is(visitor):
    said = visitor.send("/zones/do/add", name=EVIL)
    assert visitor.last.status_code == 400
    assert EVIL not in visitor.last.text
    assert "Nothing was changed" in said
    visitor.see(f"/zones?name={EVIL}")
    assert EVIL not in visitor.last.text


@pytest.mark.parametrize(
    "name", ["../site.py", "..%2fsite.py", "vendor/../../site.py", "vendor/vendored.json", "nothing"]
)
def test_only_files_of_pages_are_given(api, name, stranger):
    assert stranger.get(f"{api.root}/dashboard/static/{name}").status_code == 404


def test_the_vendored_files_are_those_of_their_packages():
    listed = {}
    for row in json.loads((VENDOR / "vendored.json").read_text()):
        for name, file in row["files"].items():
            listed[name] = file["sha256"]
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del there["vendored.json"]
    assert there == listed
