"""How a client begins HTTP/2: its first SETTINGS in their order, its window, the order of its pseudo-fields.

Written down as `4:65535|0|0|m,s,p,a`: settings, window, priorities, order, as others do; of PRIORITY frames the number
stands for their content, which nothing here reads.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from fastgw._core.wire.fields cimport AUTHORITY, METHOD, PATH, SCHEME, FieldSection, field_kind
from fastgw._core.wire.frame cimport octets_get16, octets_get32

cdef enum:
    _SETTING_SIZE = 6
    _FIRST_FIELDS = 4           # pseudo-fields of a request come first (RFC 9113 section 8.3)


cdef void opening_settings(Opening *self, const uint8_t *payload, uint32_t length) noexcept nogil:
    """Note a SETTINGS payload, which is whole entries (RFC 9113 section 6.5.1)."""
    cdef uint32_t number
    self.count = <uint8_t>min(length // _SETTING_SIZE, <uint32_t>255)
    for number in range(min(<uint32_t>self.count, <uint32_t>OPENING_SETTINGS)):
        self.id[number] = <uint16_t>octets_get16(payload + _SETTING_SIZE * number)
        self.value[number] = octets_get32(payload + _SETTING_SIZE * number + 2)


cdef uint8_t opening_order(const FieldSection *section) noexcept nogil:
    """The order of a request's pseudo-fields, two bits each, the first one highest: m 0, s 1, p 2, a 3.

    A request without :authority (or without :path, as CONNECT) is read as if the last letter stood for what misses.
    """
    cdef uint8_t order = 0
    cdef uint8_t kind, letter = 0
    cdef uint32_t number
    for number in range(_FIRST_FIELDS):
        kind = section.fields[number].kind if number < section.count else 0
        if kind == METHOD:
            letter = 0
        elif kind == SCHEME:
            letter = 1
        elif kind == PATH:
            letter = 2
        elif kind == AUTHORITY:
            letter = 3
        order = <uint8_t>(order << 2 | letter)
    return order


cdef uint32_t opening_text(const Opening *self, uint8_t order, char *into) noexcept nogil:
    """Write it down with a zero behind it; returns how many octets without that."""
    cdef const char *letters = b"mspa"
    cdef uint32_t number, at = 0
    for number in range(min(<uint32_t>self.count, <uint32_t>OPENING_SETTINGS)):
        at += <uint32_t>snprintf(into + at, OPENING_TEXT - at, "%s%u:%u", <const char *>(b";" if number else b""),
                                 <unsigned int>self.id[number], self.value[number])
    return at + <uint32_t>snprintf(
        into + at, OPENING_TEXT - at, "%s|%u|%u|%c,%c,%c,%c",
        <const char *>(b";..." if self.count > OPENING_SETTINGS else b""), self.window,
        <unsigned int>self.priorities, <int>letters[order >> 6], <int>letters[order >> 4 & 3],
        <int>letters[order >> 2 & 3], <int>letters[order & 3])


# For tests and tools.

def text(bytes settings, uint32_t window, uint16_t priorities, list names):
    """The opening of SETTINGS with this payload, a window, and a head with fields of these names."""
    cdef Opening opening
    cdef FieldSection section
    cdef char[OPENING_TEXT] into
    cdef bytes name
    memset(&opening, 0, sizeof(Opening))
    memset(&section, 0, sizeof(FieldSection))
    opening_settings(&opening, <const uint8_t *><const char *>settings, <uint32_t>len(settings))
    opening.window = window
    opening.priorities = priorities
    for name in names:
        section.fields[section.count].kind = field_kind(<const uint8_t *><const char *>name, <uint32_t>len(name))
        section.count += 1
    return into[:opening_text(&opening, opening_order(&section), into)].decode()
