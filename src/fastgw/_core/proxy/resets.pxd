"""What a reset of one side means to the other, in one table."""
from libc.stdint cimport uint32_t

cdef uint32_t reset_toward_origin(uint32_t code) noexcept nogil
cdef int reset_by_client(uint32_t code) noexcept nogil
cdef int reset_by_origin(uint32_t code, bint answered) noexcept nogil
