"""The gRPC message prefix and the percent-encoding of grpc-message, both ways; knows no connection."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from fastgw.probe.failure import ProbeError

PREFIX_SIZE = 5
STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def pack(message: bytes) -> bytes:
    """The message with its prefix: one octet that says it is not compressed, four octets of length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def percent_encode(text: str) -> bytes:
    """A grpc-message: octets from space to tilde stand for themselves, except the percent sign."""
    return b"".join(
        bytes((octet,)) if 0x20 <= octet <= 0x7E and octet != 0x25 else b"%%%02X" % octet
        for octet in text.encode()
    )


def percent_decode(value: bytes) -> str:
    """The text of a grpc-message; what is not a valid escape stays as it is."""
    return unquote_to_bytes(value).decode(errors="replace")


class Unpacker:
    """Octets in, whole messages out, however the octets were cut."""

    def __init__(self, largest: int = 64 * 1024 * 1024) -> None:
        self._held = bytearray()
        self._largest = largest

    def feed(self, octets: bytes) -> list[bytes]:
        self._held += octets
        messages = []
        while len(self._held) >= PREFIX_SIZE:
            end = PREFIX_SIZE + int.from_bytes(self._held[1:PREFIX_SIZE], "big")
            if self._held[0] > 1:
                raise ProbeError(f"the compressed flag of a message is {self._held[0]}, it must be 0 or 1")
            if end - PREFIX_SIZE > self._largest:
                raise ProbeError(
                    f"a message of {end - PREFIX_SIZE} octets is over the limit of {self._largest}"
                )
            if len(self._held) < end:
                break
            messages.append(bytes(self._held[PREFIX_SIZE:end]))
            del self._held[:end]
        return messages

    @property
    def at_boundary(self) -> bool:
        """Nothing of a next message has arrived."""
        return not self._held
