"""What a call may cost each room, in instructions: no clock, the same on each machine."""

from __future__ import annotations

import json

import pytest

from bench.budgets import BUDGETS, WORKLOADS, compiler, count, exceeded
from tests.support import needs


@pytest.mark.timeout(600)
def test_no_room_takes_more_than_its_budget() -> None:
    needs.program("valgrind")
    found = exceeded(count(), json.loads(BUDGETS.read_text()), compiler())
    assert not found, "\n".join([*found, "If that is meant: python bench/budgets.py --write, and say why."])


def test_more_than_three_percent_is_too_much() -> None:
    budgets = json.loads(BUDGETS.read_text())
    made_by = budgets["compiler"]
    counted = {name: dict(budgets["workloads"][name]) for name in WORKLOADS}
    assert exceeded(counted, budgets, made_by) == []
    for name, rooms in counted.items():
        for room, each in rooms.items():
            rooms[room] = each * 1.02
            assert exceeded(counted, budgets, made_by) == []
            rooms[room] = each * 1.031 + 0.5
            assert any(room in said and name in said for said in exceeded(counted, budgets, made_by))
            rooms[room] = each


def test_a_new_room_has_no_budget() -> None:
    budgets = json.loads(BUDGETS.read_text())
    counted = {name: dict(budgets["workloads"][name]) | {"proxy.new": 5.0} for name in WORKLOADS}
    assert len(exceeded(counted, budgets, budgets["compiler"])) >= len(WORKLOADS)


def test_many_small_steps_add_up() -> None:
    budgets = json.loads(BUDGETS.read_text())
    rooms = {room: each * 1.03 + 0.45 for room, each in budgets["workloads"]["W1"].items()}
    found = exceeded({"W1": rooms}, budgets, budgets["compiler"])
    assert [said.split(": ")[1][:9] for said in found] == ["the whole"]


def test_another_compiler_has_more_room() -> None:
    budgets = json.loads(BUDGETS.read_text())
    counted = {
        name: {room: each * 1.14 for room, each in budgets["workloads"][name].items()} for name in WORKLOADS
    }
    assert exceeded(counted, budgets, "GCC 1") == []
    assert exceeded(counted, budgets, budgets["compiler"])
