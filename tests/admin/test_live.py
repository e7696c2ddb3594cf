"""What is told of the gateway while somebody looks, and that nothing is done while nobody does."""

from __future__ import annotations

import json
import time

import pytest

from fastgw.admin import live
from fastgw.admin.live import Live, _Calls, row, status_name


def rows_of(api, number: int, path: str = "/live"):
    """The first events of the stream."""
    found = []
    with api.http.stream("GET", f"{api.root}/fastgw/v1{path}", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
                if len(found) == number:
                    return found
    raise AssertionError("the stream has ended")


def test_calls_are_seen_as_they_happen(api):
    api.zone("shop.test")
    found = {}
    with api.http.stream("GET", f"{api.root}/fastgw/v1/live", timeout=10) as answer:
        for line in answer.iter_lines():
            if line == "event: history":
                for _ in range(3):
                    api.call("shop.test")
            if line.startswith('data: {"number"'):
                one = json.loads(line.removeprefix("data: "))
                found = {**one, "all": found.get("all", 0) + one["calls"]}
                if one["statuses"]:
                    break
    assert found["statuses"]["OK"] > 0
    assert found["all"] == pytest.approx(3, abs=0.5)
    assert found["latency"]["p50"] <= found["latency"]["p99"] < 5000
    assert found["methods"][0]["path"] == "/fastgw.test.Echo/Unary"
    assert len(found["workers"]) == 1


def test_it_ends_when_nobody_looks(api, monkeypatch):
    monkeypatch.setattr(live, "AFTERWARDS", 0.0)
    monkeypatch.setattr(live, "PERIOD", 0.05)
    one = Live(api.gateway)
    with one.look():
        deadline = time.monotonic() + 5
        while not one.rows and time.monotonic() < deadline:
            time.sleep(0.01)
        assert one.looks
        assert one.after(one.number - 1)[0]["number"] == one.number
        assert one.after(one.number) == []
    deadline = time.monotonic() + 5
    while one.looks and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not one.looks
    assert not one.rows


def test_failures_are_told_by_zone(api):
    api.zone("shop.test", grpc=False)
    path = f"{api.root}/fastgw/v1/failures"
    api.http.get(path).raise_for_status()
    api.refused("shop.test")
    deadline = time.monotonic() + 5
    while not (calls := api.http.get(path).json()["result"]["calls"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert calls[0]["error"] == "grpc_disabled"
    assert api.http.get(f"{path}?zone=other.test").json()["result"]["calls"] == []


def test_rates_are_differences():
    zone = {"calls": 10, "denied": 1, "failed": 0, "request_octets": 100, "response_octets": 50}
    total = {
        "exchanges_started": 10, "exchanges_finished": 8, "connections_accepted": 1, "streams_open": 2,
        "exchanges_open": 2, "connections_open": 1, "origin_connections_open": 1,
        "replies": {"grpc_disabled": 1}, "refused": {},
    }  # fmt: skip
    worker = {"exchanges_started": 10, "turns": 100, "exchanges_open": 2, "connections_open": 1}
    before = {"total": total, "workers": [worker], "zones": {"a.test": zone}}
    now = {
        "total": {
            **total, "exchanges_started": 30, "streams_open": 5, "replies": {"grpc_disabled": 5},
            "refused": {"frame_too_large": 2},
        },
        "workers": [{**worker, "exchanges_started": 30}],
        "zones": {"a.test": {**zone, "denied": 5}, "b.test": {**zone, "denied": 2}},
    }  # fmt: skip
    found = row(before, now, 2.0, _Calls().taken())
    assert (found["calls"], found["denied"], found["streams"]) == (10.0, 3.0, 5)
    assert found["causes"] == {"grpc_disabled": 2.0, "frame_too_large": 1.0}
    assert found["workers"][0]["calls"] == 10.0
    assert found["latency"] == {"p50": None, "p90": None, "p99": None}


def test_many_calls_are_thinned_out_and_still_counted(api):
    one = Live(api.gateway)
    line = (
        '{"error":"","grpc":true,"grpc_status":0,"status":200,"duration_ns":1000000,"zone":"a","path":"/m"}'
    )
    bad = line.replace('"error":""', '"error":"overloaded"')
    one._told([line] * 9_999 + [bad])
    told = one._calls.taken()
    assert told["statuses"]["OK"] == 10_000
    assert [call["error"] for call in one.failures] == ["overloaded"]
    assert told["latency"]["p99"] == 1.0


def test_how_a_call_ended_has_a_name():
    assert status_name({"grpc": True, "grpc_status": 7}) == "PERMISSION_DENIED"
    assert status_name({"grpc": True, "grpc_status": 99}) == "status 99"
    assert status_name({"grpc": False, "grpc_status": 0, "status": 403}) == "HTTP 403"


def test_who_looks_does_not_keep_the_gateway_from_ending(api):
    with api.http.stream("GET", f"{api.root}/fastgw/v1/live", timeout=10) as answer:
        for line in answer.iter_lines():
            if line.startswith("event"):
                api.admin.desk.draining = True
                began = time.monotonic()
    api.admin.desk.draining = False
    assert time.monotonic() - began < 2
    assert api.admin.desk.lookers == 0


def test_so_many_may_look_and_no_more(api, monkeypatch):
    monkeypatch.setattr("fastgw.admin.api.live.LOOKERS_MOST", 0)
    assert api.http.get(f"{api.root}/fastgw/v1/live").status_code == 429
