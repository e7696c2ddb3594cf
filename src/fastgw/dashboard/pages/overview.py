"""What the gateway does just now."""

from __future__ import annotations

from starlette.responses import Response

from fastgw.dashboard.visit import ACCOUNT, Page, Visit


def show(visit: Visit) -> Response:
    """The gateway as a whole, to those who may see it."""
    status = visit.api.get("/fastgw/v1/status") if visit.token.sees("gateway:read") else None
    return visit.render("overview.html", status=status)


PAGES = (Page("/", "Overview", show, nav=ACCOUNT),)
