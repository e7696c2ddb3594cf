"""wire.frame: the law of frame headers and the padding of DATA and HEADERS, against a reading in Python."""

from fastgw._core.reasons import Reason
from fastgw._core.wire.frame import build, check, padding
from tests.support.frames import PADDED, PRIORITY_FLAG, Type

LENGTHS = {Type.PRIORITY: {5}, Type.RST_STREAM: {4}, Type.PING: {8}, Type.WINDOW_UPDATE: {4}}
SHORTEST = {Type.PUSH_PROMISE: 4, Type.GOAWAY: 8}
ON_CONNECTION = {Type.SETTINGS, Type.PING, Type.GOAWAY}


def judged(kind: int, length: int, stream_id: int, largest: int) -> set[int]:
    """The reasons that a frame header may be refused for; only ACCEPTED if there is none."""
    reasons = set()
    if length > largest:
        reasons.add(Reason.FRAME_TOO_LARGE)
    if kind <= Type.CONTINUATION:
        if stream_id == 0 and kind not in ON_CONNECTION | {Type.WINDOW_UPDATE}:
            reasons.add(Reason.FRAME_ON_CONNECTION)
        if stream_id != 0 and kind in ON_CONNECTION:
            reasons.add(Reason.FRAME_ON_STREAM)
        wrong = kind == Type.SETTINGS and length % 6 != 0
        if wrong or length not in LENGTHS.get(kind, {length}) or length < SHORTEST.get(kind, 0):
            reasons.add(Reason.FRAME_LENGTH_INVALID)
    return reasons or {Reason.ACCEPTED}


def padded(kind: int, flags: int, payload: bytes) -> tuple[bool, int, int]:
    """Is the padding legal, and what stands before and behind the content?"""
    before = behind = 0
    if flags & PADDED:
        if not payload:
            return False, 0, 0
        before, behind = 1, payload[0]
    if kind == Type.HEADERS and flags & PRIORITY_FLAG:
        before += 5
    return before + behind <= len(payload), before, behind


def one(data: bytes) -> None:
    """Octets are frames one behind the other; the last may be cut short."""
    at = 0
    while len(data) - at >= 9:
        head = data[at : at + 9]
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream_id = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        for largest in (16384, 16777215):
            reason, *read = check(head, largest)
            assert read == [length, kind, flags, stream_id]
            assert reason in judged(kind, length, stream_id, largest), (reason, head)
        assert build(length, kind, flags, stream_id) == head[:5] + stream_id.to_bytes(4, "big")
        payload = data[at + 9 : at + 9 + length]
        if kind in (Type.DATA, Type.HEADERS) and len(payload) == length:
            reason, before, behind = padding(data[at : at + 9 + length])
            legal, *wanted = padded(kind, flags, payload)
            assert (reason == Reason.ACCEPTED) is legal, (reason, head)
            assert not legal or [before, behind] == wanted
        at += 9 + length
