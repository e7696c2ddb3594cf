"""The report as text for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

from fastgw.doctor.facts import Target
from fastgw.doctor.judge import Finding, failed


def text(target: Target, findings: Sequence[Finding]) -> Iterator[str]:
    """Lines: verdict, what was looked at, what was seen; hints below; a summary at the end."""
    for finding in findings:
        yield f"{finding.verdict:<8} {finding.line:<9} {finding.seen}"
        if finding.hint:
            yield f"{'':<8} {'':<9} hint: {finding.hint}"
    words = ("failed", "warning", "skipped")
    counts = {word: sum(finding.verdict == word for finding in findings) for word in words}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    verdict = "is not fit for gRPC" if failed(findings) else "is fit for gRPC"
    yield f"{target.where} {verdict}{f' ({told})' if told else ''}"


def as_json(target: Target, findings: Sequence[Finding]) -> str:
    """One object: what was looked at, whether all is well, and the lines."""
    rows = [dataclasses.asdict(finding) for finding in findings]
    whole = {
        "host": target.host,
        "port": target.port,
        "server_name": target.asked,
        "good": not failed(findings),
        "lines": rows,
    }
    return json.dumps(whole, indent=2)
