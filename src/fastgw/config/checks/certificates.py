"""Certificates and names that do not belong together."""

from __future__ import annotations

from fastgw.config.judged import Judged
from fastgw.config.report import Report
from fastgw.errors import CertificateError
from fastgw.policy.names import readable
from fastgw.tls.material import read_material


def check_certified(report: Report, judged: Judged) -> None:
    """A certificate that names a host of the zone which is DNS-only: was it to be served?"""
    files = judged.zone.certificate
    hidden = {entry.record.name for entry in judged.placed if not entry.served and entry.record.leads}
    if files is None or not hidden:
        return
    try:
        names = read_material(files.file, files.key).names
    except CertificateError:
        return
    for name in names:
        if name in hidden:
            report.note(
                (*judged.part.path, "cert", "file"),
                f"names {readable(name)}, which is DNS-only: the gateway does not serve it",
                "write proxied = true on its record if it is to be served",
                rule="certificate-for-dns-only",
            )
