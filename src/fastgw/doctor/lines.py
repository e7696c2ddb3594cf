"""The table of lines: what the doctor asks of an endpoint, in which order, and what to do about it.

Knows no endpoint: the page docs/doctor.md is written from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. A line is skipped if a line it `needs` could not be answered well.

    asks   what must hold, as a sentence without its end
    means  what a verdict other than ok says
    fix    what to do
    """

    id: str
    asks: str
    means: str
    fix: str
    needs: tuple[str, ...] = ()


LINES: dict[str, Line] = {
    line.id: line
    for line in (
        Line(
            "name",
            "the name resolves, by the resolver of this machine",
            "Nobody who has only the name can connect.",
            "Add an A or AAAA record, or correct the name; a new record may take its zone's TTL to be seen.",
        ),
        Line(
            "port",
            "443 is the port that edge networks ask of an endpoint; fastgw takes any",
            "It never fails: fastgw serves and reaches any port that is written down.",
            "Listen on 443 if the endpoint is to stand behind an edge network too.",
        ),
        Line(
            "tcp",
            "each address accepts a connection",
            "failed: none does. warning: some do not, so that a part of the calls begins with a wait.",
            "Start the server, open the firewall, or take the dead address out of DNS.",
            ("name",),
        ),
        Line(
            "tls",
            "a client as gRPC's agrees on TLS 1.2 or newer and on a cipher that HTTP/2 does not forbid",
            "The handshake fails, is not TLS, or ends with what RFC 9113 appendix A forbids.",
            "Allow TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20; a cleartext server is looked at with "
            "--plaintext; a server that asks for a client certificate wants --cert and --key.",
            ("tcp",),
        ),
        Line(
            "chain",
            "the certificate leads to a public root, or to one in --ca FILE",
            "Clients refuse the certificate. Self-signed: nobody vouches for it. Unknown authority: somebody "
            "does, whom this machine does not trust, or a certificate in between was not sent.",
            "Get a certificate from a public authority, send the intermediate ones behind it, or give "
            "clients the root (--ca here).",
            ("tls",),
        ),
        Line(
            "order",
            "the chain is sent leaf first, each certificate followed by that of its issuer",
            "Some clients sort a chain, others give up.",
            "Put the certificates into the file in this order: leaf, intermediates; leave the root out.",
            ("tls",),
        ),
        Line(
            "names",
            "the certificate is for the name that was asked for, among its subject alternative names",
            "Clients refuse a certificate for another name; the common name has not counted for years.",
            "Get a certificate with this name, or say with --server-name what clients ask for.",
            ("tls",),
        ),
        Line(
            "expiry",
            "every certificate of the chain is valid today and for some time",
            "failed: clients refuse it. warning: 30, 7 or 1 days are left, less than a third of its life.",
            "Renew it, and see why that has not happened by itself.",
            ("tls",),
        ),
        Line(
            "alpn",
            "TLS agrees on h2 by ALPN",
            "gRPC clients close a connection on which h2 was not agreed.",
            "Switch HTTP/2 on; for nginx: http2 on, for a TLS library: offer h2 in ALPN.",
            ("tls",),
        ),
        Line(
            "settings",
            "the server answers the connection preface with SETTINGS",
            "What answers is not HTTP/2, or nothing answers at all.",
            "Let an HTTP/2 server listen there, without an HTTP/1.1 proxy in front.",
            ("alpn",),
        ),
        Line(
            "content",
            "a gRPC call is answered with status 200 and content type application/grpc",
            "Something else than a gRPC server answers; the HTTP status often says what.",
            "Let the proxy pass application/grpc on to the gRPC server; on an edge network, switch gRPC on.",
            ("settings",),
        ),
        Line(
            "trailers",
            "the call ends with grpc-status, in trailers or in a head that is also the end",
            "Without grpc-status every call fails at the client, although the server did its work.",
            "A hop on the way drops trailers: speak HTTP/2 on every hop, without HTTP/1.1 in between "
            "(nginx: grpc_pass, not proxy_pass).",
            ("content",),
        ),
        Line(
            "health",
            "grpc.health.v1.Health/Check says SERVING",
            "failed: it says something else, and load balancers send no calls there. warning: the service is "
            "not there, or not for strangers.",
            "Register the health service that comes with the gRPC library, and set its status.",
            ("trailers",),
        ),
        Line(
            "ping",
            "PING is answered, and a few in a row are allowed",
            "A remark: servers end connections that are pinged too often (ENHANCE_YOUR_CALM). failed: PING "
            "is not answered at all.",
            "Set the keepalive time of clients above what the server allows; gRPC servers allow one in 5 "
            "minutes unless told otherwise.",
            ("settings",),
        ),
        Line(
            "streams",
            "MAX_CONCURRENT_STREAMS lets a connection carry calls, 100 or more",
            "failed: 0, so no call may begin. warning: calls beyond a small limit wait.",
            "Raise it to 100 or more (RFC 9113 section 6.5.2).",
            ("settings",),
        ),
        Line(
            "window",
            "INITIAL_WINDOW_SIZE lets a message begin, 65535 octets or more",
            "A smaller window makes uploads wait for each round trip.",
            "Leave it at its default or raise it.",
            ("settings",),
        ),
        Line(
            "frame",
            "MAX_FRAME_SIZE is what HTTP/2 allows",
            "It never fails: a value out of range fails the line settings.",
            "Nothing is to be done; larger frames than 16384 octets bring little.",
            ("settings",),
        ),
        Line(
            "head",
            "MAX_HEADER_LIST_SIZE has room for metadata, 8192 octets or more",
            "Calls with tokens or tracing in their metadata may be refused.",
            "Raise it to 8192 octets or more.",
            ("settings",),
        ),
    )
}
