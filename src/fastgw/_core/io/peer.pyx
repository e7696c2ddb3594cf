"""What is known of the other end of a TLS connection once its handshake is over.

A certificate is read from its DER, octets of a stranger: what does not fit the grammar of RFC 5280 section 4.1 is left
out, and nothing is written beyond what it may have.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport malloc
from libc.string cimport memcmp, memcpy, memset, strlen

from fastgw._core.buf cimport Memory, memory_close, memory_open, octets_append, octets_close, octets_open
from fastgw._core.io.der cimport (
    DER_EXTENSIONS,
    DER_OBJECT,
    DER_OCTET_STRING,
    DER_SEQUENCE,
    DER_SET,
    Der,
    der_expect,
    der_extension,
    der_is_id_ce,
    der_next,
    der_open,
)
from fastgw._core.io.openssl cimport BIO, openssl
from fastgw._core.io.tls cimport TLS_OWN

cdef enum:
    _UTC_TIME = 0x17
    _GENERAL_TIME = 0x18
    _KEY_ID = 0x80              # [0] of AuthorityKeyIdentifier
    _SERIAL = 0x82              # [2]
    _KINDS = 16                 # of parts of names that have a short name
    _PARTS = 64                 # of a name; one with more is left out
    _SUBJECT_KEY = 14           # 2.5.29.14
    _AUTHORITY_KEY = 35         # 2.5.29.35


ctypedef struct _Certificate:
    # Slices of the DER.
    Der serial
    Der issuer
    Der before
    Der after
    Der subject
    Der key_id
    Der issuer_key_id
    Der issuer_serial

ctypedef struct _Kind:
    const char *oid
    uint32_t size
    const char *name

cdef _Kind[_KINDS] _kinds
_kinds[0] = _Kind(b"\x55\x04\x03", 3, b"CN")
_kinds[1] = _Kind(b"\x55\x04\x04", 3, b"SN")
_kinds[2] = _Kind(b"\x55\x04\x05", 3, b"serialNumber")
_kinds[3] = _Kind(b"\x55\x04\x06", 3, b"C")
_kinds[4] = _Kind(b"\x55\x04\x07", 3, b"L")
_kinds[5] = _Kind(b"\x55\x04\x08", 3, b"ST")
_kinds[6] = _Kind(b"\x55\x04\x09", 3, b"street")
_kinds[7] = _Kind(b"\x55\x04\x0a", 3, b"O")
_kinds[8] = _Kind(b"\x55\x04\x0b", 3, b"OU")
_kinds[9] = _Kind(b"\x55\x04\x0c", 3, b"title")
_kinds[10] = _Kind(b"\x55\x04\x2a", 3, b"GN")
_kinds[11] = _Kind(b"\x55\x04\x2b", 3, b"initials")
_kinds[12] = _Kind(b"\x55\x04\x2e", 3, b"dnQualifier")
_kinds[13] = _Kind(b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", 10, b"UID")
_kinds[14] = _Kind(b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", 10, b"DC")
_kinds[15] = _Kind(b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 9, b"emailAddress")


# ---- what needs no certificate


cdef const char *peer_cipher(const TlsSession *session, uint32_t *length) noexcept nogil:
    """The name of the cipher suite, as OpenSSL writes it; NULL in cleartext."""
    cdef const char *name = NULL
    length[0] = 0
    if session.layer == TLS_OWN:
        name = b"TLS_AES_128_GCM_SHA256"     # the only one they know
    elif session.ssl != NULL:
        name = openssl.SSL_CIPHER_get_name(openssl.SSL_get_current_cipher(session.ssl))
    if name != NULL:
        length[0] = <uint32_t>strlen(name)
    return name


cdef uint32_t peer_random(const TlsSession *session, uint8_t *into) noexcept nogil:
    """The random of the client's hello, PEER_RANDOM_SIZE octets; 0 in cleartext."""
    if session.ssl == NULL:
        return 0
    return <uint32_t>openssl.SSL_get_client_random(session.ssl, into, PEER_RANDOM_SIZE)


