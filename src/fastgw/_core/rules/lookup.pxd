"""One value out of a JSON text (RFC 8259), by a path of keys and positions, without building the rest."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.rules.values cimport Scratch, Value

cdef void json_lookup(const Value *text, const Value **path, uint32_t count, bint integer, Scratch *scratch,
                      Value *into) noexcept nogil
