"""The table of resources: what the admin API can be asked. A new one is plugged in here."""

from __future__ import annotations

from fastgw.admin.api import (
    access_apps,
    access_tokens,
    account,
    audit,
    client_authorities,
    custom_certificates,
    dns_records,
    firewall,
    gateway,
    hostnames,
    live,
    load_balancers,
    origin_ca,
    origin_pull,
    requests,
    rule_lists,
    rulesets,
    settings,
    tail,
    tokens,
    trust_stores,
    usage,
    zones,
)
from fastgw.admin.call import Route

ROUTES: tuple[Route, ...] = (
    *account.ROUTES,
    *tokens.ROUTES,
    *zones.ROUTES,
    *settings.ROUTES,
    *dns_records.ROUTES,
    *custom_certificates.ROUTES,
    *origin_pull.ROUTES,
    *trust_stores.ROUTES,
    *hostnames.ROUTES,
    *client_authorities.ROUTES,
    *origin_ca.ROUTES,
    *load_balancers.ROUTES,
    *rulesets.ROUTES,
    *access_apps.ROUTES,
    *access_tokens.ROUTES,
    *rule_lists.ROUTES,
    *firewall.ROUTES,
    *audit.ROUTES,
    *gateway.ROUTES,
    *live.ROUTES,
    *tail.ROUTES,
    *requests.ROUTES,
    *usage.ROUTES,
)
"""Of two paths that fit, the first one answers."""