# ---- DER


cdef void _key_ids(_Certificate *self, Der value, uint8_t which) noexcept nogil:
    """The content of one of the two extensions about keys (RFC 5280 sections 4.2.1.1 and 4.2.1.2)."""
    cdef Der listed, one
    cdef uint8_t tag = 0
    if which == _SUBJECT_KEY:
        if der_expect(&value, DER_OCTET_STRING, &one):
            self.key_id = one
        return
    if not der_expect(&value, DER_SEQUENCE, &listed):
        return
    while listed.left > 0:
        if not der_next(&listed, &tag, &one):
            return
        if tag == _KEY_ID:
            self.issuer_key_id = one
        elif tag == _SERIAL:
            self.issuer_serial = one


cdef void _extensions(_Certificate *self, Der whole) noexcept nogil:
    cdef Der listed, oid, value
    if not der_expect(&whole, DER_SEQUENCE, &listed):
        return
    while listed.left > 0 and der_extension(&listed, &oid, &value):
        if der_is_id_ce(&oid, 29, _SUBJECT_KEY) or der_is_id_ce(&oid, 29, _AUTHORITY_KEY):
            _key_ids(self, value, oid.at[2])


cdef bint _read(_Certificate *self, const uint8_t *der, uint32_t length) noexcept nogil:
    """Where all of it stands; False if it is no certificate."""
    cdef Der whole, part
    cdef uint8_t tag = 0
    memset(self, 0, sizeof(_Certificate))
    if not der_open(der, length, &whole, &self.serial):
        return False
    if not der_expect(&whole, DER_SEQUENCE, &part) or not der_expect(&whole, DER_SEQUENCE, &self.issuer):
        return False
    if not der_expect(&whole, DER_SEQUENCE, &part) or not der_expect(&whole, DER_SEQUENCE, &self.subject):
        return False
    if not der_next(&part, &tag, &self.before) or (tag != _UTC_TIME and tag != _GENERAL_TIME):
        return False
    if not der_next(&part, &tag, &self.after) or (tag != _UTC_TIME and tag != _GENERAL_TIME):
        return False
    while whole.left > 0:       # the key, unique identifiers, extensions
        if not der_next(&whole, &tag, &part):
            return False
        if tag == DER_EXTENSIONS:
            _extensions(self, part)
    return True


# ---- texts


cdef inline bint _put(Octets *into, const void *octets, uint32_t length) noexcept nogil:
    return length == 0 or octets_append(into, <const uint8_t *>octets, length)


cdef const char *_UPPER = b"0123456789ABCDEF"
cdef const char *_LOWER = b"0123456789abcdef"


cdef bint _put_hex(Octets *into, const uint8_t *octets, uint32_t length, const char *digits) noexcept nogil:
    cdef uint32_t at
    cdef char pair[2]
    for at in range(length):
        pair[0] = digits[octets[at] >> 4]
        pair[1] = digits[octets[at] & 15]
        if not _put(into, pair, 2):
            return False
    return True


cdef const char *_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


cdef bint peer_base64(Octets *into, const uint8_t *octets, uint32_t length) noexcept nogil:
    """Append base64 with its padding (RFC 4648 section 4)."""
    cdef uint32_t at = 0
    cdef uint32_t word
    cdef char four[4]
    while at < length:
        word = <uint32_t>octets[at] << 16
        if at + 1 < length:
            word |= <uint32_t>octets[at + 1] << 8
        if at + 2 < length:
            word |= octets[at + 2]
        four[0] = _LETTERS[word >> 18]
        four[1] = _LETTERS[(word >> 12) & 63]
        four[2] = _LETTERS[(word >> 6) & 63] if at + 1 < length else c"="
        four[3] = _LETTERS[word & 63] if at + 2 < length else c"="
        if not _put(into, four, 4):
            return False
        at += 3
    return True


