"""The best rival is found, the bar is applied, and what loses calls is not the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.load.compare import markdown, medians, plot, standings


def _run(peer: str, figure: float, workload: str = "W1", err: int = 0, **more: float) -> dict[str, Any]:
    return {"workload": workload, "peer": peer, "cpu_us": figure, "err": err, "wait": 0.0, **more}


RESULTS = {
    "runs": [
        *(_run("fastgw", figure) for figure in (2.0, 3.0, 9.0)),
        *(_run("nghttpx", figure) for figure in (10.0, 12.0, 11.0)),
        _run("nginx", 33.0),
        _run("caddy", 1.0, err=3),
        _run("relay-floor", 1.5),
        _run("fastgw", 50.0, "W2", p50_us=80.0),
        _run("nginx", 60.0, "W2", p50_us=100.0),
    ]
}


def test_medians_leave_out_who_loses_calls() -> None:
    assert medians(RESULTS, "W1", "cpu_us") == {
        "fastgw": 3.0,
        "nghttpx": 11.0,
        "nginx": 33.0,
        "relay-floor": 1.5,
    }


def test_the_best_rival_is_no_floor_and_the_bar_is_applied() -> None:
    first, second, third = standings(RESULTS)
    assert (first.rival, first.best, first.verdict) == ("nghttpx", 11.0, "0.30 met")
    assert second.verdict == "0.80 missed"
    assert (third.figure, third.verdict) == ("p50_us", "0.60 missed")
    assert "| W1 | CPU µs/call | 3 | 11.0 | nghttpx | 0.27 | 0.30 met |" in markdown(RESULTS)


def test_plots_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    png, svg = plot(RESULTS, tmp_path / "all.json")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.suffix == ".svg"
    assert b"<svg" in svg.read_bytes()
