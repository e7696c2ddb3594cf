"""Texts written in another way: letters' case, percent signs, base64."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.rules.values cimport NO_ROOM, scratch_take, value_none, value_text

cdef const char *_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


cdef void text_case(const Value *text, bint upper, Scratch *scratch, Value *into) noexcept nogil:
    """ASCII letters in one case. A text that is so already is lent, not copied."""
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef uint8_t *out
    cdef uint32_t number
    cdef uint8_t first = c"a" if upper else c"A"
    for number in range(text.length):
        if <uint8_t>(at[number] - first) < 26:
            break
    else:
        into[0] = text[0]
        return
    out = <uint8_t *>scratch_take(scratch, text.length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    for number in range(text.length):
        out[number] = at[number] ^ (0x20 if <uint8_t>(at[number] - first) < 26 else 0)
    value_text(into, out, text.length)


cdef inline int _hex(uint8_t octet) noexcept nogil:
    if c"0" <= octet <= c"9":
        return octet - c"0"
    if c"a" <= (octet | 0x20) <= c"f":
        return (octet | 0x20) - c"a" + 10
    return -1


cdef uint32_t utf8_put(uint8_t *out, uint32_t point) noexcept nogil:
    """Write a code point as UTF-8 and return its octets, at most 4."""
    if point < 0x80:
        out[0] = <uint8_t>point
        return 1
    if point < 0x800:
        out[0] = <uint8_t>(0xc0 | point >> 6)
        out[1] = <uint8_t>(0x80 | (point & 0x3f))
        return 2
    if point < 0x10000:
        out[0] = <uint8_t>(0xe0 | point >> 12)
        out[1] = <uint8_t>(0x80 | (point >> 6 & 0x3f))
        out[2] = <uint8_t>(0x80 | (point & 0x3f))
        return 3
    out[0] = <uint8_t>(0xf0 | point >> 18)
    out[1] = <uint8_t>(0x80 | (point >> 12 & 0x3f))
    out[2] = <uint8_t>(0x80 | (point >> 6 & 0x3f))
    out[3] = <uint8_t>(0x80 | (point & 0x3f))
    return 4


cdef uint32_t _reduce(uint8_t *begin, uint32_t length, bint unicode_) noexcept nogil:
    """If what was written so far ends in an escape, put what it stands for in its place. Returns the length."""
    cdef uint8_t *escape
    cdef uint32_t point
    cdef uint32_t at
    if length >= 1 and begin[length - 1] == c"+":
        begin[length - 1] = c" "
        return length
    if length >= 3:
        escape = begin + length - 3
        if escape[0] == c"%" and _hex(escape[1]) >= 0 and _hex(escape[2]) >= 0:
            escape[0] = <uint8_t>(_hex(escape[1]) << 4 | _hex(escape[2]))
            return length - 2
    if unicode_ and length >= 6:
        escape = begin + length - 6
        if escape[0] == c"%" and (escape[1] | 0x20) == c"u":
            point = 0
            for at in range(2, 6):
                if _hex(escape[at]) < 0:
                    return length
                point = point << 4 | <uint32_t>_hex(escape[at])
            return length - 6 + utf8_put(escape, point)
    return length


cdef void url_decode(const Value *text, bint again, bint unicode_, Scratch *scratch, Value *into) noexcept nogil:
    """Percent signs and plus signs decoded; `again`: until nothing is left to decode, in one pass all the same.

    Escapes do not overlap, so it makes no difference in which order they are taken.
    """
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef uint32_t number, before
    cdef uint32_t length = 0
    cdef uint32_t kept = 0      # octets that were decoded and are not looked at again
    cdef uint8_t *out
    for number in range(text.length):
        if at[number] == c"%" or at[number] == c"+":
            break
    else:
        into[0] = text[0]
        return
    out = <uint8_t *>scratch_take(scratch, text.length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    for number in range(text.length):
        out[length] = at[number]
        length += 1
        while True:
            before = length
            length = kept + _reduce(out + kept, length - kept, unicode_)
            if not again:
                if before != length or at[number] == c"+":
                    kept = length
                break
            if before == length:
                break
    value_text(into, out, length)


cdef inline int _sextet(uint8_t octet) noexcept nogil:
    """Either alphabet of RFC 4648; -1 for what is in none."""
    if c"A" <= octet <= c"Z":
        return octet - c"A"
    if c"a" <= octet <= c"z":
        return octet - c"a" + 26
    if c"0" <= octet <= c"9":
        return octet - c"0" + 52
    if octet == c"+" or octet == c"-":
        return 62
    if octet == c"/" or octet == c"_":
        return 63
    return -1


cdef bint base64_decode(const uint8_t *at, uint32_t length, Scratch *scratch, Value *into) noexcept nogil:
    """With or without padding. False if it is not base64; True and NO_ROOM if there is no room for it."""
    cdef uint32_t number
    cdef uint32_t bits = 0
    cdef uint32_t held = 0
    cdef uint32_t count = 0
    cdef uint8_t *out
    cdef int sextet
    if length % 4 == 0 and length > 0 and at[length - 1] == c"=":
        length -= 2 if at[length - 2] == c"=" else 1
    if length % 4 == 1:
        return False
    out = <uint8_t *>scratch_take(scratch, length // 4 * 3 + 2)
    if out == NULL:
        value_none(into, NO_ROOM)
        return True
    for number in range(length):
        sextet = _sextet(at[number])
        if sextet < 0:
            return False
        held = held << 6 | <uint32_t>sextet
        bits += 6
        if bits >= 8:
            bits -= 8
            out[count] = <uint8_t>(held >> bits)
            count += 1
    value_text(into, out, count)
    return True


cdef void base64_encode(const Value *text, bint url, bint padded, Scratch *scratch, Value *into) noexcept nogil:
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef uint32_t number
    cdef uint32_t held = 0
    cdef uint32_t bits = 0
    cdef uint32_t count = 0
    cdef uint32_t sextet
    cdef uint8_t *out = NULL
    if text.length < 0x20000000:
        out = <uint8_t *>scratch_take(scratch, (text.length + 2) // 3 * 4)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    for number in range(text.length + 1):
        if number < text.length:
            held = held << 8 | at[number]
            bits += 8
        elif bits > 0:
            held <<= 6 - bits
            bits = 6
        while bits >= 6:
            bits -= 6
            sextet = held >> bits & 0x3f
            out[count] = (<uint8_t>_LETTERS[sextet] if sextet < 62
                          else (c"-" if url else c"+") if sextet == 62 else (c"_" if url else c"/"))
            count += 1
    while padded and count % 4 != 0:
        out[count] = c"="
        count += 1
    value_text(into, out, count)
