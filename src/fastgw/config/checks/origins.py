"""Where the targets of a zone lie: private names, unusual ports."""

from __future__ import annotations

from fastgw.config.judged import Judged
from fastgw.config.records import Placed
from fastgw.config.report import Report
from fastgw.policy.names import address
from fastgw.policy.records import ORIGIN_PORT

# RFC 6761, RFC 6762 section 3 and appendix G, RFC 8375, and what is reserved for private use.
_PRIVATE = (
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
    "test",
)


def is_private(name: str) -> bool:
    """Is it a name that public DNS does not know, so that no public authority signs for it?"""
    if address(name) is not None:
        return False
    return "." not in name or any(name == end or name.endswith("." + end) for end in _PRIVATE)


def check_origins(report: Report, judged: Judged) -> None:
    """Each target that calls are sent to. Ports matter only to who writes down a plan of the reference."""
    asked = "plan" in judged.part.table.model_fields_set
    for entry in judged.served:
        record = entry.record
        if record.type == "CNAME" and is_private(record.content):
            report.note(
                (*entry.path, "content"),
                f"is {record.content}, a name that public DNS does not know",
                "the gateway's own resolver or hosts file must know it",
                rule="private-name",
            )
        if asked and record.leads and record.type != "UNIX" and record.origin_port != ORIGIN_PORT:
            report.note(
                (*entry.path, "origin_port"),
                f"is {record.origin_port}; the reference product carries gRPC to port 443 only",
                rule="origin-port",
            )
        _check_signed(report, judged, entry)


def _check_signed(report: Report, judged: Judged, entry: Placed) -> None:
    zone, record = judged.zone, entry.record
    if not zone.settings.verified or zone.trust_store is not None:
        return
    if record.origin_protocol == "h2c" or not record.leads:
        return
    name = record.origin_server_name or record.name.removeprefix("*.")
    if is_private(name):
        report.warning(
            entry.path,
            f"is judged by public roots, but no public authority signs for the private name {name}",
            "name a trust_store in the zone",
            rule="private-name-verified",
        )
