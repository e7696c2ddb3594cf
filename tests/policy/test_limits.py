"""The catalogue of limits: whole, in range, with the numbers that were decided."""

from __future__ import annotations

import dataclasses
import re

import pytest

from fastgw.policy.limits import CATALOGUE, DEFAULTS, Limit, duration_text

BUDGETS = {
    "resets": (1000, 200, 0),
    "pings": (1000, 100, 1),
    "settings": (100, 10, 0),
    "window_updates": (10_000, 1000, 4),
    "priorities": (1000, 100, 1),
    "empty_data": (1000, 100, 1),
    "continuations": (1000, 100, 1),
    "unknown_frames": (1000, 100, 1),
}
OTHERS = {
    "head_octets": 32_768,
    "head_fields": 256,
    "continuation_frames": 8,
    "settings_entries": 32,
    "control_waiting": 1000,
    "concurrent_streams": 256,
    "stream_window": 1_048_576,
    "connection_window": 16_777_216,
    "waiting_octets": 67_108_864,
    "worker_memory": 1_073_741_824,
    "connections": 65_536,
    "handshake_timeout_ms": 10_000,
    "begin_timeout_ms": 10_000,
    "settings_timeout_ms": 10_000,
    "head_timeout_ms": 5000,
    "client_idle_timeout_ms": 400_000,
    "origin_idle_timeout_ms": 900_000,
    "stall_timeout_ms": 60_000,
    "client_connection_age_ms": 0,
    "drain_spread_ms": 0,
    "hook_calls": 1000,
}


def test_the_defaults_are_what_was_decided():
    """The keys and numbers the core takes; a change here is a change for every user."""
    wanted = dict(OTHERS)
    for name, numbers in BUDGETS.items():
        wanted.update(
            zip((f"{name}_burst", f"{name}_per_second", f"{name}_per_useful"), numbers, strict=True)
        )
    assert dict(DEFAULTS) == wanted


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.id)
def test_each_row_is_whole(row: Limit):
    assert re.fullmatch(r"[a-z_]+", row.id)
    assert row.allows(row.default)
    assert row.allows(row.least)
    assert row.allows(row.most)
    assert not row.allows(row.most + 1)
    assert not row.allows(row.least - 1) or (row.unlimited and row.least == 1)
    assert row.allows(0) == (row.unlimited or row.least == 0)
    assert row.bounds
    assert row.answers
    assert row.metrics
    assert set(row.sides) <= {"client", "origin"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.default = 1  # type: ignore[misc]


def test_a_window_is_never_smaller_than_what_peers_begin_with():
    """RFC 9113 section 6.9.2: they may send 65535 octets before they have seen our SETTINGS."""
    assert CATALOGUE["stream_window"].least == CATALOGUE["connection_window"].least == 65_535
    assert CATALOGUE["stream_window"].most == 16_777_216


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0ms"), (1, "1ms"), (1500, "1500ms"), (10_000, "10s"), (60_000, "1m"), (7_200_000, "2h")],
)
def test_durations_are_shown_as_they_are_written(milliseconds, text):
    assert duration_text(milliseconds) == text
