"""The zones there are; and of one zone what it is, and whether it is paused."""

from __future__ import annotations

from starlette.responses import Response

from fastgw.dashboard.visit import ACCOUNT, ZONE, Page, Visit

ROWS = 50


def show(visit: Visit) -> Response:
    """All of them, a page at a time."""
    wanted = visit.query.get("name", "")
    number = visit.query.get("page", "1")
    query = [("per_page", str(ROWS)), ("page", number if number.isdigit() and number != "0" else "1")]
    if wanted:
        query.append(("name.contains", wanted))
    page = visit.api.get("/zones", query)
    return visit.render("zones.html", page=page, wanted=wanted)


def add(visit: Visit) -> Response:
    """A new one, without records."""
    made = visit.api.post("/zones", {"name": visit.field("name")})
    sentence = f"The zone {made.name} is there. It serves calls once it has a certificate and a record."
    return visit.done(sentence, "/zones/{zone_id}", zone_id=made.id)


def show_zone(visit: Visit) -> Response:
    """One of them."""
    settings = {}
    if visit.api.may("settings:read", visit.path["zone_id"]):
        settings = {row.id: row for row in visit.api.get("/zones/{zone_id}/settings")}
    return visit.render("zone.html", settings=settings)


def pause(visit: Visit) -> Response:
    """Stop to inspect its calls, or begin again."""
    paused = visit.ticked("paused")
    visit.api.patch("/zones/{zone_id}", {"paused": paused})
    return visit.done(
        "The zone is paused: everything is carried and nothing inspected."
        if paused
        else "The pause is over: calls are inspected again."
    )


def remove(visit: Visit) -> Response:
    """The zone with all it has, if its name was typed."""
    if visit.field("name").lower().rstrip(".") != visit.zone.name:
        visit.session.tell("bad", f"Nothing was removed: type {visit.zone.name} to remove it.")
        return visit.done()
    visit.api.delete("/zones/{zone_id}")
    return visit.done(f"The zone {visit.zone.name} was removed.", "/zones")


PAGES = (
    Page("/zones", "Zones", show, nav=ACCOUNT, scope="zones:read", writes={"add": add}),
    Page(
        "/zones/{zone_id}",
        "Overview",
        show_zone,
        nav=ZONE,
        scope="zones:read",
        writes={"pause": pause, "remove": remove},
    ),
)
