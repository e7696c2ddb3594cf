"""Why TLS failed, in words.

OpenSSL keeps its errors in a queue per thread; they are read right after the failure.
"""
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from libc.string cimport strlen

from fastgw._core.io.openssl cimport openssl
from fastgw._core.io.records cimport records_text
from fastgw._core.io.tls cimport TLS_OWN, TlsSession, tls_flaw

# Numbers of OpenSSL's public interface.
cdef enum:
    _ERR_LIB_SSL = 20
    _SSL_R_CERTIFICATE_VERIFY_FAILED = 134
    _SSL_R_NO_APPLICATION_PROTOCOL = 235
    _SSL_R_UNSUPPORTED_PROTOCOL = 258
    _SSL_R_WRONG_SSL_VERSION = 266
    _SSL_R_ALERT = 1000             # and the number of the alert the peer sent

cdef enum _Alert:                   # RFC 8446 section 6.2
    _HANDSHAKE_FAILURE = 40
    _BAD_CERTIFICATE = 42
    _CERTIFICATE_UNKNOWN = 46
    _UNKNOWN_CA = 48
    _ACCESS_DENIED = 49
    _PROTOCOL_VERSION = 70
    _CERTIFICATE_REQUIRED = 116
    _NO_APPLICATION_PROTOCOL = 120


cdef uint32_t tls_error_text(TlsSession *self, char *into, uint32_t room, bint *certificate) noexcept nogil:
    """Say in `into` why the last call returned TLS_FAILED, zero-terminated; returns the length of the text.

    `certificate` tells whether the peer's certificate was not accepted. Empties the error queue of the
    thread.
    """
    cdef unsigned long error
    cdef unsigned long first = 0
    cdef int reason = 0
    cdef int first_reason = 0
    cdef const char *text = NULL
    certificate[0] = False
    if self.layer == TLS_OWN:
        return records_text(self.records, into, room)
    into[0] = 0
    error = openssl.ERR_get_error()
    while error != 0:
        reason = <int>(error & 0x7fffff) if error >> 23 & 0xff == _ERR_LIB_SSL else 0
        if reason == _SSL_R_CERTIFICATE_VERIFY_FAILED:
            certificate[0] = True
        elif reason == _SSL_R_NO_APPLICATION_PROTOCOL or reason == _SSL_R_ALERT + <int>_NO_APPLICATION_PROTOCOL:
            self.alpn_refused = True
        if first == 0:
            first = error
            first_reason = reason
        error = openssl.ERR_get_error()
    if certificate[0]:
        text = openssl.X509_verify_cert_error_string(openssl.SSL_get_verify_result(self.ssl))
        if tls_flaw()[0] != 0:
            text = tls_flaw()
    elif first != 0:
        text = openssl.ERR_reason_error_string(first)
    if text == NULL:
        text = "TLS failed without saying why"
    snprintf(into, room, "%s%s", _preface(self, first_reason), text)
    return <uint32_t>strlen(into)


cdef const char *_preface(TlsSession *self, int reason) noexcept nogil:
    """What stands before OpenSSL's reason where an origin's refusal can be told in plainer words."""
    cdef int alert = reason - _SSL_R_ALERT
    if not self.connects:
        return b""
    if (alert == <int>_PROTOCOL_VERSION or reason == _SSL_R_UNSUPPORTED_PROTOCOL
            or reason == _SSL_R_WRONG_SSL_VERSION):
        return b"it speaks no TLS version of 1.2 or later: "
    if not self.solicited or not (alert == <int>_HANDSHAKE_FAILURE or alert == <int>_CERTIFICATE_REQUIRED
                                  or <int>_BAD_CERTIFICATE <= alert <= <int>_CERTIFICATE_UNKNOWN
                                  or alert == <int>_UNKNOWN_CA or alert == <int>_ACCESS_DENIED):
        return b""
    self.client_refused = True
    if openssl.SSL_get_certificate(self.ssl) == NULL:
        return b"it demands a client certificate and is shown none: "
    return b"it does not accept the client certificate it is shown: "
