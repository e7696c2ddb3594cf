"""Why a call was denied or has failed, and what helps, by the name that the gateway gives the cause."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """What has happened, what helps, and the page of the zone where that is done."""

    what: str
    do: str
    page: str = ""
    link: str = ""


_NETWORK = ("/zones/{zone_id}/network", "Network")

EXPLANATIONS = {
    "zone_unknown": Explanation(
        "No zone serves the hostname that the call asked for.",
        "Add the zone, or a proxied record for this name; or the client has the wrong name.",
    ),
    "misdirected": Explanation(
        "The call asked for a hostname that the certificate of its connection does not cover.",
        "Let the client open a connection of its own for each hostname.",
    ),
    "grpc_disabled": Explanation("The gRPC switch of the zone is off.", "Switch gRPC on.", *_NETWORK),
    "http_disabled": Explanation(
        "The request is not gRPC, and the zone carries gRPC only.",
        "Send content-type application/grpc, or let other requests in.",
        *_NETWORK,
    ),
    "ssl_mode_insufficient": Explanation(
        "gRPC needs TLS toward the origin, and the zone's encryption mode is off or flexible.",
        "Set the encryption mode to full or strict.",
    ),
    "overloaded": Explanation(
        "The gateway has reached one of its own limits and sheds load.",
        "See which limit it was in the message of the call; add workers or raise it in [limits].",
    ),
    "head_too_large": Explanation(
        "The metadata of the call is larger than the gateway takes.",
        "Send less metadata, or raise max_head_bytes in [limits].",
    ),
    "origin_refused": Explanation(
        "The origin refused the connection: nothing listens at that port.",
        "Start the origin, or mend the port.",
    ),
    "origin_connect_timeout": Explanation(
        "The origin did not accept a connection in time.", "Look for a firewall between here and the origin."
    ),
    "origin_unreachable": Explanation(
        "There is no way to the origin's address.", "Mend the address of the record, or the network."
    ),
    "origin_dns": Explanation(
        "The name of the origin was not found in DNS.", "Mend the record's content, or the resolver here."
    ),
    "origin_tls_failed": Explanation(
        "The TLS handshake with the origin failed.",
        "Run fastgw doctor against the origin: it says where it ends.",
    ),
    "origin_cert_invalid": Explanation(
        "The certificate of the origin is not one that this zone trusts.",
        "Renew it, trust its authority, or name the origin as its certificate does.",
    ),
    "origin_no_h2": Explanation(
        "The origin does not offer HTTP/2 (ALPN h2), which gRPC needs.",
        "Let the origin speak HTTP/2 on this port.",
    ),
    "origin_bad_response": Explanation(
        "The origin sent something that is not valid HTTP/2.",
        "Look at the origin: is it a gRPC server at all?",
    ),
    "origin_reset": Explanation(
        "The origin ended the call before it was over.", "The log of the origin knows why."
    ),
    "origin_idle": Explanation(
        "Nothing was sent on the stream for longer than the zone allows.",
        "Switch long-lived streams on, raise the timeout, or send keepalive messages.",
        *_NETWORK,
    ),
    "deadline_exceeded": Explanation(
        "The deadline that the client gave its call was over.", "Give more time, or make the origin faster."
    ),
    "stream_too_old": Explanation(
        "The stream has reached the age that its route allows.",
        "The client begins a new one; that is meant so.",
    ),
    "rule_blocked": Explanation("A rule of the zone blocks such calls.", "Look at the rule that is named."),
    "rate_limited": Explanation(
        "There were more calls than the zone allows in this time.",
        "Let the client slow down, or raise the rate.",
    ),
    "access_unauthenticated": Explanation(
        "The access policy of the zone wants to know who calls, and the call did not say.",
        "Send a service token, a signed token or a client certificate.",
    ),
    "access_denied": Explanation(
        "The access policy of the zone does not admit this caller.",
        "Add the caller to a policy, if it may call.",
    ),
    "hook_denied": Explanation("A hook of this gateway said no.", "Its own log knows why."),
    "hook_failed": Explanation("A hook of this gateway failed or was late.", "Look at the gateway's log."),
    "message_too_large": Explanation(
        "A message was larger than the zone allows.", "Send smaller messages, or raise the zone's setting."
    ),
}
UNKNOWN = Explanation("The call ended early.", "docs/reasons.md says what this name means.")


def explained(name: str) -> Explanation:
    """The words for one cause."""
    return EXPLANATIONS.get(name, UNKNOWN)
