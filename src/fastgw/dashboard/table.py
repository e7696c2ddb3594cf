"""The table of pages, in the order of the navigation. A new one is plugged in here."""

from __future__ import annotations

from fastgw.dashboard.pages import (
    access,
    audit,
    certificates,
    dns,
    failures,
    network,
    origins,
    overview,
    rules,
    zones,
)
from fastgw.dashboard.visit import Page

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *zones.PAGES,
    *dns.PAGES,
    *certificates.PAGES,
    *rules.PAGES,
    *access.PAGES,
    *origins.PAGES,
    *network.PAGES,
    *failures.PAGES,
    *audit.PAGES,
)
