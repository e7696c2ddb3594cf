"""wire.grpc, proxy.route, io: media types, timeouts, hostnames, headers before TLS, against short models."""

import ipaddress
import re
from urllib.parse import unquote_to_bytes

from fastgw._core.io.certificate import is_for, names_of
from fastgw._core.io.hello import server_name
from fastgw._core.io.proxy_protocol import header_of
from fastgw._core.proxy.route import hostname_of
from fastgw._core.wire.grpc import is_grpc, percent_encoded, timeout

HOSTNAME_MAX = 253  # octets, without the root's dot (RFC 1035 section 2.3.4)
TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
UNITS = {b"n": 1, b"u": 10**3, b"m": 10**6, b"S": 10**9, b"M": 60 * 10**9, b"H": 3600 * 10**9}
NAME = re.compile(rb"([a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*)\.?(:[0-9]{0,5})?")
LITERAL = re.compile(rb"\[([^\]]*)\](:[0-9]{0,5})?", re.DOTALL)


def hostname_model(authority: bytes) -> bytes | None:
    """The hostname, None if it is none; IPv6 addresses as the ipaddress module reads them."""
    literal = authority[:1] == b"["
    match = (LITERAL if literal else NAME).fullmatch(authority.lower())
    if match is None or int((match[2 if literal else 3] or b":")[1:] or b"0") > 65535:
        return None
    if literal:
        try:
            ipaddress.IPv6Address(match[1].decode("ascii"))
        except ValueError:
            return None
        return None if b"%" in match[1] else match[1]
    return match[1] if len(match[1]) <= HOSTNAME_MAX else None


def media_type_model(value: bytes) -> bool:
    kind = value.split(b";")[0].rstrip(b" \t").lower()
    return kind == b"application/grpc" or (kind.startswith(b"application/grpc+") and len(kind) > 17)


def one(data: bytes) -> None:
    """Any octets; every parser reads them all, from memory whose next octet must not be read."""
    plain = bytes(bytearray(data))
    name = hostname_of(data)
    assert name == hostname_model(plain), name
    if name is not None and b":" not in name:
        assert hostname_of(name) == name
    assert is_grpc(data) is media_type_model(plain)
    nanoseconds = timeout(data)
    match = TIMEOUT.fullmatch(plain)
    assert nanoseconds == (-1 if match is None else min(int(match[1]) * UNITS[match[2]], 2**63 - 1))
    encoded, spilled = percent_encoded(data, 3 * len(data))
    assert not spilled
    assert unquote_to_bytes(encoded) == plain
    room = plain[0] if plain else 0
    short, spilled = percent_encoded(data, room)
    assert not spilled
    assert len(short) <= room
    assert plain.startswith(unquote_to_bytes(short))
    before_tls(data, plain)


def before_tls(data: bytes, plain: bytes) -> None:
    """What strangers say first: a verdict on a PROXY header is final, a name is a part of what was said."""
    header = header_of(data)
    if header is not None:
        assert header_of(plain + b"more") == header
        assert header is False or header[0] <= len(plain)
    name = server_name(data)
    assert name is None or name in plain
    names = names_of(data)
    assert names is None or names[1] is None or names[1] in plain
    assert not is_for(data, b"gw.test") or b"test" in plain.lower()
