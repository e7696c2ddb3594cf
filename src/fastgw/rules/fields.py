"""The catalogue of fields: what a request head is asked about, and where the core finds the answer."""

from __future__ import annotations

from dataclasses import dataclass

from fastgw.rules.types import BOOL, INT, IP, TEXT, TEXTS, TEXTS_BY_KEY, Type

SOURCES = (
    "TEXT_FACT", "NUMBER_FACT", "HEADER", "HOSTNAME", "CLIENT", "SERVER", "SECURE", "METHOD", "FULL_URI", "URI",
    "URI_PATH", "EXTENSION", "QUERY", "COOKIE", "HEADERS", "HEADER_NAMES", "HEADER_VALUES", "TRUNCATED",
    "COOKIES", "ARGS", "ARG_NAMES", "ARG_VALUES", "SECONDS", "MILLISECONDS", "SERVICE", "GRPC_METHOD",
    "GRPC_TIMEOUT", "GRPC_WEB", "METADATA", "ZERO", "VERSION",
)  # fmt: skip
"""Where the core takes a value from, in the order of its numbers."""


@dataclass(frozen=True, slots=True)
class Field:
    """A row of the catalogue.

    `source` is one of SOURCES, `part` the fact's name or the header's. Where the answer is not known, the field
    has the empty value of its type (text "", number 0, false), or none at all if it `may_miss`.
    """

    name: str
    type: Type
    source: str
    part: str
    means: str
    may_miss: bool = False


_MISS = True

_HEAD = (
    ("http.host", TEXT, "HOSTNAME", "", "hostname of the request, lower case, without port"),
    ("http.request.method", TEXT, "METHOD", "", "`POST` for every gRPC call"),
    ("http.request.full_uri", TEXT, "FULL_URI", "", "scheme, hostname and path"),
    ("http.request.uri", TEXT, "URI", "", "path and query"),
    ("http.request.uri.path", TEXT, "URI_PATH", "", "path: for gRPC `/service/method`"),
    ("http.request.uri.path.extension", TEXT, "EXTENSION", "", "what follows the last dot, lower case"),
    ("http.request.uri.query", TEXT, "QUERY", "", "query, without the `?`"),
    ("http.request.uri.args", TEXTS_BY_KEY, "ARGS", "", "parameters of the query as they came"),
    ("http.request.uri.args.names", TEXTS, "ARG_NAMES", "", "their names"),
    ("http.request.uri.args.values", TEXTS, "ARG_VALUES", "", "their values"),
    ("http.request.version", TEXT, "VERSION", "", "`HTTP/2`"),
    ("http.user_agent", TEXT, "HEADER", "user-agent", "header `user-agent`"),
    ("http.referer", TEXT, "HEADER", "referer", "header `referer`"),
    ("http.x_forwarded_for", TEXT, "HEADER", "x-forwarded-for", "header `x-forwarded-for` as the client sent it"),
    ("http.cookie", TEXT, "COOKIE", "", "the cookie header, its parts joined by `; `"),
    ("http.request.cookies", TEXTS_BY_KEY, "COOKIES", "", "cookies by name"),
    ("http.request.headers", TEXTS_BY_KEY, "HEADERS", "", "headers by name in lower case; `host` is there always"),
    ("http.request.headers.names", TEXTS, "HEADER_NAMES", "", "names of the headers"),
    ("http.request.headers.values", TEXTS, "HEADER_VALUES", "", "values of the headers"),
    ("http.request.headers.truncated", BOOL, "TRUNCATED", "", "headers are missing because the head is too large"),
    ("http.request.timestamp.sec", INT, "SECONDS", "", "time of the request, seconds since 1970"),
    ("http.request.timestamp.msec", INT, "MILLISECONDS", "", "milliseconds of that second, 0 to 999"),
    ("ip.src", IP, "CLIENT", "", "address of the client"),
    ("ssl", BOOL, "SECURE", "", "the client speaks TLS"),
    ("cf.edge.server_ip", IP, "SERVER", "", "address the client connected to"),
    ("cf.threat_score", INT, "ZERO", "", "0, as it is everywhere now"),
    ("grpc.service", TEXT, "SERVICE", "", "service of the call, with its package"),
    ("grpc.method", TEXT, "GRPC_METHOD", "", "method of the call, without its service"),
    ("grpc.timeout_ms", INT, "GRPC_TIMEOUT", "", "`grpc-timeout` in milliseconds, rounded up", _MISS),
    ("grpc.encoding", TEXT, "HEADER", "grpc-encoding", "header `grpc-encoding`"),
    ("grpc.accept_encoding", TEXT, "HEADER", "grpc-accept-encoding", "header `grpc-accept-encoding`"),
    ("grpc.web", BOOL, "GRPC_WEB", "", "the call is gRPC-Web"),
    ("grpc.metadata", TEXTS_BY_KEY, "METADATA", "", "metadata by name; what ends in `-bin` is decoded"),
)  # fmt: skip

