"""What is worth saying about a configuration that can be used: one small file for each kind of finding."""

from __future__ import annotations

from collections.abc import Sequence

from fastgw.config.checks.certificates import check_certified
from fastgw.config.checks.names import check_dns_only, check_wildcards
from fastgw.config.checks.origins import check_origins
from fastgw.config.checks.rules import RULES, Finding, Rule
from fastgw.config.checks.times import check_times
from fastgw.config.checks.windows import check_windows
from fastgw.config.judged import Judged
from fastgw.config.report import Report
from fastgw.policy.chains import Known

__all__ = ["RULES", "Finding", "Rule", "advise"]


def advise(report: Report, judged: Sequence[Judged], known: Known, window: int) -> None:
    """Look at good zones once more. `known`: the names of all zones; `window`: the limit stream_window."""
    for one in judged:
        check_times(report, one)
        check_wildcards(report, one, known)
        check_origins(report, one)
        check_dns_only(report, one)
        check_certified(report, one)
        check_windows(report, one, window)
