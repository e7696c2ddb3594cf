"""How a field of the rules is read from what is known of a request."""
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from fastgw._core.rules.coding cimport base64_decode
from fastgw._core.rules.facts cimport (
    ARG_NAMES,
    ARG_VALUES,
    ARGS,
    CALL_TEXTS,
    CLIENT,
    COOKIE,
    EXTENSION,
    FULL_URI,
    GRPC_METHOD,
    GRPC_TIMEOUT,
    GRPC_WEB,
    HEADER,
    HEADER_NAMES,
    HEADER_VALUES,
    HEADERS,
    HOSTNAME,
    METHOD,
    MILLISECONDS,
    NUMBER_FACT,
    QUERY,
    SECONDS,
    SECURE,
    SERVER,
    SERVICE,
    TEXT_FACT,
    TRUNCATED,
    URI,
    URI_PATH,
    VERSION,
    ZERO,
    RuleText,
)
from fastgw._core.rules.pairs cimport Pair, Pairs, pairs_next, pairs_open, query_get
from fastgw._core.rules.values cimport (
    BOOL,
    INT,
    LIST_MOST,
    MISSING,
    NO_ROOM,
    scratch_take,
    value_address,
    value_list,
    value_none,
    value_number,
    value_text,
)
from fastgw._core.wire.fields cimport COOKIE as COOKIE_KIND
from fastgw._core.wire.fields cimport Field
from fastgw._core.wire.grpc cimport media_type_is_grpc, timeout_get

cdef void _field_text(const Field *field, Value *into) noexcept nogil:
    if field == NULL:
        value_text(into, b"", 0)
    else:
        value_text(into, field.value, field.value_length)


cdef inline bint _named(const Field *field, const Value *name) noexcept nogil:
    return field.name_length == name.length and memcmp(field.name, name.at, name.length) == 0


cdef void _join(const RuleFacts *self, Scratch *scratch, const Value *name, const char *between,
                Value *into) noexcept nogil:
    """The values of all fields of this name (of cookies, if it is NULL): lent if it is one, else put together."""
    cdef uint32_t number
    cdef uint32_t count = 0
    cdef uint64_t length = 0
    cdef const Field *field
    cdef uint8_t *out
    value_text(into, b"", 0)
    for number in range(self.section.count):
        field = &self.section.fields[number]
        if _named(field, name) if name != NULL else field.kind == COOKIE_KIND:
            value_text(into, field.value, field.value_length)
            count += 1
            length += field.value_length + 2
    if count < 2:
        return
    out = <uint8_t *>scratch_take(scratch, <uint32_t>length) if length < 0x7fffffff else NULL
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    value_text(into, out, <uint32_t>length - 2)
    for number in range(self.section.count):
        field = &self.section.fields[number]
        if _named(field, name) if name != NULL else field.kind == COOKIE_KIND:
            memcpy(out, field.value, field.value_length)
            out += field.value_length
            count -= 1
            if count > 0:
                memcpy(out, between, 2)
                out += 2


cdef void _path(const RuleFacts *self, Value *into) noexcept nogil:
    """The path without its query."""
    cdef const uint8_t *mark = NULL
    _field_text(self.head.path, into)
    if into.length > 0:
        mark = <const uint8_t *>memchr(into.at, c"?", into.length)
    if mark != NULL:
        into.length = <uint32_t>(mark - <const uint8_t *>into.at)


cdef void _extension(const RuleFacts *self, Scratch *scratch, Value *into) noexcept nogil:
    cdef uint32_t at, number
    cdef const uint8_t *text
    cdef uint8_t *out
    _path(self, into)
    text = <const uint8_t *>into.at
    at = into.length
    while at > 0 and text[at - 1] != c"." and text[at - 1] != c"/":
        at -= 1
    if at == 0 or text[at - 1] == c"/":
        value_text(into, b"", 0)
        return
    out = <uint8_t *>scratch_take(scratch, into.length - at)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    for number in range(into.length - at):
        out[number] = text[at + number] | 0x20 if c"A" <= text[at + number] <= c"Z" else text[at + number]
    value_text(into, out, into.length - at)


