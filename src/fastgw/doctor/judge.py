"""From facts to one verdict per line; reads no socket and no clock, and prints nothing."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography import x509

from fastgw.doctor import chain as chains
from fastgw.doctor.answers import content, health, trailers
from fastgw.doctor.facts import Facts, Hello
from fastgw.doctor.lines import LINES

Word = Literal["ok", "warning", "failed", "skipped"]
Judged = tuple[Word, str, str]  # verdict, what was seen, hint

EDGE_PORT = 443
STREAMS_LEAST = 100  # RFC 9113 section 6.5.2
WINDOW_LEAST = 65_535
HEAD_LEAST = 8192
_STREAMS, _WINDOW, _FRAME, _HEAD = 3, 4, 5, 6  # RFC 9113 section 6.5.2
_FRAME_DEFAULT = 16_384
_ENHANCE_YOUR_CALM = 11
_OF_TLS = ("tls", "chain", "order", "names", "expiry", "alpn")
_EPHEMERAL = re.compile(r"(ECDHE|DHE)-.*(GCM|CHACHA20|CCM)")
SEEN_MAX = 300  # characters of what was seen

_CLIENT_CERTIFICATE = "give the certificate the server asks its clients for with --cert FILE --key FILE"
_CLEARTEXT = "look at it with --plaintext; clients on the internet need TLS in front of it"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    line: str
    verdict: Word
    seen: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What judging takes beside the facts: the moment, and roots that stand for the public ones."""

    now: datetime.datetime
    roots: tuple[x509.Certificate, ...] | None = None


def judge(facts: Facts, bench: Bench) -> list[Finding]:
    """Every line of the table, in its order."""
    found: list[Finding] = []
    stopped: dict[str, str] = {}
    for line in LINES.values():
        because = next((need for need in line.needs if need in stopped), None)
        if facts.target.plaintext and line.id in _OF_TLS:
            found.append(Finding(line.id, "skipped", "cleartext was asked for"))
            if because is not None:
                stopped[line.id] = stopped[because]
            continue
        if because is not None:
            stopped[line.id] = stopped[because]
            found.append(Finding(line.id, "skipped", f"because of {stopped[because]}"))
            continue
        word, seen, hint = _JUDGES[line.id](facts, bench)
        if word == "failed":
            stopped[line.id] = line.id
        bad = word in ("failed", "warning")
        found.append(Finding(line.id, word, clean(seen), clean(hint or _plain(line.fix)) if bad else ""))
    return found


def _plain(fix: str) -> str:
    return (fix[:1].lower() + fix[1:]).removesuffix(".")


def clean(text: str) -> str:
    """Text that may come from a stranger, so that it does nothing to a terminal."""
    short = text if len(text) <= SEEN_MAX else text[:SEEN_MAX] + "..."
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in short)


# the way there


def _name(facts: Facts, bench: Bench) -> Judged:
    if facts.name_error:
        return "failed", f"{facts.target.host} does not resolve: {facts.name_error}", ""
    if facts.addresses == (facts.target.host,):
        return "ok", "is an address", ""
    more = f" and {len(facts.addresses) - 8} more" if len(facts.addresses) > 8 else ""
    return "ok", f"resolves to {', '.join(facts.addresses[:8])}{more}", ""


def _port(facts: Facts, bench: Bench) -> Judged:
    if facts.target.port == EDGE_PORT:
        return "ok", "443", ""
    return "ok", f"{facts.target.port}; edge networks ask for 443, fastgw takes any", ""


def _tcp(facts: Facts, bench: Bench) -> Judged:
    bad = [f"{at}: {error}" for at, error in facts.connects if error]
    all_of_them = len(facts.connects)
    apart = f"; no route from here to {', '.join(facts.unrouted)}" if facts.unrouted else ""
    if len(bad) == all_of_them:
        refused = all(error == "connection refused" for _, error in facts.connects)
        hint = f"nothing listens on port {facts.target.port}, or a firewall says so" if refused else ""
        return "failed", f"no connection: {', '.join(bad)}{apart}", hint
    if bad:
        return "warning", f"{len(bad)} of {all_of_them} addresses do not accept: {', '.join(bad)}{apart}", ""
    if all_of_them == 1:
        return "ok", f"{facts.connects[0][0]} accepts connections{apart}", ""
    return "ok", f"all {all_of_them} addresses accept connections{apart}", ""


# TLS


