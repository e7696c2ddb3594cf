"""The OpenSSL inside `cryptography`: its functions are looked up once, when this room is loaded."""
from libc.stdint cimport uintptr_t

import cryptography

NAMES = (
    "SSL_new", "SSL_free", "SSL_read", "SSL_write", "SSL_do_handshake", "SSL_shutdown", "SSL_get_error",
    "SSL_set_bio", "SSL_set_mode", "SSL_set_options", "SSL_set_accept_state", "SSL_set_connect_state",
    "SSL_set_tlsext_host_name", "SSL_set_alpn_protos", "SSL_get0_alpn_selected", "SSL_get_servername",
    "SSL_set_SSL_CTX", "SSL_CTX_set_alpn_select_cb", "SSL_CTX_set_tlsext_servername_callback",
    "SSL_set_cert_cb", "BIO_new", "BIO_free", "BIO_s_mem", "BIO_read", "BIO_write", "BIO_get_mem_data",
    "BIO_set_mem_eof_return", "BIO_new_mem_buf", "ERR_get_error", "ERR_clear_error",
    "ERR_reason_error_string", "SSL_get_verify_result", "X509_verify_cert_error_string",
    "SSL_set_verify", "SSL_version", "SSL_session_reused", "SSL_get_session", "SSL_get1_session",
    "SSL_set_session", "SSL_SESSION_free", "SSL_set_shutdown", "SSL_CTX_set_msg_callback",
    "SSL_CTX_set_tlsext_status_cb", "SSL_set_tlsext_status_ocsp_resp", "OPENSSL_malloc",
    "SSL_get_peer_certificate", "SSL_get_certificate", "X509_free", "i2d_X509_bio",
    "X509_STORE_CTX_get_current_cert", "X509_STORE_CTX_get_error", "X509_STORE_CTX_get_error_depth",
    "X509_STORE_CTX_set_error", "SSL_get_current_cipher", "SSL_CIPHER_get_name", "SSL_get_client_random",
    "SSL_get_peer_cert_chain", "sk_X509_num", "sk_X509_value", "X509_digest", "EVP_get_digestbyname",
    "SSL_CTX_set_keylog_callback",
)


def addresses(lib, ffi) -> list:
    """Where the functions of NAMES begin; ImportError names those that `lib` does not offer."""
    found = []
    missing = []
    for name in NAMES:
        try:
            found.append(int(ffi.cast("uintptr_t", ffi.addressof(lib, name))))
        except AttributeError:
            missing.append(name)
    if missing:
        raise ImportError(
            f"fastgw cannot run TLS: cryptography {cryptography.__version__} does not offer"
            f" {', '.join(missing)};"
            " install a version that fastgw has been tested with")
    return found


cdef int _resolve() except -1:
    cdef size_t number
    try:
        from cryptography.hazmat.bindings._rust import _openssl
        lib, ffi = _openssl.lib, _openssl.ffi
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"fastgw cannot run TLS: cryptography {cryptography.__version__} does not offer its OpenSSL"
            " (hazmat.bindings._rust._openssl); install a version that fastgw has been tested with"
        ) from error
    if sizeof(OpenSSL) != len(NAMES) * sizeof(void *):
        raise ImportError("fastgw cannot run TLS: the table of OpenSSL functions does not match its names")
    for number, address in enumerate(addresses(lib, ffi)):
        (<void **>&openssl)[number] = <void *><uintptr_t>address
    return 0


_resolve()
