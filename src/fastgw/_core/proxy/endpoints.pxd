"""What all workers know of each endpoint: running calls, latency, failures, health. Nobody waits for anybody."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

ctypedef struct EndpointState:
    # Written by any worker with atomic operations that order nothing; numbers that meet may cost one update.
    uint32_t number             # its place in the list, and in each worker's pools
    int32_t calls               # running
    uint32_t healthy            # the active check's verdict
    uint32_t failures           # in a row
    uint32_t ejections          # in a row
    uint64_t ejected_until      # ns
    uint64_t returned_at        # ns: when it came back, and slow start began; 0: it never was away
    uint64_t key                # hash of its identity
    uint64_t latency            # ns to the response head: rises at once, falls slowly; 0: not known
    uint64_t latency_at         # ns
    uint64_t calls_started
    uint64_t calls_failed
    uint64_t connects_failed
    uint64_t times_ejected
    uint32_t blocks             # rows that lead to it; changed with the GIL only
    int32_t pools               # of workers: connections, or the memory of some

cdef class Endpoints:
    cdef EndpointState **states     # by number, NULL where there is none
    cdef uint32_t count         # numbers given out so far
    cdef uint32_t room
    cdef dict numbers           # identity -> number
    cdef list identities        # by number
    cdef list labels            # by number
    cdef list free              # numbers to be given out again
    cdef dict unused            # numbers that no row leads to, those first that have been so for longest

    cdef EndpointState *enter(self, number) except NULL
    cdef void leave(self, EndpointState *state) noexcept
    cdef void _forget(self, uint32_t number) except *

cdef void endpoint_pool_made(EndpointState *self) noexcept nogil
cdef void endpoint_pool_gone(EndpointState *self) noexcept nogil
cdef void endpoint_begin(EndpointState *self) noexcept nogil
cdef void endpoint_end(EndpointState *self) noexcept nogil
cdef void endpoint_answered(EndpointState *self, uint64_t latency, uint64_t now) noexcept nogil
cdef void endpoint_served(EndpointState *self, uint64_t now) noexcept nogil
cdef void endpoint_unreachable(EndpointState *self, uint64_t now, uint32_t eject_failures,
                               uint32_t eject_ms) noexcept nogil
cdef void endpoint_failed(EndpointState *self, uint64_t latency, uint64_t now, uint32_t eject_failures,
                          uint32_t eject_ms) noexcept nogil
cdef uint64_t endpoint_latency(const EndpointState *self, uint64_t now) noexcept nogil
cdef bint endpoint_is_available(EndpointState *self, uint64_t now) noexcept nogil
