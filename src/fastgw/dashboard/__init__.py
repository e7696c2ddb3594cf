"""The dashboard: the admin API for people with a browser, without a build step and without the internet.

How to add a page: a module in `pages/` with a table `PAGES`, named in `table.py`; a template in `templates/`
that extends `frame.html`. A page reads and writes only by `visit.api`, which calls the routes of the admin
API with the token of whoever has logged in: what may be done, what is judged and what the log of changes says
is decided there, and errors are shown in its words.

    def show(visit: Visit) -> Response:
        return visit.render("things.html", things=visit.api.get("/zones/{zone_id}/things"))

    def add(visit: Visit) -> Response:
        visit.api.post("/zones/{zone_id}/things", {"name": visit.field("name")})
        return visit.done("The thing is there.")

    PAGES = (
        Page("/zones/{zone_id}/things", "Things", show, nav=ZONE, scope="zones:read", writes={"add": add}),
    )

A write is a form of the macro `form` in `macros.html`; it is posted to the page's own path with `/do/add`
behind it, and ends on the page, with or without scripts. If it raises ApiError the page is shown again with
what the API has said, and fields keep what was typed (`field` in the template). Scripts and styles stand in
`static/`, never in a template: the policy of the pages forbids it.
"""

from __future__ import annotations

from fastgw.dashboard.site import routes
from fastgw.dashboard.visit import ACCOUNT, ZONE, Page, Visit

__all__ = ["ACCOUNT", "ZONE", "Page", "Visit", "routes"]
