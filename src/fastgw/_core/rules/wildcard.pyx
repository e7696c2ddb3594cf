"""Texts with stars: does the whole of a value fit a pattern."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp


cdef extern from "find.h" nogil:
    const uint8_t *find_octets(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length)


cdef bint wildcard_fits(const Wildcard *self, const uint8_t *at, uint32_t length, Part *stars) noexcept nogil:
    """The first part begins the value, the last ends it, the others follow each other as early as they can.

    `stars` gets what each star stands for (count - 1 of them), or is NULL. Time grows with the length of the
    value, for each part once.
    """
    cdef const Part *part = &self.parts[0]
    cdef const Part *last = &self.parts[self.count - 1]
    cdef const uint8_t *here = at
    cdef const uint8_t *end
    cdef const uint8_t *found
    cdef uint32_t number
    if length < part.length + last.length:
        return False
    if part.length > 0 and memcmp(at, part.at, part.length) != 0:
        return False
    end = at + length - last.length
    if last.length > 0 and memcmp(end, last.at, last.length) != 0:
        return False
    here += part.length
    for number in range(1, self.count - 1):
        part = &self.parts[number]
        found = find_octets(here, <size_t>(end - here), part.at, part.length)
        if found == NULL:
            return False
        if stars != NULL:
            stars[number - 1].at = here
            stars[number - 1].length = <uint32_t>(found - here)
        here = found + part.length
    if stars != NULL:
        stars[self.count - 2].at = here
        stars[self.count - 2].length = <uint32_t>(end - here)
    return True