cdef bint _put_oid(Octets *into, const Der *oid) noexcept nogil:
    """Numbers with dots between them; one that does not fit 32 bits ends it."""
    cdef uint32_t at, begin
    cdef uint32_t number = 0
    cdef bint first = True
    cdef char text[32]
    for at in range(oid.left):
        if number >> 25:
            return True
        number = number << 7 | (oid.at[at] & 0x7f)
        if oid.at[at] & 0x80:
            continue
        if first:
            begin = min(number // 40, <uint32_t>2)
            snprintf(text, sizeof(text), b"%u.%u", begin, number - 40 * begin)
            first = False
        else:
            snprintf(text, sizeof(text), b".%u", number)
        number = 0
        if not _put(into, text, <uint32_t>strlen(text)):
            return False
    return True


cdef bint _put_value(Octets *into, const Der *value, bint legacy) noexcept nogil:
    """A part of a name, with escapes where RFC 2253 section 2.4 wants them; what is not ASCII always is one."""
    cdef uint32_t at
    cdef uint8_t octet
    cdef bint special
    for at in range(value.left):
        octet = value.at[at]
        if octet < 0x20 or octet > 0x7e:
            if not _put(into, b"\\x" if legacy else b"\\", 2 if legacy else 1):
                return False
            if not _put_hex(into, &octet, 1, _UPPER):
                return False
            continue
        special = (octet in (c",", c"+", c'"', c"\\", c"<", c">", c";") or (octet == c"#" and at == 0)
                   or (octet == c" " and (at == 0 or at + 1 == value.left)))
        if special and not legacy and not _put(into, b"\\", 1):
            return False
        if not _put(into, &octet, 1):
            return False
    return True


cdef bint _put_pair(Octets *into, Der pair, bint legacy) noexcept nogil:
    """Type and value of one part: CN=example, or the numbers of a type that has no short name."""
    cdef Der oid, value
    cdef uint8_t tag = 0
    cdef uint32_t number
    if not der_expect(&pair, DER_OBJECT, &oid) or not der_next(&pair, &tag, &value):
        return True
    for number in range(_KINDS):
        if _kinds[number].size == oid.left and memcmp(_kinds[number].oid, oid.at, oid.left) == 0:
            return (_put(into, _kinds[number].name, <uint32_t>strlen(_kinds[number].name)) and _put(into, b"=", 1)
                    and _put_value(into, &value, legacy))
    return _put_oid(into, &oid) and _put(into, b"=", 1) and _put_value(into, &value, legacy)


cdef bint _put_name(Octets *into, Der name, bint legacy) noexcept nogil:
    """A name: its parts in order with slashes, or the last one first with commas."""
    cdef Der parts[_PARTS]
    cdef Der relative, pair
    cdef uint32_t count = 0
    cdef uint32_t at, number
    cdef bint first
    while name.left > 0:
        if count == _PARTS or not der_expect(&name, DER_SET, &relative):
            return True
        parts[count] = relative
        count += 1
    for at in range(count):
        number = at if legacy else count - 1 - at
        relative = parts[number]
        first = True
        while relative.left > 0 and der_expect(&relative, DER_SEQUENCE, &pair):
            if legacy and not _put(into, b"/", 1):
                return False
            if not legacy and (at > 0 or not first) and not _put(into, b"," if first else b"+", 1):
                return False
            first = False
            if not _put_pair(into, pair, legacy):
                return False
    return True


cdef const char **_MONTHS = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
                             b"Dec"]


