"""What rules of the reference product may ask for that makes no sense for gRPC: each with the reason."""

from __future__ import annotations

CHALLENGES = frozenset({"challenge", "js_challenge", "managed_challenge"})

_WAITS = "gRPC clients do not follow redirects: the call would end UNKNOWN"
_BEFORE = "rules are asked before the origin is, and an answer passes unchanged"
_CACHE = "nothing of gRPC is cached: every call is answered by its origin"

ACTIONS: dict[str, tuple[str, str]] = {
    "allow": ("is for where clients come from", 'write "skip", or an [[zone.ip_access]] with mode = "allow"'),
    "bypass": ("is an old name", 'write "skip"'),
    "redirect": (_WAITS, 'write "route" to send it to another origin, or "block" with a message'),
    "serve_error": ("is a page for browsers", 'write "block" with a response'),
    "execute": ("is for rule sets of an account", "write the rules here, or use [zone.managed]"),
    "score": ("is for rule sets with a threshold", 'write "block", or "log"'),
    "ddos_dynamic": ("is up to the gateway's own limits", "see [limits]"),
    "force_connection_close": ("would end the other calls on the connection too", 'write "block"'),
    "compress_response": ("is up to gRPC: messages are compressed by who sends them", "leave it out"),
    "set_cache_settings": (_CACHE, "leave it out"),
    "set_cache_control": (_CACHE, "leave it out"),
    "set_cache_tags": (_CACHE, "leave it out"),
    "log_custom_field": (_BEFORE, "the access log has what is known of a call"),
}  # fmt: skip
"""Action -> why not, what to do. What is for challenges depends on the zone: see `config.checks.policies`."""

PHASES: dict[str, tuple[str, str]] = {
    "managed": ("has the rules of the package, not one's own", 'write [zone.managed], or phase = "custom"'),
    "http_request_firewall_managed": (
        "has the rules of the package, not one's own", 'write [zone.managed], or phase = "custom"'
    ),
    "ip_access": ("has a table of its own", "write [[zone.ip_access]]"),
    "zone_lockdown": ("has a table of its own", "write [[zone.lockdown]]"),
    "user_agent": ("has a table of its own", "write [[zone.user_agent]]"),
    "http_request_transform": (
        "rewrites URLs, and the path of a gRPC call is its service and method",
        'phase = "transform" changes metadata'
    ),
    "http_request_redirect": (_WAITS, 'phase = "origin" sends calls to another origin'),
    "http_request_dynamic_redirect": (_WAITS, 'phase = "origin" sends calls to another origin'),
    "http_request_cache_settings": (_CACHE, "leave it out"),
    "http_request_sanitize": ("is up to the gateway: every head is checked", "leave it out"),
    "http_request_sbfm": ("is not there: robots are the usual clients of gRPC",
                          "ask for cf.bot_management.score"),
    "http_request_snippets": ("runs scripts, which there are none of here", "leave it out"),
    "http_request_cloud_connector": ("leads to providers of clouds",
                                     'phase = "origin" sends calls to another origin'),
    "http_request_api_gateway_early": ("needs API schemas, which there are none of here", "leave it out"),
    "http_request_api_gateway_late": ("needs API schemas, which there are none of here", "leave it out"),
    "ddos_l7": ("is up to the gateway's own limits", "see [limits]"),
    "http_custom_errors": (_BEFORE, "a rule that blocks has a response of its own"),
    "http_response_headers_transform": (_BEFORE, 'phase = "transform" changes metadata of requests'),
    "http_response_compression": ("is up to gRPC: messages are compressed by who sends them", "leave it out"),
    "http_response_firewall_managed": (_BEFORE, "leave it out"),
    "http_response_cache_settings": (_CACHE, "leave it out"),
    "http_log_custom_fields": (_BEFORE, "the access log has what is known of a call"),
}  # fmt: skip
"""Phase -> why not, what to do."""

RATE_KEYS: dict[str, tuple[str, str]] = {
    "score_per_period": (_BEFORE, "requests_per_period counts calls"),
    "score_response_header_name": (_BEFORE, "requests_per_period counts calls"),
    "requests_to_origin": (f"has no meaning: {_CACHE}", "leave it out"),
}
"""Key of a rate limit -> why not, what to do."""

CHARACTERISTICS: dict[str, tuple[str, str]] = {
    "cf.unique_visitor_id": (
        "needs cookies, which gRPC clients do not keep",
        "write ip.src, or a metadata key",
    ),
    "cf.colo.id": ("is the same for every call: there is one counter for all workers", "leave it out"),
}
"""Characteristic -> why not, what to do."""

FORBIDDEN_NAMES = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host", "te",
        "trailer", "content-type", "content-length", "content-encoding", "cdn-loop",
        "proxy-authenticate", "proxy-authorization",
    }
)  # fmt: skip
FORBIDDEN_BEGINNINGS = ("grpc-", "fastgw-", "cf-access-")


def refused_action(action: str) -> tuple[str, str] | None:
    """Why an action is never to be had, and what is."""
    found = ACTIONS.get(action)
    return None if found is None else (f'is "{action}", which {_said(found[0])}', found[1])


def refused_phase(phase: str) -> tuple[str, str] | None:
    """Why a phase has no rules of one's own, and what has."""
    found = PHASES.get(phase)
    return None if found is None else (f'is "{phase}", which {_said(found[0])}', found[1])


def refused_name(name: str) -> tuple[str, str] | None:
    """Why a rule may not change this name of metadata."""
    if name in FORBIDDEN_NAMES or name.startswith(FORBIDDEN_BEGINNINGS):
        return (
            f"changes {name}, which carries the call itself",
            f"rules change other metadata than {', '.join(f'{one}*' for one in FORBIDDEN_BEGINNINGS)}, "
            "content-type, te and what is of the connection",
        )
    return None


def _said(reason: str) -> str:
    """A reason behind `which`."""
    plain = reason.split(" ", 1)[0] in ("is", "has", "needs", "runs", "rewrites", "leads", "passes", "would")
    return reason if plain else f"cannot work: {reason}"
