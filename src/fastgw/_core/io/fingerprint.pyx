"""What a client's first TLS message looks like, as others write it down: JA3, JA4 and digests of its lists.

Reads records before TLS does (RFC 8446 section 5.1), the message in them may be cut anywhere. MD5 and SHA-1 are
part of these notations and protect nothing. Of the JA4 family only the fingerprint of TLS clients is here.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastgw._core.buf cimport (
    Memory, memory_close, memory_open, octets_append, octets_close, octets_open)

cdef extern from "md5.h" nogil:
    ctypedef struct Md5:
        pass
    void md5_open(Md5 *self)
    void md5_feed(Md5 *self, const uint8_t *at, size_t length)
    void md5_close(Md5 *self, uint8_t *digest)

cdef extern from "sha1.h" nogil:
    ctypedef struct Sha1:
        pass
    void sha1_open(Sha1 *self)
    void sha1_feed(Sha1 *self, const uint8_t *at, size_t length)
    void sha1_close(Sha1 *self, uint8_t *digest)

cdef extern from "sha256.h" nogil:
    ctypedef struct Sha256:
        pass
    void sha256_open(Sha256 *self)
    void sha256_feed(Sha256 *self, const uint8_t *at, size_t length)
    void sha256_close(Sha256 *self, uint8_t *digest)

cdef enum:
    _HANDSHAKE = 22
    _CLIENT_HELLO = 1
    _RECORD_HEAD = 5
    _MESSAGE_HEAD = 4           # type and length of a handshake message
    _RANDOM = 32
    _HASH_CUT = 12              # letters that JA4 keeps of a digest

cdef enum _Extension:           # RFC 8446 section 4.2 and those before it
    _SERVER_NAME = 0
    _GROUPS = 10
    _POINT_FORMATS = 11
    _SIGNATURES = 13
    _ALPN = 16
    _VERSIONS = 43

ctypedef struct _Slice:
    const uint8_t *at           # NULL: it was not sent
    uint32_t length

ctypedef struct _Hello:
    # A ClientHello, taken apart (RFC 8446 section 4.1.2).
    const uint8_t *random
    uint16_t version
    _Slice ciphers              # numbers of two octets, as all lists but point_formats
    _Slice groups
    _Slice point_formats
    _Slice signatures
    _Slice versions
    _Slice protocol             # the first of ALPN
    bint named
    uint16_t extensions[HELLO_LIST_MAX]
    uint32_t extension_count


cdef inline uint16_t _two(const uint8_t *at) noexcept nogil:
    return <uint16_t>(<uint32_t>at[0] << 8 | at[1])


cdef inline bint _is_grease(uint16_t number) noexcept nogil:
    """Is it one of the sixteen that stand for nothing (RFC 8701 section 2)?"""
    return number & 0x0f0f == 0x0a0a and number >> 8 == number & 0xff


# ---- octets in


cdef void fingerprint_open(Fingerprint *self, Memory *memory) noexcept nogil:
    memset(self, 0, sizeof(Fingerprint))
    octets_open(&self.pieces, memory)


cdef void fingerprint_close(Fingerprint *self) noexcept nogil:
    """Give memory back; what was found stays."""
    octets_close(&self.pieces)


cdef void fingerprint_feed(Fingerprint *self, const uint8_t *sealed, uint32_t length) noexcept nogil:
    """Take octets of the client as they come from the socket. After the first message they are not looked at.

    Each octet is looked at once, however it is cut. A message in one piece is not copied.
    """
    cdef uint32_t some
    while length > 0 and self.state == FINGERPRINT_WAITS:
        if self.header_got < _RECORD_HEAD:
            self.header[self.header_got] = sealed[0]
            self.header_got += 1
            sealed += 1
            length -= 1
            if self.header_got == _RECORD_HEAD:
                self.record_left = _two(self.header + 3)
                if self.header[0] != _HANDSHAKE or self.record_left == 0:
                    self.state = FINGERPRINT_NONE
            continue
        some = min(length, self.record_left)
        _take(self, sealed, some)
        sealed += some
        length -= some
        self.record_left -= some
        if self.record_left == 0:
            self.header_got = 0
    if self.state != FINGERPRINT_WAITS:
        octets_close(&self.pieces)


cdef void _take(Fingerprint *self, const uint8_t *content, uint32_t length) noexcept nogil:
    """More of the message; whole, it is read."""
    cdef uint32_t whole
    if self.pieces.length > 0 or _size(content, length) > length:
        if not octets_append(&self.pieces, content, length):
            self.state = FINGERPRINT_NONE
            return
        content = self.pieces.data
        length = self.pieces.length
    whole = _size(content, length)
    if whole == 0 or (whole != <uint32_t>0xffffffff and whole > HELLO_MAX):
        self.state = FINGERPRINT_NONE
    elif length >= whole:
        self.state = FINGERPRINT_DONE if _describe(self, content, whole) else FINGERPRINT_NONE


cdef inline uint32_t _size(const uint8_t *message, uint32_t length) noexcept nogil:
    """Octets of the whole message; 0xffffffff: not known yet, 0: it is no ClientHello."""
    if message[0] != _CLIENT_HELLO:
        return 0
    if length < _MESSAGE_HEAD:
        return <uint32_t>0xffffffff
    return _MESSAGE_HEAD + (<uint32_t>message[1] << 16 | _two(message + 2))


# ---- taken apart


cdef bint _hello(_Hello *self, const uint8_t *message, uint32_t length) noexcept nogil:
    """Find the parts of a whole message; False if they do not fit into it."""
    cdef uint32_t at = _MESSAGE_HEAD + 2 + _RANDOM
    cdef uint32_t end, size
    memset(self, 0, sizeof(_Hello))
    if at + 1 > length:
        return False
    self.version = _two(message + _MESSAGE_HEAD)
    self.random = message + _MESSAGE_HEAD + 2
    at += 1 + message[at]           # session id
    if at + 2 > length:
        return False
    self.ciphers.at = message + at + 2
    self.ciphers.length = _two(message + at)
    at += 2 + self.ciphers.length
    if at + 1 > length or self.ciphers.length > 2 * HELLO_LIST_MAX:
        return False
    at += 1 + message[at]           # compression methods
    if at == length:
        return True                 # without extensions, as before TLS 1.2
    if at + 2 > length:
        return False
    end = at + 2 + _two(message + at)
    at += 2
    if end > length:
        return False
    while at + 4 <= end:
        size = _two(message + at + 2)
        if size > end - at - 4 or self.extension_count == HELLO_LIST_MAX:
            return False
        self.extensions[self.extension_count] = _two(message + at)
        self.extension_count += 1
        _note(self, _two(message + at), message + at + 4, size)
        at += 4 + size
    return at == end


cdef void _note(_Hello *self, uint16_t number, const uint8_t *at, uint32_t length) noexcept nogil:
    """Remember the extensions whose content counts."""
    cdef uint32_t size
    if number == _SERVER_NAME:
        self.named = True
    elif number == _GROUPS:
        _list(&self.groups, at, length, 2)
    elif number == _POINT_FORMATS:
        _list(&self.point_formats, at, length, 1)
    elif number == _SIGNATURES:
        _list(&self.signatures, at, length, 2)
    elif number == _VERSIONS:
        _list(&self.versions, at, length, 1)
    elif number == _ALPN and length > 3:
        size = at[2]
        if size <= length - 3:
            self.protocol.at = at + 3
            self.protocol.length = size


cdef void _list(_Slice *self, const uint8_t *at, uint32_t length, uint32_t head) noexcept nogil:
    """A list behind its length, which has `head` octets."""
    cdef uint32_t size
    if length < head:
        return
    size = at[0] if head == 1 else _two(at)
    if size <= length - head and size <= 2 * HELLO_LIST_MAX:
        self.at = at + head
        self.length = size


# ---- written down


cdef bint _describe(Fingerprint *self, const uint8_t *message, uint32_t length) noexcept nogil:
    cdef _Hello hello
    if not _hello(&hello, message, length):
        return False
    self.hello_length = length
    _base64(self.random, hello.random, _RANDOM)
    _digests(self, &hello)
    _ja3(self, &hello)
    _ja4(self, &hello)
    return True


cdef void _base64(uint8_t *into, const uint8_t *at, uint32_t length) noexcept nogil:
    """Padded (RFC 4648 section 4)."""
    cdef const char *letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cdef uint32_t bits
    while length > 0:
        bits = (<uint32_t>at[0] << 16 | (<uint32_t>at[1] << 8 if length > 1 else 0)
                | (<uint32_t>at[2] if length > 2 else 0))
        into[0] = <uint8_t>letters[bits >> 18]
        into[1] = <uint8_t>letters[bits >> 12 & 63]
        into[2] = <uint8_t>(letters[bits >> 6 & 63] if length > 1 else c"=")
        into[3] = <uint8_t>(letters[bits & 63] if length > 2 else c"=")
        into += 4
        at += 3
        length = length - 3 if length > 3 else 0


cdef void _hex(uint8_t *into, const uint8_t *at, uint32_t octets) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    cdef uint32_t number
    for number in range(octets):
        into[2 * number] = <uint8_t>digits[at[number] >> 4]
        into[2 * number + 1] = <uint8_t>digits[at[number] & 15]


cdef void _digests(Fingerprint *self, const _Hello *hello) noexcept nogil:
    """Of the numbers of cipher suites and of extensions, all of them, in their order."""
    cdef uint8_t[20] digest
    cdef uint8_t[2] octets
    cdef Sha1 sha
    cdef uint32_t number
    cdef bint swapped
    sha1_open(&sha)
    sha1_feed(&sha, hello.ciphers.at, hello.ciphers.length)
    sha1_close(&sha, digest)
    _base64(self.ciphers, digest, sizeof(digest))
    for swapped in range(2):
        sha1_open(&sha)
        for number in range(hello.extension_count):
            octets[1 if swapped else 0] = <uint8_t>(hello.extensions[number] >> 8)
            octets[0 if swapped else 1] = <uint8_t>(hello.extensions[number] & 0xff)
            sha1_feed(&sha, octets, 2)
        sha1_close(&sha, digest)
        _base64(&self.extensions_le[0] if swapped else &self.extensions[0], digest, sizeof(digest))


cdef void _ja3_number(Md5 *md5, uint32_t number, bint *first) noexcept nogil:
    """A number in decimals, a hyphen before it where it is not the first."""
    cdef char[12] text
    cdef int size = snprintf(text, sizeof(text), "%s%u", <const char *>(b"" if first[0] else b"-"), number)
    first[0] = False
    md5_feed(md5, <const uint8_t *>text, <size_t>size)


cdef void _ja3(Fingerprint *self, const _Hello *hello) noexcept nogil:
    """Version, cipher suites, extensions, groups, point formats; without GREASE, in their order."""
    cdef uint8_t[16] digest
    cdef Md5 md5
    cdef uint32_t at
    cdef bint first = True
    md5_open(&md5)
    _ja3_number(&md5, hello.version, &first)
    md5_feed(&md5, <const uint8_t *>b",", 1)
    first = True
    for at in range(0, hello.ciphers.length & ~<uint32_t>1, 2):
        if not _is_grease(_two(hello.ciphers.at + at)):
            _ja3_number(&md5, _two(hello.ciphers.at + at), &first)
    md5_feed(&md5, <const uint8_t *>b",", 1)
    first = True
    for at in range(hello.extension_count):
        if not _is_grease(hello.extensions[at]):
            _ja3_number(&md5, hello.extensions[at], &first)
    md5_feed(&md5, <const uint8_t *>b",", 1)
    first = True
    for at in range(0, hello.groups.length & ~<uint32_t>1, 2):
        if not _is_grease(_two(hello.groups.at + at)):
            _ja3_number(&md5, _two(hello.groups.at + at), &first)
    md5_feed(&md5, <const uint8_t *>b",", 1)
    first = True
    for at in range(hello.point_formats.length):
        _ja3_number(&md5, hello.point_formats.at[at], &first)
    md5_close(&md5, digest)
    _hex(self.ja3, digest, sizeof(digest))


cdef uint32_t _plain(uint16_t *into, const _Slice *numbers) noexcept nogil:
    """The numbers of a list without GREASE; returns how many."""
    cdef uint32_t at, count = 0
    for at in range(0, numbers.length & ~<uint32_t>1, 2):
        if not _is_grease(_two(numbers.at + at)):
            into[count] = _two(numbers.at + at)
            count += 1
    return count


cdef void _sort(uint16_t *numbers, uint32_t count) noexcept nogil:
    """Lists are short and often sorted for the most part."""
    cdef uint32_t at, place
    cdef uint16_t number
    for at in range(1, count):
        number = numbers[at]
        place = at
        while place > 0 and numbers[place - 1] > number:
            numbers[place] = numbers[place - 1]
            place -= 1
        numbers[place] = number


cdef void _ja4_list(Sha256 *sha, const uint16_t *numbers, uint32_t count) noexcept nogil:
    """Each in four hexadecimal digits, with commas between them."""
    cdef uint8_t[2] octets
    cdef uint8_t[5] text
    cdef uint32_t at
    text[4] = c","
    for at in range(count):
        octets[0] = <uint8_t>(numbers[at] >> 8)
        octets[1] = <uint8_t>(numbers[at] & 0xff)
        _hex(text, octets, 2)
        sha256_feed(sha, text, 5 if at + 1 < count else 4)


cdef void _ja4_cut(uint8_t *into, Sha256 *sha, bint empty) noexcept nogil:
    """The first letters of a digest; zeros where there was nothing to digest."""
    cdef uint8_t[32] digest
    sha256_close(sha, digest)
    if empty:
        memset(into, c"0", _HASH_CUT)
    else:
        _hex(into, digest, _HASH_CUT // 2)


cdef inline bint _is_word(uint8_t octet) noexcept nogil:
    return c"0" <= octet <= c"9" or c"A" <= octet <= c"Z" or c"a" <= octet <= c"z"


cdef void _ja4_protocol(uint8_t *into, const _Slice *name) noexcept nogil:
    """First and last letter of the first protocol offered; of their hexadecimal digits if one is no letter."""
    cdef uint8_t[2] digits
    memcpy(into, b"00", 2)
    if name.length == 0:
        return
    into[0] = name.at[0]
    into[1] = name.at[name.length - 1]
    if not _is_word(into[0]) or not _is_word(into[1]):
        _hex(digits, name.at, 1)
        into[0] = digits[0]
        _hex(digits, name.at + name.length - 1, 1)
        into[1] = digits[1]


cdef const char *_ja4_version(const _Hello *hello) noexcept nogil:
    """The highest version offered."""
    cdef uint16_t best = 0
    cdef uint16_t number
    cdef uint32_t at
    for at in range(0, hello.versions.length & ~<uint32_t>1, 2):
        number = _two(hello.versions.at + at)
        if not _is_grease(number) and number > best:
            best = number
    if best == 0:
        best = hello.version
    if best == 0x0304:
        return "13"
    if best == 0x0303:
        return "12"
    if best == 0x0302:
        return "11"
    if best == 0x0301:
        return "10"
    return "s3" if best == 0x0300 else "s2" if best == 0x0002 else "00"


cdef void _ja4(Fingerprint *self, const _Hello *hello) noexcept nogil:
    """Version, name, counts, protocol; then the sorted cipher suites; then the sorted extensions, the signatures."""
    cdef uint16_t[HELLO_LIST_MAX] numbers
    cdef char[12] text
    cdef Sha256 sha
    cdef uint32_t at, ciphers, extensions = 0, count = 0
    ciphers = _plain(numbers, &hello.ciphers)
    _sort(numbers, ciphers)
    sha256_open(&sha)
    _ja4_list(&sha, numbers, ciphers)
    _ja4_cut(self.ja4 + 11, &sha, ciphers == 0)
    for at in range(hello.extension_count):
        if _is_grease(hello.extensions[at]):
            continue
        extensions += 1
        if hello.extensions[at] != _SERVER_NAME and hello.extensions[at] != _ALPN:
            numbers[count] = hello.extensions[at]
            count += 1
    _sort(numbers, count)
    sha256_open(&sha)
    _ja4_list(&sha, numbers, count)
    at = _plain(numbers, &hello.signatures)
    if at > 0:
        sha256_feed(&sha, <const uint8_t *>b"_", 1)
        _ja4_list(&sha, numbers, at)
    _ja4_cut(self.ja4 + 24, &sha, extensions == 0)
    snprintf(text, sizeof(text), "t%s%c%02u%02u", _ja4_version(hello), <int>(c"d" if hello.named else c"i"),
             min(ciphers, <uint32_t>99), min(extensions, <uint32_t>99))
    memcpy(self.ja4, text, 8)
    _ja4_protocol(self.ja4 + 8, &hello.protocol)
    self.ja4[10] = c"_"
    self.ja4[23] = c"_"


# For tests and tools.

cdef bytes _text(const uint8_t *at, uint32_t length):
    return (<const char *>at)[:length]


def fingerprint(pieces):
    """What octets of a client, given in `pieces`, show, by name; None: not whole yet, False: it is no hello."""
    cdef Memory memory
    cdef Fingerprint print_
    cdef bytes piece
    cdef uint8_t *copy
    memory_open(&memory)
    fingerprint_open(&print_, &memory)
    for piece in pieces:
        copy = <uint8_t *>malloc(len(piece) + (len(piece) == 0))
        memcpy(copy, <const char *>piece, len(piece))
        fingerprint_feed(&print_, copy, <uint32_t>len(piece))
        free(copy)
    held = memory.lent
    fingerprint_close(&print_)
    if memory.lent != 0 or (held != 0 and print_.state != FINGERPRINT_WAITS):
        raise AssertionError("a fingerprint keeps memory")
    memory_close(&memory)
    if print_.state != FINGERPRINT_DONE:
        return False if print_.state == FINGERPRINT_NONE else None
    return {
        "length": print_.hello_length, "random": _text(print_.random, RANDOM_TEXT),
        "ciphers": _text(print_.ciphers, SHA1_TEXT), "extensions": _text(print_.extensions, SHA1_TEXT),
        "extensions_le": _text(print_.extensions_le, SHA1_TEXT), "ja3": _text(print_.ja3, JA3_TEXT),
        "ja4": _text(print_.ja4, JA4_TEXT),
    }


def digest(str name, pieces):
    """The digest `md5` or `sha1` of octets given in pieces."""
    cdef Md5 md5
    cdef Sha1 sha
    cdef bytes piece
    cdef uint8_t[20] into
    md5_open(&md5)
    sha1_open(&sha)
    for piece in pieces:
        md5_feed(&md5, <const uint8_t *><const char *>piece, len(piece))
        sha1_feed(&sha, <const uint8_t *><const char *>piece, len(piece))
    if name == "md5":
        md5_close(&md5, into)
        return _text(into, 16)
    sha1_close(&sha, into)
    return _text(into, 20)