def _hello(facts: Facts) -> Hello:
    """The handshake that tells of the certificate: that of a gRPC client, or the one without ALPN h2."""
    assert facts.hello is not None
    return facts.hello if facts.wide is None or not facts.hello.error else facts.wide


def _refuses_alpn(facts: Facts) -> bool:
    """Did the server end the handshake because only h2 was offered (RFC 7301 section 3.2)?"""
    return facts.hello is not None and "application protocol" in facts.hello.error


def _tls(facts: Facts, bench: Bench) -> Judged:
    hello, wide = facts.hello, facts.wide
    assert hello is not None
    if hello.error and wide is not None and not wide.error:
        bad = _unfit(wide)
        if bad or not _refuses_alpn(facts):
            also = f"; it would speak {wide.version} with {wide.cipher}" if wide.version else ""
            return "failed", f"{bad or hello.error}{also if not bad else ''}", ""
        return "ok", f"{wide.version}, {wide.cipher}", ""
    if hello.error:
        return "failed", *_no_tls(facts, hello)
    bad = _unfit(hello)
    asks = "; it asks for a client certificate" if hello.asks else ""
    return ("failed", bad, "") if bad else ("ok", f"{hello.version}, {hello.cipher}{asks}", "")


def _unfit(hello: Hello) -> str:
    """Why HTTP/2 must not be spoken on what was agreed (RFC 9113 section 9.2)."""
    if hello.version == "TLSv1.3":
        return ""
    if hello.version != "TLSv1.2":
        return f"it speaks {hello.version} at best; HTTP/2 needs TLS 1.2 or newer"
    if not _EPHEMERAL.match(hello.cipher):
        return f"it takes the cipher {hello.cipher} at best, which HTTP/2 forbids (RFC 9113 appendix A)"
    return ""


def _no_tls(facts: Facts, hello: Hello) -> tuple[str, str]:
    if facts.speaks == "http/2":
        return "it speaks HTTP/2 in cleartext (h2c), not TLS", _CLEARTEXT
    if facts.speaks == "http/1.1":
        return "it speaks HTTP/1.1 in cleartext, not TLS", "let TLS and HTTP/2 be spoken on this port"
    if facts.speaks == "something else":
        shown = repr(facts.first[:20])[2:-1]
        return f"it does not speak TLS; to HTTP/2 in cleartext it answers {shown}", "is this the right port?"
    if hello.timed_out:
        hint = "something accepts connections and says nothing: is this the right port?"
        return f"{hello.error}", hint
    return hello.error, _about_certificates(facts)


def _about_certificates(facts: Facts) -> str:
    """A server that asks for a client certificate ends the connection for want of a good one."""
    if facts.hello is None or not facts.hello.asks:
        return ""
    if facts.target.certificate is None:
        return _CLIENT_CERTIFICATE
    return "the server may not accept the certificate given with --cert"


def _sent(facts: Facts) -> tuple[x509.Certificate, ...]:
    return chains.parse(_hello(facts).chain)


def _of_chain(
    bad: Word, ask: Callable[[tuple[x509.Certificate, ...]], chains.Verdict]
) -> Callable[[Facts], Judged]:
    def judged(facts: Facts) -> Judged:
        try:
            sent = _sent(facts)
        except ValueError:
            return "failed", "a certificate is damaged", ""
        if not sent:
            return "failed", "no certificate was sent", ""
        verdict = ask(sent)
        return (bad, verdict.problem, verdict.hint) if verdict.problem else ("ok", verdict.seen, "")

    return judged


def _chain(facts: Facts, bench: Bench) -> Judged:
    return _of_chain("failed", lambda sent: chains.trusted(sent, bench.roots))(facts)


def _order(facts: Facts, bench: Bench) -> Judged:
    return _of_chain("warning", chains.ordered)(facts)


def _names(facts: Facts, bench: Bench) -> Judged:
    return _of_chain("failed", lambda sent: chains.named(sent[0], facts.target.asked))(facts)


def _expiry(facts: Facts, bench: Bench) -> Judged:
    try:
        sent = _sent(facts)
    except ValueError:
        return "failed", "a certificate is damaged", ""
    if not sent:
        return "failed", "no certificate was sent", ""
    found = chains.times(sent, bench.now)
    if found.problem:
        return "failed", found.problem, ""
    if not found.soon:
        return "ok", found.seen, ""
    days = chains.left_days(sent, bench.now)
    hint = next(
        (words for most, words in _SOON if days <= most),
        "renew it soon",
    )
    return "warning", found.seen, hint


