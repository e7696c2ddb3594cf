"""TLS in the file: its tables, and what of it cannot be meant."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fastgw.config.fields import ComplaintError, OnOff, Table, Text
from fastgw.config.lines import Path
from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.names import HostnameError, record_name
from fastgw.policy.settings import Settings, TlsVersion
from fastgw.policy.tls import (
    CIPHERS,
    EXPIRY_DAYS,
    ClientCertificates,
    ClientRule,
    HostTerms,
    PullRule,
    ServerTls,
    ZoneTls,
    expiry_stage,
)
from fastgw.tls.material import Material, read_authorities, read_crls, read_material, read_staple
from fastgw.tls.origin_ca import root_file

if TYPE_CHECKING:
    from fastgw.config.records import Placed
    from fastgw.config.report import Report

# Of most zones, that say nothing about TLS.
_WORDS = frozenset(
    {"certs", "client_certs", "hostname", "origin_pull", "crl", "origin_ca", "legacy_cn_match"}
)
_NOTHING = ZoneTls()


class CertTable(Table):
    """A certificate chain and its key."""

    file: Annotated[Text, Field(description="PEM, leaf first")]
    key: Annotated[Text, Field(description="PEM, not encrypted")]
    ocsp: Annotated[Text | None, Field(description="OCSP response (DER) that is stapled")] = None


class ClientCertsTable(Table):
    """[[zone.client_certs]]: clients are asked for a certificate."""

    ca: Annotated[Text, Field(description="PEM certificates of who vouches for clients")]
    demand: Annotated[
        Literal["request", "require"],
        Field(description='"require": without a good one the handshake fails; "request": it is only noted'),
    ] = "request"
    crl: Annotated[Text | None, Field(description="revoked ones: lists in PEM, or one in DER")] = None
    hostnames: Annotated[list[Text], Field(description="which names ask; none: all of the zone")] = Field(
        default=[]
    )


class PullTable(Table):
    """[[zone.origin_pull]]: the gateway's own certificate, shown to origins that ask."""

    file: Annotated[Text, Field(description="PEM, leaf first")]
    key: Annotated[Text, Field(description="PEM, not encrypted")]
    hostnames: Annotated[list[Text], Field(description="to whose origins; none: all of the zone")] = Field(
        default=[]
    )


class HostnameTable(Table):
    """[[zone.hostname]]: a name that asks of handshakes what its zone does not."""

    name: Annotated[Text, Field(description="a name of the zone, as its record has it")]
    min_tls_version: Annotated[
        TlsVersion | None, Field(description="instead of the zone's setting of that name")
    ] = None
    ciphers: Annotated[list[Text] | None, Field(description="instead of the zone's")] = None
    http2: Annotated[OnOff | None, Field(description="instead of the zone's")] = None


def _network(value: object) -> object:
    if isinstance(value, str):
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ComplaintError(
                f"is {value!r}, which is not a network", 'write "10.0.0.0/8" or an address'
            ) from None
    return value


Network = Annotated[str, BeforeValidator(_network)]
CertsField = Annotated[
    list[CertTable],
    Field(description="further certificates; who asks for a name one of them bears sees that"),
]
ClientCertsField = Annotated[
    list[ClientCertsTable], Field(description="whose clients are asked for a certificate")
]
HostnamesField = Annotated[
    list[HostnameTable], Field(description="names that ask of handshakes what the zone does not")
]
PullField = Annotated[list[PullTable], Field(description="the gateway's own certificate toward origins")]


def take_server_tls(report: Report, server: Any, base: FilePath) -> ServerTls:
    """What [server] says, judged."""
    pull = None
    if server.origin_pull_cert is not None:
        pull = _files(report, ("server", "origin_pull_cert"), server.origin_pull_cert, base)
    if 0 < server.ticket_rotation < 60_000:
        hint = "each rotation costs every client a full handshake"
        report.warning(("server", "ticket_rotation"), "is less than a minute", hint)
    return ServerTls(
        ticket_rotation_ms=server.ticket_rotation,
        record_layer=server.record_layer,
        proxy_protocol=tuple(server.proxy_protocol),
        origin_pull=pull,
        origin_ca=root_file(),
    )


