"""What is known of the other end of a TLS connection once its handshake is over."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.io.tls cimport TlsSession

cdef enum:
    PEER_RANDOM_SIZE = 32       # octets of a client's random (RFC 8446 section 4.1.2)

cdef const char *peer_cipher(const TlsSession *session, uint32_t *length) noexcept nogil
cdef uint8_t *peer_certificate(const TlsSession *session, uint32_t *length) noexcept nogil
cdef uint32_t peer_random(const TlsSession *session, uint8_t *into) noexcept nogil
