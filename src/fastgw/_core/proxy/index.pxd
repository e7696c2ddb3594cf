"""Open addressing over rows that carry their own hash; copied as a whole, changed slot by slot."""
from libc.stdint cimport uint32_t, uint64_t

ctypedef struct Index:
    # A row is known by the address of its first member, which is its hash. Never more than half full.
    const uint64_t **slots      # NULL: free
    uint32_t mask               # slots, less one: a power of two
    uint32_t count              # rows in it

cdef bint index_open(Index *self, const Index *like, uint32_t count) noexcept nogil
cdef void index_close(Index *self) noexcept nogil
cdef void index_put(Index *self, const uint64_t *row) noexcept nogil
cdef bint index_drop(Index *self, const uint64_t *row) noexcept nogil
