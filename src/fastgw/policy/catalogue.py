"""The catalogue of zone settings: what may be written under which id, and what it does here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastgw.policy.limits import duration_text

Type = Literal["on_off", "boolean", "enum", "duration", "integer", "text", "list", "object"]
Plan = Literal["free", "pro", "business", "enterprise"]
Word = str | int

KEPT = "kept, changes nothing here"

# TLS 1.2 suites that RFC 9113 appendix A leaves for HTTP/2, of those that both reference and OpenSSL offer.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")

_DAY = 24 * 60 * 60 * 1000
_YEAR = 365 * 24 * 60 * 60
_UPLOADS = (*range(100, 501, 25), *range(1000, 5001, 500))
_CHALLENGES = (300, 900, 1800, 2700, 3600, 7200, 10800, 14400, 28800, 57600, 86400, 604800, 2592000, 31536000)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row, or one key of an object.

    default      as written in the file; of a duration in milliseconds
    values       the words of an enum, what may stand in a list, the numbers that are allowed; (): any
    least, most  of an integer, or of a duration in milliseconds
    seconds      a duration that may also be written as a number of seconds, as the reference has it
    section      of the specification, or of the reference
    plan         the lowest one that may change it at the reference; here it is never asked for
    """

    id: str
    type: Type
    default: object
    effect: str = KEPT
    section: str = "reference 10.4"
    values: tuple[Word, ...] = ()
    least: int = 0
    most: int = 0
    seconds: bool = False
    fields: tuple[Setting, ...] = ()
    plan: Plan = "free"
    editable: bool = True

    @property
    def kept(self) -> bool:
        """Is it only kept and shown?"""
        return self.effect.startswith(KEPT)

    def text(self, value: object) -> str:
        """`value` as it would be written in the file."""
        if self.type == "duration" and isinstance(value, int):
            return f'"{duration_text(value)}"'
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return f'"{value}"'
        if isinstance(value, list | tuple):
            return f"[{', '.join(self.text(one) for one in value)}]"
        if isinstance(value, dict):
            return f"{{ {', '.join(f'{key} = {self.text(one)}' for key, one in value.items())} }}"
        return str(value)

    @property
    def range_text(self) -> str:
        """What may be written, for people, without marks: `on, off`, `1ms to 24h`, `1 to 1000`."""
        if self.type == "on_off":
            return "on, off"
        if self.type == "boolean":
            return "true, false"
        if self.type == "duration":
            span = f"{duration_text(self.least)} to {duration_text(self.most)}"
            return f"{span}, or a number of seconds" if self.seconds else span
        if self.type == "object":
            return "a table of " + ", ".join(field.id for field in self.fields)
        words = ", ".join(map(str, self.values))
        if self.type == "list":
            return f"an array of {words or 'text'}"
        if self.type == "integer" and not words:
            return f"{self.least} to {self.most}"
        return words or "text"


def _switch(name: str, default: str, effect: str = KEPT, section: str = "reference 10.4") -> Setting:
    return Setting(name, "on_off", default, effect, section)


def _enum(
    name: str, words: tuple[str, ...], default: str, effect: str = KEPT, section: str = "reference 10.4"
) -> Setting:
    return Setting(name, "enum", default, effect, section, words)


def _wait(name: str, default: int, effect: str, section: str) -> Setting:
    return Setting(name, "duration", default, effect, section, least=1, most=_DAY, seconds=True)


def _octets(name: str, effect: str) -> Setting:
    return Setting(
        name, "integer", 0, f"{effect}, where its route says nothing else; 0: any", "spec 9", most=0xFFFFFFFF
    )


def _object(name: str, default: dict[str, object], *fields: Setting, plan: Plan = "free") -> Setting:
    return Setting(name, "object", default, fields=fields, plan=plan)


def _flag(name: str) -> Setting:
    return Setting(name, "boolean", False)


def _text(name: str) -> Setting:
    return Setting(name, "text", "")


_EFFECTIVE = (
    _switch("grpc", "off", "gRPC calls are carried; off: denied with grpc_disabled", "spec 2 step 6"),
    _switch("http", "off", "requests that are not gRPC are carried; off: 403", "spec 2 step 5"),
    _enum(
        "ssl",
        ("off", "flexible", "full", "strict", "origin_pull"),
        "full",
        "TLS toward the origin: full does not judge its certificate, strict and origin_pull do",
        "spec 5, reference 2.1",
    ),
    _wait("origin_connect_timeout", 19_000, "longest wait for TCP toward the origin", "spec 10"),
    _wait("origin_handshake_timeout", 10_000, "longest wait for TLS toward the origin", "spec 10"),
    Setting(
        "proxy_read_timeout",
        "duration",
        100_000,
        "longest silence on a stream, where its route says nothing else",
        "spec 8, reference 1.4",
        least=1,
        most=_DAY,
        seconds=True,
        plan="enterprise",
    ),
    Setting(
        "long_lived_grpc",
        "on_off",
        "off",
        "streams may be silent for any time, where their route says nothing else",
        "spec 8, reference 1.4",
        plan="enterprise",
    ),
    _octets("max_request_message_bytes", "largest gRPC message of a request"),
    _octets("max_response_message_bytes", "largest gRPC message of a response"),
    _enum(
        "min_tls_version",
        TLS_VERSIONS,
        "1.2",
        "lowest TLS version of clients; 1.0 and 1.1 act as 1.2, which HTTP/2 needs",
        "spec 5, reference 2.5",
    ),
    _enum(
        "tls_1_3",
        ("on", "off", "zrt"),
        "on",
        "TLS 1.3 toward clients; zrt acts as on, since early data is never taken",
        "spec 5, reference 2.5",
    ),
    Setting(
        "ciphers",
        "list",
        [],
        "TLS 1.2 suites that clients may choose from, best first; none: all of them",
        "spec 5, reference 2.5",
        CIPHERS,
    ),
    _switch(
        "tls_client_auth",
        "off",
        "origins are shown the gateway's client certificate (authenticated origin pulls)",
        "spec 5, reference 2.3",
    ),
    _switch(
        "http2",
        "on",
        "clients are served in HTTP/2, the only protocol here; off is refused with grpc",
        "spec 5",
    ),
    _switch("0rtt", "off", "early data of TLS 1.3: never taken, whatever is written", "spec 5"),
)

