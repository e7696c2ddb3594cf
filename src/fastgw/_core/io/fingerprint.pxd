"""What a client's first TLS message looks like, as others write it down: JA3, JA4 and digests of its lists."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.buf cimport Memory, Octets

cdef enum:
    HELLO_MAX = 16384           # octets of a ClientHello that is looked at; a longer one has no fingerprint
    HELLO_LIST_MAX = 256        # numbers of each of its lists; with more of them it has none either
    RANDOM_TEXT = 44            # octets of 32 octets in base64
    SHA1_TEXT = 28              # octets of a SHA-1 digest in base64
    JA3_TEXT = 32
    JA4_TEXT = 36

cdef enum FingerprintState:
    FINGERPRINT_WAITS = 0       # for octets of the ClientHello
    FINGERPRINT_DONE = 1
    FINGERPRINT_NONE = 2        # what came is none, or is too large or malformed

ctypedef struct Fingerprint:
    # One client connection's. Texts have no zero behind them and are good in FINGERPRINT_DONE only.
    uint8_t state               # FingerprintState
    uint8_t header_got          # octets of the record header that is coming
    uint8_t header[5]
    uint32_t record_left        # octets of the record's content still to come
    Octets pieces               # a message that comes in pieces, until it is whole
    uint32_t hello_length       # octets of the message, its header of 4 included
    uint8_t random[RANDOM_TEXT]
    uint8_t ciphers[SHA1_TEXT]
    uint8_t extensions[SHA1_TEXT]
    uint8_t extensions_le[SHA1_TEXT]
    uint8_t ja3[JA3_TEXT]
    uint8_t ja4[JA4_TEXT]

cdef void fingerprint_open(Fingerprint *self, Memory *memory) noexcept nogil
cdef void fingerprint_close(Fingerprint *self) noexcept nogil
cdef void fingerprint_feed(Fingerprint *self, const uint8_t *sealed, uint32_t length) noexcept nogil
