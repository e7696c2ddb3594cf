"""What a path may also be read as by who serves it: decoded, without detours."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    PATH_MOST = 4096            # octets of a path that has to be read in another way

cpdef enum Reading:
    PATH_PLAIN = 0              # there is one way to read it
    PATH_OTHER                  # there is another
    PATH_UNREADABLE             # too long, or encoded too often

cdef uint32_t path_end(const uint8_t *path, uint32_t length) noexcept nogil
cdef Reading path_read(const uint8_t *path, uint32_t length, uint8_t *into, uint32_t *read) noexcept nogil
cdef bint path_is_within(const uint8_t *path, uint32_t length, const char *whole, uint32_t whole_length, bint begins,
                         bint lax) noexcept nogil
