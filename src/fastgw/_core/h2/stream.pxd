"""The life of a stream (RFC 9113 section 5.1), its slot, and the map from number to stream."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fastgw._core.buf cimport Chain, Octets
from fastgw._core.h2.flow cimport RecvWindow, SendWindow
from fastgw._core.reasons cimport Reason

cpdef enum StreamState:  # RFC 9113 section 5.1; push is refused, so nothing is ever reserved
    IDLE = 0
    OPEN
    HALF_CLOSED_LOCAL
    HALF_CLOSED_REMOTE
    CLOSED
    STREAM_STATES

cpdef enum StreamEvent:
    RECV_HEADERS = 0
    RECV_DATA
    RECV_END_STREAM
    RECV_RST_STREAM
    RECV_WINDOW_UPDATE
    SEND_HEADERS
    SEND_DATA
    SEND_END_STREAM
    SEND_RST_STREAM
    STREAM_EVENTS

cdef struct Stream:
    void *conn              # the Conn it belongs to
    void *owner             # floor 4's; NULL once floor 4 has let go
    Stream *next            # in the list it waits in: ready to send, or dead until the turn ends
    Stream *previous
    uint32_t id
    uint8_t state           # StreamState
    bint head_seen          # a request head or a final response head came in
    bint head_sent
    bint queued             # in the connection's ready list
    bint end_waiting        # END_STREAM follows the waiting octets
    bint bodyless           # the response has no content whatever its content-length says (HEAD)
    SendWindow send_window
    RecvWindow recv_window
    int64_t content_left    # octets the content-length still promises; -1: none given
    Chain waiting           # DATA octets that wait for a window or for room in the outbox
    Octets trailers         # stored trailers that wait behind them

ctypedef struct StreamMap:
    Stream **slots          # open addressing by id, NULL until the first stream
    uint32_t mask
    uint32_t shift          # 32 less the bits of `mask`
    uint32_t count

cdef Reason stream_step(uint8_t *state, StreamEvent event) noexcept nogil

cdef void stream_map_close(StreamMap *self) noexcept nogil
cdef bint stream_map_put(StreamMap *self, Stream *stream) noexcept nogil
cdef void stream_map_remove(StreamMap *self, uint32_t stream_id) noexcept nogil

cdef inline uint32_t stream_map_home(const StreamMap *self, uint32_t stream_id) noexcept nogil:
    """Where a number belongs. Numbers come in rows; multiplying scatters them, so that no long runs form."""
    return (stream_id * <uint32_t>0x9e3779b1) >> self.shift

cdef inline Stream *stream_map_get(const StreamMap *self, uint32_t stream_id) noexcept nogil:
    """The live stream of this number, or NULL."""
    cdef uint32_t at
    if self.slots == NULL:
        return NULL
    at = stream_map_home(self, stream_id)
    while self.slots[at] != NULL:
        if self.slots[at].id == stream_id:
            return self.slots[at]
        at = (at + 1) & self.mask
    return NULL
