"""The table of resources: what the admin API can be asked. A new one is plugged in here."""

from __future__ import annotations

from fastgw.admin.api import account, audit, dns_records, gateway, settings, tokens, zones
from fastgw.admin.call import Route

ROUTES: tuple[Route, ...] = (
    *account.ROUTES,
    *tokens.ROUTES,
    *zones.ROUTES,
    *settings.ROUTES,
    *dns_records.ROUTES,
    *audit.ROUTES,
    *gateway.ROUTES,
)
"""Of two paths that fit, the first one answers."""
