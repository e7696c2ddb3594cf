"""The admin API: zones seen and changed over HTTP, in the manner of the reference product."""

from __future__ import annotations

import contextlib
import importlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from fastgw.admin.app import Admin
from fastgw.admin.desk import Desk
from fastgw.admin.server import AdminServer
from fastgw.errors import FastgwError, StoreError
from fastgw.gateway import Gateway
from fastgw.store.usage import usage_path
from fastgw.store.zones import Zones

PERIOD = 0.05  # seconds between two looks at what other processes have stored

logger = logging.getLogger("fastgw")


def embedded(
    gateway: Gateway, written: Mapping[str, Any] | None, store: str | Path | None = None
) -> Starlette:
    """The API of a gateway that belongs to a program: an application to be mounted. Raise FastgwError."""
    place = gateway.config.store if store is None else Path(store)
    if place is None:
        raise StoreError(
            "the admin API needs a store, where its tokens and zones are kept",
            'name one: gateway.admin_app(store="fastgw.db"), or [store] kind = "sqlite" in the configuration',
        )
    source = gateway.config.source
    if source is None and written is None:
        raise StoreError("the gateway was made of a Config", "make it of a path or of a dictionary")
    zones = Zones(source, None, place, data=None if source is not None else written)
    if gateway.running:
        zones.publish = gateway.publish
        zones.load()
        gateway.keep_usage(usage_path(place))
    else:
        raise StoreError("the gateway does not run yet", "start it first")
    Watch(zones, gateway).start()
    desk = Desk(gateway, zones)
    desk.sweep()
    return _with_pages(desk).app


class Watch:
    """Takes in what other processes store, as long as the gateway runs."""

    def __init__(self, zones: Zones, gateway: Gateway) -> None:
        self._zones = zones
        self._gateway = gateway
        self._thread = threading.Thread(target=self._run, name="fastgw-admin-store", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def _run(self) -> None:
        while self._gateway.running:
            with contextlib.suppress(FastgwError):
                self._zones.poll()
            time.sleep(PERIOD)
        self._zones.close()


def _with_pages(desk: Desk) -> Admin:
    # The dashboard stands on the API; the API knows of it by name only.
    return Admin(desk, pages=importlib.import_module("fastgw.dashboard").routes)


def serve_admin(
    gateway: Gateway,
    zones: Zones,
    drain: Callable[[], object],
    follows: bool,
    given: Sequence[socket.socket] = (),
) -> AdminServer:
    """Serve the API of this gateway where its configuration says; `given`: sockets that listen there."""
    place = gateway.config.admin
    assert place is not None
    desk = Desk(gateway, zones, drain)
    desk.sweep()
    server = AdminServer(_with_pages(desk).app, place, follows=follows, given=given)
    server.ending = desk.end
    server.start()
    for address in server.addresses:
        if address.startswith("unix:"):
            logger.info("admin API at %s", address)
        else:
            logger.info("admin API at %s/client/v4 (dashboard: %s/dashboard/)", address, address)
    return server
