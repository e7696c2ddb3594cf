"""The Network page of a zone: the gRPC switch and its neighbours, as the reference product groups them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fastgw.dashboard.pages.failures import shown, together
from fastgw.dashboard.visit import ZONE, Page, Visit
from fastgw.policy.catalogue import CATALOGUE

LAST = 5  # denials that stand beside the switch


@dataclass(frozen=True, slots=True)
class Card:
    """One setting as the page explains it. `words`: what its values are called, where they need a name."""

    id: str
    title: str
    text: str
    words: tuple[tuple[str, str], ...] = ()
    unit: str = ""


GRPC = Card(
    "grpc",
    "gRPC",
    "Carry gRPC calls to the origins of this zone. While it is off each call ends with PERMISSION_DENIED. "
    "Origins need TLS and HTTP/2 (ALPN h2); streams of all four kinds pass, message by message.",
)
CALLS = (
    Card(
        "long_lived_grpc",
        "Long-lived gRPC streams",
        "Let streams be silent for any time. While it is off a stream on which nothing is sent for longer "
        "than the read timeout ends with DEADLINE_EXCEEDED.",
    ),
    Card(
        "proxy_read_timeout",
        "Read timeout",
        "The longest silence on a stream before it is ended: seconds, or as in 5m or 2h.",
    ),
    Card(
        "http",
        "Requests that are not gRPC",
        "Carry other HTTP/2 requests too. While it is off they are answered with 403.",
    ),
)
NEIGHBOURS = (
    Card(
        "ip_geolocation",
        "IP Geolocation",
        "Tell origins the country of the client, as the metadata cf-ipcountry.",
    ),
    Card("ipv6", "IPv6 Compatibility", "Whether names of this zone are published with IPv6 addresses."),
    Card(
        "max_upload",
        "Maximum Upload Size",
        "The largest request body at the reference product. For messages there are max_request_message_bytes "
        "and max_response_message_bytes.",
        unit="MB",
    ),
    Card(
        "opportunistic_onion", "Onion Routing", "Offer clients of the Tor network a way that stays within it."
    ),
    Card(
        "pseudo_ipv4",
        "Pseudo IPv4",
        "Give origins that know IPv4 only an address of that kind for clients that come by IPv6.",
        (("off", "Off"), ("add_header", "Add a header"), ("overwrite_header", "Overwrite headers")),
    ),
    Card(
        "response_buffering",
        "Response Buffering",
        "Hold a response back until it is whole. Here each message goes on as it comes.",
    ),
    Card(
        "true_client_ip_header",
        "True-Client-IP Header",
        "Tell origins the client's address as true-client-ip.",
    ),
    Card("websockets", "WebSockets", "Let connections become WebSockets."),
)


def show(visit: Visit) -> Response:
    """The switches with their values; of gRPC also how much there was and what was denied last."""
    known = {row.id: row for row in visit.api.get("/zones/{zone_id}/settings")}
    name = visit.zone.name
    last: list[dict[str, Any]] = []
    if visit.token.may("gateway:read"):
        found = visit.api.get("/fastgw/v1/failures", [("zone", name)])
        last = [shown(visit, call) for call, _ in together(found["calls"]) if call.get("grpc")][:LAST]
    return visit.render(
        "network.html",
        known=known,
        grpc=GRPC,
        calls=CALLS,
        neighbours=NEIGHBOURS,
        counts=visit.site.admin.desk.gateway.stats()["zones"].get(name, {}),
        last=last,
        catalogue=CATALOGUE,
        zip=zip,
    )


def change(visit: Visit) -> Response:
    """Put one setting in force."""
    id_, value = visit.field("id"), visit.field("value")
    visit.api.patch("/zones/{zone_id}/settings/{setting_id}", {"value": value}, setting_id=id_)
    title = next((card.title for card in (GRPC, *CALLS, *NEIGHBOURS) if card.id == id_), id_)
    return visit.done(f"{title} is {value}. This is in force now.")


PAGES = (
    Page(
        "/zones/{zone_id}/network",
        "Network",
        show,
        nav=ZONE,
        scope="settings:read",
        writes={"change": change},
    ),
)
