"""Names and values of a head one after the other: headers, metadata, cookies, parameters of the query."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp

from fastgw._core.rules.facts cimport ARGS, COOKIES, METADATA
from fastgw._core.wire.fields cimport CONTENT_TYPE, HOST, TE
from fastgw._core.wire.fields cimport COOKIE as COOKIE_KIND


cdef void query_get(const RuleFacts *facts, const uint8_t **at, uint32_t *length) noexcept nogil:
    """What follows the first `?` of the path; no octets if there is none."""
    cdef const Field *path = facts.head.path
    cdef const uint8_t *mark = NULL
    at[0] = b""
    length[0] = 0
    if path == NULL or path.value_length == 0:
        return
    mark = <const uint8_t *>memchr(path.value, c"?", path.value_length)
    if mark != NULL:
        at[0] = mark + 1
        length[0] = <uint32_t>(path.value + path.value_length - mark - 1)


cdef void pairs_open(Pairs *self, const RuleFacts *facts, Source source) noexcept nogil:
    self.facts = facts
    self.source = source
    self.number = 0
    self.rest = NULL
    self.rest_length = 0
    self.host_seen = False
    self.ended = False
    if source == ARGS:
        query_get(facts, &self.rest, &self.rest_length)


cdef bint _piece(Pairs *self, uint8_t separator, const uint8_t **at, uint32_t *length) noexcept nogil:
    """Take what stands before the next separator off the rest; False at its end."""
    cdef const uint8_t *found
    if self.rest == NULL or self.rest_length == 0:
        self.rest = NULL
        return False
    at[0] = self.rest
    found = <const uint8_t *>memchr(self.rest, separator, self.rest_length)
    if found == NULL:
        length[0] = self.rest_length
        self.rest = NULL
        self.rest_length = 0
        return True
    length[0] = <uint32_t>(found - self.rest)
    self.rest = found + 1
    self.rest_length -= length[0] + 1
    return True


cdef inline void _trim(const uint8_t **at, uint32_t *length) noexcept nogil:
    while length[0] > 0 and (at[0][0] == c" " or at[0][0] == c"\t"):
        at[0] += 1
        length[0] -= 1
    while length[0] > 0 and (at[0][length[0] - 1] == c" " or at[0][length[0] - 1] == c"\t"):
        length[0] -= 1


cdef void _halve(Pair *pair, const uint8_t *at, uint32_t length) noexcept nogil:
    """name=value; without the sign it is a name with no value."""
    cdef const uint8_t *sign = <const uint8_t *>memchr(at, c"=", length) if length > 0 else NULL
    pair.name = at
    pair.coded = False
    if sign == NULL:
        pair.name_length = length
        pair.value = at + length
        pair.value_length = 0
        return
    pair.name_length = <uint32_t>(sign - at)
    pair.value = sign + 1
    pair.value_length = length - pair.name_length - 1


cdef bint _next_argument(Pairs *self, Pair *pair) noexcept nogil:
    cdef const uint8_t *at
    cdef uint32_t length
    while _piece(self, c"&", &at, &length):
        if length > 0:
            _halve(pair, at, length)
            return True
    return False


cdef bint _next_cookie(Pairs *self, Pair *pair) noexcept nogil:
    """RFC 6265 section 4.2; RFC 9113 section 8.2.3 lets each be a field of its own."""
    cdef const uint8_t *at
    cdef uint32_t length
    cdef const Field *field
    while True:
        while _piece(self, c";", &at, &length):
            _trim(&at, &length)
            if length > 0:
                _halve(pair, at, length)
                return True
        while True:
            if self.number >= self.facts.section.count:
                return False
            field = &self.facts.section.fields[self.number]
            self.number += 1
            if field.kind == COOKIE_KIND:
                break
        self.rest = field.value
        self.rest_length = field.value_length


cdef inline bint _ends_in_bin(const uint8_t *name, uint32_t length) noexcept nogil:
    return length > 4 and memcmp(name + length - 4, b"-bin", 4) == 0


cdef bint _next_field(Pairs *self, Pair *pair) noexcept nogil:
    """A field that is no pseudo-field; after the last one the authority, as `host`, if there was no Host."""
    cdef const Field *field
    cdef const RuleFacts *facts = self.facts
    while self.number < facts.section.count:
        field = &facts.section.fields[self.number]
        self.number += 1
        if field.name_length == 0 or field.name[0] == c":":
            continue
        self.host_seen |= field.kind == HOST
        pair.name, pair.name_length = field.name, field.name_length
        pair.value, pair.value_length = field.value, field.value_length
        pair.coded = False
        return True
    if self.host_seen or self.ended or facts.head.authority == NULL:
        return False
    self.ended = True
    pair.name, pair.name_length = <const uint8_t *>b"host", 4
    pair.value, pair.value_length = facts.head.authority.value, facts.head.authority.value_length
    pair.coded = False
    return True


cdef bint _next_metadata(Pairs *self, Pair *pair) noexcept nogil:
    """Fields that a gRPC application sees. Binary ones may hold several values between commas."""
    cdef const Field *field
    cdef const RuleFacts *facts = self.facts
    while True:
        if self.rest != NULL:
            field = &facts.section.fields[self.number - 1]
            pair.name, pair.name_length, pair.coded = field.name, field.name_length, True
            if _piece(self, c",", &pair.value, &pair.value_length):
                _trim(&pair.value, &pair.value_length)
                return True
        if self.number >= facts.section.count:
            return False
        field = &facts.section.fields[self.number]
        self.number += 1
        if (field.name_length == 0 or field.name[0] == c":" or field.kind == TE or field.kind == CONTENT_TYPE
                or field.kind == HOST or (field.name_length > 5 and memcmp(field.name, b"grpc-", 5) == 0)):
            continue
        if _ends_in_bin(field.name, field.name_length) and field.value_length > 0:
            self.rest, self.rest_length = field.value, field.value_length
            continue
        pair.name, pair.name_length = field.name, field.name_length
        pair.value, pair.value_length = field.value, field.value_length
        pair.coded = False
        return True


cdef bint pairs_next(Pairs *self, Pair *pair) noexcept nogil:
    """The next pair, in the order of the wire; False when there is none."""
    if self.source == ARGS:
        return _next_argument(self, pair)
    if self.source == COOKIES:
        return _next_cookie(self, pair)
    if self.source == METADATA:
        return _next_metadata(self, pair)
    return _next_field(self, pair)
