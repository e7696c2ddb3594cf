"""The catalogue of checks: id, level, what is wrong, what to do, and where the reason is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
Needs = Literal["text", "files", "network"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding: its usual level, and what it needs: the text, the files it names, the network."""

    id: str
    level: Level
    sentence: str
    help: str
    reference: str
    needs: Needs = "text"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of plain values says: the sentence goes on where the name of the field ends."""

    rule: str
    sentence: str
    hint: str = ""


_GENERAL = (
    Rule("invalid", "error", "A key or value cannot be used.", "See docs/configuration.md.", "spec 11"),
    Rule("questionable", "warning", "Something has no effect, or not the one that is meant.", "", "spec 11"),
    Rule(
        "variable-unset",
        "error",
        "A place such as ${env:NAME} cannot be filled.",
        "Set the variable, or give a default: ${env:NAME:-default}.",
        "spec 11",
        "files",
    ),
    Rule("setting-kept", "note", "A setting is kept and shown, and changes nothing.", "", "reference 10.4"),
)

_MODES = (
    Rule(
        "grpc-needs-tls",
        "error",
        "gRPC is on, but origins would be spoken to in cleartext (ssl off or flexible).",
        'Write ssl = "full" or better, or origin_protocol = "h2c" on each proxied record.',
        "spec 2 step 7",
    ),
    Rule(
        "grpc-needs-http2",
        "error",
        "gRPC is on, but HTTP/2 is off on one side.",
        "gRPC is made of HTTP/2: leave http2 and origin_max_http_version as they are.",
        "spec 11",
    ),
    Rule(
        "tls-version-low",
        "warning",
        "Clients are offered TLS older than 1.2, which HTTP/2 forbids.",
        'Write min_tls_version = "1.2".',
        "RFC 9113 section 9.2",
    ),
    Rule("all-denied", "warning", "grpc and http are both off.", 'Write grpc = "on".', "spec 2"),
    Rule(
        "cleartext-origin",
        "warning",
        "An origin is spoken to in cleartext though the others are verified.",
        "Let it speak TLS, or have the connection protected otherwise.",
        "spec 5",
    ),
    Rule(
        "access-bypass",
        "warning",
        "Calls pass the access rules unjudged (access.grpc = bypass).",
        "Leave it out: gRPC is judged like everything else.",
        "spec 7",
    ),
    Rule(
        "challenge-for-grpc",
        "error",
        "A rule answers gRPC with a challenge, which no gRPC client can solve.",
        "Write block, or log.",
        "spec 6",
    ),
)

_RULES = (
    Rule(
        "expression",
        "error",
        "An expression cannot be used: the sentence draws where.",
        "See docs/rules.md; fastgw rules check tries one.",
        "spec 6",
    ),
    Rule(
        "refused-for-grpc",
        "error",
        "A rule asks for what a gRPC call cannot have.",
        "The sentence says why, and what to write.",
        "spec 6",
    ),
    Rule(
        "never-known",
        "warning",
        "A rule asks where an address is, which is never known: there is no database of addresses.",
        "Name a database in [server] geoip, or write networks.",
        "spec 6",
    ),
    Rule(
        "window-above-limit",
        "warning",
        "A stream's window is more than twice the octets that a rate limit gives a stream.",
        "Write a larger octets_per_period, or a smaller stream_window in [limits].",
        "spec 6",
    ),
    Rule("response-for-http", "note", "A response has a type that only HTTP clients see.", "", "spec 6"),
    Rule("binary-metadata", "note", "A rule sets binary metadata, which must be base64.", "", "spec 6"),
    Rule(
        "access-bypass-policy",
        "note",
        "A policy lets calls pass without asking who calls.",
        "Nothing to do if it is meant.",
        "spec 7",
    ),
)

_TIMES = (
    Rule(
        "timeout-ends-streams",
        "warning",
        "A total timeout holds for methods that may be streams.",
        "Name the method in match, or write idle_timeout.",
        "spec 8",
    ),
    Rule(
        "timeout-on-long-lived",
        "warning",
        "A total timeout ends streams that long_lived_grpc is to keep.",
        "Write idle_timeout or age, or leave long_lived_grpc off.",
        "spec 8",
    ),
)

_NAMES = (
    Rule("name-twice", "error", "Two zones hold the same name.", "Keep one of the two.", "spec 4"),
    Rule("cname-loop", "error", "A chain of CNAMEs leads nowhere.", "Name the origin.", "spec 4"),
    Rule("second-star", "warning", "Only the first star of a name stands for others.", "", "reference 3"),
    Rule(
        "route-host-not-served",
        "warning",
        "A route names a host that is DNS-only or unknown.",
        "Write proxied = true on a record of that name.",
        "spec 4",
    ),
    Rule(
        "dns-only",
        "note",
        "A name is DNS-only, so that calls to it are answered with zone_unknown.",
        "Write proxied = true if the gateway is to serve it.",
        "spec 4",
    ),
    Rule(
        "wildcard-shadowed",
        "note",
        "A longer wildcard takes names from a shorter one.",
        "The longest wildcard decides.",
        "reference 3",
    ),
    Rule(
        "wildcard-stopped",
        "note",
        "A record takes its name, and all names below it, out of a proxied wildcard.",
        "Proxy it too, or add a wildcard below it.",
        "reference 3",
    ),
    Rule(
        "private-name",
        "note",
        "An origin has a name that public DNS does not know.",
        "The gateway's own resolver or hosts file must know it.",
        "spec 4",
    ),
    Rule(
        "private-name-verified",
        "warning",
        "Public roots judge a certificate for a private name, which no public authority signs.",
        "Name a trust_store, or write ssl = full.",
        "spec 5",
    ),
    Rule(
        "origin-port",
        "note",
        "A zone with a plan has an origin on another port than 443, the only one of the reference for gRPC.",
        "Nothing to do here.",
        "spec 4",
    ),
)

_CERTIFICATES = (
    Rule("certificate-unusable", "error", "A certificate or key cannot be used.", "", "spec 5", "files"),
    Rule("certificate-expired", "warning", "A certificate has expired.", "Renew it.", "spec 5", "files"),
    Rule("certificate-not-yet-valid", "warning", "A certificate is not valid yet.", "", "spec 5", "files"),
    Rule(
        "certificate-expires",
        "warning",
        "A certificate expires within 30 days (a note), 7 days or one (a warning).",
        "Renew it.",
        "spec 5",
        "files",
    ),
    Rule(
        "certificate-does-not-cover",
        "warning",
        "A proxied name is not covered by the certificate of its zone.",
        "Order a certificate with this name.",
        "spec 5",
        "files",
    ),
    Rule(
        "certificate-for-dns-only",
        "note",
        "A certificate names a host that is DNS-only.",
        "Write proxied = true if the gateway is to serve it.",
        "spec 4",
        "files",
    ),
)

_NETWORK = (
    Rule("origin-unresolved", "error", "The name of an origin has no address.", "", "spec 4", "network"),
    Rule(
        "origin-unreachable",
        "error",
        "An origin does not take calls as they would be sent.",
        "The sentence says which step failed: TCP, TLS, its certificate, ALPN h2, or SETTINGS.",
        "spec 8",
        "network",
    ),
)

RULES: dict[str, Rule] = {
    row.id: row for row in (*_GENERAL, *_MODES, *_RULES, *_TIMES, *_NAMES, *_CERTIFICATES, *_NETWORK)
}
