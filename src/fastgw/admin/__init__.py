"""The admin API: zones seen and changed over HTTP, in the manner of the reference product."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastgw.admin.app import Admin
from fastgw.admin.desk import Desk
from fastgw.admin.server import AdminServer
from fastgw.gateway import Gateway
from fastgw.store.zones import Zones

logger = logging.getLogger("fastgw")


def serve_admin(
    gateway: Gateway, zones: Zones, drain: Callable[[], object], follows: bool
) -> Callable[[], None]:
    """Serve the API of this gateway where its configuration says; returns what ends that."""
    place = gateway.config.admin
    assert place is not None
    server = AdminServer(Admin(Desk(gateway, zones, drain)).app, place, follows=follows)
    server.start()
    for address in server.addresses:
        logger.info("admin API at %s", address if address.startswith("unix:") else f"{address}/client/v4")
    return server.close
