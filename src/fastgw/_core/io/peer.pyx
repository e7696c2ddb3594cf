"""What is known of the other end of a TLS connection once its handshake is over."""
from libc.string cimport strlen

from fastgw._core.io.openssl cimport openssl


cdef const char *peer_cipher(const TlsSession *session, uint32_t *length) noexcept nogil:
    """The name of the cipher suite, as OpenSSL writes it; NULL in cleartext."""
    cdef const char *name = NULL
    length[0] = 0
    if session.ssl != NULL:
        name = openssl.SSL_CIPHER_get_name(openssl.SSL_get_current_cipher(session.ssl))
    if name != NULL:
        length[0] = <uint32_t>strlen(name)
    return name


cdef uint32_t peer_random(const TlsSession *session, uint8_t *into) noexcept nogil:
    """The random of the client's hello, PEER_RANDOM_SIZE octets; 0 in cleartext."""
    if session.ssl == NULL:
        return 0
    return <uint32_t>openssl.SSL_get_client_random(session.ssl, into, PEER_RANDOM_SIZE)
