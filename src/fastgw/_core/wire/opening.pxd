"""How a client begins HTTP/2, before its first request: what its library is known by."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from fastgw._core.wire.fields cimport FieldSection

cdef enum:
    OPENING_SETTINGS = 10       # of the first SETTINGS that are kept; more are only counted
    OPENING_TEXT = 256          # octets that opening_text needs at most, its zero included

ctypedef struct Opening:
    uint32_t value[OPENING_SETTINGS]
    uint16_t id[OPENING_SETTINGS]
    uint32_t window             # what WINDOW_UPDATE has added to the connection's
    uint16_t priorities         # PRIORITY frames
    uint8_t count               # settings that came, at most 255

cdef void opening_settings(Opening *self, const uint8_t *payload, uint32_t length) noexcept nogil
cdef uint8_t opening_order(const FieldSection *section) noexcept nogil
cdef uint32_t opening_text(const Opening *self, uint8_t order, char *into) noexcept nogil
