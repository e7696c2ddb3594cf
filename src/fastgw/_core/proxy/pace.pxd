"""How fast one call may send, and how large its messages may be."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastgw._core.h2.conn cimport Conn
from fastgw._core.h2.stream cimport Stream
from fastgw._core.inspect.limits cimport StreamLimit
from fastgw._core.proxy.desk cimport Exchange, Ledger, Pace

cpdef enum Gait:
    IN_TIME = 0
    TOO_MANY_MESSAGES
    TOO_MANY_OCTETS

cdef void pace_open(Pace *self, const StreamLimit *limit) noexcept nogil
cdef Gait pace_take(Pace *self, uint32_t octets, uint64_t messages, uint64_t now_ns) noexcept nogil
cdef uint64_t pace_room(Pace *self, int64_t outstanding, uint64_t now_ns) noexcept nogil
cdef uint64_t pace_wait_ms(const Pace *self, int64_t outstanding) noexcept nogil

# of a call
cdef void pace_limit(Exchange *call, const StreamLimit *limit) noexcept nogil
cdef void pace_begin(Exchange *call) noexcept nogil
cdef bint pace_relay(Exchange *call, const Ledger *ledger, Conn *sender, uint32_t length) noexcept nogil
cdef void pace_credit(Exchange *call, Stream *source, uint32_t size) noexcept nogil
cdef void pace_due(Exchange *call) noexcept nogil
