"""mtls_certificates, hostname_associations: whose certificates clients are asked for, and by which names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import CERTIFICATE_INVALID, missing, plainly, refuse
from fastgw.admin.files import facts
from fastgw.admin.query import Param
from fastgw.admin.records import full_name
from fastgw.errors import CertificateError
from fastgw.store.base import Edit, StoredZone
from fastgw.store.ids import fresh_id
from fastgw.tls.material import read_authorities

KIND = "mtls-certificates"


class AuthorityBody(Body):
    """Certificates of who vouches for clients, PEM."""

    ca: bool = True
    certificates: Annotated[str, Field(max_length=300_000)]
    name: Annotated[str, Field(max_length=200)] = ""
    private_key: str | None = None


class AuthorityView(View):
    """One of them."""

    id: str
    ca: bool
    certificates: str
    issuer: str
    name: str
    serial_number: str
    signature: str
    type: Literal["custom"] = "custom"
    expires_on: str
    uploaded_on: str
    updated_at: str


class Association(View):
    """A use of it."""

    service: str
    status: str


class Hostnames(Body):
    """Names whose clients are asked, for certificates of which authority."""

    hostnames: Annotated[list[str], Field(max_length=1000)] = Field(default=[])
    mtls_certificate_id: str | None = None


class HostnamesView(View):
    """Names whose clients are asked."""

    hostnames: list[str]


def _view(stored: StoredZone) -> AuthorityView:
    kept: dict[str, Any] = dict(stored.document)
    first = facts(kept["certificates"])[0]
    return AuthorityView(
        id=stored.name.rpartition("/")[2],
        ca=True,
        certificates=kept["certificates"],
        issuer=first.issuer,
        name=kept["name"],
        serial_number=first.serial,
        signature=first.signature,
        expires_on=first.expires_on,
        uploaded_on=kept["uploaded_on"],
        updated_at=kept["uploaded_on"],
    )


def _file(call: Call, id_: str) -> Path:
    return call.desk.directory / f"{id_}.ca.pem"


def _uses(call: Call, id_: str) -> list[str]:
    """The zones that ask for certificates of it."""
    file = str(_file(call, id_))
    return [
        name
        for name in call.desk.names()
        if any(row.get("ca") == file for row in call.desk.named(name).document.get("client_certs", ()))
    ]


def list_authorities(call: Call) -> list[AuthorityView]:
    """All of them."""
    kinds = call.query.many("type")
    return [_view(one) for one in call.desk.objects(KIND)] if not kinds or "custom" in kinds else []


def add_authority(call: Call) -> AuthorityView:
    """Names come to it by hostname_associations."""
    body: AuthorityBody = call.body
    if not body.ca:
        said = "ca is false; a certificate of the gateway's own goes to origin_tls_client_auth"
        raise refuse(400, CERTIFICATE_INVALID, said, "/ca")
    if body.private_key:
        call.note("private_key is not needed and was not kept")
    pem = "".join(one.pem for one in facts(body.certificates, "/certificates"))
    id_ = fresh_id()
    with call.desk.files.fresh() as fresh:
        path = fresh.put(_file(call, id_).name, pem)
        try:
            read_authorities(path)
        except CertificateError as error:
            said = str(error).replace(f"names {path}, in which ", "")
            raise refuse(400, CERTIFICATE_INVALID, f"{said} ({error.hint})", "/certificates") from None
        document = {"name": body.name, "certificates": pem, "uploaded_on": now_text()}
        call.desk.write(lambda: (None, [Edit(f"@{KIND}/{id_}", document, 0)]), call.actor)
    return _view(call.desk.object(KIND, id_))


def get_authority(call: Call) -> AuthorityView:
    """One of them."""
    return _view(call.desk.object(KIND, call.path["mtls_certificate_id"]))


def remove_authority(call: Call) -> AuthorityView:
    """Refused as long as a name is associated with it."""
    id_ = call.path["mtls_certificate_id"]
    stored = call.desk.object(KIND, id_)
    shown = _view(stored)

    def edits() -> tuple[None, list[Edit]]:
        uses = _uses(call, id_)
        if uses:
            said = (
                f"the zone {uses[0]} still asks for certificates of it: take its hostname_associations away"
            )
            raise refuse(409, CERTIFICATE_INVALID, said)
        return None, [Edit(stored.name, None, stored.revision, "delete")]

    call.desk.write(edits, call.actor)
    call.desk.files.remove([_file(call, id_)])
    return shown


def associations_of(call: Call) -> list[Association]:
    """Which zones use it."""
    id_ = call.path["mtls_certificate_id"]
    call.desk.object(KIND, id_)
    return [Association(service=f"zone {name}", status="active") for name in _uses(call, id_)]


def _authority(call: Call, id_: str | None) -> str:
    """The file of the one that is meant. Raise ApiError."""
    if id_ is None:
        found = call.desk.objects(KIND)
        if len(found) != 1:
            said = f"say which with mtls_certificate_id: there are {len(found)} mtls_certificates"
            raise refuse(400, CERTIFICATE_INVALID, said, "/mtls_certificate_id")
        return str(_file(call, found[0].name.rpartition("/")[2]))
    try:
        call.desk.object(KIND, id_)
    except Exception:
        raise missing("mtls_certificate") from None
    return str(_file(call, id_))


def get_names(call: Call) -> HostnamesView:
    """Those of one authority, or of all."""
    id_ = call.query.text("mtls_certificate_id")
    wanted = _authority(call, id_) if id_ else None
    names = []
    for row in call.zone.document.get("client_certs", ()):
        if wanted is None or row.get("ca") == wanted:
            names += [full_name(name, call.zone.name) for name in row.get("hostnames", ())]
    return HostnamesView(hostnames=list(dict.fromkeys(names)))


def put_names(call: Call) -> HostnamesView:
    """Clients of these names are asked for a certificate of the authority; none: nobody is any more."""
    body: Hostnames = call.body
    wanted = _authority(call, body.mtls_certificate_id)
    names = [full_name(name, call.zone.name) for name in body.hostnames]

    def edit(document: Document) -> None:
        rows = [row for row in document.get("client_certs", ()) if row.get("ca") != wanted]
        before: dict[str, Any] = next(
            (row for row in document.get("client_certs", ()) if row.get("ca") == wanted),
            {"demand": "request"},
        )
        document.pop("client_certs", None)
        if names:
            rows.append({**before, "ca": wanted, "hostnames": names})
        if rows:
            document["client_certs"] = rows

    call.change(edit, plainly(CERTIFICATE_INVALID))
    return HostnamesView(hostnames=names)


_AT = "/accounts/{account_id}/mtls_certificates"
_ONE = _AT + "/{mtls_certificate_id}"
_NAMES = "/zones/{zone_id}/certificate_authorities/hostname_associations"
_R, _W = "certificates:read", "certificates:write"
_TYPE = (Param("type", "custom, or nothing is found"),)
_WHICH = (Param("mtls_certificate_id", "only names of this authority"),)
ROUTES = (
    Route("GET", _AT, list_authorities, _R, "List client CAs", list[AuthorityView], query=_TYPE),
    Route("POST", _AT, add_authority, _W, "Add a client CA", AuthorityView, AuthorityBody),
    Route("GET", _ONE, get_authority, _R, "Get a client CA", AuthorityView),
    Route("DELETE", _ONE, remove_authority, _W, "Remove a client CA", AuthorityView),
    Route("GET", _ONE + "/associations", associations_of, _R, "Who uses a client CA", list[Association]),
    Route("GET", _NAMES, get_names, _R, "Names that ask for certificates", HostnamesView, query=_WHICH),
    Route("PUT", _NAMES, put_names, _W, "Which names ask for certificates", HostnamesView, Hostnames),
)
