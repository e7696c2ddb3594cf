"""/certificates: certificates for origins, of the built-in Origin CA."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Body, Call, Route, View
from fastgw.admin.errors import INVALID, NOT_ALLOWED, refuse
from fastgw.admin.files import facts
from fastgw.admin.query import PAGING, Page, Param
from fastgw.policy.names import parents
from fastgw.store.base import Edit, StoredZone
from fastgw.store.ids import zone_id
from fastgw.tls.origin_ca import DAYS_MAX, issue_origin, origin_authority

KIND = "origin-certificates"
_DAYS = (7, 30, 90, 365, 730, 1095, DAYS_MAX)
_TYPES = Literal["origin-rsa", "origin-ecc", "keyless-certificate"]


class RequestBody(Body):
    """A request (PEM), the names, and for how many days."""

    csr: Annotated[str, Field(max_length=50_000)]
    hostnames: Annotated[list[str], Field(max_length=100)] = Field(default=[])
    request_type: _TYPES = "origin-ecc"
    requested_validity: int = DAYS_MAX


class OriginCertificate(View):
    """One certificate."""

    id: str
    certificate: str
    csr: str
    hostnames: list[str]
    request_type: _TYPES
    requested_validity: int
    expires_on: str
    revoked_at: str | None = None


class Revoked(View):
    """What was revoked, and when."""

    id: str
    revoked_at: str


def _view(stored: StoredZone) -> OriginCertificate:
    kept: dict[str, Any] = dict(stored.document)
    return OriginCertificate(id=stored.name.rpartition("/")[2], **kept)


def _require(call: Call, scope: str, hostnames: list[str]) -> None:
    """May the token do that for all these names? Raise ApiError."""
    zones = call.desk.names()
    for name in hostnames:
        bare = name.removeprefix("*.")
        zone = next((end for end in (bare, *parents(bare)) if end in zones), None)
        if not call.may(scope, None if zone is None else zone_id(zone)):
            raise refuse(403, NOT_ALLOWED, f"the token may not do that for {name[:300]}", "/hostnames")


def add(call: Call) -> OriginCertificate:
    """Gateways of this account believe it; nobody else does."""
    body: RequestBody = call.body
    if body.requested_validity not in _DAYS:
        said = (
            f"requested_validity is {body.requested_validity}; it must be one of {', '.join(map(str, _DAYS))}"
        )
        raise refuse(400, INVALID, said, "/requested_validity")
    issued = issue_origin(origin_authority(), body.hostnames, body.requested_validity, body.csr.encode())
    leaf = facts(issued.certificate.decode())[0]
    _require(call, "certificates:write", list(leaf.names))
    document = {
        "certificate": leaf.pem,
        "csr": body.csr,
        "hostnames": list(leaf.names),
        "request_type": body.request_type,
        "requested_validity": body.requested_validity,
        "expires_on": leaf.expires_on,
        "revoked_at": None,
    }
    id_ = f"{leaf.certificate.serial_number:x}"[-32:].rjust(32, "0")
    call.desk.write(lambda: (None, [Edit(f"@{KIND}/{id_}", document, 0)]), call.actor)
    return _view(call.desk.object(KIND, id_))


def list_all(call: Call) -> Page:
    """Those of a zone, or all."""
    zone = call.query.text("zone_id")
    name = call.desk.zone(zone).name if zone else ""
    found = []
    for stored in call.desk.objects(KIND):
        one = _view(stored)
        of_zone = not name or any(
            f".{host.removeprefix('*.')}".endswith(f".{name}") for host in one.hostnames
        )
        if of_zone and one.revoked_at is None and _may_see(call, one):
            found.append(one)
    return call.query.paged(sorted(found, key=lambda one: (one.expires_on, one.id)))


def _may_see(call: Call, one: OriginCertificate) -> bool:
    try:
        _require(call, "certificates:read", one.hostnames)
    except Exception:
        return False
    return True


def get(call: Call) -> OriginCertificate:
    """One of them."""
    found = _view(call.desk.object(KIND, call.path["certificate_id"]))
    _require(call, "certificates:read", found.hostnames)
    return found


def revoke(call: Call) -> Revoked:
    """It is remembered as revoked; to have it refused, name a list of revoked certificates in its zone."""
    id_ = call.path["certificate_id"]
    found = call.desk.object(KIND, id_)
    _require(call, "certificates:write", list(found.document["hostnames"]))
    at = found.document["revoked_at"] or now_text()
    document = {**found.document, "revoked_at": at}
    call.desk.write(lambda: (None, [Edit(found.name, document, found.revision)]), call.actor)
    left = datetime.datetime.fromisoformat(found.document["expires_on"])
    call.note(f"origins that show it are believed until {left:%Y-%m-%d}, unless the zone names a crl")
    return Revoked(id=id_, revoked_at=at)


_R, _W = "certificates:read", "certificates:write"
ROUTES = (
    Route(
        "GET",
        "/certificates",
        list_all,
        _R,
        "List certificates for origins",
        list[OriginCertificate],
        query=(Param("zone_id", "only those for names of this zone"), *PAGING),
        paging="page",
        any_zone=True,
    ),
    Route(
        "POST",
        "/certificates",
        add,
        _W,
        "Make a certificate for an origin",
        OriginCertificate,
        RequestBody,
        any_zone=True,
    ),
    Route(
        "GET",
        "/certificates/{certificate_id}",
        get,
        _R,
        "Get a certificate for an origin",
        OriginCertificate,
        any_zone=True,
    ),
    Route(
        "DELETE",
        "/certificates/{certificate_id}",
        revoke,
        _W,
        "Revoke a certificate for an origin",
        Revoked,
        any_zone=True,
    ),
)
