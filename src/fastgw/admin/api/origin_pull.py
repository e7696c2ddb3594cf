"""/zones/ID/origin_tls_client_auth: the certificate that the gateway shows to origins that ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.admin.api.settings import now_text
from fastgw.admin.call import Body, Call, Document, Route, View
from fastgw.admin.errors import CERTIFICATE_INVALID, INVALID, missing, plainly, refuse
from fastgw.admin.files import Facts, facts, facts_of
from fastgw.admin.records import full_name

_KEY = "origin_pull"  # in what the API remembers of a zone


class PullBody(Body):
    """A chain, leaf first, and its key, both PEM."""

    certificate: Annotated[str, Field(max_length=300_000)]
    private_key: Annotated[str, Field(max_length=100_000)]


class Switch(Body):
    """Is the zone's own certificate shown?"""

    enabled: bool


class HostConfig(Body):
    """One name; `enabled` null removes it."""

    hostname: Annotated[str, Field(min_length=1, max_length=300)]
    cert_id: str | None = None
    enabled: bool | None = None


class HostConfigs(Body):
    """Several names."""

    config: Annotated[list[HostConfig], Field(max_length=1000)]


class PullView(View):
    """One certificate."""

    id: str
    certificate: str
    issuer: str
    signature: str
    serial_number: str
    status: Literal["active", "expired"]
    expires_on: str
    uploaded_on: str
    enabled: bool
    private_key: str = ""


class SwitchView(View):
    """Is the zone's own certificate shown?"""

    enabled: bool


class HostView(View):
    """What is shown to the origins of one name."""

    hostname: str
    cert_id: str | None
    enabled: bool | None
    status: Literal["active", "deleted"]
    cert_status: Literal["active", "expired"] | None
    certificate: str | None
    issuer: str | None
    serial_number: str | None
    signature: str | None
    expires_on: str | None
    cert_uploaded_on: str | None
    cert_updated_at: str | None
    created_at: str | None
    updated_at: str | None


def _kept(document: Document) -> dict[str, Any]:
    """What the API remembers: certificates of the zone and of names, the names, and the switch."""
    found: dict[str, Any] = document.setdefault("api", {}).setdefault(_KEY, {})
    found.setdefault("enabled", False)
    for name in ("zone", "hosts", "names"):
        found.setdefault(name, [])
    return found


def _read(call: Call) -> dict[str, Any]:
    kept = dict(call.zone.document).get("api", {}).get(_KEY, {})
    return {"enabled": False, "zone": [], "hosts": [], "names": [], **kept}


def _derive(call: Call, document: Document) -> None:
    """Let the zone show what follows; what others have written there stays."""
    kept = _kept(document)
    directory = str(call.desk.directory)
    rows = [
        row for row in document.get("origin_pull", ()) if not str(row.get("file", "")).startswith(directory)
    ]
    certs = {one["id"]: one for one in (*kept["zone"], *kept["hosts"])}
    for name in kept["names"]:
        one = certs.get(name["cert_id"])
        if one is not None and name["enabled"]:
            rows.append({"file": one["file"], "key": one["key"], "hostnames": [name["hostname"]]})
    if kept["enabled"] and kept["zone"]:
        newest = kept["zone"][-1]
        rows.append({"file": newest["file"], "key": newest["key"]})
    document.pop("origin_pull", None)
    if rows:
        document["origin_pull"] = rows


def _view(call: Call, one: dict[str, Any]) -> PullView:
    found = facts_of(Path(one["file"]))
    if found is None:
        raise missing("certificate")
    return PullView(
        id=one["id"],
        certificate=found.pem,
        issuer=found.issuer,
        signature=found.signature,
        serial_number=found.serial,
        status="expired" if found.expired else "active",
        expires_on=found.expires_on,
        uploaded_on=one["uploaded_on"],
        enabled=_read(call)["enabled"],
    )


def _of(kind: str) -> tuple[Any, Any, Any, Any]:
    """The four verbs for certificates of the zone, or of names."""

    def list_(call: Call) -> list[PullView]:
        return [_view(call, one) for one in _read(call)[kind]]

    def add(call: Call) -> PullView:
        body: PullBody = call.body
        facts(body.certificate)
        with call.desk.files.fresh() as fresh:
            pair = fresh.pair(body.certificate, body.private_key)
            row = {"id": pair.id, "file": str(pair.file), "key": str(pair.key), "uploaded_on": now_text()}

            def edit(document: Document) -> None:
                _kept(document)[kind].append(row)
                _derive(call, document)

            call.desk.judge_pair(pair)
            call.change(edit, plainly(CERTIFICATE_INVALID))
        return _view(call, row)

    def get(call: Call) -> PullView:
        return _view(call, _pick(_read(call)[kind], call.path["certificate_id"]))

    def remove(call: Call) -> PullView:
        id_ = call.path["certificate_id"]
        shown = _view(call, _pick(_read(call)[kind], id_))

        def edit(document: Document) -> dict[str, Any]:
            kept = _kept(document)
            gone = _pick(kept[kind], id_)
            if any(name["cert_id"] == id_ for name in kept["names"]):
                said = "names are still shown it: take them away first"
                raise refuse(400, CERTIFICATE_INVALID, said)
            kept[kind] = [one for one in kept[kind] if one["id"] != id_]
            _derive(call, document)
            return gone

        gone = call.change(edit, plainly(CERTIFICATE_INVALID))
        call.desk.files.remove((Path(gone["file"]), Path(gone["key"])))
        return shown

    return list_, add, get, remove