def take_tls(
    report: Report,
    part: Any,
    name: str,
    settings: Settings,
    base: FilePath,
    placed: Sequence[Placed],
    more: tuple[ClientRule, ...] = (),
) -> ZoneTls:
    """What a zone says, judged. `placed`: its proxied records; `more`: whom its policies look at."""
    table, path = part.table, part.path
    if not more and table.model_fields_set.isdisjoint(_WORDS):
        _check_terms(report, part, settings, more=False)
        return _NOTHING
    served = list(dict.fromkeys([entry.record.name for entry in placed]))
    clients = list(more)
    for index, row in enumerate(table.client_certs):
        where = (*path, "client_certs", index)
        ca = _path(report, (*where, "ca"), row.ca, base, read_authorities)
        crl = _path(report, (*where, "crl"), row.crl, base, read_crls) if row.crl else None
        hostnames = _hostnames(report, (*where, "hostnames"), row.hostnames, name, served)
        clients.append(ClientRule(ClientCertificates(row.demand, ca, crl), hostnames))
    pulls = []
    for index, pull in enumerate(table.origin_pull):
        where = (*path, "origin_pull", index)
        hostnames = _hostnames(report, (*where, "hostnames"), pull.hostnames, name, served)
        pulls.append(PullRule(_files(report, where, pull, base), hostnames))
    crl = _path(report, (*path, "crl"), table.crl, base, read_crls) if table.crl else None
    if crl is not None and not settings.verified:
        report.warning((*path, "crl"), f'has no effect under ssl = "{settings.ssl}"', 'write ssl = "strict"')
    certificates = tuple(
        _files(report, (*path, "certs", index), row, base, "clients") for index, row in enumerate(table.certs)
    )
    hosts = _hosts(report, part, name, settings, served)
    _check_terms(report, part, settings, bool(clients or certificates or hosts))
    return ZoneTls(
        certificates, tuple(clients), tuple(pulls), crl, table.origin_ca, table.legacy_cn_match, hosts
    )


def _hosts(
    report: Report, part: Any, zone: str, settings: Settings, served: Sequence[str]
) -> tuple[HostTerms, ...]:
    """The names with terms of their own, judged."""
    found: list[HostTerms] = []
    for index, row in enumerate(part.table.hostname):
        where = (*part.path, "hostname", index)
        names = _hostnames(report, (*where, "name"), [row.name], zone, served)
        if not names:
            continue
        if any(one.hostname == names[0] for one in found):
            report.error((*where, "name"), f"is {names[0]}, which is there twice", "put all in one table")
            continue
        if row.min_tls_version == "1.3" and settings.tls_1_3 == "off":
            sentence = 'is "1.3", but tls_1_3 is "off" in the zone'
            report.error((*where, "min_tls_version"), sentence, "no client could connect")
        for cipher in row.ciphers or ():
            if cipher not in CIPHERS:
                sentence = f"names {cipher}, which HTTP/2 prohibits or this gateway does not have"
                hint = f"RFC 9113 appendix A leaves {', '.join(CIPHERS)}"
                report.error((*where, "ciphers"), sentence, hint)
        ciphers = None if row.ciphers is None else tuple(row.ciphers)
        h2 = None if row.http2 is None else row.http2 == "on"
        if h2 is False:
            report.warning((*where, "http2"), f'is "off": nobody can connect to {names[0]}')
        found.append(HostTerms(names[0], row.min_tls_version, ciphers, h2))
    return tuple(found)


def check_staple(report: Report, path: Path, files: CertificateFiles) -> None:
    """A response that cannot be stapled is left out: the certificate is shown without."""
    if files.ocsp is None:
        return
    try:
        read_staple(files.ocsp, read_material(files.file, files.key).chain[0])
    except CertificateError as error:
        if error.part == "ocsp":
            report.warning((*path, "ocsp"), f"{error}; nothing is stapled", error.hint)


