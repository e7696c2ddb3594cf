"""TLS by the OpenSSL inside `cryptography`, through C function pointers: no other OpenSSL, no Python."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from fastgw._core.buf cimport Memory
from fastgw._core.io.openssl cimport BIO, SSL, SSL_CTX, SSL_SESSION
from fastgw._core.io.records cimport Records, TlsResult

cdef enum TlsLayer:
    TLS_NONE = 0
    TLS_OPENSSL = 1     # OpenSSL seals and opens the records
    TLS_OWN = 2         # the room of records does, and there is no SSL object any more

cdef enum TlsVersion:       # as they stand on the wire
    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304

cdef enum TlsDemand:
    TLS_DEMANDS_NOTHING = 0
    TLS_REQUESTS = 1    # a client may show its certificate
    TLS_REQUIRES = 2    # without a good one the handshake fails

ctypedef struct TlsTerms:
    # What a name asks of a handshake with a client; all 0: nothing.
    SSL_CTX *context            # whose certificate is shown; NULL: that the session was opened with
    uint16_t version_least      # TlsVersion; 0: any
    uint16_t version_most
    uint8_t demand              # TlsDemand
    bint own_records            # once it is over, OpenSSL may be let go
    bint no_h2                  # nobody is to come in under this name
    const uint8_t *staple       # an OCSP response, good until `select` is called again; NULL: none
    uint32_t staple_length

# `select` is called while a ClientHello is read, with the name asked for (NULL, 0 without SNI) and `arg`, and
# fills in the terms, which are zeroed. A client that has to say hello twice asks twice.
ctypedef void (*SelectTerms)(void *arg, const uint8_t *name, uint32_t length, TlsTerms *into) noexcept nogil

ctypedef struct TlsWanted:
    # What is wanted of an origin. What it points to must outlive the handshake.
    const char *server_name     # sent as SNI unless it is an IP address (RFC 6066 section 3); NULL: none is
    const char *names           # the certificate must bear one: zero-terminated, "" ends the list; NULL: server_name
    bint verify                 # it must also lead to a trusted one of the context; without, any will do
    bint common_name            # where it lists no names, the common name of its subject counts

ctypedef struct TlsSession:
    # One TLS connection. Must not move once it is open. While OpenSSL has it: over two memory BIOs, owned by the
    # SSL object; a resting one has none (NULL).
    uint8_t layer               # TlsLayer
    Memory *memory
    bint own_records            # as the terms of its name have it
    Records *records            # of TLS_OWN; NULL before, but between the first secret and tls_settle
    SSL *ssl
    BIO *incoming
    BIO *outgoing
    SelectTerms select
    void *select_arg
    TlsWanted wanted
    SSL_SESSION *begun          # as the handshake left it, held to see whether a ticket has come since; or NULL
    const uint8_t *staple       # during a step of the handshake
    uint32_t staple_length
    uint16_t version            # TlsVersion; 0: no handshake yet
    bint connects               # the client's side
    bint named                  # the ClientHello carried a name
    bint speaks_h2              # both sides agreed on it
    bint resumed                # the handshake took up an earlier session
    bint borrowed               # `incoming` reads the memory given to tls_push
    bint grown                  # `outgoing` holds on to more memory than an idle connection should
    bint alpn_refused           # tls_error_text saw that the failure is about ALPN
    # a client's certificate
    uint8_t demand              # TlsDemand of the name it asked for
    bint presented              # it has shown one
    bint revoked                # which is on a revocation list
    int flaw                    # X509_V_ERR of the first other thing that is wrong with it; 0: nothing
    # toward an origin
    bint name_checked           # its certificate was seen to the end
    bint solicited              # it has asked for ours
    bint client_refused         # tls_error_text saw that the failure is about ours

cdef bint tls_accept(TlsSession *self, Memory *memory, SSL_CTX *context, SelectTerms select,
                     void *arg) noexcept nogil
cdef bint tls_connect(TlsSession *self, Memory *memory, SSL_CTX *context, const TlsWanted *wanted,
                      SSL_SESSION *earlier) noexcept nogil
cdef SSL_SESSION *tls_ticket(TlsSession *self) noexcept nogil
cdef void tls_ticket_free(SSL_SESSION *ticket) noexcept nogil
cdef void tls_close(TlsSession *self) noexcept nogil
cdef TlsResult tls_handshake(TlsSession *self) noexcept nogil
cdef TlsResult tls_read(TlsSession *self, uint8_t *into, uint32_t room, uint32_t *got) noexcept nogil
cdef TlsResult tls_seal(TlsSession *self, const uint8_t *data, uint32_t length, uint8_t *into, uint32_t room,
                        uint32_t *taken, uint32_t *sealed) noexcept nogil
cdef TlsResult tls_shutdown(TlsSession *self) noexcept nogil
cdef bint tls_push(TlsSession *self, const uint8_t *sealed, uint32_t length) noexcept nogil
cdef uint32_t tls_pull(TlsSession *self, uint8_t *into, uint32_t room) noexcept nogil
cdef uint32_t tls_waiting(TlsSession *self) noexcept nogil
cdef void tls_settle(TlsSession *self, const uint8_t *sealed, uint32_t length) noexcept nogil
cdef void tls_trim(TlsSession *self) noexcept nogil
cdef void tls_rest(TlsSession *self) noexcept nogil
cdef bint tls_alpn_is_h2(const TlsSession *self) noexcept nogil
cdef bint tls_client_is_verified(const TlsSession *self) noexcept nogil
cdef bint tls_is_resumed(const TlsSession *self) noexcept nogil
cdef bint tls_may_update_keys(const TlsSession *self) noexcept nogil
cdef const char *tls_flaw() noexcept nogil
