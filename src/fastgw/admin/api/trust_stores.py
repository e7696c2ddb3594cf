"""/zones/ID/acm/custom_trust_store: roots that replace the public ones toward a zone's origins."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives import serialization
from pydantic import Field

from fastgw.admin.api.settings import now_text
from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import CERTIFICATE_INVALID, missing, plainly, refuse
from fastgw.admin.files import Facts, facts
from fastgw.admin.query import PAGING, Page
from fastgw.errors import CertificateError
from fastgw.tls.material import read_trust_store

_ROOTS_MOST = 100


class RootBody(Body):
    """A root certificate, PEM."""

    certificate: Annotated[str, Field(max_length=300_000)]


class RootView(View):
    """One root."""

    id: str
    certificate: str
    issuer: str
    signature: str
    status: Literal["active"] = "active"
    expires_on: str
    uploaded_on: str
    updated_at: str


def _id(root: Facts) -> str:
    return hashlib.sha256(root.certificate.public_bytes(serialization.Encoding.DER)).hexdigest()[:32]


def _roots(call: Call, document: Document) -> list[Facts]:
    """What stands in the file that the zone names."""
    text = document.get("trust_store")
    if not text:
        return []
    try:
        return facts((call.desk.base / Path(text).expanduser()).read_text())
    except OSError:
        return []


def _view(call: Call, root: Facts) -> RootView:
    kept = dict(call.zone.document).get("api", {}).get("trust_store", {})
    at = kept.get(_id(root)) or _unknown(root)
    return RootView(
        id=_id(root),
        certificate=root.pem,
        issuer=root.issuer,
        signature=root.signature,
        expires_on=root.expires_on,
        uploaded_on=at,
        updated_at=at,
    )


def _unknown(root: Facts) -> str:
    return root.certificate.not_valid_before_utc.isoformat().replace("+00:00", "Z")


def _pick(call: Call) -> Facts:
    id_ = call.path["custom_origin_trust_store_id"]
    for root in _roots(call, dict(call.zone.document)):
        if _id(root) == id_:
            return root
    raise missing("certificate")


def _change(call: Call, edit: Callable[[list[Facts], dict[str, Any]], list[Facts]]) -> None:
    """Write another file, let the zone name that, and let the one before go."""
    files = call.desk.files
    old: list[Path] = []
    with files.fresh() as fresh:

        def edited(document: Document) -> None:
            old.clear()
            if document.get("trust_store"):
                old.append(call.desk.base / Path(document["trust_store"]).expanduser())
            times = document.setdefault("api", {}).setdefault("trust_store", {})
            roots = edit(_roots(call, document), times)
            document.pop("trust_store", None)
            if roots:
                name = f"trust-{os.urandom(8).hex()}.pem"
                path = fresh.put(name, "".join(root.pem for root in roots))
                try:
                    read_trust_store(path)
                except CertificateError as error:
                    said = str(error).replace(f"names {path}, in which ", "")
                    raise refuse(400, CERTIFICATE_INVALID, f"{said} ({error.hint})", "/certificate") from None
                document["trust_store"] = str(path)

        call.change(edited, plainly(CERTIFICATE_INVALID))
    files.remove(old)


def list_roots(call: Call) -> Page:
    """None: the public roots are believed."""
    return call.query.paged([_view(call, root) for root in _roots(call, dict(call.zone.document))])


def add_root(call: Call) -> RootView:
    """The first one replaces the public roots."""
    body: RootBody = call.body
    found = facts(body.certificate)
    if len(found) != 1:
        said = f"it holds {len(found)} certificates; add root certificates one by one"
        raise refuse(400, CERTIFICATE_INVALID, said, "/certificate")
    id_ = _id(found[0])

    def edit(roots: list[Facts], times: dict[str, Any]) -> list[Facts]:
        if any(_id(root) == id_ for root in roots):
            raise refuse(409, CERTIFICATE_INVALID, "that certificate is there already", "/certificate")
        if len(roots) >= _ROOTS_MOST:
            raise refuse(400, CERTIFICATE_INVALID, f"a zone has at most {_ROOTS_MOST} roots here")
        times[id_] = now_text()
        return [*roots, found[0]]

    _change(call, edit)
    return _view(call, found[0])


def get_root(call: Call) -> RootView:
    """One of them."""
    return _view(call, _pick(call))


def remove_root(call: Call) -> Id:
    """Without the last one the public roots are believed again."""
    id_ = _id(_pick(call))

    def edit(roots: list[Facts], times: dict[str, Any]) -> list[Facts]:
        times.pop(id_, None)
        return [root for root in roots if _id(root) != id_]

    _change(call, edit)
    return Id(id=id_)


_AT = "/zones/{zone_id}/acm/custom_trust_store"
_ONE = _AT + "/{custom_origin_trust_store_id}"
_R, _W = "certificates:read", "certificates:write"
ROUTES = (
    Route("GET", _AT, list_roots, _R, "List roots", list[RootView], query=PAGING, paging="page"),
    Route("POST", _AT, add_root, _W, "Add a root", RootView, RootBody),
    Route("GET", _ONE, get_root, _R, "Get a root", RootView),
    Route("DELETE", _ONE, remove_root, _W, "Remove a root", Id),
)
