"""What is known of the other end of a TLS connection once its handshake is over."""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy, strlen

from fastgw._core.io.openssl cimport BIO, openssl


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


cdef uint8_t *peer_certificate(const TlsSession *session, uint32_t *length) noexcept nogil:
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
