"""Do the settings of a zone make sense together, and with its records."""

from __future__ import annotations

from collections.abc import Sequence

from fastgw.config.lines import Path
from fastgw.config.records import Placed
from fastgw.config.report import Report
from fastgw.config.tables import SHORTCUTS, ZoneParts
from fastgw.policy.catalogue import CATALOGUE
from fastgw.policy.settings import ENCRYPTED, Settings


def setting_path(part: ZoneParts, key: str) -> Path:
    """Where a setting of the zone is written, or would be."""
    if key in SHORTCUTS and getattr(part.table, key) is not None:
        return (*part.path, key)
    return (*part.path, "settings", key)


def check_modes(report: Report, part: ZoneParts, settings: Settings, served: Sequence[Placed]) -> None:
    """What no single setting can show."""
    _check_encryption(report, part, settings, served)
    if settings.verified:
        for entry in served:
            _check_verified(report, entry, settings)
    if settings.grpc:
        _check_grpc(report, part, settings)
    if served and part.settings_known and not (settings.grpc or settings.http or part.table.paused):
        report.warning(
            part.path,
            "has grpc and http off, so every request is denied",
            'write grpc = "on" in the zone',
            rule="all-denied",
        )
    for key, _ in settings.kept:
        report.note(setting_path(part, key), f"is {CATALOGUE[key].effect}", rule="setting-kept")


def _check_encryption(report: Report, part: ZoneParts, settings: Settings, served: Sequence[Placed]) -> None:
    """gRPC needs an encrypted mode, unless each record asks for a cleartext origin in so many words."""
    if not settings.grpc or settings.ssl in ENCRYPTED:
        return
    if served and all(_cleartext_on_purpose(entry) for entry in served):
        return
    where = setting_path(part, "ssl")
    report.error(
        where,
        f'is "{settings.ssl}", but gRPC is on and is carried over TLS only',
        'write ssl = "full" or better; a cleartext origin is origin_protocol = "h2c" on each proxied record',
        rule="grpc-needs-tls",
    )


def _cleartext_on_purpose(entry: Placed) -> bool:
    return entry.record.origin_protocol == "h2c" or not entry.record.leads


def _check_grpc(report: Report, part: ZoneParts, settings: Settings) -> None:
    if not settings.http2:
        report.error(
            setting_path(part, "http2"),
            'is "off", but gRPC is on and is made of HTTP/2',
            'write http2 = "on", or grpc = "off"',
            rule="grpc-needs-http2",
        )
    if ("origin_max_http_version", '"1"') in settings.kept:
        report.error(
            setting_path(part, "origin_max_http_version"),
            'is "1", but gRPC is on and origins must speak HTTP/2 to answer it',
            'write "2", or leave it out',
            rule="grpc-needs-http2",
        )


def _check_verified(report: Report, entry: Placed, settings: Settings) -> None:
    record = entry.record
    if record.origin_protocol == "h2c":
        report.warning(
            (*entry.path, "origin_protocol"),
            'is "h2c": calls to this origin are cleartext, '
            f'though ssl = "{settings.ssl}" verifies the others',
            rule="cleartext-origin",
        )
    elif record.wildcard and record.type in ("A", "AAAA", "UNIX") and not record.origin_server_name:
        report.error(
            entry.path,
            "is a wildcard, so no name is known to verify the origin's certificate against",
            "add origin_server_name",
        )
