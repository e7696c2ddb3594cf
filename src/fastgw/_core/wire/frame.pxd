"""HTTP/2 frames: the 9-octet header, payload layouts, and the law each type obeys (RFC 9113 sections 4 and 6)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.reasons cimport Reason

cdef extern from "octets.h" nogil:
    uint16_t octets_get16(const uint8_t *at)
    uint32_t octets_get24(const uint8_t *at)
    uint32_t octets_get32(const uint8_t *at)
    void octets_put16(uint8_t *at, uint16_t value)
    void octets_put24(uint8_t *at, uint32_t value)
    void octets_put32(uint8_t *at, uint32_t value)

cpdef enum FrameType:  # RFC 9113 section 6
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9
    FRAME_TYPES = 10

cdef enum:
    PRIORITY_UPDATE = 0x10      # RFC 9218 section 7.1: not parsed, and no more welcome in numbers than PRIORITY

cdef enum FrameFlag:
    END_STREAM = 0x01
    ACK = 0x01
    END_HEADERS = 0x04
    PADDED = 0x08
    WITH_PRIORITY = 0x20

cdef enum:
    FRAME_HEADER_SIZE = 9
    FRAME_SIZE_DEFAULT = 16384      # RFC 9113 section 6.5.2, SETTINGS_MAX_FRAME_SIZE; every peer takes this much
    FRAME_SIZE_LARGEST = 16777215
    PREFACE_SIZE = 24
    STREAM_ID_LARGEST = 0x7fffffff

cdef const char *PREFACE            # what a client says first: RFC 9113 section 3.4

ctypedef struct FrameHeader:
    uint32_t length     # of the payload
    uint32_t stream_id
    uint8_t type
    uint8_t flags

cdef inline void frame_header_get(FrameHeader *self, const uint8_t *at) noexcept nogil:
    """Read 9 octets. The reserved bit is dropped (RFC 9113 section 4.1)."""
    self.length = octets_get24(at)
    self.type = at[3]
    self.flags = at[4]
    self.stream_id = octets_get32(at + 5) & <uint32_t>STREAM_ID_LARGEST

cdef inline uint8_t *frame_header_put(uint8_t *at, uint32_t length, uint8_t type, uint8_t flags,
                                      uint32_t stream_id) noexcept nogil:
    """Write 9 octets; returns where the payload goes."""
    octets_put24(at, length)
    at[3] = type
    at[4] = flags
    octets_put32(at + 5, stream_id)
    return at + FRAME_HEADER_SIZE

cdef Reason frame_check(const FrameHeader *header, uint32_t max_frame_size) noexcept nogil
cdef Reason padding_check(const FrameHeader *header, const uint8_t *payload, uint32_t *before,
                          uint32_t *padding) noexcept nogil
