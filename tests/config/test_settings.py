"""[zone.settings] in the file: good and bad values of every row, and a schema that says the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.config import load
from fastgw.config.load import examine
from fastgw.config.model import schema
from fastgw.errors import ConfigError
from fastgw.policy.catalogue import CATALOGUE, CIPHERS, Setting
from fastgw.policy.settings import Settings, value_of

DEFS = schema()["$defs"]
SCHEMAS = DEFS["SettingsTable"]["properties"]


def data(**written: Any) -> dict[str, Any]:
    return {"zone": [{"name": "gw.test", "settings": written}], "server": {"listen": ["h2c://[::1]:0"]}}


def taken(**written: Any) -> Settings:
    return load(data(**written)).zones[0].settings


def good_values(row: Setting) -> list[Any]:
    if row.type == "on_off":
        return ["on", "off"]
    if row.type == "boolean":
        return [True, False]
    if row.type == "duration":
        return ["10s", "500ms", "1.5m", 120, 120.0, "120"]
    if row.type == "integer":
        return list(row.values) or [row.least, row.most]
    if row.type == "list":
        return [[], list(row.values[:2]) or ["a.example"]]
    if row.type == "object":
        return [{}, row.default, {field.id: good_values(field)[0] for field in row.fields}]
    return list(row.values) or ["", "text"]


def bad_values(row: Setting) -> list[Any]:
    common: list[Any] = [None, {"surely": "unknown"}, [[]], 3.5]
    if row.type == "duration":
        return [
            None,
            {},
            [],
            True,
            0,
            -1,
            "0s",
            "-1s",
            "1d",
            "25h",
            86_401,
            "",
            "ten",
            f"{'9' * 400}s",
            "9" * 400,
            float("nan"),
            float("inf"),
        ]
    if row.type == "integer":
        return [*common, row.least - 1, row.most + 1 if not row.values else max(row.values) + 1, "5", True]
    if row.type == "list":
        return [None, "text", 5, [5], *([["surely-unknown"], [row.values[0]] * 2] if row.values else [[""]])]
    if row.type == "object":
        return [None, "text", 5, [], {"surely": "unknown"}, {row.fields[0].id: []}]
    if row.type == "text":
        return [None, 5, []]
    return [*common, True, "surely unknown", ""]


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.id)
def test_good_and_bad_values(row: Setting):
    for value in good_values(row):
        if row.editable or value == row.default:
            verdict = examine(data(**{row.id: value}))
            fields = [problem for problem in verdict.problems if problem.field.startswith("zone[0].settings")]
            told = {problem.rule for problem in fields}
            assert told <= {"setting-kept", "tls-version-low"}, (value, fields)
            assert ("setting-kept" in told) == row.kept
    for value in bad_values(row):
        verdict = examine(data(**{row.id: value}))
        assert verdict.config is None, value
        wanted = f"zone[0].settings.{row.id}"
        assert any(problem.field.startswith(wanted) for problem in verdict.problems), (
            value,
            verdict.problems,
        )


def test_a_row_that_cannot_be_edited():
    with pytest.raises(ConfigError, match="advanced_ddos: is the text 'off', but cannot be changed"):
        load(data(advanced_ddos="off"))


def test_values_arrive():
    mine = taken(
        grpc="on",
        min_tls_version="1.3",
        ciphers=list(CIPHERS[:2]),
        tls_client_auth="on",
        proxy_read_timeout="300",
        origin_connect_timeout="2s",
        **{"0rtt": "on"},
    )
    assert mine == Settings(
        grpc=True,
        min_tls_version="1.3",
        ciphers=CIPHERS[:2],
        tls_client_auth=True,
        proxy_read_timeout_ms=300_000,
        origin_connect_timeout_ms=2000,
        zero_rtt=True,
    )


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"ciphers": ["TLS_AES_128_GCM_SHA256"]}, "the suites of TLS 1.3 are not chosen"),
        ({"ciphers": ["AES128-SHA"]}, "has 'AES128-SHA', which is no suite that HTTP/2 allows (RFC 9113"),
        ({"ciphers": [CIPHERS[0], CIPHERS[0]]}, f"has '{CIPHERS[0]}' twice"),
        ({"min_tls_version": 1.2}, "hint: did you mean '1.2'?"),
        ({"max_upload": 110}, "is 110, which is not one of the numbers that are allowed"),
        ({"grpc": "on", "http2": "off"}, 'http2: is "off", but gRPC is on and is made of HTTP/2'),
        ({"grpc": "on", "origin_max_http_version": "1"}, "origins must speak HTTP/2 to answer it"),
        ({"min_tls_version": "1.3", "tls_1_3": "off"}, "no client could connect"),
        ({"grpc": "on", "ssl": "off"}, 'ssl: is "off", but gRPC is on and is carried over TLS only'),
        ({"securty_level": "low"}, "did you mean 'security_level'?"),
    ],
)
def test_sentences(written, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load(data(**written))


@pytest.mark.parametrize("mode", ["off", "flexible"])
@pytest.mark.parametrize(
    ("records", "good"),
    [
        ([], False),
        ([{"name": "a", "content": "10.0.0.1", "proxied": True}], False),
        ([{"name": "a", "content": "10.0.0.1", "proxied": True, "origin_protocol": "h2c"}], True),
        (
            [
                {"name": "a", "content": "10.0.0.1", "proxied": True, "origin_protocol": "h2c"},
                {"name": "b", "content": "10.0.0.1", "proxied": True},
            ],
            False,
        ),
        (
            [
                {"name": "a", "content": "10.0.0.1", "proxied": True, "origin_protocol": "h2c"},
                {"name": "b", "content": "10.0.0.1"},
                {"name": "a", "content": "words", "type": "TXT"},
            ],
            True,
        ),
    ],
)
def test_grpc_needs_tls_unless_every_proxied_record_is_cleartext_on_purpose(mode, records, good):
    whole = data(grpc="on", ssl=mode)
    whole["zone"][0]["dns"] = records
    verdict = examine(whole)
    assert (verdict.config is not None) == good
    if verdict.config is not None:
        assert verdict.config.zones[0].carries_grpc
    else:
        assert "grpc-needs-tls" in {problem.rule for problem in verdict.problems}


# The schema, read by a small judge of our own: only the words that it uses.


def fits(value: Any, rule: dict[str, Any]) -> bool:
    if "$ref" in rule:
        return fits(value, {**DEFS[rule["$ref"].rpartition("/")[2]]})
    if "anyOf" in rule:
        return any(fits(value, one) for one in rule["anyOf"])
    kinds = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
        "null": value is None,
    }
    if "type" in rule and not kinds[rule["type"]]:
        return False
    if ("enum" in rule and value not in rule["enum"]) or ("const" in rule and value != rule["const"]):
        return False
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        low, over = rule.get("minimum"), rule.get("exclusiveMinimum")
        return (
            (low is None or value >= low)
            and (over is None or value > over)
            and value <= rule.get("maximum", value)
        )
    if isinstance(value, str):
        return len(value) >= rule.get("minLength", 0) and bool(re.search(rule.get("pattern", ""), value))
    if isinstance(value, list):
        unique = not rule.get("uniqueItems") or len({*map(str, value)}) == len(value)
        return unique and all(fits(one, rule["items"]) for one in value)
    if isinstance(value, dict):
        known = rule["properties"]
        return all(key in known and fits(one, known[key]) for key, one in value.items())
    return True


WORDS = sorted(
    {str(word) for row in CATALOGUE.values() for word in (*row.values, row.default)} | {"10s", "1h"}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 100_000)
    | st.floats(-5, 100_000, allow_nan=False)
    | st.sampled_from(WORDS)
    | st.from_regex(r"\A[0-9]{1,4}(ms|s|m|h)\Z")
    | st.text(max_size=3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["enabled", "css", "status", "pool_id", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(CATALOGUE)), VALUES)
def test_the_schema_says_what_is_taken(key: str, value: Any):
    row = CATALOGUE[key]
    verdict = examine(data(**{key: value}))
    accepted = not any(
        problem.rule == "invalid" and problem.field.startswith("zone[0].settings")
        for problem in verdict.problems
    )
    fitting = fits(value, SCHEMAS[key])
    if accepted:
        assert fitting, value
    elif fitting:
        # What a schema cannot say: how long a text with a unit is, and that a row is not to be changed.
        assert row.type == "duration" or not row.editable


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([row.id for row in CATALOGUE.values() if row.seconds]), st.integers(1, 86_400))
def test_seconds_in_every_form(key: str, seconds: int):
    for value in (seconds, float(seconds), str(seconds), f"{seconds}s", f"{seconds * 1000}ms"):
        assert value_of(taken(**{key: value}), CATALOGUE[key]) == seconds
