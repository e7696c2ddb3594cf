"""Flow-control windows, both directions, one type each (RFC 9113 sections 5.2 and 6.9)."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from fastgw._core.reasons cimport ACCEPTED, Reason, WINDOW_OVERFLOW, WINDOW_OVERRUN

cdef enum:
    WINDOW_DEFAULT = 65535          # RFC 9113 section 6.5.2
    WINDOW_LARGEST = 0x7fffffff     # RFC 9113 section 6.9.1

ctypedef struct SendWindow:
    int64_t left        # octets of DATA we may still send; negative after the peer lowered its initial window

ctypedef struct RecvWindow:
    int64_t left        # the peer may still send this much
    uint32_t owed       # taken in, passed on, not yet given back in a WINDOW_UPDATE
    uint32_t full       # what we keep it topped up to

cdef inline void send_window_take(SendWindow *self, uint32_t size) noexcept nogil:
    self.left -= size

cdef inline Reason send_window_widen(SendWindow *self, int64_t by) noexcept nogil:
    """WINDOW_UPDATE came, or SETTINGS changed the initial window; `by` may be negative (RFC 9113 section 6.9.2)."""
    if self.left + by > WINDOW_LARGEST:
        return WINDOW_OVERFLOW
    self.left += by
    return ACCEPTED

cdef inline Reason recv_window_take(RecvWindow *self, uint32_t size) noexcept nogil:
    """DATA came in. `size` is the whole payload, padding and pad length included (RFC 9113 section 6.9.1)."""
    if <int64_t>size > self.left:
        return WINDOW_OVERRUN
    self.left -= size
    return ACCEPTED

cdef uint32_t recv_window_return(RecvWindow *self, uint32_t size, uint32_t grow_to) noexcept nogil
