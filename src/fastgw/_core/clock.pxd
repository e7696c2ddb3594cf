"""Monotonic time in nanoseconds; a loop reads it once per turn."""
from libc.stdint cimport uint64_t

cdef uint64_t clock_now() noexcept nogil
cdef uint64_t clock_wall() noexcept nogil
