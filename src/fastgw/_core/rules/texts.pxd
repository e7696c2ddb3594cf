"""Functions that make a text, or several, out of one: parts, joints, removals, tokens."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.rules.values cimport Scratch, Value

cdef void text_substring(const Value **arguments, uint32_t count, Value *into) noexcept nogil
cdef void text_trim(const Value *text, bint start, bint end, Value *into) noexcept nogil
cdef void text_remove(const Value *text, const Value *octets, Scratch *scratch, Value *into) noexcept nogil
cdef void text_join(const Value *texts, const Value *separator, Scratch *scratch, Value *into) noexcept nogil
cdef void text_split(const Value *text, const Value *separator, uint32_t limit, Scratch *scratch,
                     Value *into) noexcept nogil
cdef void text_concat(const Value **arguments, uint32_t count, Scratch *scratch, Value *into) noexcept nogil
cdef void query_without(const Value **arguments, uint32_t count, Scratch *scratch, Value *into) noexcept nogil
cdef void wildcard_replace(const Value **arguments, uint32_t count, Scratch *scratch, Value *into) noexcept nogil
cdef void uuid_make(const Value *random, Scratch *scratch, Value *into) noexcept nogil
cdef bint timed_hmac_valid(const Value **arguments, uint32_t count, Scratch *scratch, bint *no_room) noexcept nogil
cdef void wildcard_call(const Value *text, const Value *pattern, Scratch *scratch, Value *into) noexcept nogil
