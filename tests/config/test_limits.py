"""[limits]: what it becomes, and every complaint about it by its text."""

from __future__ import annotations

import re

import pytest

from fastgw.config import load, load_text
from fastgw.config.model import LimitsTable, schema
from fastgw.errors import ConfigError
from fastgw.policy.limits import CATALOGUE, DEFAULTS

ZONE = """
[[zone]]
name = "gw.test"
grpc = "on"
dns = [{ name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c", origin_port = 50051 }]
"""


def judge(limits: str, tmp_path):
    return load_text(f'[server]\nlisten = ["h2c://127.0.0.1:0"]\n[limits]\n{limits}\n{ZONE}', tmp_path / "f")


def complaints(limits: str, tmp_path) -> str:
    with pytest.raises(ConfigError) as error:
        judge(limits, tmp_path)
    return str(error.value).replace(f"{tmp_path}/", "")


def test_the_catalogue_is_what_the_file_knows():
    assert list(LimitsTable.model_fields) == list(CATALOGUE)


def test_without_the_table_all_is_as_in_the_catalogue(tmp_path):
    config = judge("", tmp_path)
    assert config.limits == DEFAULTS
    assert config.warnings == ()
    assert hash(config)


def test_what_is_written_reaches_the_core_by_its_key(tmp_path):
    config = judge('head_octets = 2048\nworker_memory = 0\nhead_timeout = "1.5s"', tmp_path)
    wanted = {**dict(DEFAULTS), "head_octets": 2048, "worker_memory": 0, "head_timeout_ms": 1500}
    assert dict(config.limits) == wanted
    assert [key for key, _ in config.limits] == [key for key, _ in DEFAULTS]


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.id)
def test_the_edges_of_each_range(row, tmp_path):
    def written(value: int) -> str:
        return f'{row.id} = "{value}ms"' if row.is_duration else f"{row.id} = {value}"

    for value in (row.least, row.most):
        assert dict(judge(written(value), tmp_path).limits)[row.core_key] == value
    text = complaints(written(row.most + 1), tmp_path)
    assert text.startswith(f"f:4: limits.{row.id}: is ")
    if row.least > 0:
        text = complaints(written(row.least - 1 or -1), tmp_path)
        assert f"limits.{row.id}: is " in text
        assert f"; it must be {row.range_text}\n  hint: {row.bounds}" in text or row.is_duration


CASES = {
    "too small a window": (
        "\nstream_window = 1000",
        "f:5: limits.stream_window: is 1000; it must be 65535 to 16777216 octets\n"
        "  hint: content of one stream that may be on its way before it has been passed on",
    ),
    "almost no memory": (
        "worker_memory = 1",
        "f:4: limits.worker_memory: is 1; it must be 1048576 to 1099511627776 octets, or 0 for none",
    ),
    "an endless handshake": (
        'handshake_timeout = "1h"',
        "f:4: limits.handshake_timeout: is 1h; it must be 10ms to 10m\n  hint: the TLS handshake of a client",
    ),
    "a duration without a unit": (
        "stall_timeout = 60",
        "f:4: limits.stall_timeout: must be a duration in quotes, not the number 60\n  hint: write a number",
    ),
    "a duration in words": ('stall_timeout = "long"', "is 'long', which is not a duration"),
    "text for a number": (
        'pings_burst = "1000"',
        "f:4: limits.pings_burst: must be a whole number, not the text '1000'\n  hint: without quotes",
    ),
    "a truth for a number": ("pings_burst = true", "must be a whole number, not true"),
    "a fraction": ("pings_burst = 1.5", "must be a whole number, not the number 1.5"),
    "below zero": (
        "pings_per_useful = -1",
        "limits.pings_per_useful: is -1; it must be 0 to 1000000000 frames",
    ),
    "a word that is nearly one": (
        "pings_brust = 5",
        "f:4: limits.pings_brust: is not a known key\n  hint: did you mean 'pings_burst'?",
    ),
    "the core's word": (
        "head_timeout_ms = 5",
        "f:4: limits.head_timeout_ms: is not a known key\n  hint: did you mean 'head_timeout'?",
    ),
    "a key of another table": ('access = "-"', "hint: 'access' belongs in [log]"),
}


@pytest.mark.parametrize("case", CASES)
def test_error(case, tmp_path):
    written, wanted = CASES[case]
    assert wanted in complaints(written, tmp_path)


def test_a_limit_elsewhere_is_sent_home(tmp_path):
    with pytest.raises(ConfigError, match=re.escape("'pings_burst' belongs in [limits]")):
        load_text(f"[server]\npings_burst = 1\n{ZONE}", tmp_path / "f")


def test_limits_that_are_no_table():
    with pytest.raises(ConfigError, match="limits: must be a table, not the number 5"):
        load({"limits": 5, "zone": [{"name": "gw.test"}]})


WARNINGS = {
    "part": (
        "stream_window = 100000\nconnection_window = 70000",
        "f:4: warning: limits.stream_window: is 100000, more than connection_window (70000), "
        "which is met first",
    ),
    "whole": (
        "worker_memory = 2097152",
        "f:4: warning: limits.worker_memory: is 2097152, less than waiting_octets (67108864), "
        "which is never met then",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_a_part_above_its_whole(case, tmp_path):
    written, wanted = WARNINGS[case]
    said = [str(warning).replace(f"{tmp_path}/", "") for warning in judge(written, tmp_path).warnings]
    assert said == [wanted]


def test_the_schema_says_ranges_and_defaults():
    keys = schema()["$defs"]["LimitsTable"]["properties"]
    assert keys["stream_window"]["minimum"] == 65_535
    assert keys["stream_window"]["maximum"] == 16_777_216
    assert keys["worker_memory"]["minimum"] == 0
    assert (keys["head_timeout"]["type"], keys["head_timeout"]["default"]) == ("string", "5s")
