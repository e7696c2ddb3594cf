"""How fastgw stands beside the best rival of the same run, and beside its bars: a table and plots.

python -m bench.load.compare [FILE] [--plot]; without a FILE it is the newest of bench/results. --plot writes
FILE.png and FILE.svg next to it (needs matplotlib: pip install -e '.[bench]').
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import table
from bench.load.peers import FLOORS
from bench.load.workloads import WORKLOADS, Workload

US = "fastgw"
RIVALS = ("nghttpx", "haproxy", "nginx", "envoy", "envoy-tuned", "caddy")
"""What Debian and PyPI have, against which the bars are set; newer builds stand in the tables alone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One figure of one workload: ours, the best rival's, and how many times the best rival's ours may be."""

    workload: str
    figure: str
    ours: float
    best: float
    rival: str
    bar: float | None

    @property
    def ratio(self) -> float:
        return self.ours / self.best

    @property
    def verdict(self) -> str:
        """The bar and whether it is met."""
        if self.bar is None:
            return ""
        return f"{self.bar:.2f} {'met' if self.ratio <= self.bar else 'missed'}"


def medians(results: dict[str, Any], name: str, figure: str) -> dict[str, float]:
    """By peer, where no call failed: a gateway that loses calls is not the best one."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in results["runs"]:
        if run["workload"] == name and figure in run and not run["err"]:
            runs.setdefault(run["peer"], []).append(run)
    return {
        peer: statistics.median(run[figure] for run in table.calm(of_peer)) for peer, of_peer in runs.items()
    }


def _stand(results: dict[str, Any], name: str, figure: str, bar: float | None) -> Standing | None:
    found = medians(results, name, figure)
    rivals = {peer: found[peer] for peer in RIVALS if peer in found}
    if US not in found or not rivals:
        return None
    best = min(rivals, key=lambda peer: rivals[peer])
    return Standing(name, figure, found[US], rivals[best], best, bar)


def standings(results: dict[str, Any]) -> list[Standing]:
    """Those that can be said, in the order of the workloads."""
    found = []
    for name, workload in WORKLOADS.items():
        found.append(_stand(results, name, workload.lead, workload.bar))
        if workload.bar_p50 is not None:
            found.append(_stand(results, name, "p50_us", workload.bar_p50))
    return [standing for standing in found if standing is not None]


def markdown(results: dict[str, Any]) -> str:
    lines = [
        "| | | fastgw | best rival | | x best rival | bar |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    lines += [
        f"| {at.workload} | {table.COLUMNS[at.figure]} | {table.number(at.ours)} | {table.number(at.best)} "
        f"| {at.rival} | {at.ratio:.2f} | {at.verdict} |"
        for at in standings(results)
    ]
    return "\n".join(lines)


def plot(results: dict[str, Any], into: Path) -> list[Path]:
    """One panel for each workload, a bar for each peer, ours in another colour; `into` without its suffix."""
    pyplot = painter()
    measured = {run["workload"] for run in results["runs"]}
    names = [name for name in WORKLOADS if name in measured]
    across = min(4, len(names))
    down = -(-len(names) // across)
    figure, axes = pyplot.subplots(down, across, figsize=(3.6 * across, 2.5 * down), squeeze=False)
    for at in range(down * across):
        axis = axes[at // across][at % across]
        if at < len(names):
            _panel(axis, results, names[at], WORKLOADS[names[at]])
        else:
            axis.axis("off")
    return save(figure, into)


def painter() -> Any:
    """matplotlib's pyplot without a window, that makes the same file each time for the same figures."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    mpl.rcParams["svg.hashsalt"] = "fastgw"
    return pyplot


def save(figure: Any, into: Path) -> list[Path]:
    """PNG and SVG, with another suffix each; the figure is done with."""
    figure.tight_layout()
    written = [into.with_suffix(suffix) for suffix in (".png", ".svg")]
    for path in written:
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=110, metadata=metadata)
    painter().close(figure)
    return written


def _panel(axis: Any, results: dict[str, Any], name: str, workload: Workload) -> None:
    found = sorted(medians(results, name, workload.lead).items(), key=lambda item: -item[1])
    colours = [
        "#c0392b" if peer.startswith(US) else "#bbbbbb" if peer in FLOORS else "#4a6785" for peer, _ in found
    ]
    bars = axis.barh([peer for peer, _ in found], [value for _, value in found], color=colours)
    axis.bar_label(bars, [table.number(value) for _, value in found], fontsize=7, padding=2)
    axis.set_title(f"{name}: {table.COLUMNS[workload.lead]}", fontsize=9)
    axis.tick_params(labelsize=7)
    axis.margins(x=0.2)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, help="a results file; default: the newest")
    parser.add_argument("--plot", action="store_true", help="write PNG and SVG beside the file")
    words = parser.parse_args()
    file: Path = words.file or table.newest()
    results = json.loads(file.read_text())
    print(table.describe(results), end="\n\n")
    print(markdown(results))
    if words.plot:
        print("", *plot(results, file), sep="\n")


if __name__ == "__main__":
    main()
