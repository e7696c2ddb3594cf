"""Certificates and trust stores a configuration names: can they be read, do they fit, are they still good."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastgw.config.records import Placed
from fastgw.config.report import Report
from fastgw.config.tables import ZoneParts
from fastgw.config.tls import check_dates, check_staple
from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import covers, readable
from fastgw.policy.settings import Settings
from fastgw.tls.material import Material, read_material, read_trust_store


@dataclass(slots=True)
class Files:
    """The files that one configuration names, each read once; `base` is what their paths are relative to."""

    base: Path
    _materials: dict[CertificateFiles, Material | CertificateError] = field(default_factory=dict)

    def path(self, text: str) -> Path:
        """The whole path of what is written."""
        return self.base / Path(text).expanduser()

    def material(self, files: CertificateFiles) -> Material:
        """A certificate and its key. Raise CertificateError."""
        found = self._materials.get(files)
        if found is None:
            try:
                found = read_material(files.file, files.key)
            except CertificateError as error:
                found = error
            self._materials[files] = found
        if isinstance(found, CertificateError):
            raise found
        return found


def check_certificate(
    report: Report, part: ZoneParts, served: Sequence[Placed], files: Files, *, needed: bool
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
    ocsp = files.path(part.cert.ocsp) if part.cert.ocsp else None
    shown = CertificateFiles(files.path(part.cert.file), files.path(part.cert.key), ocsp)
    try:
        material = files.material(shown)
    except CertificateError as error:
        report.error((*path, error.part), str(error), error.hint, rule="certificate-unusable")
        return shown
    check_dates(report, (*path, "file"), material)
    check_staple(report, path, shown)
    if not needed:
        return shown
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
                f"does not cover {readable(name)}: calls to it over TLS are denied",
                f"the certificate covers {names}",
                rule="certificate-does-not-cover",
            )
        seen.add(name)
    return shown


def check_trust_store(report: Report, part: ZoneParts, settings: Settings, files: Files) -> Path | None:
    """The zone's trust store, judged."""
    if part.table.trust_store is None:
        return None
    path = (*part.path, "trust_store")
    file = files.path(part.table.trust_store)
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
