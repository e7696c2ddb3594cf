"""The messages of grpc.health.v1 as octets: the question and what the answer says; knows no connection."""

from __future__ import annotations

from fastgw.probe.message import pack

SERVICE = "/grpc.health.v1.Health/"
SERVING_NAMES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
SERVING = 1


def health_request(service: str) -> bytes:
    """A HealthCheckRequest, with its prefix: field 1, the service."""
    name = service.encode()
    return pack(b"\x0a" + _varint(len(name)) + name if name else b"")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def serving_status(message: bytes) -> int:
    """Field 1 of a HealthCheckResponse; other fields are passed over. Raise ValueError."""
    status, at = 0, 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(message, at)
            status = value if tag >> 3 == 1 else status
        elif kind == 2:
            size, at = _number(message, at)
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
    if at != len(message):
        raise ValueError("cut")
    return status


def _number(message: bytes, at: int) -> tuple[int, int]:
    """A varint and what follows it."""
    number = shift = 0
    while at < len(message) and shift < 64:
        octet = message[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            return number, at
        shift += 7
    raise ValueError("varint")
