"""What a head shows of who calls: service tokens, signed tokens, a certificate; kept as digests only.

Nothing here knows who is believed. What could be read in two ways is not read at all: a part that is there twice, a
half without the other, both manners at once.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from fastgw._core.wire.fields cimport RESERVED, Field

cdef extern from "sha256.h" nogil:
    ctypedef struct Sha256:
        pass
    void sha256_open(Sha256 *self)
    void sha256_feed(Sha256 *self, const uint8_t *at, size_t length)
    void sha256_close(Sha256 *self, uint8_t *digest)

ctypedef struct _Text:
    const uint8_t *at
    uint32_t length

ctypedef struct _Parts:
    _Text client
    _Text secret


cdef void _digest(const uint8_t *at, uint32_t length, uint8_t *into) noexcept nogil:
    cdef Sha256 sha
    sha256_open(&sha)
    sha256_feed(&sha, at, length)
    sha256_close(&sha, into)


cdef bint same_digest(const uint8_t *one, const uint8_t *other) noexcept nogil:
    """Are 32 octets the same? It takes the same time whether they are or not."""
    cdef uint32_t at
    cdef uint8_t differs = 0
    for at in range(32):
        differs |= one[at] ^ other[at]
    return differs == 0


cdef inline bint _is(const Field *field, const char *name, uint32_t length) noexcept nogil:
    return field.name_length == length and memcmp(field.name, name, length) == 0


cdef inline bint _named(const Field *field, const HeaderName *name) noexcept nogil:
    return _is(field, name.text, name.length)


# ---- service tokens


cdef inline bint _is_part(const _Text *part) noexcept nogil:
    return 0 < part.length <= PART_OCTETS


cdef uint32_t _blank(const uint8_t *text, uint32_t at, uint32_t length) noexcept nogil:
    while at < length and (text[at] == c" " or text[at] == c"\t"):
        at += 1
    return at


cdef uint32_t _string(const uint8_t *text, uint32_t at, uint32_t length, _Text *into) noexcept nogil:
    """A JSON string of visible ASCII without escapes, from its quote on; returns where it has ended, 0: it is none."""
    cdef uint32_t begin = at + 1
    if at >= length or text[at] != c'"':
        return 0
    at = begin
    while at < length and text[at] != c'"':
        if text[at] == c"\\" or text[at] < 0x20 or text[at] > 0x7e:
            return 0
        at += 1
    if at >= length:
        return 0
    into.at = text + begin
    into.length = at - begin
    return at + 1


cdef bint _keep(const _Text *name, const _Text *value, _Parts *into) noexcept nogil:
    """A member of the object: one of the two, and not there yet."""
    cdef _Text *part
    if name.length == 19 and memcmp(name.at, b"cf-access-client-id", 19) == 0:
        part = &into.client
    elif name.length == 23 and memcmp(name.at, b"cf-access-client-secret", 23) == 0:
        part = &into.secret
    else:
        return False
    if part.at != NULL:
        return False
    part[0] = value[0]
    return True


cdef bint _object(const uint8_t *text, uint32_t length, _Parts *into) noexcept nogil:
    """{"cf-access-client-id": "...", "cf-access-client-secret": "..."}, in either order, and nothing else."""
    cdef uint32_t at = _blank(text, 0, length)
    cdef _Text name, value
    if at >= length or text[at] != c"{":
        return False
    at += 1
    while True:
        at = _string(text, _blank(text, at, length), length, &name)
        if at == 0:
            return False
        at = _blank(text, at, length)
        if at >= length or text[at] != c":":
            return False
        at = _string(text, _blank(text, at + 1, length), length, &value)
        if at == 0 or not _keep(&name, &value, into):
            return False
        at = _blank(text, at, length)
        if at < length and text[at] == c",":
            at += 1
            continue
        break
    return at < length and text[at] == c"}" and _blank(text, at + 1, length) == length


cdef inline bint _is_object(const Field *field) noexcept nogil:
    cdef uint32_t at = _blank(field.value, 0, field.value_length)
    return at < field.value_length and field.value[at] == c"{"


cdef Pair _pair(const Look *look, const FieldSection *section, _Parts *parts) noexcept nogil:
    """Find both parts of a service token."""
    cdef uint32_t number
    cdef uint32_t clients = 0
    cdef uint32_t secrets = 0
    cdef uint32_t objects = 0
    cdef bint good = True
    cdef const Field *field
    cdef _Parts other
    memset(parts, 0, sizeof(_Parts))
    memset(&other, 0, sizeof(_Parts))
    for number in range(section.count):
        field = &section.fields[number]
        if _is(field, b"cf-access-client-id", 19):
            clients += 1
            parts.client.at = field.value
            parts.client.length = field.value_length
        elif _is(field, b"cf-access-client-secret", 23):
            secrets += 1
            parts.secret.at = field.value
            parts.secret.length = field.value_length
        elif look.pair != NULL and _named(field, look.pair) and _is_object(field):
            objects += 1
            good = objects == 1 and _object(field.value, field.value_length, &other)
    if clients == 0 and secrets == 0 and objects == 0:
        return PAIR_ABSENT
    if clients > 1 or secrets > 1 or objects > 1:
        return PAIR_TWICE
    if objects > 0 and (clients > 0 or secrets > 0):
        return PAIR_BOTH
    if objects > 0:
        parts[0] = other
    if not good:
        return PAIR_MALFORMED
    if parts.client.at == NULL or parts.secret.at == NULL:
        return PAIR_HALF
    return PAIR_SHOWN if _is_part(&parts.client) and _is_part(&parts.secret) else PAIR_MALFORMED


# ---- signed tokens


cdef void _bearer(Shown *token) noexcept nogil:
    """`Bearer TOKEN`, the word in any case (RFC 9110 section 11.1); another scheme shows no token."""
    cdef const char *word = b"bearer"
    cdef const uint8_t *at = token.text
    cdef uint32_t number
    token.present = False
    if token.length < 7 or at[6] != c" ":
        return
    for number in range(6):
        if at[number] | 0x20 != <uint8_t>word[number]:
            return
    number = _blank(at, 6, token.length)
    token.text += number
    token.length -= number
    token.present = token.length > 0


cdef bint _is_compact(const uint8_t *text, uint32_t length) noexcept nogil:
    """Three parts of base64url, joined by dots (RFC 7515 section 7.1)?"""
    cdef uint32_t at
    cdef uint32_t dots = 0
    cdef uint32_t part = 0
    cdef uint8_t octet
    for at in range(length):
        octet = text[at]
        if octet == c".":
            if part == 0:
                return False
            dots += 1
            part = 0
            continue
        part += 1
        if not (c"a" <= octet <= c"z" or c"A" <= octet <= c"Z" or c"0" <= octet <= c"9" or octet == c"-"
                or octet == c"_"):
            return False
    return dots == 2 and part > 0


cdef void _token(Shown *token, const HeaderName *name, const FieldSection *section) noexcept nogil:
    """The token in the header of this name."""
    cdef uint32_t number
    cdef const Field *field
    cdef uint32_t found = 0
    for number in range(section.count):
        field = &section.fields[number]
        if _named(field, name):
            found += 1
            token.text = field.value
            token.length = field.value_length
    token.present = found > 0 and token.length > 0
    if found == 1 and name.length == 13 and memcmp(name.text, b"authorization", 13) == 0:
        _bearer(token)
    if not token.present:
        token.text = NULL
        return
    token.malformed = found > 1 or token.length > TOKEN_OCTETS or not _is_compact(token.text, token.length)
    if token.malformed:
        token.text = NULL
    else:
        _digest(token.text, token.length, token.digest)


cdef void caller_read(Caller *self, const Look *look, const FieldSection *section,
                      const ClientIdentity *who) noexcept nogil:
    """Take from a head what it shows. `who` NULL: there is no certificate."""
    cdef _Parts parts
    cdef uint32_t number
    memset(self, 0, sizeof(Caller))
    self.pair = <uint8_t>_pair(look, section, &parts)
    if self.pair == PAIR_SHOWN:
        _digest(parts.client.at, parts.client.length, self.client)
        _digest(parts.secret.at, parts.secret.length, self.secret)
    for number in range(look.header_count):
        _token(&self.tokens[number], &look.headers[number], section)
    if who != NULL and who.der != NULL and who.trusted:
        self.certified = True
        memcpy(self.certificate, who.digest, 32)


cdef void caller_forget(Caller *self) noexcept nogil:
    """The head goes: what was lent from it is let go."""
    cdef uint32_t number
    for number in range(TOKENS_MOST):
        self.tokens[number].text = NULL


# ---- toward the origin


cdef bint _alike(const Field *field, const char *name, uint32_t length) noexcept nogil:
    """Is it this name to an origin that takes "_" for "-", as CGI and its kin do (RFC 3875 section 4.1.18)?"""
    cdef uint32_t at
    if field.name_length != length:
        return False
    for at in range(length):
        if field.name[at] != <uint8_t>name[at] and not (field.name[at] == c"_" and name[at] == c"-"):
            return False
    return True


cdef void caller_clean(const Look *look, const HeaderName *identity, FieldSection *section) noexcept nogil:
    """Mark as not to be passed on: both parts of a service token, and whatever the origin would take for our word."""
    cdef uint32_t number
    cdef Field *field
    for number in range(section.count):
        field = &section.fields[number]
        if (_alike(field, b"cf-access-client-id", 19) or _alike(field, b"cf-access-client-secret", 23)
                or _alike(field, b"cf-access-jwt-assertion", 23)
                or (identity.text != NULL and _alike(field, identity.text, identity.length))
                or (look.pair != NULL and _alike(field, look.pair.text, look.pair.length)
                    and (_is_object(field) or look.pair.length != 13
                         or memcmp(look.pair.text, b"authorization", 13) != 0))):
            field.kind = <uint8_t>RESERVED