_ORIGIN_SIDE = (
    _enum(
        "origin_max_http_version",
        ("1", "2"),
        "2",
        f"{KEPT}: origins are spoken to in HTTP/2; 1 is refused with grpc",
        "spec 11",
    ),
    Setting("origin_h2_max_streams", "integer", 200, least=1, most=1000, plan="enterprise"),
    _switch("origin_error_page_pass_thru", "off"),
    _switch("response_buffering", "off", f"{KEPT}: nothing is ever buffered", "reference 1.6"),
    Setting(
        "max_upload",
        "integer",
        100,
        f"{KEPT}: streams may be of any length",
        "reference 1.5",
        _UPLOADS,
    ),
    _switch("orange_to_orange", "off"),
    _enum("cname_flattening", ("flatten_at_root", "flatten_all"), "flatten_at_root", KEPT, "reference 3"),
    _object("aegis", {"enabled": False}, _flag("enabled"), _text("pool_id"), plan="enterprise"),
)

_HSTS = _object(
    "strict_transport_security",
    {"enabled": False},
    _flag("enabled"),
    Setting("max_age", "integer", 0, least=0, most=10 * _YEAR),
    _flag("include_subdomains"),
    _flag("preload"),
    _flag("nosniff"),
)

_CLIENT_SIDE = (
    _switch("always_use_https", "off"),
    _switch("automatic_https_rewrites", "on"),
    _switch("early_hints", "off"),
    _switch("ech", "off"),
    _enum("h2_prioritization", ("on", "off", "custom"), "off"),
    _switch("http3", "off"),
    _switch("ip_geolocation", "on"),
    _switch("ipv6", "on"),
    _object("nel", {"enabled": False}, _flag("enabled")),
    _switch("opportunistic_encryption", "on"),
    _switch("opportunistic_onion", "on"),
    _switch("pq_keyex", "on"),
    _enum("pseudo_ipv4", ("off", "add_header", "overwrite_header"), "off"),
    _object("security_header", {"strict_transport_security": {"enabled": False}}, _HSTS),
    _switch("sha1_support", "off"),
    _switch("ssl_recommender", "off"),
    _switch("tls_1_2_only", "off"),
    _switch("true_client_ip_header", "off"),
    _switch("visitor_ip", "on"),
    _switch("websockets", "on"),
)

_SECURITY = (
    Setting("advanced_ddos", "on_off", "on", editable=False),
    _switch("browser_check", "on"),
    Setting("challenge_ttl", "integer", 1800, values=_CHALLENGES),
    _switch("email_obfuscation", "on"),
    _switch("filter_logs_to_cloudflare", "off"),
    _switch("hotlink_protection", "off"),
    _switch("log_to_cloudflare", "on"),
    _switch("privacy_pass", "on"),
    _switch("replace_insecure_js", "on"),
    _enum(
        "security_level",
        ("off", "essentially_off", "low", "medium", "high", "under_attack"),
        "medium",
    ),
    _switch("server_side_exclude", "on"),
    _switch("waf", "off"),
)

_CONTENT = (
    _switch("always_online", "off"),
    _object(
        "automatic_platform_optimization",
        {"enabled": False},
        _flag("cache_by_device_type"),
        _flag("cf"),
        _flag("enabled"),
        Setting("hostnames", "list", []),
        _flag("wordpress"),
        _flag("wp_plugin"),
    ),
    _switch("brotli", "on"),
    Setting("browser_cache_ttl", "integer", 14400, least=0, most=_YEAR),
    _enum("cache_level", ("aggressive", "basic", "simplified"), "aggressive"),
    Setting("china_network_enabled", "on_off", "off", plan="enterprise"),
    _switch("content_converter", "off"),
    _switch("development_mode", "off"),
    Setting("edge_cache_ttl", "integer", 7200, least=30, most=_YEAR),
    _enum("image_resizing", ("on", "off", "open"), "off"),
    _object(
        "minify",
        {"css": "off", "html": "off", "js": "off"},
        *(_switch(name, "off") for name in ("css", "html", "js")),
    ),
    _switch("mirage", "off"),
    _object(
        "mobile_redirect",
        {"status": "off"},
        _switch("status", "off"),
        _text("mobile_subdomain"),
        _flag("strip_uri"),
    ),
    _enum("polish", ("off", "lossless", "lossy"), "off"),
    _switch("prefetch_preload", "off"),
    _switch("pre_render", "off"),
    _switch("redirects_for_ai_training", "off"),
    _switch("rocket_loader", "off"),
    _switch("search_for_agents", "off"),
    _switch("sort_query_string_for_cache", "off"),
    _enum("transformations", ("on", "off", "open"), "off"),
    _text("transformations_allowed_origins"),
    _switch("webmcp_enabled", "off"),
    Setting("webmcp_packs", "list", []),
    _switch("webp", "off"),
)

CATALOGUE: dict[str, Setting] = {
    row.id: row for row in (*_EFFECTIVE, *_ORIGIN_SIDE, *_CLIENT_SIDE, *_SECURITY, *_CONTENT)
}
