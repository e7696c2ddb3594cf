"""A gateway without a file: the development authority and one zone, localhost, in front of one origin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastgw.config import Config, Listen
from fastgw.policy.names import address, host_and_port, hostname
from fastgw.policy.records import OriginProtocol, Record, RecordType
from fastgw.policy.settings import Settings
from fastgw.policy.zone import Zone
from fastgw.tls.issue import LOCAL_NAMES, Authority, development_authority, development_certificate

DEFAULT_LISTEN = "127.0.0.1:8443"


def parse_origin(text: str) -> tuple[str, int, OriginProtocol]:
    """Host, port and protocol of `HOST:PORT`, `https://HOST:PORT` (both TLS) or `h2c://HOST:PORT`.

    Raise ValueError with a sentence.
    """
    protocol: OriginProtocol = "h2"
    scheme, separator, rest = text.partition("://")
    if not separator:
        rest = text
    elif scheme == "h2c":
        protocol = "h2c"
    elif scheme != "https":
        raise ValueError(f"{text!r} has the scheme {scheme!r}; write h2c:// for cleartext, https:// for TLS")
    try:
        host, port = host_and_port(rest.removesuffix("/"))
        literal = address(host)
        host = literal or hostname(host)
    except ValueError as error:
        raise ValueError(f"{text!r} {error}; write HOST:PORT") from None
    if not port:
        raise ValueError(f"{text!r} has port 0, where no origin can be")
    return host, port, protocol


def parse_listen(text: str) -> Listen:
    """`HOST:PORT` or `h2c://HOST:PORT`. Raise ValueError with a sentence."""
    bare = text.removeprefix("h2c://")
    try:
        host, port = host_and_port(bare)
    except ValueError as error:
        raise ValueError(f"{text!r} {error}; write HOST:PORT or h2c://HOST:PORT") from None
    return Listen(host, port, not text.startswith("h2c://"))


def local_config(
    origin: str,
    listen: Sequence[Listen],
    *,
    directory: Path | None = None,
    workers: int | None = 1,
    access_log: str | None = None,
) -> tuple[Config, Authority | None]:
    """What carries gRPC from this machine's own names to `origin`; the authority if TLS is spoken.

    A TLS origin is not verified: nothing is known of it but its address.
    """
    host, port, protocol = parse_origin(origin)
    server_name = "localhost" if address(host) else host
    if host == "localhost":
        host = "127.0.0.1"  # localhost is a name of our own zone and would lead back to it
    kind: RecordType = "CNAME" if address(host) is None else "AAAA" if ":" in host else "A"
    names = dict.fromkeys((*LOCAL_NAMES, *(place.host for place in listen)))
    records = tuple(Record(name, kind, host, True, port, protocol, server_name) for name in names)
    authority = certificate = None
    if any(place.tls for place in listen):
        authority = development_authority(directory)
        certificate = development_certificate(authority)
    zone = Zone("localhost", Settings(grpc=True, http=True, ssl="full"), records, certificate)
    config = Config(zones=(zone,), listen=tuple(listen), workers=workers, access_log=access_log)
    return config, authority