_TEXT_FACTS = (
    ("cf.ray_id", "id of the request"),
    ("cf.random_seed", "16 random octets"),
    ("cf.zone.name", "name of the zone"),
    ("cf.worker.upstream_zone", "empty: there are no workers"),
    ("cf.tls_version", "`TLSv1.2` or `TLSv1.3`"),
    ("cf.tls_cipher", "name of the cipher suite"),
    ("cf.tls_client_random", "random of the client's hello, in base64"),
    ("cf.tls_client_extensions_sha1", "digest of the hello's extensions, in base64"),
    ("cf.tls_client_extensions_sha1_le", "the same, octets of each number swapped"),
    ("cf.tls_ciphers_sha1", "digest of the hello's cipher suites, in base64"),
    *((f"cf.tls_client_auth.{name}", f"of the client's certificate: {means}") for name, means in (
        ("cert_issuer_dn", "issuer"), ("cert_subject_dn", "subject"),
        ("cert_issuer_dn_rfc2253", "issuer as RFC 2253 writes it"),
        ("cert_subject_dn_rfc2253", "subject as RFC 2253 writes it"),
        ("cert_issuer_dn_legacy", "issuer in OpenSSL's old form"),
        ("cert_subject_dn_legacy", "subject in OpenSSL's old form"),
        ("cert_serial", "serial number"), ("cert_issuer_serial", "serial number of its issuer"),
        ("cert_fingerprint_sha256", "SHA-256 digest"), ("cert_fingerprint_sha1", "SHA-1 digest"),
        ("cert_not_before", "begin of its time"), ("cert_not_after", "end of its time"),
        ("cert_ski", "subject key id"), ("cert_issuer_ski", "its issuer's key id"),
        ("cert_rfc9440", "all of it, as RFC 9440 writes it"),
        ("cert_chain_rfc9440", "its chain, as RFC 9440 writes it"))),
    ("cf.bot_management.ja3_hash", "JA3 fingerprint of the client's hello"),
    ("cf.bot_management.ja4", "JA4 fingerprint of the client's hello"),
    ("cf.verified_bot_category", "kind of a known robot"),
    ("ip.src.country", "country of the client's address", _MISS),
    ("ip.src.continent", "its continent", _MISS),
    ("ip.src.city", "its city", _MISS),
    ("ip.src.region", "its region", _MISS),
    ("ip.src.region_code", "code of its region", _MISS),
    ("ip.src.subdivision_1_iso_code", "ISO code of its first subdivision", _MISS),
    ("ip.src.subdivision_2_iso_code", "ISO code of its second subdivision", _MISS),
    ("ip.src.postal_code", "its postal code", _MISS),
    ("ip.src.metro_code", "its metro code", _MISS),
    ("ip.src.lat", "its latitude", _MISS),
    ("ip.src.lon", "its longitude", _MISS),
    ("ip.src.timezone.name", "its time zone", _MISS),
)  # fmt: skip

