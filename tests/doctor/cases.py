"""Endpoints, the verdict on each line for each of them, and what some of the lines say."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.config.conftest import write_pair
from tests.doctor import endpoints as e
from tests.support import frames
from tests.support.calls import record, toml
from tests.support.certs import DAY, Authority, Leaf
from tests.support.frames import Setting
from tests.support.raw_origin import GRPC_HEAD


@dataclass(frozen=True)
class Stage:
    """What a case may use."""

    ca: Authority
    leaf: Leaf
    run: Path
    gateway: Callable[..., Any]

    def pair(self, name: str, **more: int) -> Leaf:
        """A self-signed certificate."""
        write_pair(self.run, "self", [name], **more)
        return Leaf(self.run / "self.pem", self.run / "self.key")


@dataclass(frozen=True)
class Case:
    """An endpoint, a letter for each line in its order, and words that some lines say."""

    verdicts: str
    endpoint: Callable[[Stage], contextlib.AbstractContextManager[int]]
    says: dict[str, str] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def _closed() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield port


@contextlib.contextmanager
def _gateway(s: Stage, switch: str) -> Iterator[int]:
    with e.grpcio(s.ca.leaf("origin.test", file="health")) as port:
        yield s.gateway(toml=toml(record("@", port), grpc=switch, settings='http = "on"')).address[1]


GW = {"server_name": "gw.test"}
PLAIN = {"plaintext": True, "ca": None}
HTML = [(b":status", b"403"), (b"content-type", b"text/html"), (b"server", b"edge")]
TRAILERS_ONLY = [*GRPC_HEAD, (b"grpc-status", b"12")]

# The lines: name port tcp tls | chain order names expiry alpn | settings content trailers health | ping
# streams window frame head.
CASES = {
    "grpcio": Case(
        "oooo ooooo oooo ooooo",
        lambda s: e.grpcio(s.leaf),
        {"tls": "TLSv1.3", "health": "SERVING", "ping": "ENHANCE_YOUR_CALM too_many_pings", "alpn": "h2",
         "port": "fastgw takes any", "chain": "leads to fastgw test CA"},
    ),
    "grpcio, one service": Case(
        "oooo ooooo oooo ooooo", lambda s: e.grpcio(s.leaf), {"health": "SERVING for shop.Cart"},
        {"service": "shop.Cart"},
    ),
    "grpcio, a service it has not": Case(
        "oooo ooooo ooof ooooo", lambda s: e.grpcio(s.leaf), {"health": "does not know the service shop.Nothing"},
        {"service": "shop.Nothing"},
    ),
    "grpcio, not serving": Case(
        "oooo ooooo ooof ooooo", lambda s: e.grpcio(s.leaf, e.STATES.NOT_SERVING), {"health": "NOT_SERVING"}
    ),
    "grpcio without health": Case(
        "oooo ooooo ooow ooooo", lambda s: e.grpcio(s.leaf, None),
        {"health": "not implemented", "trailers": "grpc-status 12"},
    ),
    "grpcio in cleartext": Case(
        "ooof ----- ---- -----", lambda s: e.grpcio(None), {"tls": "HTTP/2 in cleartext (h2c)", "head": "because of tls"},
        hints={"tls": "--plaintext"},
    ),
    "grpcio in cleartext, as asked": Case(
        "ooo- ----- oooo ooooo", lambda s: e.grpcio(None), {"tls": "cleartext was asked for"}, PLAIN
    ),
    "grpcio over TLS, cleartext asked": Case(
        "ooo- ----- f--- -----", lambda s: e.grpcio(s.leaf), {"settings": "it speaks TLS on this port"}, PLAIN,
        {"settings": "leave out --plaintext"},
    ),
    "wants a client certificate": Case(
        "oooo ooooo f--- -----", lambda s: e.grpcio(s.leaf, roots=s.ca.pem),
        {"tls": "asks for a client certificate", "settings": "closed the connection"},
        hints={"settings": "--cert FILE --key FILE"},
    ),
    "is given a client certificate": Case(
        "oooo ooooo oooo ooooo", lambda s: e.grpcio(s.leaf, roots=s.pair("client").certificate_pem),
        {"health": "SERVING"}, {"certificate": "self.pem", "key": "self.key"},
    ),
    "is given one that it does not know": Case(
        "oooo ooooo f--- -----", lambda s: (s.pair("client"), e.grpcio(s.leaf, roots=s.ca.pem))[1], {},
        {"certificate": "self.pem", "key": "self.key"}, {"settings": "may not accept the certificate"},
    ),
    "the gateway": Case("oooo ooooo oooo ooooo", lambda s: _gateway(s, "on"), {"ping": "5 of 5 answered"}, GW),
    "the gateway, grpc off": Case(
        "oooo ooooo ooof ooooo", lambda s: _gateway(s, "off"), {"health": "PERMISSION_DENIED: gRPC is switched off"}, GW,
        {"health": "docs/reasons.md"},
    ),
    "the gateway, another name": Case(
        "oooo oofoo ooof ooooo", lambda s: _gateway(s, "on"),
        {"names": "not for 127.0.0.1", "health": "zone_unknown: no zone serves the hostname 127.0.0.1"},
    ),
    "nginx, TLS and HTTP/1.1": Case(
        "oooo oooof ---- -----", lambda s: e.nginx(s.run, s.leaf, "ssl"), {"alpn": "http/1.1 if that is offered"}
    ),
    "nginx, TLS and HTTP/2": Case(
        "oooo ooooo of-- ooooo", lambda s: e.nginx(s.run, s.leaf, "ssl http2"),
        {"content": "status 404, content-type text/html"}, hints={"content": "the path is not passed on"},
    ),
    "nginx, HTTP/1.1": Case(
        "ooof ----- ---- -----", lambda s: e.nginx(s.run, s.leaf, ""), {"tls": "HTTP/1.1 in cleartext"}
    ),
    "TLS without ALPN": Case(
        "oooo oooof ---- -----", lambda s: e.raw(e.dumb, s.leaf, alpn=()), {"alpn": "does not agree on h2 by ALPN"}
    ),
    "TLS for HTTP/1.1": Case(
        "oooo oooof ---- -----", lambda s: e.raw(e.dumb, s.leaf, alpn=("http/1.1",)), {"alpn": "but http/1.1"}
    ),
    "self-signed": Case(
        "oooo foooo oooo ooooo", lambda s: e.grpcio(s.pair("127.0.0.1.test")), {"chain": "is self-signed"},
        {"server_name": "127.0.0.1.test"}, {"chain": "--ca FILE"},
    ),
    "of an unknown authority": Case(
        "oooo foooo oooo ooooo", lambda s: e.grpcio(s.leaf), {"chain": "the authority fastgw test CA"}, {"ca": "other"}
    ),
    "for another name": Case(
        "oooo oofoo oooo ooooo", lambda s: e.grpcio(s.leaf), {"names": "not for elsewhere.test"},
        {"server_name": "elsewhere.test"},
    ),
    "expired": Case(
        "oooo ooofo oooo ooooo",
        lambda s: e.grpcio(s.ca.leaf("127.0.0.1", file="old", starts=-60 * DAY, ends=-DAY)), {"expiry": "expired 20"},
    ),
    "expires in 20 days": Case(
        "oooo ooowo oooo ooooo",
        lambda s: e.grpcio(s.ca.leaf("127.0.0.1", file="soon", starts=-70 * DAY, ends=20 * DAY)),
        {"expiry": "19 days left"}, hints={"expiry": "renew it soon"},
    ),
    "expires today": Case(
        "oooo ooowo oooo ooooo",
        lambda s: e.grpcio(s.ca.leaf("127.0.0.1", file="today", starts=-70 * DAY, ends=DAY / 2)),
        {"expiry": "11 hours left"}, hints={"expiry": "renew it today"},
    ),
    "not valid yet": Case(
        "oooo ooofo oooo ooooo",
        lambda s: e.grpcio(s.ca.leaf("127.0.0.1", file="early", starts=DAY)), {"expiry": "not valid before"},
    ),
    "closed": Case("oof- ----- ---- -----", lambda s: _closed(), {"tcp": "127.0.0.1: connection refused"}),
    "no such name": Case(
        "fo-- ----- ---- -----", lambda s: contextlib.nullcontext(443),
        {"name": "nowhere.invalid does not resolve", "tcp": "because of name"}, {"host": "nowhere.invalid"},
    ),
    "HTTP/1.1": Case("ooof ----- ---- -----", lambda s: e.octets(e.http1), {"tls": "HTTP/1.1 in cleartext"}),
    "HTTP/1.1, cleartext asked": Case(
        "ooo- ----- f--- -----", lambda s: e.octets(e.http1),
        {"settings": "it answers HTTP/2 with HTTP/1.1: HTTP/1.1 400 Bad Request"}, PLAIN,
    ),
    "garbage": Case("ooof ----- ---- -----", lambda s: e.octets(e.garbage), {"tls": r"it answers \x1b[2J\xff\xfe"}),
    "garbage, cleartext asked": Case(
        "ooo- ----- f--- -----", lambda s: e.octets(e.garbage), {"settings": "does not speak HTTP/2"}, PLAIN
    ),
    "garbage in TLS": Case(
        "oooo ooooo f--- -----", lambda s: e.raw(e.says_garbage, s.leaf), {"settings": "does not speak HTTP/2"}
    ),
    "silence": Case("ooof ----- ---- -----", lambda s: e.octets(e.silent), {"tls": "no TLS handshake within 0.5 s"}, {"timeout": 0.5}),
    "silence, cleartext asked": Case(
        "ooo- ----- f--- -----", lambda s: e.octets(e.silent), {"settings": "no SETTINGS within 0.5 s"}, {**PLAIN, "timeout": 0.5}
    ),
    "silence in TLS": Case(
        "oooo ooooo f--- -----", lambda s: e.raw(e.dumb, s.leaf), {"settings": "no SETTINGS within 0.5 s"}, {"timeout": 0.5}
    ),
    "TLS 1.1": Case(
        "ooof ----- ---- -----",
        lambda s: e.raw(e.dumb, s.leaf, tune=e.old(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")),
        {"tls": "it speaks TLSv1.1 at best"},
    ),
    "a cipher of TLS 1.2 that HTTP/2 forbids": Case(
        "ooof ----- ---- -----",
        lambda s: e.raw(e.dumb, s.leaf, tune=e.old(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA")),
        {"tls": "ECDHE-ECDSA-AES128-SHA at best, which HTTP/2 forbids"},
    ),
    "a cipher that no gRPC client offers": Case(
        "ooof ----- ---- -----",
        lambda s: e.raw(e.dumb, s.leaf, tune=e.old(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-CCM")),
        {"tls": "handshake failure; it would speak TLSv1.2 with ECDHE-ECDSA-AES128-CCM"},
    ),
    "TLS 1.2": Case(
        "oooo ooooo oooo ooooo",
        lambda s: e.raw(e.serves(), s.leaf, tune=e.old(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384")),
        {"tls": "TLSv1.2, ECDHE-ECDSA-AES256-GCM-SHA384"},
    ),
    "trailers lost": Case(
        "oooo ooooo oof- ooooo", lambda s: e.raw(e.serves(trailers=None), s.leaf),
        {"trailers": "ended without trailers, so grpc-status was lost"}, hints={"trailers": "grpc_pass"},
    ),
    "status in the head": Case(
        "oooo ooooo oowo ooooo",
        lambda s: e.raw(e.serves(head=[*GRPC_HEAD, (b"grpc-status", b"0")], trailers=None), s.leaf),
        {"trailers": "grpc-status 0 came in a head that was not the end"},
    ),
    "Trailers-Only": Case(
        "oooo ooooo ooow ooooo", lambda s: e.raw(e.serves(head=TRAILERS_ONLY, body=b"", trailers=None), s.leaf),
        {"trailers": "Trailers-Only"},
    ),
    "a page of an edge network": Case(
        "oooo ooooo of-- ooooo", lambda s: e.raw(e.serves(head=HTML, body=b"<html>", trailers=None), s.leaf),
        {"content": "status 403, content-type text/html"}, hints={"content": "switch gRPC on there"},
    ),
    "another type": Case(
        "oooo ooooo of-- ooooo",
        lambda s: e.raw(e.serves(head=[(b":status", b"200"), (b"content-type", b"application/grpcfoo")]), s.leaf),
        {"content": "application/grpcfoo, which is not gRPC"},
    ),
    "a message that is none": Case(
        "oooo ooooo ooof ooooo", lambda s: e.raw(e.serves(body=frames.message(b"\xff")), s.leaf),
        {"health": "no HealthCheckResponse"},
    ),
    "for insiders": Case(
        "oooo ooooo ooow ooooo",
        lambda s: e.raw(e.serves(body=b"", trailers=[(b"grpc-status", b"16"), (b"grpc-message", b"who%20%1B")]), s.leaf),
        {"health": r"it does not tell strangers: UNAUTHENTICATED: who \x1b"},
    ),
    "no streams": Case(
        "oooo ooooo of-- ofooo", lambda s: e.raw(e.serves((Setting.MAX_CONCURRENT_STREAMS, 0)), s.leaf),
        {"streams": "0: no call may begin", "content": "takes no request"},
    ),
    "little of everything": Case(
        "oooo ooooo oooo owwow",
        lambda s: e.raw(
            e.serves((Setting.MAX_CONCURRENT_STREAMS, 10), (Setting.INITIAL_WINDOW_SIZE, 1000),
                     (Setting.MAX_FRAME_SIZE, 32768), (Setting.MAX_HEADER_LIST_SIZE, 4096)),
            s.leaf),
        {"streams": "10 at a time", "window": "1000 octets", "frame": "32768 octets", "head": "4096 octets"},
    ),
    "PING is not answered": Case(
        "oooo ooooo oooo foooo", lambda s: e.raw(e.serves(pong=False), s.leaf),
        {"ping": "a PING was not answered within 0.5 s"}, {"timeout": 0.5},
    ),
    "PING is allowed twice": Case(
        "oooo ooooo oooo ooooo", lambda s: e.raw(e.serves(calm_after=2), s.leaf),
        {"ping": r"after 3 PINGs 50 ms apart: GOAWAY ENHANCE_YOUR_CALM too_many_pings\x1b"},
    ),
    "no PING is sent": Case(
        "oooo ooooo oooo -oooo", lambda s: e.raw(e.serves(calm_after=0), s.leaf), {"ping": "no PING was asked for"},
        {"pings": 0},
    ),
}  # fmt: skip