def check_dates(report: Report, path: Path, material: Material, whose: str = "clients") -> None:
    """Is the certificate still good, and for how long? `whose` is who is shown it."""
    now = datetime.datetime.now(datetime.UTC)
    left = (material.not_after - now) / datetime.timedelta(days=1)
    until, stage = f"{material.not_after:%Y-%m-%d}", expiry_stage(left)
    if now < material.not_before:
        sentence = f"is not valid before {material.not_before:%Y-%m-%d %H:%M} UTC"
        report.warning(path, sentence, "check the clock", rule="certificate-not-yet-valid")
    elif stage is None:
        return
    elif stage == 0:
        report.warning(
            path, f"expired on {until}: {whose} will refuse it", "renew it", rule="certificate-expired"
        )
    elif stage == EXPIRY_DAYS[-1]:
        report.note(path, f"expires on {until}", "plan to renew it", rule="certificate-expires")
    else:
        when = "in less than a day" if left < 1 else f"in {int(left)} day{'s' if left >= 2 else ''}"
        report.warning(path, f"expires on {until}, {when}", "renew it", rule="certificate-expires")


def _check_terms(report: Report, part: Any, settings: Settings, more: bool) -> None:
    where = (*part.path, "settings")
    if settings.min_tls_version in ("1.0", "1.1"):
        report.warning(
            (*where, "min_tls_version"),
            f'is "{settings.min_tls_version}" and acts as "1.2": HTTP/2 forbids older versions of TLS',
            'write "1.2"',
            rule="tls-version-low",
        )
    elif settings.min_tls_version == "1.3" and settings.tls_1_3 == "off":
        report.error((*where, "tls_1_3"), 'is "off", but min_tls_version is "1.3"', "no client could connect")
    for cipher in settings.ciphers:
        if cipher not in CIPHERS:
            sentence = f"names {cipher}, which HTTP/2 prohibits or this gateway does not have"
            report.error((*where, "ciphers"), sentence, f"RFC 9113 appendix A leaves {', '.join(CIPHERS)}")
    if not settings.http2 and settings.http and not settings.grpc:  # gRPC has a rule of its own
        report.warning(
            (*where, "http2"), 'is "off": nobody can connect to this zone', "clients come by HTTP/2 only"
        )
    if part.cert is None and not part.cert_given and more:
        hint = "give it one; it may be the same files as another zone's"
        report.error(part.path, "asks for more in handshakes, but has no certificate of its own", hint)


def _hostnames(
    report: Report, path: Path, names: Sequence[str], zone: str, served: Sequence[str]
) -> tuple[str, ...]:
    found = []
    for index, text in enumerate(names):
        try:
            name = record_name(text, zone)
        except HostnameError as error:
            report.error((*path, index), f"is {text!r}, which {error}", f"write a name of the zone {zone}")
            continue
        if name not in served and not (
            name.startswith("*.") and any(one.endswith(name[1:]) for one in served)
        ):
            report.warning((*path, index), f"is {name}, which has no proxied record", "it has no effect")
        found.append(name)
    return tuple(found)


def _path(
    report: Report, path: Path, text: str, base: FilePath, read: Callable[[FilePath], object]
) -> FilePath:
    file = base / FilePath(text).expanduser()
    try:
        read(file)
    except CertificateError as error:
        report.error(path, str(error), error.hint)
    return file


def _files(report: Report, path: Path, row: Any, base: FilePath, whose: str = "origins") -> CertificateFiles:
    """A certificate and its key, judged; `whose` is who is shown it."""
    ocsp = getattr(row, "ocsp", None)
    files = CertificateFiles(
        base / FilePath(row.file).expanduser(),
        base / FilePath(row.key).expanduser(),
        base / FilePath(ocsp).expanduser() if ocsp else None,
    )
    try:
        material = read_material(files.file, files.key)
    except CertificateError as error:
        report.error((*path, error.part), str(error), error.hint, rule="certificate-unusable")
        return files
    check_dates(report, (*path, "file"), material, whose)
    check_staple(report, path, files)
    return files
