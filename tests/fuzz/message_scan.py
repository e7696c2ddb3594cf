"""wire.grpc: messages are counted the same wherever their octets are cut."""

import struct

from fastgw._core.wire.grpc import Messages


def model(octets: bytes) -> dict[str, object]:
    """What a scan must say, read in one go."""
    messages = largest = at = 0
    invalid = False
    while len(octets) - at >= 5:
        flag, size = struct.unpack_from(">BI", octets, at)
        invalid |= flag > 1
        largest = max(largest, size)
        at += 5
        if len(octets) - at < size:
            return {
                "messages": messages,
                "largest": largest,
                "flag_invalid": invalid,
                "left": size - (len(octets) - at),
                "prefix": None,
                "at_boundary": False,
            }
        at += size
        messages += 1
    return {
        "messages": messages,
        "largest": largest,
        "flag_invalid": invalid,
        "left": 0,
        "prefix": octets[at:],
        "at_boundary": at == len(octets),
    }


def scanned(octets: memoryview, steps: bytes) -> dict[str, object]:
    """Fed in pieces as long as `steps` say, over and over; whole if there are none."""
    scan = Messages()
    at = turn = 0
    while at < len(octets):
        step = steps[turn % len(steps)] if steps else len(octets)
        scan.feed(octets[at : at + step])
        at += step
        turn += 1
        if turn > 600:  # steps may be empty
            scan.feed(octets[at:])
            break
    return scan.state()


def one(data: bytes) -> None:
    """Four octets say where to cut, the rest is cut."""
    steps, octets = data[:4], memoryview(data)[4:]
    wanted = model(bytes(octets))
    assert scanned(octets, b"") == wanted
    assert scanned(octets, b"\1") == wanted
    assert scanned(octets, steps) == wanted
