"""The functions of the rules language, on values.

A function of a missing value has a missing result; only concat() leaves out what is missing.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset, strlen

from fastgw._core.rules.coding cimport base64_decode, base64_encode, text_case, url_decode
from fastgw._core.rules.lookup cimport json_lookup
from fastgw._core.rules.texts cimport (
    query_without,
    text_concat,
    text_join,
    text_remove,
    text_split,
    text_substring,
    text_trim,
    timed_hmac_valid,
    uuid_make,
    wildcard_call,
    wildcard_replace,
)
from fastgw._core.rules.values cimport (
    BOOL,
    INT,
    MISSING,
    NO_ROOM,
    scratch_take,
    text_find,
    value_address,
    value_none,
    value_number,
    value_text,
)


cdef extern from "<arpa/inet.h>" nogil:
    const char *inet_ntop(int family, const void *address, char *text, unsigned int size)
    enum:
        AF_INET
        AF_INET6
        INET6_ADDRSTRLEN


cdef bint _has(const Value *text, uint8_t octet) noexcept nogil:
    """Is this letter among the options?"""
    cdef uint32_t at
    for at in range(text.length):
        if (<const uint8_t *>text.at)[at] == octet:
            return True
    return False


cdef void _to_string(const Value *value, Scratch *scratch, Value *into) noexcept nogil:
    cdef char text[INET6_ADDRSTRLEN]
    cdef uint32_t length
    cdef uint8_t *out
    if value.kind == BOOL:
        if value.number:
            value_text(into, b"true", 4)
        else:
            value_text(into, b"false", 5)
        return
    if value.kind == INT:
        snprintf(text, sizeof(text), b"%lld", <long long>value.number)
    else:
        inet_ntop(AF_INET if value.family == 4 else AF_INET6, value.at, text, sizeof(text))
    length = <uint32_t>strlen(text)
    out = <uint8_t *>scratch_take(scratch, length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    memcpy(out, text, length)
    value_text(into, out, length)


cdef void _network(const Value *address, uint32_t bits, Scratch *scratch, Value *into) noexcept nogil:
    """The first bits of an address, the others zero."""
    cdef uint32_t size = 4 if address.family == 4 else 16
    cdef uint8_t *out = <uint8_t *>scratch_take(scratch, size)
    cdef uint32_t whole = bits >> 3
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    memset(out, 0, size)
    memcpy(out, address.at, whole)
    if bits & 7:
        out[whole] = (<const uint8_t *>address.at)[whole] & <uint8_t>(0xff00 >> (bits & 7))
    value_address(into, out, address.family)


cdef bint _asked(uint32_t function, const Value *text, const Value *other) noexcept nogil:
    """starts_with, ends_with, contains."""
    if function == CONTAINS:
        return text_find(<const uint8_t *>text.at, text.length, <const uint8_t *>other.at, other.length)
    if text.length < other.length:
        return False
    return memcmp(<const uint8_t *>text.at + (0 if function == STARTS_WITH else text.length - other.length),
                  other.at, other.length) == 0


cdef bint _has_value(const Value *texts, const Value *wanted) noexcept nogil:
    cdef uint32_t at
    cdef const Value *items = <const Value *>texts.at
    for at in range(texts.length):
        if items[at].length == wanted.length and memcmp(items[at].at, wanted.at, wanted.length) == 0:
            return True
    return False


cdef void _call_coding(uint32_t function, const Value **arguments, uint32_t count, Scratch *scratch,
                       Value *into) noexcept nogil:
    cdef const Value *text = arguments[0]
    cdef const Value *options = arguments[1] if count > 1 else NULL
    if function == URL_DECODE:
        url_decode(text, options != NULL and _has(options, c"r"), options != NULL and _has(options, c"u"), scratch,
                   into)
    elif function == ENCODE_BASE64:
        base64_encode(text, options != NULL and _has(options, c"u"), options != NULL and _has(options, c"p"),
                      scratch, into)
    elif not base64_decode(<const uint8_t *>text.at, text.length, scratch, into):
        value_none(into, MISSING)


cdef void _call_text(uint32_t function, const Value **arguments, uint32_t count, Scratch *scratch,
                     Value *into) noexcept nogil:
    """Functions that make texts of texts."""
    cdef const Value *text = arguments[0]
    if function == LOWER or function == UPPER:
        text_case(text, function == UPPER, scratch, into)
    elif function == SUBSTRING:
        text_substring(arguments, count, into)
    elif function == TRIM or function == TRIM_START or function == TRIM_END:
        text_trim(text, function != TRIM_END, function != TRIM_START, into)
    elif function == REMOVE_BYTES:
        text_remove(text, arguments[1], scratch, into)
    elif function == JOIN:
        text_join(text, arguments[1], scratch, into)
    elif function == SPLIT:
        text_split(text, arguments[1], <uint32_t>arguments[2].number, scratch, into)
    elif function == REMOVE_QUERY_ARGS:
        query_without(arguments, count, scratch, into)
    elif function == WILDCARD_REPLACE:
        wildcard_replace(arguments, count, scratch, into)
    elif function == UUIDV4:
        uuid_make(text, scratch, into)
    else:
        _call_coding(function, arguments, count, scratch, into)


cdef void function_call(uint32_t function, const Value **arguments, uint32_t count, Scratch *scratch,
                        Value *into) noexcept nogil:
    """The result of a function for arguments of the types that the compiler has checked."""
    cdef uint32_t at
    cdef bint no_room = False
    if function == CONCAT:
        text_concat(arguments, count, scratch, into)
        return
    if function == HAS_KEY and arguments[0].kind != NO_ROOM:
        value_number(into, BOOL, arguments[0].kind != MISSING)
        return
    for at in range(count):
        if arguments[at].kind <= NO_ROOM:
            into[0] = arguments[at][0]
            return
    if function == LEN:
        value_number(into, INT, arguments[0].length)
    elif function == STARTS_WITH or function == ENDS_WITH or function == CONTAINS:
        value_number(into, BOOL, _asked(function, arguments[0], arguments[1]))
    elif function == HAS_VALUE:
        value_number(into, BOOL, _has_value(arguments[0], arguments[1]))
    elif function == WILDCARD:
        wildcard_call(arguments[0], arguments[1], scratch, into)
    elif function == TO_STRING:
        _to_string(arguments[0], scratch, into)
    elif function == LOOKUP_JSON_STRING or function == LOOKUP_JSON_INTEGER:
        json_lookup(arguments[0], arguments + 1, count - 1, function == LOOKUP_JSON_INTEGER, scratch, into)
    elif function == CIDR or function == CIDR6:
        if arguments[0].family == 6:
            _network(arguments[0], <uint32_t>arguments[count - 1].number, scratch, into)
        elif function == CIDR:
            _network(arguments[0], <uint32_t>arguments[1].number, scratch, into)
        else:
            into[0] = arguments[0][0]
    elif function == IS_TIMED_HMAC_VALID_V0:
        value_number(into, BOOL, timed_hmac_valid(arguments, count, scratch, &no_room))
        if no_room:
            value_none(into, NO_ROOM)
    else:
        _call_text(function, arguments, count, scratch, into)