_SOON = (
    (1, "renew it today: clients refuse it from then on"),
    (7, "renew it this week, and see why that has not happened by itself"),
)


def _alpn(facts: Facts, bench: Bench) -> Judged:
    hello = facts.hello
    assert hello is not None
    if not hello.error and hello.alpn == "h2":
        return "ok", "h2", ""
    other = facts.wide.alpn if facts.wide is not None else ""
    also = f", but {other} if that is offered" if other and other != "h2" else ""
    if hello.error:
        return "failed", f"it refuses h2{also}", ""
    return "failed", f"it speaks TLS, but does not agree on h2 by ALPN{also}", ""


# HTTP/2


def _settings(facts: Facts, bench: Bench) -> Judged:
    if facts.settings is not None:
        count = len(facts.settings)
        return "ok", f"SETTINGS came, with {count} value{'' if count == 1 else 's'}", ""
    if facts.speaks == "http/1.1":
        line = facts.first.split(b"\r\n")[0].decode("latin-1")
        return "failed", f"it answers HTTP/2 with HTTP/1.1: {line}", ""
    if facts.speaks == "tls":
        return "failed", "it speaks TLS on this port", "leave out --plaintext"
    return "failed", facts.talk_error, _about_certificates(facts)


def _ping(facts: Facts, bench: Bench) -> Judged:
    pings = facts.pings
    if pings is None:
        return "skipped", "no PING was asked for", ""
    pace = f"{pings.interval * 1000:.0f} ms apart"
    if pings.code == _ENHANCE_YOUR_CALM:
        words = f" {pings.debug.decode('latin-1')}" if pings.debug else ""
        return (
            "ok",
            f"after {pings.sent} PINGs {pace}: GOAWAY ENHANCE_YOUR_CALM{words}; "
            "clients must ping less often, gRPC servers allow one in 5 minutes by default",
            "",
        )
    if pings.answered == pings.sent and pings.sent and pings.code is None and not pings.error:
        return "ok", f"{pings.answered} of {pings.sent} answered, {pace}, without complaint", ""
    if pings.code is not None:
        return "warning", f"GOAWAY with error code {pings.code} after {pings.sent} PINGs", ""
    if pings.sent and not pings.answered:
        return "failed", pings.error or "no PING was answered", ""
    return "warning", f"{pings.answered} of {pings.sent} answered, then: {pings.error}", ""


def _value(facts: Facts, number: int) -> int | None:
    return (facts.settings or {}).get(number)


def _streams(facts: Facts, bench: Bench) -> Judged:
    value = _value(facts, _STREAMS)
    if value is None:
        return "ok", "no limit", ""
    if value == 0:
        return "failed", "0: no call may begin", ""
    return ("ok" if value >= STREAMS_LEAST else "warning"), f"{value} at a time on a connection", ""


def _window(facts: Facts, bench: Bench) -> Judged:
    value = _value(facts, _WINDOW)
    if value is None:
        return "ok", f"{WINDOW_LEAST} octets, the default", ""
    return ("ok" if value >= WINDOW_LEAST else "warning"), f"{value} octets", ""


def _frame(facts: Facts, bench: Bench) -> Judged:
    value = _value(facts, _FRAME)
    return "ok", f"{_FRAME_DEFAULT} octets, the default" if value is None else f"{value} octets", ""


def _head(facts: Facts, bench: Bench) -> Judged:
    value = _value(facts, _HEAD)
    if value is None:
        return "ok", "no limit was said", ""
    return ("ok" if value >= HEAD_LEAST else "warning"), f"{value} octets", ""


def _content(facts: Facts, bench: Bench) -> Judged:
    return content(facts.call, facts.talk_error)


def _trailers(facts: Facts, bench: Bench) -> Judged:
    return trailers(facts.call)


def _health(facts: Facts, bench: Bench) -> Judged:
    return health(facts.call, facts.target.service)


_JUDGES: dict[str, Callable[[Facts, Bench], Judged]] = {
    "name": _name,
    "port": _port,
    "tcp": _tcp,
    "tls": _tls,
    "chain": _chain,
    "order": _order,
    "names": _names,
    "expiry": _expiry,
    "alpn": _alpn,
    "settings": _settings,
    "content": _content,
    "trailers": _trailers,
    "health": _health,
    "ping": _ping,
    "streams": _streams,
    "window": _window,
    "frame": _frame,
    "head": _head,
}


def failed(findings: Sequence[Finding]) -> bool:
    """Is there a line that is not as it must be?"""
    return any(finding.verdict == "failed" for finding in findings)