cdef bint _put_time(Octets *into, Der time) noexcept nogil:
    """YYMMDDHHMMSSZ, or with four digits of the year (RFC 5280 section 4.1.2.5); nothing if it is another form."""
    cdef uint32_t numbers[6]
    cdef uint32_t at
    cdef uint32_t digits = time.left - 1
    cdef char text[48]
    if time.left not in (13, 15) or time.at[digits] != c"Z":
        return True
    for at in range(digits):
        if not c"0" <= time.at[at] <= c"9":
            return True
    numbers[0] = 10 * <uint32_t>(time.at[0] - c"0") + <uint32_t>(time.at[1] - c"0")
    if digits == 14:
        numbers[0] = 100 * numbers[0] + 10 * <uint32_t>(time.at[2] - c"0") + <uint32_t>(time.at[3] - c"0")
    else:
        numbers[0] += 1900 if numbers[0] >= 50 else 2000
    for at in range(5):
        numbers[at + 1] = (10 * <uint32_t>(time.at[digits - 10 + 2 * at] - c"0")
                           + <uint32_t>(time.at[digits - 9 + 2 * at] - c"0"))
    if not 1 <= numbers[1] <= 12:
        return True
    snprintf(text, sizeof(text), b"%s %2u %02u:%02u:%02u %u GMT", _MONTHS[numbers[1] - 1], numbers[2], numbers[3],
             numbers[4], numbers[5], numbers[0])
    return _put(into, text, <uint32_t>strlen(text))


cdef bint _put_digest(Octets *into, void *certificate, const char *name) noexcept nogil:
    cdef uint8_t digest[64]
    cdef unsigned int length = 0
    if openssl.X509_digest(certificate, openssl.EVP_get_digestbyname(name), digest, &length) != 1:
        return True
    return _put_hex(into, digest, length, _LOWER)


cdef bint _put_field(Octets *into, const uint8_t *der, uint32_t length) noexcept nogil:
    """A certificate as a byte sequence (RFC 9440 section 2)."""
    return _put(into, b":", 1) and peer_base64(into, der, length) and _put(into, b":", 1)


cdef bint _put_text(Octets *into, uint32_t number, const _Certificate *self, void *certificate,
                    const uint8_t *der, uint32_t length) noexcept nogil:
    """One of the texts of a certificate but its chain. False: memory is out."""
    if number == PEER_ISSUER or number == PEER_ISSUER_2253 or number == PEER_ISSUER_LEGACY:
        return _put_name(into, self.issuer, number == PEER_ISSUER_LEGACY)
    if number == PEER_SUBJECT or number == PEER_SUBJECT_2253 or number == PEER_SUBJECT_LEGACY:
        return _put_name(into, self.subject, number == PEER_SUBJECT_LEGACY)
    if number == PEER_SERIAL:
        return _put_hex(into, self.serial.at, self.serial.left, _UPPER)
    if number == PEER_ISSUER_SERIAL:
        return _put_hex(into, self.issuer_serial.at, self.issuer_serial.left, _UPPER)
    if number == PEER_KEY_ID:
        return _put_hex(into, self.key_id.at, self.key_id.left, _UPPER)
    if number == PEER_ISSUER_KEY_ID:
        return _put_hex(into, self.issuer_key_id.at, self.issuer_key_id.left, _UPPER)
    if number == PEER_NOT_BEFORE or number == PEER_NOT_AFTER:
        return _put_time(into, self.before if number == PEER_NOT_BEFORE else self.after)
    if number == PEER_SHA256 or number == PEER_SHA1:
        if certificate == NULL:
            return True
        return _put_digest(into, certificate, b"SHA256" if number == PEER_SHA256 else b"SHA1")
    return length > <uint32_t>PEER_FIELD_MOST or _put_field(into, der, length)


cdef bint _put_chain(Octets *into, const TlsSession *session, PeerTexts *texts) noexcept nogil:
    """The certificates that came behind the client's, with commas between them; none if they are too large."""
    cdef void *chain = openssl.SSL_get_peer_cert_chain(session.ssl)
    cdef BIO *bio
    cdef char *der
    cdef long length
    cdef uint32_t size = 0
    cdef uint32_t begin = into.length
    cdef int at
    cdef bint good = True
    for at in range(openssl.sk_X509_num(chain) if chain != NULL else 0):
        bio = openssl.BIO_new(openssl.BIO_s_mem())
        if bio == NULL:
            return False
        length = 0
        if openssl.i2d_X509_bio(bio, openssl.sk_X509_value(chain, at)) == 1:
            length = openssl.BIO_get_mem_data(bio, &der)
        if 0 < length <= PEER_FIELD_MOST - <long>size:
            size += <uint32_t>length
            good = (at == 0 or _put(into, b", ", 2)) and _put_field(into, <const uint8_t *>der, <uint32_t>length)
        elif length > 0:
            texts.chain_too_large = True
        openssl.BIO_free(bio)
        if not good or texts.chain_too_large:
            break
    if texts.chain_too_large:
        into.room += into.length - begin
        into.length = begin
    return good