cdef void _full_uri(const RuleFacts *self, Scratch *scratch, Value *into) noexcept nogil:
    cdef Value scheme, uri
    cdef uint8_t *out
    cdef uint32_t length
    _field_text(self.head.scheme, &scheme)
    _field_text(self.head.path, &uri)
    length = scheme.length + 3 + self.hostname.length + uri.length
    out = <uint8_t *>scratch_take(scratch, length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    value_text(into, out, length)
    memcpy(out, scheme.at, scheme.length)
    memcpy(out + scheme.length, b"://", 3)
    out += scheme.length + 3
    if self.hostname.length > 0:
        memcpy(out, self.hostname.at, self.hostname.length)
    memcpy(out + self.hostname.length, uri.at, uri.length)


cdef bint _is_web(const RuleFacts *self) noexcept nogil:
    """The media type is application/grpc-web, or begins so and goes on with + or -."""
    cdef const Field *type_ = self.head.content_type
    cdef uint32_t at
    if type_ == NULL or type_.value_length < 20:
        return False
    for at in range(20):
        if (type_.value[at] | 0x20 if c"A" <= type_.value[at] <= c"Z" else type_.value[at]) != \
                (<const char *>b"application/grpc-web")[at]:
            return False
    return type_.value_length == 20 or type_.value[20] in (c"+", c"-", c";", c" ")


cdef void _call_name(const RuleFacts *self, bint service, Value *into) noexcept nogil:
    """Service or method of /package.Service/Method; empty for what is no gRPC call."""
    cdef const uint8_t *text
    cdef uint32_t at
    cdef const Field *type_ = self.head.content_type
    _path(self, into)
    text = <const uint8_t *>into.at
    at = into.length
    if (at == 0 or text[0] != c"/" or type_ == NULL
            or not (media_type_is_grpc(type_.value, type_.value_length) or _is_web(self))):
        value_text(into, b"", 0)
        return
    while text[at - 1] != c"/":
        at -= 1
    if at == 1:
        value_text(into, b"", 0)
    elif service:
        value_text(into, text + 1, at - 2)
    else:
        value_text(into, text + at, into.length - at)


cdef void _timeout(const RuleFacts *self, Value *into) noexcept nogil:
    cdef const Field *field = self.head.grpc_timeout
    cdef int64_t timeout = timeout_get(field.value, field.value_length) if field != NULL else -1
    if timeout < 0:
        value_none(into, MISSING)
    else:
        value_number(into, INT, timeout // 1000000 + (1 if timeout % 1000000 > 0 else 0))


cdef void _listed(const RuleFacts *self, Scratch *scratch, Source source, bint names, Value *into) noexcept nogil:
    """All names, or all values, in the order of the wire."""
    cdef Pairs pairs
    cdef Pair pair
    cdef uint32_t count = 0
    cdef Value *items
    pairs_open(&pairs, self, source)
    while pairs_next(&pairs, &pair):
        count += 1
    items = value_list(into, scratch, count)
    if items == NULL:
        return
    pairs_open(&pairs, self, source)
    while pairs_next(&pairs, &pair):
        if names:
            value_text(&items[into.length], pair.name, pair.name_length)
        else:
            value_text(&items[into.length], pair.value, pair.value_length)
        into.length += 1


cdef bint _pair_value(Pair *pair, Scratch *scratch, Value *into) noexcept nogil:
    """The value of a pair, decoded; False if it is not what it should be."""
    if pair.coded:
        return base64_decode(pair.value, pair.value_length, scratch, into)
    value_text(into, pair.value, pair.value_length)
    return True


cdef bint _has_header(const RuleFacts *self, const Value *key) noexcept nogil:
    """Is there a header of this name? `host` is there always."""
    cdef uint32_t number
    for number in range(self.section.count):
        if _named(&self.section.fields[number], key):
            return True
    return key.length == 4 and memcmp(key.at, b"host", 4) == 0


cdef void fact_keyed(const RuleFacts *self, Scratch *scratch, Source source, const Value *key,
                     Value *into) noexcept nogil:
    """The values of one key of a map, or MISSING."""
    cdef Pairs pairs
    cdef Pair pair
    cdef uint32_t count = 0
    cdef Value *items
    if source == HEADERS and not _has_header(self, key):
        value_none(into, MISSING)
        return
    pairs_open(&pairs, self, source)
    while pairs_next(&pairs, &pair):
        count += pair.name_length == key.length and memcmp(pair.name, key.at, key.length) == 0
    if count == 0:
        value_none(into, MISSING)
        return
    items = value_list(into, scratch, count)
    if items == NULL:
        return
    pairs_open(&pairs, self, source)
    while pairs_next(&pairs, &pair):
        if (pair.name_length == key.length and memcmp(pair.name, key.at, key.length) == 0
                and _pair_value(&pair, scratch, &items[into.length])):
            if items[into.length].kind == NO_ROOM:
                value_none(into, NO_ROOM)
                return
            into.length += 1


cdef void fact_grouped(const RuleFacts *self, Scratch *scratch, Source source, Value *into) noexcept nogil:
    """An array of arrays: for each key its values, keys in the order of the wire.

    Each of at most LIST_MOST pairs looks for its key among those before it.
    """
    cdef Pairs pairs
    cdef Pair pair
    cdef Value names, values
    cdef const Value *name
    cdef Value *groups
    cdef Value *items
    cdef uint32_t at, before, count
    cdef uint16_t following[LIST_MOST]
    _listed(self, scratch, source, True, &names)
    if names.kind == NO_ROOM:
        value_none(into, NO_ROOM)
        return
    groups = value_list(into, scratch, names.length)
    items = value_list(&values, scratch, names.length)
    if groups == NULL or items == NULL:
        value_none(into, NO_ROOM)
        return
    name = <const Value *>names.at
    pairs_open(&pairs, self, source)
    at = 0
    while at < names.length and pairs_next(&pairs, &pair):
        following[at] = 1
        if not _pair_value(&pair, scratch, &items[at]):
            value_none(&items[at], MISSING)
        at += 1
    for at in range(names.length):
        if following[at] == 0:
            continue
        items = value_list(&groups[into.length], scratch, names.length - at)
        if items == NULL:
            value_none(into, NO_ROOM)
            return
        count = 0
        for before in range(at, names.length):
            if (following[before] and name[before].length == name[at].length
                    and memcmp(name[before].at, name[at].at, name[at].length) == 0):
                following[before] = 0
                if (<Value *>values.at)[before].kind != MISSING:
                    items[count] = (<Value *>values.at)[before]
                    count += 1
        groups[into.length].length = count
        scratch.used -= <uint32_t>((names.length - at - count) * sizeof(Value))
        into.length += 1


cdef void _fact_text(const RuleFacts *self, uint32_t number, Value *into) noexcept nogil:
    cdef const RuleText *text = NULL
    if number < CALL_TEXTS and self.call_texts != NULL and self.call_texts[number].at != NULL:
        text = &self.call_texts[number]
    elif self.texts != NULL and self.texts[number].at != NULL:
        text = &self.texts[number]
    if text == NULL:
        value_none(into, MISSING)
    else:
        value_text(into, text.at, text.length)


cdef void _address(const RuleText *text, Value *into) noexcept nogil:
    if text.at == NULL:
        value_none(into, MISSING)
    else:
        value_address(into, text.at, 4 if text.length == 4 else 6)


cdef void _of_uri(const RuleFacts *self, Scratch *scratch, Source source, Value *into) noexcept nogil:
    cdef const uint8_t *at
    if source == METHOD:
        _field_text(self.head.method, into)
    elif source == URI:
        _field_text(self.head.path, into)
    elif source == URI_PATH:
        _path(self, into)
    elif source == QUERY:
        query_get(self, &at, &into.length)
        value_text(into, at, into.length)
    elif source == EXTENSION:
        _extension(self, scratch, into)
    elif source == FULL_URI:
        _full_uri(self, scratch, into)
    elif source == ARG_NAMES or source == ARG_VALUES:
        _listed(self, scratch, ARGS, source == ARG_NAMES, into)
    elif source == SERVICE or source == GRPC_METHOD:
        _call_name(self, source == SERVICE, into)
    else:
        value_none(into, MISSING)


cdef void fact_get(const RuleFacts *self, Scratch *scratch, Source source, uint32_t number, const Value *name,
                   Value *into) noexcept nogil:
    """The value of a field. MISSING: not known; the caller knows whether the field has an empty value then."""
    if source == TEXT_FACT:
        _fact_text(self, number, into)
    elif source == NUMBER_FACT:
        if self.numbers == NULL or self.numbers[number] == INT64_MIN:
            value_none(into, MISSING)
        else:
            value_number(into, INT, self.numbers[number])
    elif source == HEADER:
        _join(self, scratch, name, b", ", into)
    elif source == COOKIE:
        _join(self, scratch, NULL, b"; ", into)
    elif source == HOSTNAME:
        value_text(into, self.hostname.at, self.hostname.length)
    elif source == CLIENT or source == SERVER:
        _address(&self.client if source == CLIENT else &self.server, into)
    elif source == SECURE:
        value_number(into, BOOL, self.secure)
    elif source == TRUNCATED:
        value_number(into, BOOL, self.section.too_large)
    elif source == HEADER_NAMES or source == HEADER_VALUES:
        _listed(self, scratch, HEADERS, source == HEADER_NAMES, into)
    elif source == SECONDS:
        value_number(into, INT, self.now_ms // 1000)
    elif source == MILLISECONDS:
        value_number(into, INT, self.now_ms % 1000)
    elif source == GRPC_TIMEOUT:
        _timeout(self, into)
    elif source == GRPC_WEB:
        value_number(into, BOOL, _is_web(self))
    elif source == ZERO:
        value_number(into, INT, 0)
    elif source == VERSION:
        value_text(into, b"HTTP/2", 6)
    else:
        _of_uri(self, scratch, source, into)
