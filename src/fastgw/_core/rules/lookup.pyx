"""One value out of a JSON text (RFC 8259), by a path of keys and positions, without building the rest.

What is passed over is only counted through, not judged; of equal keys the first is taken.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from fastgw._core.rules.coding cimport utf8_put
from fastgw._core.rules.values cimport INT, MISSING, NO_ROOM, TEXT, scratch_take, value_none, value_number, value_text


ctypedef struct _Cursor:
    const uint8_t *at
    const uint8_t *end


cdef void _space(_Cursor *self) noexcept nogil:
    while self.at < self.end and (self.at[0] == c" " or self.at[0] == c"\t" or self.at[0] == c"\n"
                                  or self.at[0] == c"\r"):
        self.at += 1


cdef bint _take(_Cursor *self, uint8_t octet) noexcept nogil:
    """This octet, after white space."""
    _space(self)
    if self.at < self.end and self.at[0] == octet:
        self.at += 1
        return True
    return False


cdef bint _string(_Cursor *self, Value *raw, bint *escaped) noexcept nogil:
    """The octets between two quotes, as they are written."""
    cdef const uint8_t *begin
    escaped[0] = False
    if not _take(self, c'"'):
        return False
    begin = self.at
    while self.at < self.end and self.at[0] != c'"':
        if self.at[0] == c"\\":
            escaped[0] = True
            self.at += 1
        self.at += 1
    if self.at >= self.end:
        return False
    value_text(raw, begin, <uint32_t>(self.at - begin))
    self.at += 1
    return True


cdef int64_t _four(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """Four hexadecimal digits, -1 if they are not there."""
    cdef int64_t number = 0
    cdef uint32_t digit
    cdef uint8_t octet
    if end - at < 4:
        return -1
    for digit in range(4):
        octet = at[digit]
        if c"0" <= octet <= c"9":
            number = number << 4 | (octet - c"0")
        elif c"a" <= (octet | 0x20) <= c"f":
            number = number << 4 | ((octet | 0x20) - c"a" + 10)
        else:
            return -1
    return number


cdef bint _decoded(const Value *raw, bint escaped, Scratch *scratch, Value *into) noexcept nogil:
    """The text that a string stands for; False if an escape is none. A lone surrogate becomes U+FFFD."""
    cdef const uint8_t *at = <const uint8_t *>raw.at
    cdef const uint8_t *end = at + raw.length
    cdef uint8_t *out
    cdef uint8_t *begin
    cdef int64_t point, low
    if not escaped:
        into[0] = raw[0]
        return True
    begin = out = <uint8_t *>scratch_take(scratch, raw.length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return True
    while at < end:
        if at[0] != c"\\":
            out[0] = at[0]
        elif at[1] == c"u":
            point = _four(at + 2, end)
            if point < 0:
                return False
            at += 6
            if 0xd800 <= point < 0xdc00 and end - at >= 6 and at[0] == c"\\" and at[1] == c"u":
                low = _four(at + 2, end)
                if 0xdc00 <= low < 0xe000:
                    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
                    at += 6
            out += utf8_put(out, <uint32_t>(0xfffd if 0xd800 <= point < 0xe000 else point))
            continue
        else:
            at += 1
            if at[0] == c'"' or at[0] == c"\\" or at[0] == c"/":
                out[0] = at[0]
            elif at[0] == c"b":
                out[0] = 8
            elif at[0] == c"f":
                out[0] = 12
            elif at[0] == c"n":
                out[0] = 10
            elif at[0] == c"r":
                out[0] = 13
            elif at[0] == c"t":
                out[0] = 9
            else:
                return False
        at += 1
        out += 1
    value_text(into, begin, <uint32_t>(out - begin))
    return True


cdef bint _pass(_Cursor *self) noexcept nogil:
    """Go behind the value that stands here."""
    cdef uint32_t depth = 0
    cdef const uint8_t *begin
    cdef Value raw
    cdef bint escaped
    while True:
        _space(self)
        if self.at >= self.end:
            return False
        begin = self.at
        if self.at[0] == c'"':
            if not _string(self, &raw, &escaped):
                return False
        elif self.at[0] == c"{" or self.at[0] == c"[":
            depth += 1
            self.at += 1
            continue
        elif self.at[0] == c"}" or self.at[0] == c"]":
            if depth == 0:
                return False
            depth -= 1
            self.at += 1
        elif self.at[0] == c"," or self.at[0] == c":":
            if depth == 0:
                return False
            self.at += 1
            continue
        else:
            while self.at < self.end and (c"0" <= self.at[0] <= c"9" or c"a" <= self.at[0] <= c"z"
                                          or self.at[0] in (c"+", c"-", c".", c"E")):
                self.at += 1
            if self.at == begin:
                return False
        if depth == 0:
            return True


cdef int _enter_key(_Cursor *self, const Value *key, Scratch *scratch) noexcept nogil:
    """Go to the value of a key of the object that stands here. 1 there, 0 no such key, -1 no room."""
    cdef Value raw, name
    cdef bint escaped
    if not _take(self, c"{"):
        return 0
    while True:
        if not _string(self, &raw, &escaped) or not _decoded(&raw, escaped, scratch, &name) or not _take(self, c":"):
            return 0
        if name.kind == NO_ROOM:
            return -1
        if name.length == key.length and memcmp(name.at, key.at, key.length) == 0:
            return 1
        if not _pass(self) or not _take(self, c","):
            return 0


cdef bint _enter_index(_Cursor *self, int64_t index) noexcept nogil:
    """Go to an element of the array that stands here."""
    if not _take(self, c"["):
        return False
    while index > 0:
        if not _pass(self) or not _take(self, c","):
            return False
        index -= 1
    return True


cdef void _integer(_Cursor *self, Value *into) noexcept nogil:
    """A number without a fraction or exponent that fits into 64 bits."""
    cdef bint negative
    cdef uint64_t number = 0
    cdef uint64_t most
    cdef uint32_t digits = 0
    value_none(into, MISSING)
    _space(self)
    negative = _take(self, c"-")
    most = <uint64_t>INT64_MAX + negative
    while self.at < self.end and c"0" <= self.at[0] <= c"9":
        if number > (most - (self.at[0] - c"0")) // 10:
            return
        number = number * 10 + (self.at[0] - c"0")
        digits += 1
        self.at += 1
    if digits == 0 or (self.at < self.end and self.at[0] in (c".", c"e", c"E")):
        return
    value_number(into, INT, <int64_t>(0 - number if negative else number))


cdef void json_lookup(const Value *text, const Value **path, uint32_t count, bint integer, Scratch *scratch,
                      Value *into) noexcept nogil:
    """The string, or the integer, at the end of the path; MISSING if there is none of that type."""
    cdef _Cursor cursor
    cdef uint32_t at
    cdef int entered
    cdef Value raw
    cdef bint escaped
    cursor.at = <const uint8_t *>text.at
    cursor.end = cursor.at + text.length
    value_none(into, MISSING)
    for at in range(count):
        if path[at].kind == TEXT:
            entered = _enter_key(&cursor, path[at], scratch)
            if entered < 0:
                value_none(into, NO_ROOM)
                return
        else:
            entered = _enter_index(&cursor, path[at].number)
        if not entered:
            return
    if integer:
        _integer(&cursor, into)
    elif not _string(&cursor, &raw, &escaped) or not _decoded(&raw, escaped, scratch, into):
        value_none(into, MISSING)
