"""TLS by the OpenSSL inside `cryptography`, through C function pointers: no other OpenSSL, no Python."""
from libc.stdint cimport uint8_t, uint32_t

ctypedef void SSL
ctypedef void SSL_CTX
ctypedef void SSL_SESSION
ctypedef void BIO

cdef enum:
    TLS_RECORD_MAX = 16384      # plaintext octets of one record (RFC 8446 section 5.1)
    TLS_SEALED_MAX = 16896      # what one record may take on the wire, rounded up

cdef enum TlsResult:
    TLS_DONE = 0
    TLS_WANTS = 1       # needs octets from the peer
    TLS_ENDED = 2       # close_notify arrived
    TLS_FAILED = 3      # tls_error_text says why

# `select` is called once per handshake, while the ClientHello is read, with the name asked for (NULL, 0
# without SNI) and `arg`; it returns the context whose certificate is to be shown, or NULL to keep the one the
# session was opened with. A resumed handshake shows no certificate: there `select` is called when it is done
# and what it returns is not used.
ctypedef SSL_CTX *(*SelectContext)(void *arg, const uint8_t *name, uint32_t length) noexcept nogil

ctypedef struct TlsSession:
    # One TLS connection over two memory BIOs, owned by the SSL object; a resting one has none (NULL).
    # Must not move once it is open.
    SSL *ssl
    BIO *incoming
    BIO *outgoing
    SelectContext select
    void *select_arg
    const char *server_name     # the name verified, NULL: none
    SSL_SESSION *begun          # as the handshake left it, held to see whether a ticket has come since; or NULL
    bint connects               # the client's side
    bint asked                  # `select` was called
    bint named                  # the ClientHello carried a name
    bint borrowed               # `incoming` reads the memory given to tls_push
    bint grown                  # `outgoing` holds on to more memory than an idle connection should
    bint alpn_refused           # tls_error_text saw that the failure is about ALPN

cdef bint tls_accept(TlsSession *self, SSL_CTX *context, SelectContext select, void *arg) noexcept nogil
cdef bint tls_connect(TlsSession *self, SSL_CTX *context, const char *server_name, bint verify,
                      SSL_SESSION *earlier) noexcept nogil
cdef SSL_SESSION *tls_ticket(TlsSession *self) noexcept nogil
cdef void tls_ticket_free(SSL_SESSION *ticket) noexcept nogil
cdef void tls_close(TlsSession *self) noexcept nogil
cdef TlsResult tls_handshake(TlsSession *self) noexcept nogil
cdef TlsResult tls_read(TlsSession *self, uint8_t *into, uint32_t room, uint32_t *got) noexcept nogil
cdef TlsResult tls_write(TlsSession *self, const uint8_t *data, uint32_t length,
                         uint32_t *taken) noexcept nogil
cdef TlsResult tls_shutdown(TlsSession *self) noexcept nogil
cdef bint tls_push(TlsSession *self, const uint8_t *sealed, uint32_t length) noexcept nogil
cdef uint32_t tls_pull(TlsSession *self, uint8_t *into, uint32_t room) noexcept nogil
cdef uint32_t tls_waiting(TlsSession *self) noexcept nogil
cdef void tls_trim(TlsSession *self) noexcept nogil
cdef void tls_rest(TlsSession *self) noexcept nogil
cdef bint tls_alpn_is_h2(TlsSession *self) noexcept nogil
cdef bint tls_is_resumed(TlsSession *self) noexcept nogil
cdef bint tls_may_update_keys(TlsSession *self) noexcept nogil
cdef uint32_t tls_error_text(TlsSession *self, char *into, uint32_t room, bint *certificate) noexcept nogil
