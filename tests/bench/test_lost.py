"""The table of lost calls says what the results file says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import grpc
import pytest

from bench.load.table import README
from bench.lost.gateways import GATEWAYS
from bench.lost.scenario import EVENTS, figures
from bench.lost.table import describe, into_readme, table
from tests.chaos.calls import Call


def row(gateway: str, policy: bool, **failed: tuple[int, int]) -> dict[str, Any]:
    events = {}
    for event in EVENTS:
        count, unreached = failed.get(event, (0, 0))
        events[event] = {
            "calls": 100,
            "failed": count,
            "unreached": unreached,
            "twice": int(policy),
            "events": 9,
        }
    return {"gateway": gateway, "policy": policy, "events": events}


@pytest.fixture
def results() -> dict[str, Any]:
    return {
        "when": "2026-01-02",
        "note": "a test",
        "machine": {"cores": 2, "processor": "a processor", "kernel": "6.1"},
        "versions": {"fastgw": "1.2.3"},
        "rate": 200.0,
        "rows": [row("fastgw", False, kill=(5, 1)), row("fastgw", True)],
    }


def test_a_row_per_gateway_and_policy(results) -> None:
    head, _, first, second = table(results).splitlines()
    assert head.count("|") == first.count("|") == len(EVENTS) + 3
    assert first == "| fastgw | 0 | 0 | 5 (1) | 0 / 9 | 0 / 9 | 0 | 0 | 0 |"
    assert second == "| fastgw, retries on | 0 | 0 | 0 | 0 / 9 | 0 / 9 | 0 | 0 | 7 |"
    assert "fastgw 1.2.3" in describe(results)


def test_the_page_has_a_place_for_it(results) -> None:
    page = into_readme(README.read_text(), results, "results/some.json")
    assert table(results) in page
    assert into_readme(page, results, "results/some.json") == page


def test_figures_of_the_calls_that_ran_meanwhile() -> None:
    gone = grpc.StatusCode.UNAVAILABLE
    calls = [
        Call("before", "unary", 0, 9, gone),
        Call("well", "unary", 9, 11),
        Call("lost", "unary", 11, 12, gone, "connection reset"),
        Call("wrong", "chat", 12, 13, wrong="another message"),
        Call("after", "unary", 21, 22, gone),
    ]
    found = figures(calls, Counter({"well": 2, "wrong": 1}), 10, 20)
    counts = {"calls": 3, "failed": 2, "unreached": 1, "wrong": 1, "twice": 1}
    assert {name: found[name] for name in counts} == counts


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("policy", [False, True])
def test_configurations_are_filled(name, policy, tmp_path) -> None:
    gateway = GATEWAYS[name](tmp_path, 1234, [5001, 5002], policy)
    gateway.write()
    text = "".join(file.read_text() for file in sorted(tmp_path.rglob("*.*")) if file.is_file())
    assert "1234" in text
    assert "5001" in text
    assert "5002" in text
    assert policy == (gateway.policies[True] in text)
    assert "{port}" not in text
    assert "{targets}" not in text
