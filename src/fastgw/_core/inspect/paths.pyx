"""What a path may also be read as by who serves it: decoded, without detours.

gRPC servers take a path as it is written. Others decode it, join slashes, go up at "..", let parameters behind ";"
go, do not mind case. Whoever protects a path has to protect what may be read as that path too.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcpy

cdef enum:
    _ROUNDS = 4                 # times that something is decoded


cdef uint32_t path_end(const uint8_t *path, uint32_t length) noexcept nogil:
    """Octets before the query, if there is one."""
    cdef const void *mark = memchr(path, c"?", length)
    return length if mark == NULL else <uint32_t>(<const uint8_t *>mark - path)


cdef bint _is_plain(const uint8_t *path, uint32_t length) noexcept nogil:
    """Would decoding and joining leave it as it is? What has one of these may not be: "%", "\\", ";", "//", "/."."""
    cdef uint32_t at
    cdef uint8_t octet
    cdef uint8_t before = 0
    for at in range(length):
        octet = path[at]
        if octet == c"%" or octet == c"\\" or octet == c";" or octet == c"#":
            return False
        if before == c"/" and (octet == c"/" or octet == c"."):
            return False
        before = octet
    return True


cdef inline int _hex(uint8_t octet) noexcept nogil:
    if c"0" <= octet <= c"9":
        return octet - c"0"
    octet |= 0x20
    if c"a" <= octet <= c"f":
        return octet - c"a" + 10
    return -1


cdef uint32_t _decode(uint8_t *text, uint32_t length) noexcept nogil:
    """%41 becomes A and a backslash a slash, in place; returns the new length."""
    cdef uint32_t at = 0
    cdef uint32_t to = 0
    while at < length:
        if text[at] == c"%" and at + 2 < length and _hex(text[at + 1]) >= 0 and _hex(text[at + 2]) >= 0:
            text[to] = <uint8_t>(_hex(text[at + 1]) * 16 + _hex(text[at + 2]))
            at += 3
        else:
            text[to] = text[at]
            at += 1
        if text[to] == c"\\":
            text[to] = c"/"
        to += 1
    return to


cdef uint32_t _straighten(uint8_t *text, uint32_t length) noexcept nogil:
    """Join slashes, drop "." and go up at "..", let what follows ";" in a segment go, in place."""
    cdef uint32_t at = 0
    cdef uint32_t to = 0
    cdef uint32_t begin, end, next
    while at < length:
        while at < length and text[at] == c"/":
            at += 1
        begin = at
        while at < length and text[at] != c"/":
            at += 1
        end = begin
        while end < at and text[end] != c";":
            end += 1
        next = end - begin
        if next == 0 or (next == 1 and text[begin] == c"."):
            continue
        if next == 2 and text[begin] == c"." and text[begin + 1] == c".":
            while to > 0 and text[to - 1] != c"/":
                to -= 1
            if to > 0:
                to -= 1
            continue
        text[to] = c"/"
        to += 1
        while begin < end:      # never overtakes: the slash in front was read already
            text[to] = text[begin]
            to += 1
            begin += 1
    if to == 0:
        text[0] = c"/"
        to = 1
    return to


cdef Reading path_read(const uint8_t *path, uint32_t length, uint8_t *into, uint32_t *read) noexcept nogil:
    """How else this path (without its query, beginning with a slash) may be read: `read` octets of `into` (PATH_MOST).

    PATH_PLAIN: in no other way, but for case; `into` is not written.
    """
    cdef uint32_t rounds = 0
    cdef uint32_t before
    if _is_plain(path, length):
        return PATH_PLAIN
    if length == 0 or length > PATH_MOST:
        return PATH_UNREADABLE
    memcpy(into, path, length)
    read[0] = length
    while True:
        before = read[0]
        read[0] = _decode(into, before)
        if read[0] == before:
            break
        rounds += 1
        if rounds > _ROUNDS:
            return PATH_UNREADABLE
    if memchr(into, 0, read[0]) != NULL:
        return PATH_UNREADABLE      # where it ends is anybody's guess
    read[0] = _straighten(into, read[0])
    read[0] = _cut(into, read[0])
    return PATH_OTHER


cdef uint32_t _cut(const uint8_t *text, uint32_t length) noexcept nogil:
    """What stands before a query or fragment that came to light."""
    cdef uint32_t at
    for at in range(1, length):
        if text[at] == c"?" or text[at] == c"#":
            return at
    return length


cdef inline uint8_t _lower(uint8_t octet) noexcept nogil:
    return octet | 0x20 if c"A" <= octet <= c"Z" else octet


cdef bint path_is_within(const uint8_t *path, uint32_t length, const char *whole, uint32_t whole_length, bint begins,
                         bint lax) noexcept nogil:
    """Is it `whole` or below it; `begins`: does it merely begin so; `lax`: in whatever case?"""
    cdef uint32_t at
    if length < whole_length:
        return False
    for at in range(whole_length):
        if path[at] != <uint8_t>whole[at] and not (lax and _lower(path[at]) == _lower(<uint8_t>whole[at])):
            return False
    return begins or length == whole_length or whole_length == 0 or path[whole_length] == c"/"


def path_other_reading(bytes path not None):
    """(Reading, the other reading or None): for tests and tools."""
    cdef uint8_t[PATH_MOST] into
    cdef uint32_t read = 0
    cdef const uint8_t *text = path
    cdef Reading reading = path_read(text, path_end(text, <uint32_t>len(path)), into, &read)
    return reading, (<const char *>into)[:read] if reading == PATH_OTHER else None
