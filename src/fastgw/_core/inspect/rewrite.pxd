"""Changes of a field section in place: fields set, added, removed."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.wire.fields cimport FieldSection

cpdef enum Rewriting:
    REWRITE_SET = 0             # one field of this name: the first keeps its place, the others go
    REWRITE_ADD
    REWRITE_REMOVE

ctypedef struct Change:
    # One change; what it points to is lent for as long as the section is used.
    uint8_t operation           # Rewriting
    uint32_t name_length
    uint32_t value_length
    const uint8_t *name         # lower case
    const uint8_t *value

cdef bint rewrite(FieldSection *self, const Change *change) noexcept nogil
cdef bint rewrite_is_allowed(const uint8_t *name, uint32_t length) noexcept nogil
