"""The OpenSSL inside `cryptography` as C function pointers: names and shapes of what the io rooms call."""
from libc.stdint cimport uint8_t, uint64_t

ctypedef void SSL
ctypedef void SSL_CTX
ctypedef void SSL_SESSION
ctypedef void BIO
ctypedef void X509_STORE_CTX

ctypedef int (*AlpnSelect)(SSL *, const uint8_t **, uint8_t *, const uint8_t *, unsigned int,
                           void *) noexcept nogil
ctypedef int (*NameCallback)(SSL *, int *, void *) noexcept nogil
ctypedef int (*CertCallback)(SSL *, void *) noexcept nogil
ctypedef int (*VerifyCallback)(int, X509_STORE_CTX *) noexcept nogil
ctypedef void (*KeyCallback)(const SSL *, const char *) noexcept nogil
ctypedef int (*StatusCallback)(SSL *, void *) noexcept nogil
ctypedef void (*MessageCallback)(int, int, int, const void *, size_t, SSL *, void *) noexcept nogil

ctypedef struct OpenSSL:
    # The fields stand in the order of NAMES.
    SSL *(*SSL_new)(SSL_CTX *) noexcept nogil
    void (*SSL_free)(SSL *) noexcept nogil
    int (*SSL_read)(SSL *, void *, int) noexcept nogil
    int (*SSL_write)(SSL *, const void *, int) noexcept nogil
    int (*SSL_do_handshake)(SSL *) noexcept nogil
    int (*SSL_shutdown)(SSL *) noexcept nogil
    int (*SSL_get_error)(SSL *, int) noexcept nogil
    void (*SSL_set_bio)(SSL *, BIO *, BIO *) noexcept nogil
    long (*SSL_set_mode)(SSL *, long) noexcept nogil
    uint64_t (*SSL_set_options)(SSL *, uint64_t) noexcept nogil
    void (*SSL_set_accept_state)(SSL *) noexcept nogil
    void (*SSL_set_connect_state)(SSL *) noexcept nogil
    void (*SSL_set_tlsext_host_name)(SSL *, const char *) noexcept nogil
    int (*SSL_set_alpn_protos)(SSL *, const uint8_t *, unsigned int) noexcept nogil
    void (*SSL_get0_alpn_selected)(SSL *, const uint8_t **, unsigned int *) noexcept nogil
    const char *(*SSL_get_servername)(SSL *, int) noexcept nogil
    SSL_CTX *(*SSL_set_SSL_CTX)(SSL *, SSL_CTX *) noexcept nogil
    void (*SSL_CTX_set_alpn_select_cb)(SSL_CTX *, AlpnSelect, void *) noexcept nogil
    void (*SSL_CTX_set_tlsext_servername_callback)(SSL_CTX *, NameCallback) noexcept nogil
    void (*SSL_set_cert_cb)(SSL *, CertCallback, void *) noexcept nogil
    BIO *(*BIO_new)(const void *) noexcept nogil
    int (*BIO_free)(BIO *) noexcept nogil
    const void *(*BIO_s_mem)() noexcept nogil
    int (*BIO_read)(BIO *, void *, int) noexcept nogil
    int (*BIO_write)(BIO *, const void *, int) noexcept nogil
    long (*BIO_get_mem_data)(BIO *, char **) noexcept nogil
    long (*BIO_set_mem_eof_return)(BIO *, int) noexcept nogil
    BIO *(*BIO_new_mem_buf)(const void *, int) noexcept nogil
    unsigned long (*ERR_get_error)() noexcept nogil
    void (*ERR_clear_error)() noexcept nogil
    const char *(*ERR_reason_error_string)(unsigned long) noexcept nogil
    long (*SSL_get_verify_result)(SSL *) noexcept nogil
    const char *(*X509_verify_cert_error_string)(long) noexcept nogil
    void (*SSL_set_verify)(SSL *, int, VerifyCallback) noexcept nogil
    int (*SSL_version)(SSL *) noexcept nogil
    int (*SSL_session_reused)(SSL *) noexcept nogil
    SSL_SESSION *(*SSL_get_session)(SSL *) noexcept nogil
    SSL_SESSION *(*SSL_get1_session)(SSL *) noexcept nogil
    int (*SSL_set_session)(SSL *, SSL_SESSION *) noexcept nogil
    void (*SSL_SESSION_free)(SSL_SESSION *) noexcept nogil
    void (*SSL_set_shutdown)(SSL *, int) noexcept nogil
    void (*SSL_CTX_set_msg_callback)(SSL_CTX *, MessageCallback) noexcept nogil
    long (*SSL_CTX_set_tlsext_status_cb)(SSL_CTX *, StatusCallback) noexcept nogil
    long (*SSL_set_tlsext_status_ocsp_resp)(SSL *, uint8_t *, int) noexcept nogil
    void *(*OPENSSL_malloc)(size_t) noexcept nogil
    void *(*SSL_get_peer_certificate)(SSL *) noexcept nogil
    void *(*SSL_get_certificate)(SSL *) noexcept nogil
    void (*X509_free)(void *) noexcept nogil
    int (*i2d_X509_bio)(BIO *, void *) noexcept nogil
    void *(*X509_STORE_CTX_get_current_cert)(X509_STORE_CTX *) noexcept nogil
    int (*X509_STORE_CTX_get_error)(X509_STORE_CTX *) noexcept nogil
    int (*X509_STORE_CTX_get_error_depth)(X509_STORE_CTX *) noexcept nogil
    void (*X509_STORE_CTX_set_error)(X509_STORE_CTX *, int) noexcept nogil
    const void *(*SSL_get_current_cipher)(SSL *) noexcept nogil
    const char *(*SSL_CIPHER_get_name)(const void *) noexcept nogil
    size_t (*SSL_get_client_random)(SSL *, uint8_t *, size_t) noexcept nogil
    void *(*SSL_get_peer_cert_chain)(SSL *) noexcept nogil
    int (*sk_X509_num)(void *) noexcept nogil
    void *(*sk_X509_value)(void *, int) noexcept nogil
    int (*X509_digest)(void *, const void *, uint8_t *, unsigned int *) noexcept nogil
    const void *(*EVP_get_digestbyname)(const char *) noexcept nogil
    void (*SSL_CTX_set_keylog_callback)(SSL_CTX *, KeyCallback) noexcept nogil

cdef OpenSSL openssl
