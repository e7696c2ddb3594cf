"""Wildcards that do not reach as far as they seem to."""

from __future__ import annotations

from fastgw.config.judged import Judged
from fastgw.config.records import Placed
from fastgw.config.report import Report
from fastgw.policy.chains import Known
from fastgw.policy.names import parents, readable


def check_wildcards(report: Report, judged: Judged, known: Known) -> None:
    """Longer wildcards, and records that stop a proxied one."""
    proxied = {entry.record.name for entry in judged.served if entry.record.wildcard}
    if not proxied:
        return
    seen: set[str] = set()
    for entry in judged.placed:
        name = entry.record.name
        if name in seen:
            continue
        seen.add(name)
        above = _wildcard_above(name, proxied, known)
        if above is None:
            continue
        if entry.record.wildcard:
            report.note(
                (*entry.path, "name"),
                f"is {readable(name)}, which takes the names below it from {readable(above)}",
                "the longest wildcard decides",
                rule="wildcard-shadowed",
            )
        else:
            _stopped(report, entry, above)


def check_dns_only(report: Report, judged: Judged) -> None:
    """Names with an address that the gateway does not serve, each once."""
    seen: set[str] = set()
    for entry in judged.placed:
        record = entry.record
        if entry.served or not record.leads or record.name.startswith("_") or record.name in seen:
            continue
        seen.add(record.name)
        report.note(
            entry.path,
            f"is DNS-only: calls to {readable(record.name)} are answered with zone_unknown",
            "write proxied = true if the gateway is to serve it",
            rule="dns-only",
        )


def _stopped(report: Report, entry: Placed, above: str) -> None:
    record = entry.record
    if record.name.startswith("_"):
        return  # names of services and proofs, which nobody calls
    what = "the names below it are" if entry.served else "it and the names below it are"
    report.note(
        (*entry.path, "name"),
        f"is {readable(record.name)}, so that {what} not served by {readable(above)}",
        f'add "*.{record.name}" for those below'
        if entry.served
        else "write proxied = true if it is to be served",
        rule="wildcard-stopped",
    )


def _wildcard_above(name: str, proxied: set[str], known: Known) -> str | None:
    """The proxied wildcard that would answer for `name` if it were not there."""
    for parent in parents(name.removeprefix("*.")):
        wildcard = f"*.{parent}"
        if wildcard in proxied:
            return wildcard
        if wildcard in known or parent in known:
            return None
    return None
