"""Monotonic time in nanoseconds; a loop reads it once per turn."""
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec


cdef uint64_t clock_now() noexcept nogil:
    """Nanoseconds since an unspecified start; never runs backwards."""
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <uint64_t>time.tv_sec * 1000000000 + <uint64_t>time.tv_nsec


cdef uint64_t clock_wall() noexcept nogil:
    """Nanoseconds since 1970, for what people read."""
    cdef timespec time
    clock_gettime(CLOCK_REALTIME, &time)
    return <uint64_t>time.tv_sec * 1000000000 + <uint64_t>time.tv_nsec
