"""Texts written in another way: letters' case, percent signs, base64."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.rules.values cimport Scratch, Value

cdef void text_case(const Value *text, bint upper, Scratch *scratch, Value *into) noexcept nogil
cdef void url_decode(const Value *text, bint again, bint unicode_, Scratch *scratch, Value *into) noexcept nogil
cdef bint base64_decode(const uint8_t *at, uint32_t length, Scratch *scratch, Value *into) noexcept nogil
cdef void base64_encode(const Value *text, bint url, bint padded, Scratch *scratch, Value *into) noexcept nogil
cdef uint32_t utf8_put(uint8_t *out, uint32_t point) noexcept nogil
