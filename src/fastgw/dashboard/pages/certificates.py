"""The SSL/TLS page of a zone: how calls are encrypted on both sides, and the certificates with their end."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from starlette.responses import Response

from fastgw.admin.errors import INVALID, refuse
from fastgw.dashboard.visit import ZONE, Page, Visit

SOON = 21  # days before the end from which on a certificate is marked
DAYS = (
    (7, "a week"),
    (30, "a month"),
    (90, "3 months"),
    (365, "a year"),
    (1095, "3 years"),
    (5475, "15 years"),
)
_AT = "/zones/{zone_id}/custom_certificates"
_ONE = _AT + "/{custom_certificate_id}"


@dataclass(frozen=True, slots=True)
class Card:
    """One setting as the page explains it. `words`: its values, each with what it is called."""

    id: str
    title: str
    text: str
    words: tuple[tuple[str, str], ...]


CARDS = (
    Card(
        "ssl",
        "Encryption mode",
        "How the gateway speaks to origins. gRPC needs full or full (strict).",
        (("off", "Off"), ("flexible", "Flexible"), ("full", "Full"), ("strict", "Full (strict)")),
    ),
    Card(
        "min_tls_version",
        "Minimum TLS version",
        "Clients that cannot speak at least this are turned away in the handshake.",
        (("1.0", "TLS 1.0"), ("1.1", "TLS 1.1"), ("1.2", "TLS 1.2"), ("1.3", "TLS 1.3")),
    ),
    Card(
        "tls_1_3",
        "TLS 1.3",
        "Offer clients TLS 1.3.",
        (("on", "On"), ("off", "Off"), ("zrt", "On, with 0-RTT")),
    ),
)


@dataclass(frozen=True, slots=True)
class End:
    """When a certificate ends: as a date, in words, and how it is marked."""

    at: str
    words: str
    kind: str


def end_of(expires_on: str | None, now: datetime.datetime | None = None) -> End:
    """What is said of the end of a certificate."""
    if not expires_on:
        return End("", "cannot be read", "bad")
    at = datetime.datetime.fromisoformat(expires_on)
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    left = (at - (now or datetime.datetime.now(datetime.UTC))).days
    words = (
        "expired"
        if left < 0
        else "less than a day left"
        if left == 0
        else f"{left} day{'s' if left > 1 else ''} left"
    )
    return End(f"{at:%Y-%m-%d}", words, "bad" if left < 0 else "note" if left < SOON else "good")


def show(visit: Visit) -> Response:
    """Settings, certificates for clients, certificates for origins."""
    zone = visit.path["zone_id"]
    sees_settings = visit.token.may("settings:read", zone)
    known = {row.id: row for row in visit.api.get("/zones/{zone_id}/settings")} if sees_settings else {}
    custom = visit.api.get(_AT, [("per_page", "1000")]).rows
    origin = visit.api.get("/certificates", [("zone_id", zone), ("per_page", "100")]).rows
    return visit.render(
        "certificates.html",
        known=known,
        cards=[card for card in CARDS if card.id in known],
        custom=custom,
        places=[(one.id, " ".join(one.hosts)) for one in custom],
        origin=origin,
        end_of=end_of,
        days=DAYS,
        may_write=visit.token.may("certificates:write", zone) and visit.zone.source != "file",
        may_issue=visit.token.may("certificates:write", zone),
    )


def change(visit: Visit) -> Response:
    """Put one setting in force."""
    id_, value = visit.field("id"), visit.field("value")
    card = next((card for card in CARDS if card.id == id_), None)
    if card is None:
        raise refuse(400, INVALID, "this page has no such setting")
    visit.api.patch("/zones/{zone_id}/settings/{setting_id}", {"value": value}, setting_id=id_)
    return visit.done(f"{card.title} is {dict(card.words).get(value, value)}. This is in force now.")


def upload(visit: Visit) -> Response:
    """A new certificate, or another one in the place of `certificate_id`."""
    body = {"certificate": visit.field("certificate"), "private_key": visit.field("private_key")}
    old = visit.field("certificate_id")
    made = visit.api.patch(_ONE, body, custom_certificate_id=old) if old else visit.api.post(_AT, body)
    return visit.done(f"The certificate for {', '.join(made.hosts)} is shown to clients from now on.")


def remove(visit: Visit) -> Response:
    """One that clients are shown."""
    visit.api.delete(_ONE, custom_certificate_id=visit.field("id"))
    return visit.done("The certificate was removed.")


def issue(visit: Visit) -> Response:
    """One for an origin, of the built-in authority."""
    names = visit.field("hostnames").replace(",", " ").split()
    body = {"csr": visit.field("csr"), "hostnames": names, "requested_validity": int_of(visit.field("days"))}
    made = visit.api.post("/certificates", body)
    return visit.done(f"The certificate for {', '.join(made.hostnames)} stands below: give it to the origin.")


def int_of(text: str) -> int:
    """A number of the form; 0: that is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def revoke(visit: Visit) -> Response:
    """One of an origin."""
    visit.api.delete("/certificates/{certificate_id}", certificate_id=visit.field("id"))
    return visit.done("The certificate is revoked.")


PAGES = (
    Page(
        "/zones/{zone_id}/certificates",
        "SSL/TLS",
        show,
        nav=ZONE,
        scope="certificates:read",
        writes={"change": change, "upload": upload, "remove": remove, "issue": issue, "revoke": revoke},
    ),
)
