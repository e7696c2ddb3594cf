"""Records of TLS 1.3 after the handshake, sealed and opened without OpenSSL (RFC 8446 section 5)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.buf cimport Memory, Octets
from fastgw._core.io.secrets cimport SECRET_SIZE

cdef extern from "aes_gcm.h" nogil:
    enum:
        AES_GCM_TAG
        AES_GCM_NONCE
    ctypedef struct AesGcm:
        uint8_t ways
    int aes_gcm_ways()
    void aes_gcm_open(AesGcm *self, const uint8_t *key, int ways)
    void aes_gcm_seal(const AesGcm *self, const uint8_t *nonce, const uint8_t *aad, size_t aad_length,
                      const uint8_t *source, size_t length, uint8_t last, uint8_t *into)
    bint aes_gcm_unseal(const AesGcm *self, const uint8_t *nonce, const uint8_t *aad, size_t aad_length,
                        const uint8_t *source, size_t length, uint8_t *into)

cdef enum:
    TLS_RECORD_MAX = 16384      # plaintext octets of one record (RFC 8446 section 5.1)
    TLS_SEALED_MAX = 16896      # what one record, and a key update before it, may take on the wire, rounded up
    RECORD_COST = 22            # octets a record is longer than its plaintext: head, type, tag
    RECORDS_SAID_MAX = 56       # a key update and an alert
    RECORD_CRUMBS_MAX = 32      # records in a row without application data

cdef enum TlsResult:
    TLS_DONE = 0
    TLS_WANTS = 1       # needs octets from the peer
    TLS_ENDED = 2       # close_notify arrived
    TLS_FAILED = 3      # tls_error_text says why

ctypedef struct Direction:
    # What one side writes with.
    AesGcm key
    uint8_t iv[12]
    uint8_t secret[SECRET_SIZE]     # the traffic secret of now, for the next one
    uint64_t sequence               # records so far under this key

ctypedef struct Records:
    Direction reading
    Direction writing
    uint32_t renew_after        # records under one key of ours
    uint32_t left               # octets of `input`
    const uint8_t *input        # the peer's octets that are not taken in yet, lent
    Octets partial              # a record of which the rest is to come; holds nothing otherwise
    const char *flaw            # what was wrong with the peer; NULL: nothing
    uint8_t said[RECORDS_SAID_MAX]  # sealed, what is to be sent unasked
    uint8_t said_length
    uint8_t message[5]          # of a handshake message that came in parts
    uint8_t message_length
    uint8_t crumbs              # records in a row without application data
    uint8_t heard               # the alert that ended it, the peer's
    bint broken
    uint8_t secrets             # bits: whose secret is known
    bint ended                  # close_notify came
    bint shut                   # and went

cdef void records_told(Records **self, Memory *memory, const char *line) noexcept nogil
cdef bint records_begin(Records *self, const char *suite) noexcept nogil
cdef void records_free(Records *self) noexcept nogil
cdef bint records_prove(Records *self, const uint8_t *sealed, uint32_t length) noexcept nogil
cdef void records_push(Records *self, const uint8_t *sealed, uint32_t length) noexcept nogil
cdef TlsResult records_read(Records *self, uint8_t *into, uint32_t room, uint32_t *got) noexcept nogil
cdef uint32_t records_seal(Records *self, const uint8_t *data, uint32_t length, uint8_t *into,
                           uint32_t *taken) noexcept nogil
cdef void records_shutdown(Records *self) noexcept nogil
cdef uint32_t records_pull(Records *self, uint8_t *into, uint32_t room) noexcept nogil
cdef uint32_t records_text(const Records *self, char *into, uint32_t room) noexcept nogil
cdef bint records_possible() noexcept nogil