_NUMBER_FACTS = (
    ("cf.edge.server_port", INT, "port the client connected to"),
    ("cf.edge.client_tcp", BOOL, "the client came over TCP"),
    ("cf.edge.l4.delivery_rate", INT, "octets per second that reach the client, as the kernel measures"),
    ("cf.timings.client_tcp_rtt_msec", INT, "round-trip time to the client"),
    ("cf.tls_client_hello_length", INT, "octets of the client's hello"),
    ("cf.tls_client_auth.cert_presented", BOOL, "the client showed a certificate"),
    ("cf.tls_client_auth.cert_verified", BOOL, "and it was found good"),
    ("cf.tls_client_auth.cert_revoked", BOOL, "and it is revoked"),
    ("cf.tls_client_auth.cert_rfc9440_too_large", BOOL, "and it is too large for its field"),
    ("cf.tls_client_auth.cert_chain_rfc9440_too_large", BOOL, "and its chain is too large for its field"),
    ("cf.bot_management.score", INT, "1 (a robot) to 99 (a person), 0: not computed"),
    ("cf.bot_management.verified_bot", BOOL, "a known robot"),
    ("cf.bot_management.corporate_proxy", BOOL, "false: nothing tells"),
    ("cf.bot_management.static_resource", BOOL, "false: gRPC has none"),
    ("cf.bot_management.js_detection.passed", BOOL, "false: gRPC clients run no scripts"),
    ("cf.client.bot", BOOL, "a known robot"),
    ("ip.src.asnum", INT, "number of the network the client's address is in", _MISS),
    ("ip.src.is_in_european_union", BOOL, "the client's address is there", _MISS),
)  # fmt: skip

_ALIASES = {
    f"raw.{name}": name
    for name in (
        "http.request.full_uri", "http.request.uri", "http.request.uri.path", "http.request.uri.path.extension",
        "http.request.uri.query", "http.request.uri.args", "http.request.uri.args.names",
        "http.request.uri.args.values",
    )
} | {
    f"ip.geoip.{name}": f"ip.src.{name}"
    for name in ("asnum", "continent", "country", "subdivision_1_iso_code", "subdivision_2_iso_code",
                 "is_in_european_union")
}  # fmt: skip

TEXT_FACTS = tuple(str(row[0]) for row in _TEXT_FACTS)
"""What the caller of the core gives as texts, in the order of `RuleFacts.texts`."""

NUMBER_FACTS = tuple(row[0] for row in _NUMBER_FACTS)
"""The same for `RuleFacts.numbers`; a boolean is 0 or 1."""


def _catalogue() -> dict[str, Field]:
    rows = [Field(row[0], row[1], row[2], row[3], row[4], len(row) > 5) for row in _HEAD]
    for text, means, *missing in _TEXT_FACTS:
        rows.append(Field(str(text), TEXT, "TEXT_FACT", str(text), str(means), bool(missing)))
    rows += [Field(row[0], row[1], "NUMBER_FACT", row[0], row[2], len(row) > 3) for row in _NUMBER_FACTS]
    known = {row.name: row for row in rows}
    for alias, name in _ALIASES.items():
        row = known[name]
        known[alias] = Field(alias, row.type, row.source, row.part, f"the same as `{name}`", row.may_miss)
    return known


FIELDS = _catalogue()

REFUSED = {
    "http.request.body": "rules see the head of a call, never its messages",
    "http.response": "rules are asked before the origin is",
    "raw.http.response": "rules are asked before the origin is",
    "cf.response": "rules are asked before the origin is",
    "cf.waf": "there is no content scan and no attack score here",
    "cf.llm": "rules see the head of a call, never its messages",
    "cf.api_gateway": "there are no API schemas here",
    "http.request.jwt": "tokens are the business of access rules",
    "cf.timings": "it is not known before the origin is asked",
    "http.request.accepted_languages": 'look at http.request.headers["accept-language"]',
    "cf.bot_management.detection_ids": "the score's reasons are in the log",
    "cf.hostname.metadata": "hostnames have no metadata here",
    "cf.zone.plan": "there are no plans here",
}
"""Beginnings of names that exist elsewhere -> why not here."""
