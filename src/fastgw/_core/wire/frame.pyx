"""HTTP/2 frames: the 9-octet header, payload layouts, and the law each type obeys (RFC 9113 sections 4 and 6)."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastgw._core.reasons cimport (
    ACCEPTED,
    FRAME_LENGTH_INVALID,
    FRAME_ON_CONNECTION,
    FRAME_ON_STREAM,
    FRAME_TOO_LARGE,
    PADDING_TOO_LONG,
)

cdef enum _Place:
    ON_STREAM = 1
    ON_CONNECTION = 2

cdef enum:
    _ANY = FRAME_SIZE_LARGEST

ctypedef struct _Law:
    uint32_t shortest   # octets of payload
    uint32_t longest
    uint32_t step       # the length is a multiple of this
    uint8_t place

_LAW = {
    # type           shortest  longest  step  belongs to
    DATA:            (0,       _ANY,    1,    ON_STREAM),
    HEADERS:         (0,       _ANY,    1,    ON_STREAM),
    PRIORITY:        (5,       5,       1,    ON_STREAM),
    RST_STREAM:      (4,       4,       1,    ON_STREAM),
    SETTINGS:        (0,       _ANY,    6,    ON_CONNECTION),
    PUSH_PROMISE:    (4,       _ANY,    1,    ON_STREAM),
    PING:            (8,       8,       1,    ON_CONNECTION),
    GOAWAY:          (8,       _ANY,    1,    ON_CONNECTION),
    WINDOW_UPDATE:   (4,       4,       1,    ON_STREAM | ON_CONNECTION),
    CONTINUATION:    (0,       _ANY,    1,    ON_STREAM),
}

cdef _Law _law[<int>FRAME_TYPES]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


cdef Reason frame_check(const FrameHeader *header, uint32_t max_frame_size) noexcept nogil:
    """Judge a frame by its header alone; unknown types only by their size (RFC 9113 sections 4.1, 4.2, 5.5)."""
    cdef const _Law *law
    if header.length > max_frame_size:
        return FRAME_TOO_LARGE
    if header.type >= FRAME_TYPES:
        return ACCEPTED
    law = &_law[header.type]
    if header.stream_id == 0:
        if not law.place & ON_CONNECTION:
            return FRAME_ON_CONNECTION
    elif not law.place & ON_STREAM:
        return FRAME_ON_STREAM
    if header.length < law.shortest or header.length > law.longest:
        return FRAME_LENGTH_INVALID
    if law.step > 1 and header.length % law.step != 0:
        return FRAME_LENGTH_INVALID
    return ACCEPTED


cdef Reason padding_check(const FrameHeader *header, const uint8_t *payload, uint32_t *before,
                          uint32_t *padding) noexcept nogil:
    """How many octets stand before and behind the content of a DATA or HEADERS frame (RFC 9113 sections 6.1, 6.2).

    `before` counts the pad length and the priority fields. One octet of payload must be there if the frame is PADDED.
    """
    before[0] = 0
    padding[0] = 0
    if header.flags & PADDED:
        if header.length == 0:
            return FRAME_LENGTH_INVALID
        before[0] = 1
        padding[0] = payload[0]
    if header.type == HEADERS and header.flags & WITH_PRIORITY:
        before[0] += 5
        if header.length < before[0]:
            return FRAME_LENGTH_INVALID
    if before[0] + padding[0] > header.length:
        return PADDING_TOO_LONG
    return ACCEPTED


def _fill() -> None:
    cdef int number
    for kind, (shortest, longest, step, place) in _LAW.items():
        number = kind
        _law[number].shortest = shortest
        _law[number].longest = longest
        _law[number].step = step
        _law[number].place = place


_fill()


def check(octets: bytes, max_frame_size: int = FRAME_SIZE_DEFAULT) -> tuple[int, int, int, int, int]:
    """For tests and tools: (reason, length, type, flags, stream id) of the 9 octets of a frame header."""
    cdef FrameHeader header
    cdef const uint8_t *at = octets
    if len(octets) < FRAME_HEADER_SIZE:
        raise ValueError("a frame header has 9 octets")
    frame_header_get(&header, at)
    return frame_check(&header, max_frame_size), header.length, header.type, header.flags, header.stream_id


def build(length: int, type: int, flags: int, stream_id: int) -> bytes:
    """For tests and tools: the 9 octets of a frame header."""
    cdef uint8_t octets[FRAME_HEADER_SIZE]
    frame_header_put(octets, length, type, flags, stream_id)
    return octets[:FRAME_HEADER_SIZE]


def padding(octets: bytes) -> tuple[int, int, int]:
    """For tests and tools: (reason, octets before, octets behind) the content of a frame; whole, or cut in its payload.

    The payload is judged in a copy that has not one octet more.
    """
    cdef FrameHeader header
    cdef uint32_t before = 0, behind = 0
    cdef size_t size = len(octets) - FRAME_HEADER_SIZE
    cdef uint8_t *payload
    if len(octets) < FRAME_HEADER_SIZE:
        raise ValueError("a frame header has 9 octets")
    frame_header_get(&header, octets)
    if size == 0 and header.length > 0:
        raise ValueError("one octet of payload must be there")
    payload = <uint8_t *>malloc(size)
    memcpy(payload, <const uint8_t *>octets + FRAME_HEADER_SIZE, size)
    reason = padding_check(&header, payload, &before, &behind)
    free(payload)
    return reason, before, behind
