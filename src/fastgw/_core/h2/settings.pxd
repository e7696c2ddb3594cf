"""SETTINGS: ours as announced, theirs as received (RFC 9113 section 6.5)."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.reasons cimport Reason

cpdef enum Setting:  # RFC 9113 section 6.5.2
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6

cdef enum:
    UNLIMITED = 0xffffffff

ctypedef struct Settings:
    uint32_t header_table_size
    uint32_t max_concurrent_streams
    uint32_t initial_window_size
    uint32_t max_frame_size
    uint32_t max_header_list_size
    bint enable_push

cdef void settings_default(Settings *self) noexcept nogil
cdef Reason settings_get(Settings *self, const uint8_t *payload, uint32_t length, bint from_server) noexcept nogil
cdef uint32_t settings_put(const Settings *self, uint8_t *at, bint from_server) noexcept nogil
