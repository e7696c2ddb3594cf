"""Certificates and trust stores a configuration names: can they be read, do they fit, are they still good."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from fastgw.config.records import Placed
from fastgw.config.report import Report
from fastgw.config.tables import ZoneParts
from fastgw.config.tls import check_staple
from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import covers
from fastgw.policy.settings import Settings
from fastgw.tls.material import Material, read_material, read_trust_store

SOON = datetime.timedelta(days=7)


def check_certificate(
    report: Report, part: ZoneParts, served: Sequence[Placed], base: Path, *, needed: bool
) -> CertificateFiles | None:
    """The zone's certificate, judged. `needed`: some listener speaks TLS."""
    path = (*part.path, "cert")
    if part.cert is None:
        if needed and served and not part.cert_given:
            report.error(
                part.path,
                "has no certificate, but a listener speaks TLS",
                'add cert = { file = "...", key = "..." }, or listen on "h2c://HOST:PORT" only',
            )
        return None
    file = base / Path(part.cert.file).expanduser()
    key = base / Path(part.cert.key).expanduser()
    ocsp = base / Path(part.cert.ocsp).expanduser() if part.cert.ocsp else None
    files = CertificateFiles(file, key, ocsp)
    try:
        material = read_material(file, key)
    except CertificateError as error:
        report.error((*path, error.part), str(error), error.hint)
        return files
    _check_dates(report, (*path, "file"), material)
    check_staple(report, path, files)
    if not needed:
        return files
    seen: set[str] = set()
    for entry in served:
        name = entry.record.name
        if (
            name not in seen
            and not part.table.certs
            and not any(covers(pattern, name) for pattern in material.names)
        ):
            names = ", ".join(material.names) or "no name at all"
            report.warning(
                (*path, "file"),
                f"does not cover {name}: calls to it over TLS are denied",
                f"the certificate covers {names}",
            )
        seen.add(name)
    return files


def check_trust_store(report: Report, part: ZoneParts, settings: Settings, base: Path) -> Path | None:
    """The zone's trust store, judged."""
    if part.table.trust_store is None:
        return None
    path = (*part.path, "trust_store")
    file = base / Path(part.table.trust_store).expanduser()
    try:
        store = read_trust_store(file)
    except CertificateError as error:
        report.error(path, str(error), error.hint)
        return file
    now = datetime.datetime.now(datetime.UTC)
    if all(root.not_valid_after_utc < now for root in store.roots):
        report.warning(path, "holds only expired certificates: no origin will be trusted")
    if not settings.verified:
        report.warning(path, f'has no effect under ssl = "{settings.ssl}"', 'write ssl = "strict"')
    return file


def _check_dates(report: Report, path: tuple[str | int, ...], material: Material) -> None:
    now = datetime.datetime.now(datetime.UTC)
    if now > material.not_after:
        report.warning(path, f"expired on {material.not_after:%Y-%m-%d}: clients will refuse it", "renew it")
    elif now < material.not_before:
        report.warning(
            path, f"is not valid before {material.not_before:%Y-%m-%d %H:%M} UTC", "check the clock"
        )
    elif now > material.not_after - SOON:
        report.warning(path, f"expires on {material.not_after:%Y-%m-%d}", "renew it")
