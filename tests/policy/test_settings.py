"""The catalogue of settings and the values that a zone has."""

from __future__ import annotations

import dataclasses
import re

import pytest

from fastgw.policy.catalogue import CATALOGUE, KEPT
from fastgw.policy.settings import Settings, attribute, describe, settings_of, value_of

# What an unmodified client of the reference product may ask for (reference section 10.4).
REFERENCE = """
0rtt, advanced_ddos, aegis, always_online, always_use_https, automatic_https_rewrites,
automatic_platform_optimization, brotli, browser_cache_ttl, browser_check, cache_level, challenge_ttl,
china_network_enabled, ciphers, cname_flattening, content_converter, development_mode, early_hints,
edge_cache_ttl, email_obfuscation, h2_prioritization, hotlink_protection, http2, http3, image_resizing,
ip_geolocation, ipv6, max_upload, min_tls_version, mirage, nel, opportunistic_encryption,
opportunistic_onion, orange_to_orange, origin_error_page_pass_thru, origin_h2_max_streams,
origin_max_http_version, polish, prefetch_preload, pre_render, privacy_pass, proxy_read_timeout,
pseudo_ipv4, redirects_for_ai_training, replace_insecure_js, response_buffering, rocket_loader,
search_for_agents, security_header, security_level, server_side_exclude, sha1_support,
sort_query_string_for_cache, ssl, ssl_recommender, tls_1_2_only, tls_1_3, tls_client_auth,
transformations, transformations_allowed_origins, true_client_ip_header, waf, webmcp_enabled,
webmcp_packs, webp, websockets, long_lived_grpc, log_to_cloudflare, filter_logs_to_cloudflare,
visitor_ip, pq_keyex, ech, minify, mobile_redirect
"""


def test_every_id_of_the_reference_is_known():
    assert set(re.findall(r"\w+", REFERENCE)) - CATALOGUE.keys() == set()
    assert {"grpc", "http", "origin_connect_timeout", "origin_handshake_timeout"} <= CATALOGUE.keys()


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.id)
def test_a_row_has_an_effect_or_says_that_it_has_none(row):
    known = {field.name for field in dataclasses.fields(Settings)} - {"kept"}
    assert (attribute(row) in known) == (not row.kept)
    assert row.effect.startswith(KEPT) or len(row.effect) > 10
    assert row.section
    if row.type == "enum":
        assert row.default in row.values
    if row.type in ("duration", "integer") and not row.values:
        assert row.least < row.most
        assert row.least <= row.default <= row.most


def test_every_value_has_its_row():
    assert {attribute(row) for row in CATALOGUE.values() if not row.kept} == {
        field.name for field in dataclasses.fields(Settings)
    } - {"kept"}


def test_nothing_written_is_the_default():
    assert settings_of({}) == Settings()
    defaults = {row.id: row.default for row in CATALOGUE.values() if not row.kept}
    assert settings_of(defaults) == Settings()


def test_what_is_kept_comes_back():
    value = {"strict_transport_security": {"enabled": True, "max_age": 300}}
    mine = settings_of({"security_header": value, "brotli": "off", "grpc": "on"})
    assert mine.grpc
    assert value_of(mine, CATALOGUE["security_header"]) == value
    assert value_of(mine, CATALOGUE["brotli"]) == "off"
    assert value_of(mine, CATALOGUE["webp"]) == "off"
    assert mine != settings_of({"grpc": "on"})
    assert mine == settings_of({"grpc": "on", "brotli": "off", "security_header": value})
    hash(mine)


def test_describe_has_every_row_in_the_form_of_the_reference():
    mine = Settings(grpc=True, proxy_read_timeout_ms=120_000, zero_rtt=True, ciphers=("a",))
    rows = {row["id"]: row for row in describe(mine)}
    assert list(rows) == list(CATALOGUE)
    assert rows["grpc"]["value"] == "on"
    assert rows["proxy_read_timeout"]["value"] == 120
    assert rows["0rtt"]["value"] == "on"
    assert rows["ciphers"]["value"] == ["a"]
    assert rows["origin_connect_timeout"]["value"] == 19
    assert not rows["advanced_ddos"]["editable"]
    assert not rows["brotli"]["effective"]
    assert rows["long_lived_grpc"]["effective"]
    odd = value_of(Settings(proxy_read_timeout_ms=1500), CATALOGUE["proxy_read_timeout"])
    assert odd == "1500ms"


def test_idle_and_modes():
    assert Settings().idle_ms == 100_000
    assert Settings(long_lived_grpc=True).idle_ms == 0
    assert [Settings(ssl=mode).encrypted for mode in ("off", "flexible", "full", "strict")] == [
        False,
        False,
        True,
        True,
    ]
    assert [Settings(ssl=mode).verified for mode in ("full", "strict", "origin_pull")] == [False, True, True]
