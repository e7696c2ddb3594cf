"""The functions of the rules language, on values."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.rules.values cimport Scratch, Value

cdef enum:
    ARGUMENTS_MOST = 16

cpdef enum Function:
    # In the order of the catalogue of functions.
    LOWER = 0
    UPPER, LEN, STARTS_WITH, ENDS_WITH, CONTAINS, WILDCARD, SUBSTRING, TO_STRING, URL_DECODE, REMOVE_BYTES
    TRIM, TRIM_START, TRIM_END, DECODE_BASE64, ENCODE_BASE64, JOIN, SPLIT, HAS_KEY, HAS_VALUE, REMOVE_QUERY_ARGS
    LOOKUP_JSON_STRING, LOOKUP_JSON_INTEGER, CIDR, CIDR6, WILDCARD_REPLACE, UUIDV4, CONCAT, IS_TIMED_HMAC_VALID_V0

cdef void function_call(uint32_t function, const Value **arguments, uint32_t count, Scratch *scratch,
                        Value *into) noexcept nogil