def _pick(rows: list[dict[str, Any]], id_: str) -> dict[str, Any]:
    for one in rows:
        if one["id"] == id_:
            return one
    raise missing("certificate")


def get_switch(call: Call) -> SwitchView:
    """Off until it is put on."""
    return SwitchView(enabled=_read(call)["enabled"])


def put_switch(call: Call) -> SwitchView:
    """Show the zone's newest certificate, or none of its own."""
    body: Switch = call.body

    def edit(document: Document) -> None:
        _kept(document)["enabled"] = body.enabled
        _derive(call, document)

    call.change(edit, plainly(CERTIFICATE_INVALID))
    if body.enabled and not _read(call)["zone"]:
        call.note("the zone has no certificate yet: POST one to origin_tls_client_auth")
    return SwitchView(enabled=body.enabled)


def put_names(call: Call) -> list[HostView]:
    """Which names show which certificate."""
    body: HostConfigs = call.body
    zone = call.zone.name

    def edit(document: Document) -> None:
        kept = _kept(document)
        known = {one["id"] for one in (*kept["hosts"], *kept["zone"])}
        names = {one["hostname"]: one for one in kept["names"]}
        at = now_text()
        for number, one in enumerate(body.config):
            name = full_name(one.hostname, zone)
            if one.enabled is None:
                names.pop(name, None)
                continue
            before = names.get(name, {})
            cert = one.cert_id or before.get("cert_id")
            if cert not in known:
                raise refuse(400, INVALID, "there is no such certificate", f"/config/{number}/cert_id")
            names[name] = {
                "hostname": name,
                "cert_id": cert,
                "enabled": one.enabled,
                "created_at": before.get("created_at", at),
                "updated_at": at,
            }
        kept["names"] = list(names.values())
        _derive(call, document)

    call.change(edit, plainly(CERTIFICATE_INVALID))
    return [_host(call, full_name(one.hostname, zone)) for one in body.config]


def _host(call: Call, hostname: str) -> HostView:
    kept = _read(call)
    name = next((one for one in kept["names"] if one["hostname"] == hostname), None)
    certs = [one for one in (*kept["hosts"], *kept["zone"]) if name and one["id"] == name["cert_id"]]
    found: Facts | None = facts_of(Path(certs[0]["file"])) if certs else None
    uploaded = certs[0]["uploaded_on"] if certs else None
    return HostView(
        hostname=hostname,
        cert_id=name["cert_id"] if name else None,
        enabled=name["enabled"] if name else None,
        status="active" if name else "deleted",
        cert_status=None if found is None else "expired" if found.expired else "active",
        certificate=found.pem if found else None,
        issuer=found.issuer if found else None,
        serial_number=found.serial if found else None,
        signature=found.signature if found else None,
        expires_on=found.expires_on if found else None,
        cert_uploaded_on=uploaded,
        cert_updated_at=uploaded,
        created_at=name["created_at"] if name else None,
        updated_at=name["updated_at"] if name else None,
    )


def get_name(call: Call) -> HostView:
    """What one name shows."""
    hostname = full_name(call.path["hostname"], call.zone.name)
    if not any(one["hostname"] == hostname for one in _read(call)["names"]):
        raise missing("hostname")
    return _host(call, hostname)


_AT = "/zones/{zone_id}/origin_tls_client_auth"
_R, _W = "certificates:read", "certificates:write"


def _routes(at: str, kind: str, of: str) -> tuple[Route, ...]:
    list_, add, get, remove = _of(kind)
    one = at + "/{certificate_id}"
    return (
        Route("GET", at, list_, _R, f"List certificates {of}", list[PullView]),
        Route("POST", at, add, _W, f"Add a certificate {of}", PullView, PullBody),
        Route("GET", one, get, _R, f"Get a certificate {of}", PullView),
        Route("DELETE", one, remove, _W, f"Remove a certificate {of}", PullView),
    )


ROUTES = (
    Route("GET", _AT + "/settings", get_switch, _R, "Is it shown to origins", SwitchView),
    Route("PUT", _AT + "/settings", put_switch, _W, "Show it to origins", SwitchView, Switch),
    *_routes(_AT + "/hostnames/certificates", "hosts", "for origins of names"),
    Route("PUT", _AT + "/hostnames", put_names, _W, "Which names show which", list[HostView], HostConfigs),
    Route("GET", _AT + "/hostnames/{hostname}", get_name, _R, "What a name shows", HostView),
    *_routes(_AT, "zone", "for origins of the zone"),
)
