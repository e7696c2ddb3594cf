"""Times that end calls which are meant to last."""

from __future__ import annotations

from fastgw.config.judged import Judged
from fastgw.config.report import Report


def check_times(report: Report, judged: Judged) -> None:
    """A total timeout in a zone whose streams are to be long-lived."""
    if not judged.zone.settings.long_lived_grpc:
        return
    for parts in judged.part.routes:
        if parts.table.timeout:
            report.warning(
                (*parts.path, "timeout"),
                "ends calls that long_lived_grpc = on lets live",
                "write idle_timeout or age instead, or leave long_lived_grpc off",
                rule="timeout-on-long-lived",
            )
