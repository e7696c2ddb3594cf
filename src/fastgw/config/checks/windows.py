"""Windows that invite more than a rate limit lets pass."""

from __future__ import annotations

from collections.abc import Mapping

from fastgw.config.judged import Judged
from fastgw.config.report import Report


def check_windows(report: Report, judged: Judged, window: int) -> None:
    """Streams that begin with more credit than they may use: above twice a period's octets they are ended.

    `window`: octets that a client may send before it is told of any limit.
    """
    rules = judged.part.asked.get("rule", ())
    for number, rule in enumerate(rules):
        table = rule.get("ratelimit") if isinstance(rule, Mapping) and rule.get("enabled", True) else None
        octets = table.get("octets_per_period") if isinstance(table, Mapping) else None
        if not isinstance(octets, int) or not octets or 2 * octets >= window:
            continue
        report.warning(
            (*judged.part.path, "rule", number, "ratelimit", "octets_per_period"),
            f"is {octets}: a stream is ended above twice that, but may send {window} before it is slowed",
            f"write at least {-(-window // 2)}, or lower stream_window in [limits]",
            rule="window-above-limit",
        )
