"""Write docs/limits.md: every limit with its unit, range, purpose and metric, from fastgw.policy.limits.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw.policy.limits import BOTH, CATALOGUE, Limit

TARGET = Path(__file__).resolve().parent.parent / "limits.md"

HEAD = """\
<!-- Written by docs/gen/limits.py (make generate); edit src/fastgw/policy/limits.py. -->

# Limits

What one peer may ask of the gateway, how much of it all peers together may hold, and how long anything may
take. Each limit is a key of the table `[limits]`, for the whole gateway; a change takes effect at the next
start. Numbers are whole and in the unit shown; times are text with a unit, as in `"10s"` or `"500ms"`. The
ranges are checked by `fastgw check`.

```toml
[limits]
concurrent_streams = 100
resets_burst = 500
head_timeout = "3s"
```

"Counted as" is where `gateway.stats()["total"]` tells how often a limit was met; `refused.reset_flood` is
the key `reset_flood` of the table `refused`. What a refusal does to the peer is in
[reasons.md](reasons.md), who the peers are in [threat-model.md](threat-model.md).
"""

BUDGETS = """\
## Budgets

Frames that are legal one by one and a nuisance in numbers. A connection begins with the whole burst; each
such frame takes one; some come back each second, and some for each frame of the same connection that
carried a head or content, so that a busy peer may send more of them than one who only makes noise. Never
more than the burst is kept. When nothing is left, the connection ends with ENHANCE_YOUR_CALM. The keys are
the name with `_burst`, `_per_second` and `_per_useful`; the burst is at least 1, the others may be 0.
"""


def sides(row: Limit) -> str:
    return "both" if row.sides == BOTH else ", ".join(row.sides)


def metrics(row: Limit) -> str:
    return ", ".join(f"`{metric}`" for metric in row.metrics)


def single(row: Limit) -> list[str]:
    each = " per worker" if row.per_worker else ""
    default = row.text(row.default) if row.is_duration else f"{row.default} {row.unit}{each}"
    least = row.text(row.least)
    span = f"{least} to {row.text(row.most)}{', 0: none' if row.unlimited else ''}"
    return [f"`{row.id}`", default, span, sides(row), row.bounds, row.answers, metrics(row)]


def budget(name: str) -> list[str]:
    parts = [CATALOGUE[f"{name}_{part}"] for part in ("burst", "per_second", "per_useful")]
    burst = parts[0]
    what, _, _ = burst.bounds.partition(": ")
    _, _, more = parts[2].bounds.partition("; ")
    numbers = [str(part.default) for part in parts]
    return [
        f"`{name}`",
        *numbers,
        sides(burst),
        what + (f"; {more}" if more else ""),
        burst.answers,
        metrics(burst),
    ]


def text() -> str:
    budgets = [name.removesuffix("_burst") for name in CATALOGUE if name.endswith("_burst")]
    of_budgets = {f"{name}_{part}" for name in budgets for part in ("burst", "per_second", "per_useful")}
    others = [row for row in CATALOGUE.values() if row.id not in of_budgets]
    columns = ["limit", "default", "range", "peer", "bounds", "answers", "counted as"]
    sizes = table(columns, [single(row) for row in others if not row.is_duration])
    times = table(columns, [single(row) for row in others if row.is_duration])
    columns = ["budget", "burst", "per second", "per useful frame", "peer", "counts", *columns[-2:]]
    refills = table(columns, [budget(name) for name in budgets])
    return "\n".join([HEAD, "## Sizes and numbers\n", sizes, BUDGETS, refills, "## Times\n", times])


page(TARGET, text())
