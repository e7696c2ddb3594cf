"""The tables of the benchmark say what the results file says."""

from __future__ import annotations

from typing import Any

import pytest

from bench.load import table
from bench.load.workloads import WORKLOADS


def run(peer: str, cpu: float, wait: float = 0.0, **more: Any) -> dict[str, Any]:
    figures = {"rps": 1000.0, "use": 0.5, "p50_us": 10.0, "p99_us": 123.4, "rss_kib": 2048, "err": 0}
    return {"workload": "W1", "peer": peer, "round": 1, "cpu_us": cpu, "wait": wait, **figures, **more}


def results(*runs: dict[str, Any]) -> dict[str, Any]:
    return {
        "when": "2026-01-02",
        "note": "a test",
        "machine": {"cores": 2, "processor": "a processor", "kernel": "6.1"},
        "versions": {"fast": "1.2.3", "floor": ""},
        "rounds": 5,
        "seconds": 1.5,
        "runs": list(runs),
    }


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_cheapest_stands_first_with_median_and_spread() -> None:
    text = table.table(results(run("slow", 9), run("fast", 3), run("fast", 1), run("fast", 2.5)), "W1")
    assert [row[:2] for row in rows(text)[2:]] == [["fast", "2.5 (1-3)"], ["slow", "9 (9-9)"]]


def test_each_row_has_a_cell_for_each_head() -> None:
    failed = {"workload": "W1", "peer": "broken", "round": 1, "error": "did not start"}
    found = rows(table.table(results(run("fast", 1), failed), "W1"))
    assert len({len(row) for row in found}) == 1
    assert found[-1][:2] == ["broken", "failed: did not start"]


def test_memory_is_in_mib_and_failures_are_counted_over_all_runs() -> None:
    found = rows(table.table(results(run("fast", 1, err=2), run("fast", 1, err=1)), "W1"))
    assert found[0][-2:] == ["memory MiB", "failed calls/runs"]
    assert found[2][-2:] == ["2", "3/2"]


def test_disturbed_runs_are_left_out_if_three_calm_ones_are_there() -> None:
    calm = [run("fast", cpu) for cpu in (1, 2, 3)]
    assert "2 (1-3)" in table.table(results(*calm, run("fast", 50, wait=0.4)), "W1")
    assert "(1-50.0)" in table.table(results(*calm[:2], run("fast", 50, wait=0.4)), "W1")


def test_only_runs_of_the_workload_count() -> None:
    other = {**run("fast", 77), "workload": "W2"}
    assert "77" not in table.table(results(run("fast", 1), other), "W1")


@pytest.mark.parametrize(
    ("name", "lead"),
    [("W1", "CPU µs/call"), ("W4d", "CPU ns/byte"), ("W5", "CPU µs/message"), ("W7", "KiB/connection")],
)
def test_the_first_column_is_the_figure_that_counts(name: str, lead: str) -> None:
    figures = {"cpu_us_message": 1.0, "cpu_ns_byte": 1.0, "kib_conn": 1.0}
    found = rows(table.table(results({**run("fast", 1, **figures), "workload": name}), name))
    assert found[0][1] == lead
    assert len(found) == 3


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.1234, "0.123"), (1.2345, "1.23"), (45.67, "45.7"), (123456.7, "123457")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert table.number(value) == text


BEGIN = table.begin("W1")


def test_the_readme_gets_the_table_between_its_markers() -> None:
    page = f"before\n{BEGIN}\nold\n{table.END}\nafter\n"
    new = table.into_readme(page, results(run("fast", 1)), "results/x.json")
    assert new.startswith(f"before\n{BEGIN}\n")
    assert new.endswith(f"{table.END}\nafter\n")
    assert "old" not in new
    assert "| fast | 1 (1-1) |" in new
    assert "`results/x.json`: 2026-01-02, 2 cores of a processor" in new
    assert "fast 1.2.3. Note: a test" in new
    assert table.into_readme(new, results(run("fast", 1)), "results/x.json") == new


def test_each_table_of_the_readme_has_its_own_markers() -> None:
    page = f"{BEGIN}\nold\n{table.END}\nbetween\n{table.begin('W7')}\nold\n{table.END}\nafter\n"
    idle = {**run("fast", 1, kib_conn=12.3), "workload": "W7"}
    new = table.into_readme(page, results(idle), "results/x.json", "W7")
    assert new.startswith(page[: page.index("between")])
    assert "| fast | 12.3 (12.3-12.3) |" in new
    assert new.count("old") == 1


@pytest.mark.parametrize(
    "page",
    ["no markers", BEGIN, table.END + BEGIN, BEGIN * 2 + table.END, BEGIN + table.begin("W7") + table.END],
)
def test_a_readme_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="must have one"):
        table.into_readme(page, results(run("fast", 1)), "results/x.json")


def test_the_readme_of_the_benchmark_has_its_markers_and_all_workloads() -> None:
    page = table.README.read_text()
    table.into_readme(page, results(run("fast", 1)), "results/x.json")
    for name, workload in WORKLOADS.items():
        assert f"| {name} | {workload.what} |" in page
