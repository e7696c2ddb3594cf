"""/zones/ID/custom_certificates: what clients are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.api.zones import Id
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import CERTIFICATE_INVALID, INVALID, missing, plainly, refuse
from fastgw.admin.files import Pair, facts, facts_of, written_on
from fastgw.admin.query import MATCH, PAGING, Page, words_param

_BUNDLE = Literal["ubiquitous", "optimal", "force"]


class CertificateBody(Body):
    """A chain, leaf first, and its key, both PEM."""

    certificate: Annotated[str | None, Field(max_length=300_000)] = None
    private_key: Annotated[str | None, Field(max_length=100_000)] = None
    bundle_method: _BUNDLE | None = None
    type: Literal["legacy_custom", "sni_custom"] | None = None
    deploy: Literal["staging", "production"] | None = None


class Rank(Body):
    """The place of a certificate: the highest number goes first."""

    id: str
    priority: float


class Ranks(Body):
    """The order of all certificates; those that are not named stay behind."""

    certificates: Annotated[list[Rank], Field(max_length=1000)]


class CertificateView(View):
    """One certificate."""

    id: str
    zone_id: str
    bundle_method: str
    hosts: list[str]
    issuer: str
    signature: str
    status: Literal["active", "expired", "pending"]
    priority: int
    uploaded_on: str | None
    modified_on: str | None
    expires_on: str | None


def _pairs(call: Call, document: Document) -> list[Pair]:
    """Those of a zone, the first to be shown in front."""
    files, base = call.desk.files, call.desk.base
    tables = [document["cert"]] if document.get("cert") else []
    return [files.pair(dict(table), base) for table in (*tables, *document.get("certs", ()))]


def _put(document: Document, pairs: list[Pair]) -> None:
    document.pop("cert", None)
    document.pop("certs", None)
    if pairs:
        document["cert"] = pairs[0].table
    if len(pairs) > 1:
        document["certs"] = [pair.table for pair in pairs[1:]]


def _times(document: Document, id_: str) -> dict[str, str]:
    found = document.get("api", {}).get("certificates", {}).get(id_, {})
    return dict(found)


def _view(call: Call, pair: Pair, priority: int) -> CertificateView:
    found = facts_of(pair.file)
    kept = _times(dict(call.zone.document), pair.id)
    written = written_on(pair.file)
    return CertificateView(
        id=pair.id,
        zone_id=call.zone.id,
        bundle_method=kept.get("bundle_method", "ubiquitous"),
        hosts=list(found.names) if found else [],
        issuer=found.issuer if found else "",
        signature=found.signature if found else "",
        status="pending" if found is None else "expired" if found.expired else "active",
        priority=priority,
        uploaded_on=kept.get("uploaded_on", written),
        modified_on=written,
        expires_on=found.expires_on if found else None,
    )


def _views(call: Call) -> list[CertificateView]:
    pairs = _pairs(call, dict(call.zone.document))
    return [_view(call, pair, len(pairs) - place) for place, pair in enumerate(pairs)]


def _one(call: Call, id_: str) -> CertificateView:
    found = next((one for one in _views(call) if one.id == id_), None)
    if found is None:
        raise missing("certificate")
    return found


def _remember(document: Document, id_: str, said: dict[str, Any] | None) -> None:
    kept = document.setdefault("api", {}).setdefault("certificates", {})
    if said is None:
        kept.pop(id_, None)
    else:
        kept[id_] = {**kept.get(id_, {}), **said}


def list_certificates(call: Call) -> Page:
    """The first to be shown in front."""
    tests: dict[str, Callable[[CertificateView], str]] = {"status": lambda one: one.status}
    return call.query.paged(call.query.filtered(_views(call), tests))


def add_certificate(call: Call) -> CertificateView:
    """Shown to who asks for one of its names; of several that fit, the one in front."""
    body: CertificateBody = call.body
    if not body.certificate or not body.private_key:
        raise refuse(400, CERTIFICATE_INVALID, "a certificate and its private_key are needed", "/certificate")
    facts(body.certificate)
    with call.desk.files.fresh() as fresh:
        pair = fresh.pair(body.certificate, body.private_key)
        call.desk.judge_pair(pair)

        def edit(document: Document) -> None:
            _put(document, [*_pairs(call, document), pair])
            _remember(
                document,
                pair.id,
                {"uploaded_on": written_on(pair.file), "bundle_method": body.bundle_method or "ubiquitous"},
            )

        call.change(edit, plainly(CERTIFICATE_INVALID))
    return _one(call, pair.id)


def get_certificate(call: Call) -> CertificateView:
    """One of them; its key is never shown."""
    return _one(call, call.path["custom_certificate_id"])


def change_certificate(call: Call) -> CertificateView:
    """Another certificate in its place, under the same id; connections go on."""
    body: CertificateBody = call.body
    id_ = call.path["custom_certificate_id"]
    before = _one(call, id_)
    old: list[Path] = []
    if (body.certificate is None) != (body.private_key is None):
        raise refuse(400, CERTIFICATE_INVALID, "certificate and private_key go together", "/private_key")
    with call.desk.files.fresh() as fresh:
        pair = None
        if body.certificate is not None and body.private_key is not None:
            facts(body.certificate)
            pair = fresh.pair(body.certificate, body.private_key, id_)
            call.desk.judge_pair(pair)

        def edit(document: Document) -> None:
            old.clear()
            pairs = _pairs(call, document)
            place = next((place for place, one in enumerate(pairs) if one.id == id_), None)
            if place is None:
                raise missing("certificate")
            if body.bundle_method:
                _remember(document, id_, {"bundle_method": body.bundle_method})
            if pair is not None:
                _remember(document, id_, {"uploaded_on": before.uploaded_on})
                _remember(document, pair.id, {"uploaded_on": before.uploaded_on})
                old.extend((pairs[place].file, pairs[place].key))
                pairs[place] = pair
                _put(document, pairs)

        call.change(edit, plainly(CERTIFICATE_INVALID))
    call.desk.files.remove(old)
    return _one(call, id_ if pair is None else pair.id)


def remove_certificate(call: Call) -> Id:
    """Refused if names are served that no other certificate is left for."""
    id_ = call.path["custom_certificate_id"]
    gone: list[Path] = []

    def edit(document: Document) -> None:
        gone.clear()
        pairs = _pairs(call, document)
        left = [pair for pair in pairs if pair.id != id_]
        if len(left) == len(pairs):
            raise missing("certificate")
        gone.extend(path for pair in pairs if pair.id == id_ for path in (pair.file, pair.key))
        _remember(document, id_, None)
        _put(document, left)

    call.change(edit, plainly(CERTIFICATE_INVALID))
    call.desk.files.remove(gone)
    return Id(id=id_)


def prioritize(call: Call) -> list[CertificateView]:
    """The highest number goes first."""
    body: Ranks = call.body
    wanted = {rank.id: rank.priority for rank in body.certificates}

    def edit(document: Document) -> None:
        pairs = _pairs(call, document)
        unknown = set(wanted) - {pair.id for pair in pairs}
        if unknown:
            raise refuse(400, INVALID, f"there is no certificate {min(unknown)[:64]}", "/certificates")
        _put(document, sorted(pairs, key=lambda pair: -wanted.get(pair.id, float("-inf"))))

    call.change(edit, plainly(CERTIFICATE_INVALID))
    return _views(call)


_AT = "/zones/{zone_id}/custom_certificates"
_ONE = _AT + "/{custom_certificate_id}"
_READ, _WRITE = "certificates:read", "certificates:write"
ROUTES = (
    Route(
        "GET",
        _AT,
        list_certificates,
        _READ,
        "List certificates",
        list[CertificateView],
        query=(words_param("status", ("active", "expired", "pending"), "its state"), MATCH, *PAGING),
        paging="page",
    ),
    Route("POST", _AT, add_certificate, _WRITE, "Add a certificate", CertificateView, CertificateBody),
    Route("PUT", _AT + "/prioritize", prioritize, _WRITE, "Order certificates", list[CertificateView], Ranks),
    Route("GET", _ONE, get_certificate, _READ, "Get a certificate", CertificateView),
    Route(
        "PATCH", _ONE, change_certificate, _WRITE, "Change a certificate", CertificateView, CertificateBody
    ),
    Route("DELETE", _ONE, remove_certificate, _WRITE, "Remove a certificate", Id),
)
