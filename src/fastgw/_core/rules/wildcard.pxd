"""Texts with stars: does the whole of a value fit a pattern."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    WILDCARD_PARTS = 11     # ten stars

ctypedef struct Part:
    const uint8_t *at
    uint32_t length

ctypedef struct Wildcard:
    Part parts[WILDCARD_PARTS]
    uint32_t count          # 2 and more: there is a star between two parts

cdef bint wildcard_fits(const Wildcard *self, const uint8_t *at, uint32_t length, Part *stars) noexcept nogil
