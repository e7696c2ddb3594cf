"""Fields kept for later: a field section copied into octets, and read back."""
from libc.stdint cimport uint8_t

from fastgw._core.buf cimport Octets
from fastgw._core.wire.fields cimport Field, FieldSection

cdef bint stash_put(Octets *into, const Field *field) noexcept nogil
cdef bint stash_section(Octets *into, const FieldSection *section) noexcept nogil
cdef const uint8_t *stash_next(const uint8_t *at, Field *field) noexcept nogil
cdef void stash_get(const Octets *stash, FieldSection *section) noexcept nogil
