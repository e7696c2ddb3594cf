"""[admin]: where the admin API is reached, judged."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from fastgw.config.model import AdminTable
from fastgw.config.report import Report
from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import host_and_port
from fastgw.tls.material import read_material

_PATH_MAX = 107  # octets: what the kernel has room for


@dataclass(frozen=True, slots=True)
class AdminPlace:
    """`listen`: host and port, or None; `socket`: a unix socket, or None; `cert`: TLS on `listen`."""

    listen: tuple[str, int] | None = None
    socket: Path | None = None
    cert: CertificateFiles | None = None


def take_admin(report: Report, data: object, base: Path, *, storing: bool) -> AdminPlace | None:
    """What [admin] says; None: there is no admin API."""
    if data is None:
        return None
    table = report.table(AdminTable, data, ("admin",))
    if table is None:
        return None
    if not storing:
        hint = 'write [store] kind = "sqlite", or start with fastgw serve --state-dir DIR'
        report.error(("admin",), "needs a store, where its tokens and its zones are kept", hint)
    cert = None
    if table.cert is not None:
        cert = CertificateFiles(
            base / Path(table.cert.file).expanduser(), base / Path(table.cert.key).expanduser()
        )
        try:
            read_material(cert.file, cert.key)
        except CertificateError as error:
            report.error(("admin", "cert", error.part), str(error), error.hint, rule="certificate-unusable")
    path = _socket(report, table.socket, base)
    if table.listen == "none":
        if path is None:
            report.error(("admin", "listen"), 'is "none", and there is no socket', "name one of the two")
        return AdminPlace(None, path, cert)
    host, port = host_and_port(table.listen)
    if cert is None and not _loopback(host):
        report.error(
            ("admin", "listen"),
            f"is {table.listen!r}, which others can reach, but the admin API has no certificate",
            'write cert = { file = "...", key = "..." }, or listen on 127.0.0.1',
        )
    return AdminPlace((host, port), path, cert)


def _socket(report: Report, text: str | None, base: Path) -> Path | None:
    if text is None:
        return None
    path = base / Path(text).expanduser()
    if len(str(path).encode()) > _PATH_MAX:
        report.error(("admin", "socket"), f"is longer than the {_PATH_MAX} octets a socket's path may have")
    elif not path.parent.is_dir():
        report.error(("admin", "socket"), f"lies in {path.parent}, which is not a directory", "make it first")
    return path


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)} if host == "localhost" else set()
    except OSError:
        found = set()
    return bool(found) and all(ipaddress.ip_address(one).is_loopback for one in found)
