"""What is known of the other end of a TLS connection once its handshake is over."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.buf cimport Octets
from fastgw._core.io.tls cimport TlsSession

cdef enum:
    PEER_RANDOM_SIZE = 32       # octets of a client's random (RFC 8446 section 4.1.2)
    PEER_FIELD_MOST = 16384     # octets of a certificate, and of a chain, that are written as a field

cpdef enum PeerText:            # what a certificate says, in the order of the catalogue of fields
    PEER_ISSUER = 0             # names as RFC 2253 writes them
    PEER_SUBJECT
    PEER_ISSUER_2253
    PEER_SUBJECT_2253
    PEER_ISSUER_LEGACY          # as OpenSSL wrote them once: /C=.../CN=...
    PEER_SUBJECT_LEGACY
    PEER_SERIAL                 # hex digits
    PEER_ISSUER_SERIAL
    PEER_SHA256
    PEER_SHA1
    PEER_NOT_BEFORE             # Mar 21 13:35:00 2022 GMT
    PEER_NOT_AFTER
    PEER_KEY_ID                 # hex digits
    PEER_ISSUER_KEY_ID
    PEER_FIELD                  # all of it (RFC 9440 section 2)
    PEER_CHAIN_FIELD
    PEER_TEXTS

ctypedef struct PeerTexts:
    uint32_t ends[PEER_TEXTS]   # where each ends; it begins where the one before does
    bint too_large              # PEER_FIELD is empty since the certificate is
    bint chain_too_large

cdef const char *peer_cipher(const TlsSession *session, uint32_t *length) noexcept nogil
cdef uint8_t *peer_der(const TlsSession *session, uint32_t *length) noexcept nogil
cdef uint32_t peer_random(const TlsSession *session, uint8_t *into) noexcept nogil
cdef bint peer_certificate(const TlsSession *session, Octets *into, PeerTexts *texts) noexcept nogil
cdef bint peer_base64(Octets *into, const uint8_t *octets, uint32_t length) noexcept nogil