cdef bint _put_all(Octets *into, PeerTexts *texts, void *certificate, const uint8_t *der,
                   uint32_t length) noexcept nogil:
    cdef _Certificate read
    cdef uint32_t number
    if not _read(&read, der, length):
        return False
    texts.too_large = length > <uint32_t>PEER_FIELD_MOST
    for number in range(PEER_CHAIN_FIELD):
        if not _put_text(into, number, &read, certificate, der, length):
            return False
        texts.ends[number] = into.length
    return True


cdef bint peer_certificate(const TlsSession *session, Octets *into, PeerTexts *texts) noexcept nogil:
    """Append what the client's certificate says to `into`, which is empty. False: it showed none, or memory is out."""
    cdef void *certificate
    cdef BIO *bio
    cdef char *der
    cdef long length = 0
    cdef bint good = False
    memset(texts, 0, sizeof(PeerTexts))
    certificate = openssl.SSL_get_peer_certificate(session.ssl) if session.ssl != NULL else NULL
    if certificate == NULL:
        return False
    bio = openssl.BIO_new(openssl.BIO_s_mem())
    if bio != NULL:
        if openssl.i2d_X509_bio(bio, certificate) == 1:
            length = openssl.BIO_get_mem_data(bio, &der)
        if length > 0:
            good = _put_all(into, texts, certificate, <const uint8_t *>der, <uint32_t>length)
        openssl.BIO_free(bio)
    openssl.X509_free(certificate)
    good = good and _put_chain(into, session, texts)
    texts.ends[<int>PEER_CHAIN_FIELD] = into.length
    return good


# For tests and tools.

def certificate_texts(bytes der not None):
    """What a certificate says, by the names of PeerText in lower case; None if it is none. Digests are left out."""
    cdef Memory memory
    cdef Octets octets
    cdef PeerTexts texts
    cdef uint32_t begin = 0
    memory_open(&memory)
    octets_open(&octets, &memory)
    memset(&texts, 0, sizeof(PeerTexts))
    out = None
    if _put_all(&octets, &texts, NULL, der, <uint32_t>len(der)):
        out = {}
        for number in range(<int>PEER_CHAIN_FIELD):
            name = PeerText(number).name.lower().removeprefix("peer_")
            out[name] = (<const char *>octets.data)[begin:texts.ends[number]] if octets.length > 0 else b""
            begin = texts.ends[number]
    octets_close(&octets)
    memory_close(&memory)
    return out


# ---- for who judges it


cdef uint8_t *peer_der(const TlsSession *session, uint32_t *length) noexcept nogil:
    """The certificate it has shown in DER, in memory that whoever asks has to free; NULL: none, or no memory."""
    cdef BIO *bio
    cdef char *der = NULL
    cdef uint8_t *copy = NULL
    cdef long size
    cdef void *certificate = NULL
    length[0] = 0
    if session.ssl != NULL:
        certificate = openssl.SSL_get_peer_certificate(session.ssl)
    if certificate == NULL:
        return NULL
    bio = openssl.BIO_new(openssl.BIO_s_mem())
    if bio != NULL and openssl.i2d_X509_bio(bio, certificate) == 1:
        size = openssl.BIO_get_mem_data(bio, &der)
        copy = <uint8_t *>malloc(<size_t>size) if size > 0 else NULL
        if copy != NULL:
            memcpy(copy, der, <size_t>size)
            length[0] = <uint32_t>size
    if bio != NULL:
        openssl.BIO_free(bio)
    openssl.X509_free(certificate)
    return copy
