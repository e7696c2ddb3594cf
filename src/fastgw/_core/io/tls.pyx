"""TLS by the OpenSSL inside `cryptography`, through C function pointers: no other OpenSSL, no Python.

Contexts are built in Python and armed here; a session runs on two memory BIOs, so it neither knows nor needs
a socket. OpenSSL keeps its errors in a queue per thread, and an error left there makes a later "wants more"
look like a failure: the queue is emptied before and after a handshake step and after every failure, never on
the way of good octets.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memset, strlen

from fastgw._core.io.sys cimport AF_INET, AF_INET6, inet_pton

import cryptography

cdef enum:
    # Octets up to this length are copied into a BIO; more are lent to it, see tls_push.
    _COPY_MAX = 4096

# Numbers of OpenSSL's public interface.
cdef enum:
    _SSL_ERROR_WANT_READ = 2
    _SSL_ERROR_WANT_WRITE = 3
    _SSL_ERROR_ZERO_RETURN = 6
    _SSL_VERIFY_NONE = 0
    _SSL_VERIFY_PEER = 1
    _SSL_MODES = 1 | 2 | 4 | 16     # PARTIAL_WRITE, ACCEPT_MOVING_WRITE_BUFFER, AUTO_RETRY, RELEASE_BUFFERS
    _SSL_OP_NO_RENEGOTIATION = 1 << 30
    _SSL_TLSEXT_ERR_OK = 0
    _SSL_TLSEXT_ERR_ALERT_FATAL = 2
    _TLS1_3_VERSION = 0x0304
    _SSL_SHUTDOWN_BOTH = 1 | 2      # SENT, RECEIVED
    _X509_V_OK = 0
    _X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 4
    _X509_V_ERR_HOSTNAME_MISMATCH = 62
    _X509_V_ERR_IP_ADDRESS_MISMATCH = 64
    _ERR_LIB_SSL = 20
    _SSL_R_CERTIFICATE_VERIFY_FAILED = 134
    _SSL_R_NO_APPLICATION_PROTOCOL = 235
    _SSL_R_ALERT_NO_APPLICATION_PROTOCOL = 1120

ctypedef int (*_AlpnSelect)(SSL *, const uint8_t **, uint8_t *, const uint8_t *, unsigned int,
                            void *) noexcept nogil
ctypedef int (*_NameCallback)(SSL *, int *, void *) noexcept nogil
ctypedef int (*_CertCallback)(SSL *, void *) noexcept nogil
ctypedef int (*_VerifyCallback)(int, void *) noexcept nogil

# The fields stand in the order of _NAMES.
cdef struct _Calls:
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
    void (*SSL_CTX_set_alpn_select_cb)(SSL_CTX *, _AlpnSelect, void *) noexcept nogil
    void (*SSL_CTX_set_tlsext_servername_callback)(SSL_CTX *, _NameCallback) noexcept nogil
    void (*SSL_set_cert_cb)(SSL *, _CertCallback, void *) noexcept nogil
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
    void *(*SSL_get0_param)(SSL *) noexcept nogil
    int (*X509_VERIFY_PARAM_set1_host)(void *, const char *, size_t) noexcept nogil
    int (*X509_VERIFY_PARAM_set1_ip)(void *, const uint8_t *, size_t) noexcept nogil
    void (*X509_VERIFY_PARAM_set_hostflags)(void *, unsigned int) noexcept nogil
    void (*SSL_set_verify)(SSL *, int, _VerifyCallback) noexcept nogil
    int (*SSL_version)(SSL *) noexcept nogil
    int (*SSL_session_reused)(SSL *) noexcept nogil
    SSL_SESSION *(*SSL_get_session)(SSL *) noexcept nogil
    SSL_SESSION *(*SSL_get1_session)(SSL *) noexcept nogil
    int (*SSL_set_session)(SSL *, SSL_SESSION *) noexcept nogil
    void (*SSL_SESSION_free)(SSL_SESSION *) noexcept nogil
    void (*SSL_set_shutdown)(SSL *, int) noexcept nogil

_NAMES = (
    "SSL_new", "SSL_free", "SSL_read", "SSL_write", "SSL_do_handshake", "SSL_shutdown", "SSL_get_error",
    "SSL_set_bio", "SSL_set_mode", "SSL_set_options", "SSL_set_accept_state", "SSL_set_connect_state",
    "SSL_set_tlsext_host_name", "SSL_set_alpn_protos", "SSL_get0_alpn_selected", "SSL_get_servername",
    "SSL_set_SSL_CTX", "SSL_CTX_set_alpn_select_cb", "SSL_CTX_set_tlsext_servername_callback",
    "SSL_set_cert_cb", "BIO_new", "BIO_free", "BIO_s_mem", "BIO_read", "BIO_write", "BIO_get_mem_data",
    "BIO_set_mem_eof_return", "BIO_new_mem_buf", "ERR_get_error", "ERR_clear_error",
    "ERR_reason_error_string", "SSL_get_verify_result", "X509_verify_cert_error_string", "SSL_get0_param",
    "X509_VERIFY_PARAM_set1_host", "X509_VERIFY_PARAM_set1_ip", "X509_VERIFY_PARAM_set_hostflags",
    "SSL_set_verify", "SSL_version", "SSL_session_reused", "SSL_get_session", "SSL_get1_session",
    "SSL_set_session", "SSL_SESSION_free", "SSL_set_shutdown",
)

cdef _Calls _call


def addresses(lib, ffi) -> list:
    """Where the OpenSSL functions of _NAMES begin; ImportError names those that `lib` does not offer."""
    found = []
    missing = []
    for name in _NAMES:
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
    if sizeof(_Calls) != len(_NAMES) * sizeof(void *):
        raise ImportError("fastgw cannot run TLS: the table of OpenSSL functions does not match its names")
    for number, address in enumerate(addresses(lib, ffi)):
        (<void **>&_call)[number] = <void *><uintptr_t>address
    return 0


_resolve()


def arm(context_address: int) -> None:
    """Let the server context at this address (an SSL_CTX) agree on h2 and nothing else, without Python.

    Replaces the ALPN and the server name callback set before. A session runs only on contexts that carry no
    Python callback.
    """
    if not context_address:
        raise ValueError("a TLS context has an address other than 0")
    _call.SSL_CTX_set_alpn_select_cb(<SSL_CTX *><uintptr_t>context_address, _select_h2, NULL)
    _call.SSL_CTX_set_tlsext_servername_callback(<SSL_CTX *><uintptr_t>context_address, _name_accepted)


cdef int _name_accepted(SSL *ssl, int *alert, void *unused) noexcept nogil:
    """Every name is welcome. Without this a TLS 1.2 session would not remember its name when resumed."""
    return _SSL_TLSEXT_ERR_OK


cdef int _select_h2(SSL *ssl, const uint8_t **selected, uint8_t *length, const uint8_t *offered,
                    unsigned int size, void *unused) noexcept nogil:
    """Choose h2 among the protocols offered, each an octet of length and its name (RFC 7301 section 3.1)."""
    cdef unsigned int at = 0
    while at < size:
        if offered[at] == 2 and at + 2 < size and memcmp(offered + at + 1, b"h2", 2) == 0:
            selected[0] = offered + at + 1
            length[0] = 2
            return _SSL_TLSEXT_ERR_OK
        at += 1 + offered[at]
    return _SSL_TLSEXT_ERR_ALERT_FATAL


cdef void _ask(TlsSession *self, SSL_CTX **chosen) noexcept nogil:
    """Call `select`, once in the life of a session."""
    cdef const char *name = _call.SSL_get_servername(self.ssl, 0)
    chosen[0] = NULL
    if self.asked:
        return
    self.asked = True
    self.named = name != NULL
    if self.select != NULL:
        chosen[0] = self.select(self.select_arg, <const uint8_t *>name,
                                0 if name == NULL else <uint32_t>strlen(name))


cdef int _choose_certificate(SSL *ssl, void *arg) noexcept nogil:
    """OpenSSL asks which certificate to show; 1: go on, 0: fail."""
    cdef SSL_CTX *chosen
    _ask(<TlsSession *>arg, &chosen)
    return chosen == NULL or _call.SSL_set_SSL_CTX(ssl, chosen) != NULL


cdef int _verify_as_found(int found, void *unused) noexcept nogil:
    """Takes the place of a Python callback that the context may carry and leaves the finding as it is."""
    return found


cdef bint _open(TlsSession *self, SSL_CTX *context) noexcept nogil:
    memset(self, 0, sizeof(TlsSession))
    self.ssl = _call.SSL_new(context)
    if self.ssl == NULL or not _wake(self):
        tls_close(self)
        _call.ERR_clear_error()
        return False
    _call.SSL_set_mode(self.ssl, _SSL_MODES)
    _call.SSL_set_options(self.ssl, _SSL_OP_NO_RENEGOTIATION)
    return True


cdef bint tls_accept(TlsSession *self, SSL_CTX *context, SelectContext select, void *arg) noexcept nogil:
    """Open the server's side of a session; False if memory is out. The contexts it may use must be armed."""
    if not _open(self, context):
        return False
    self.select = select
    self.select_arg = arg
    _call.SSL_set_accept_state(self.ssl)
    _call.SSL_set_cert_cb(self.ssl, _choose_certificate, self)
    return True


cdef bint tls_connect(TlsSession *self, SSL_CTX *context, const char *server_name, bint verify,
                      SSL_SESSION *earlier) noexcept nogil:
    """Open the client's side of a session that offers h2; False if memory is out.

    `server_name` is sent as SNI unless it is an IP address (RFC 6066 section 3) or NULL, and must outlive the
    session. With `verify` the certificate must lead to a trusted one of the context and be made out to that
    name or address; without, any certificate will do.

    `earlier` is what tls_ticket returned, or NULL. A server that takes it up shows no certificate, so nothing is
    verified again: it must be of a session that was opened with this name, this context and this `verify`.
    """
    cdef uint8_t[16] address
    cdef uint32_t address_length = 0
    cdef void *checks
    if not _open(self, context):
        return False
    self.connects = True
    _call.SSL_set_connect_state(self.ssl)
    _call.SSL_set_verify(self.ssl, _SSL_VERIFY_PEER if verify else _SSL_VERIFY_NONE, _verify_as_found)
    if server_name != NULL:
        if inet_pton(AF_INET, server_name, address) == 1:
            address_length = 4
        elif inet_pton(AF_INET6, server_name, address) == 1:
            address_length = 16
        else:
            _call.SSL_set_tlsext_host_name(self.ssl, server_name)
    if _call.SSL_set_alpn_protos(self.ssl, <const uint8_t *>b"\x02h2", 3) != 0:
        tls_close(self)
        return False
    if earlier != NULL:
        _take_up(self, earlier, verify)
    if not verify or server_name == NULL:
        return True
    self.server_name = server_name
    checks = _call.SSL_get0_param(self.ssl)
    _call.X509_VERIFY_PARAM_set_hostflags(checks, _X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
    # A check that could not be set must not turn into no check at all.
    if address_length > 0 and _call.X509_VERIFY_PARAM_set1_ip(checks, address, address_length) != 1:
        tls_close(self)
    elif address_length == 0 and _call.X509_VERIFY_PARAM_set1_host(checks, server_name, 0) != 1:
        tls_close(self)
    return self.ssl != NULL


cdef void _take_up(TlsSession *self, SSL_SESSION *earlier, bint verify) noexcept nogil:
    """Offer an earlier session to the server. OpenSSL itself leaves out one that is too old or came to a bad end."""
    if _call.SSL_set_session(self.ssl, earlier) != 1:
        _call.ERR_clear_error()
    elif verify and _call.SSL_get_verify_result(self.ssl) != _X509_V_OK:
        _call.SSL_set_session(self.ssl, NULL)


cdef SSL_SESSION *tls_ticket(TlsSession *self) noexcept nogil:
    """What another connection to this server may take up, the caller's to free; NULL: there is nothing yet.

    For the connecting side of an open session. With TLS 1.3 it comes some time after the handshake
    (RFC 8446 section 4.6.1), and each one replaces the one before.
    """
    if self.ssl == NULL or self.begun == NULL:
        return NULL
    if _call.SSL_version(self.ssl) >= _TLS1_3_VERSION and _call.SSL_get_session(self.ssl) == self.begun:
        return NULL
    return _call.SSL_get1_session(self.ssl)


cdef void tls_ticket_free(SSL_SESSION *ticket) noexcept nogil:
    """Let go of what tls_ticket returned; NULL may be."""
    _call.SSL_SESSION_free(ticket)


cdef void tls_close(TlsSession *self) noexcept nogil:
    """Free the session, its BIOs too; nothing is sent. May be called again."""
    if self.begun != NULL:
        # A connection that was lost without close_notify may be resumed all the same (RFC 5246 section 7.2.1).
        _call.SSL_set_shutdown(self.ssl, _SSL_SHUTDOWN_BOTH)
        _call.SSL_SESSION_free(self.begun)
        self.begun = NULL
    if self.ssl != NULL:
        _call.SSL_free(self.ssl)
    self.ssl = NULL
    self.incoming = self.outgoing = NULL


cdef TlsResult _result_of(TlsSession *self, int returned) noexcept nogil:
    cdef int error = _call.SSL_get_error(self.ssl, returned)
    if error == _SSL_ERROR_WANT_READ or error == _SSL_ERROR_WANT_WRITE:
        return TLS_WANTS
    if error == _SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED
    return TLS_FAILED


cdef TlsResult tls_handshake(TlsSession *self) noexcept nogil:
    """Take the handshake as far as the octets so far allow; what there is to send waits in tls_pull."""
    cdef int returned
    cdef SSL_CTX *unused
    cdef TlsResult result
    _call.ERR_clear_error()
    self.grown = True
    returned = _call.SSL_do_handshake(self.ssl)
    if returned != 1:
        result = _result_of(self, returned)
        return TLS_FAILED if result == TLS_ENDED else result
    _call.ERR_clear_error()
    if self.connects:
        self.begun = _call.SSL_get1_session(self.ssl)
    # A resumed handshake has not asked for a certificate, and so not for a context.
    _ask(self, &unused)
    return TLS_DONE


cdef TlsResult tls_read(TlsSession *self, uint8_t *into, uint32_t room, uint32_t *got) noexcept nogil:
    """Open all records that are there and write their octets to `into`; `got` counts them in any case.

    TLS_DONE: `room` is full. TLS_WANTS: everything pushed has been taken in.
    """
    cdef int returned
    got[0] = 0
    while got[0] < room:
        returned = _call.SSL_read(self.ssl, into + got[0], <int>(room - got[0]))
        if returned <= 0:
            return _result_of(self, returned)
        got[0] += <uint32_t>returned
    return TLS_DONE


cdef TlsResult tls_write(TlsSession *self, const uint8_t *data, uint32_t length,
                         uint32_t *taken) noexcept nogil:
    """Seal the first octets of `data` in one record; `taken` counts them: all, or TLS_RECORD_MAX."""
    cdef int returned
    taken[0] = 0
    if self.outgoing == NULL and not _wake(self):
        return TLS_FAILED
    if length > TLS_RECORD_MAX:
        length = TLS_RECORD_MAX
    if length > _COPY_MAX:
        self.grown = True
    returned = _call.SSL_write(self.ssl, data, <int>length)
    if returned <= 0:
        return _result_of(self, returned)
    taken[0] = <uint32_t>returned
    return TLS_DONE


cdef TlsResult tls_shutdown(TlsSession *self) noexcept nogil:
    """Write close_notify (RFC 8446 section 6.1) behind what was written; it waits in tls_pull."""
    if self.outgoing == NULL and not _wake(self):
        return TLS_FAILED
    if _call.SSL_shutdown(self.ssl) < 0:
        _call.ERR_clear_error()
        return TLS_FAILED
    return TLS_DONE


cdef bint tls_push(TlsSession *self, const uint8_t *sealed, uint32_t length) noexcept nogil:
    """Give the session octets of the peer; False if memory is out.

    What was pushed before must have been taken in: tls_read or tls_handshake returned TLS_WANTS. The octets
    stay where they are until that is so again: a long run is not copied, and an idle session holds no buffer
    for it.
    """
    cdef BIO *fresh
    cdef bint lend = length > _COPY_MAX
    if self.outgoing == NULL and not _wake(self):
        return False
    if lend or self.borrowed:
        fresh = _call.BIO_new_mem_buf(sealed, <int>length) if lend else _call.BIO_new(_call.BIO_s_mem())
        if fresh == NULL:
            _call.ERR_clear_error()
            return False
        if lend:
            _call.BIO_set_mem_eof_return(fresh, -1)
        _call.SSL_set_bio(self.ssl, fresh, self.outgoing)
        self.incoming = fresh
        self.borrowed = lend
    return lend or _call.BIO_write(self.incoming, sealed, <int>length) == <int>length


cdef uint32_t tls_pull(TlsSession *self, uint8_t *into, uint32_t room) noexcept nogil:
    """Move up to `room` octets that are to be sent; returns how many, 0 if there is nothing."""
    cdef int moved
    if self.outgoing == NULL:
        return 0
    moved = _call.BIO_read(self.outgoing, into, <int>room)
    return <uint32_t>moved if moved > 0 else 0


cdef uint32_t tls_waiting(TlsSession *self) noexcept nogil:
    """How many octets wait in tls_pull."""
    cdef char *unused
    if self.outgoing == NULL:
        return 0
    return <uint32_t>_call.BIO_get_mem_data(self.outgoing, &unused)


cdef void tls_trim(TlsSession *self) noexcept nogil:
    """Give back what BIOs without octets hold on to since the handshake or a long write."""
    cdef char *unused
    cdef BIO *incoming
    cdef BIO *outgoing
    if not self.grown or tls_waiting(self) > 0:
        return
    incoming = self.incoming
    outgoing = _call.BIO_new(_call.BIO_s_mem())
    if outgoing == NULL:
        return
    _call.SSL_set_bio(self.ssl, incoming, outgoing)
    self.outgoing = outgoing
    self.grown = False
    if not self.borrowed and _call.BIO_get_mem_data(incoming, &unused) == 0:
        incoming = _call.BIO_new(_call.BIO_s_mem())
        if incoming != NULL:
            _call.SSL_set_bio(self.ssl, incoming, outgoing)
            self.incoming = incoming


cdef void tls_rest(TlsSession *self) noexcept nogil:
    """Give both BIOs back, unless octets wait in one: for a session that has had nothing to do for a while."""
    cdef char *unused
    if self.outgoing == NULL or tls_waiting(self) > 0 or _call.BIO_get_mem_data(self.incoming, &unused) > 0:
        return
    _call.SSL_set_bio(self.ssl, NULL, NULL)
    self.incoming = self.outgoing = NULL
    self.borrowed = self.grown = False


cdef bint _wake(TlsSession *self) noexcept nogil:
    """The session has something to do again; False if memory is out."""
    cdef BIO *incoming = _call.BIO_new(_call.BIO_s_mem())
    cdef BIO *outgoing = _call.BIO_new(_call.BIO_s_mem())
    if incoming == NULL or outgoing == NULL:
        if incoming != NULL:
            _call.BIO_free(incoming)
        if outgoing != NULL:
            _call.BIO_free(outgoing)
        _call.ERR_clear_error()
        return False
    _call.SSL_set_bio(self.ssl, incoming, outgoing)
    self.incoming = incoming
    self.outgoing = outgoing
    return True


cdef bint tls_alpn_is_h2(TlsSession *self) noexcept nogil:
    """Both sides agreed on h2 (RFC 9113 section 3.2)."""
    cdef const uint8_t *name = NULL
    cdef unsigned int length = 0
    _call.SSL_get0_alpn_selected(self.ssl, &name, &length)
    return length == 2 and memcmp(name, b"h2", 2) == 0


cdef bint tls_is_resumed(TlsSession *self) noexcept nogil:
    """The handshake took up an earlier session."""
    return _call.SSL_session_reused(self.ssl) == 1


cdef bint tls_may_update_keys(TlsSession *self) noexcept nogil:
    """TLS 1.3: reading may have something to send (RFC 8446 section 4.6.3). Before: renegotiation."""
    return _call.SSL_version(self.ssl) >= _TLS1_3_VERSION


cdef uint32_t tls_error_text(TlsSession *self, char *into, uint32_t room, bint *certificate) noexcept nogil:
    """Say in `into` why the last call returned TLS_FAILED, zero-terminated; returns the length of the text.

    `certificate` tells whether the peer's certificate was not accepted. Empties the error queue of the
    thread.
    """
    cdef unsigned long error
    cdef unsigned long first = 0
    cdef int reason
    cdef long found
    cdef const char *text = NULL
    certificate[0] = False
    into[0] = 0
    error = _call.ERR_get_error()
    while error != 0:
        reason = <int>(error & 0x7fffff) if error >> 23 & 0xff == _ERR_LIB_SSL else 0
        if reason == _SSL_R_CERTIFICATE_VERIFY_FAILED:
            certificate[0] = True
        elif reason == _SSL_R_NO_APPLICATION_PROTOCOL or reason == _SSL_R_ALERT_NO_APPLICATION_PROTOCOL:
            self.alpn_refused = True
        if first == 0:
            first = error
        error = _call.ERR_get_error()
    if certificate[0]:
        found = _call.SSL_get_verify_result(self.ssl)
        text = _call.X509_verify_cert_error_string(found)
        if self.server_name != NULL and (found == _X509_V_ERR_HOSTNAME_MISMATCH
                                         or found == _X509_V_ERR_IP_ADDRESS_MISMATCH):
            snprintf(into, room, "%s: wanted %s", text, self.server_name)
            return <uint32_t>strlen(into)
    elif first != 0:
        text = _call.ERR_reason_error_string(first)
    if text == NULL:
        text = "TLS failed without saying why"
    snprintf(into, room, "%s", text)
    return <uint32_t>strlen(into)


# For tests and tools.

cdef enum:
    _DOOR_NAMES = 8

cdef struct _DoorNames:
    uint32_t count
    uint32_t asked
    SSL_CTX *default
    SSL_CTX *contexts[_DOOR_NAMES]
    char names[_DOOR_NAMES][64]


cdef SSL_CTX *_door_select(void *arg, const uint8_t *name, uint32_t length) noexcept nogil:
    cdef _DoorNames *self = <_DoorNames *>arg
    cdef uint32_t number
    self.asked += 1
    for number in range(self.count):
        if strlen(self.names[number]) == length and memcmp(self.names[number], name, length) == 0:
            return self.contexts[number]
    return self.default


cdef class TlsDoor:
    """One TLS session without a socket, as server (`names`: name to context address) or client."""
    cdef TlsSession session
    cdef _DoorNames names
    cdef bytes server_name
    cdef bytes lent
    cdef SSL_SESSION *kept

    def __cinit__(self, uintptr_t context, *, names=None, server_name=None, bint verify=False,
                  TlsDoor earlier=None):
        cdef bint opened
        memset(&self.names, 0, sizeof(_DoorNames))
        self.server_name = server_name
        if names is None:
            opened = tls_connect(&self.session, <SSL_CTX *>context,
                                 <const char *>self.server_name if self.server_name is not None else NULL,
                                 verify, earlier.kept if earlier is not None else NULL)
        else:
            for name, address in names.items():
                snprintf(self.names.names[self.names.count], 64, "%s", <const char *>name)
                self.names.contexts[self.names.count] = <SSL_CTX *><uintptr_t>address
                self.names.count += 1
            opened = tls_accept(&self.session, <SSL_CTX *>context, _door_select, &self.names)
        if not opened:
            raise MemoryError

    def __dealloc__(self):
        tls_close(&self.session)
        tls_ticket_free(self.kept)

    def close(self):
        tls_close(&self.session)

    def keep(self):
        """Keep what a later session may take up; returns whether there was anything."""
        tls_ticket_free(self.kept)
        self.kept = tls_ticket(&self.session)
        return self.kept != NULL

    def handshake(self):
        return tls_handshake(&self.session)

    def push(self, bytes sealed):
        self.lent = sealed
        return tls_push(&self.session, sealed, len(sealed))

    def pull(self, uint32_t room=65536):
        into = bytearray(room)
        return bytes(into[:tls_pull(&self.session, into, room)])

    def read(self, uint32_t room=262144):
        cdef uint32_t got
        into = bytearray(room)
        result = tls_read(&self.session, into, room, &got)
        return result, bytes(into[:got])

    def write(self, bytes data):
        cdef uint32_t taken
        result = tls_write(&self.session, data, len(data), &taken)
        return result, taken

    def shutdown(self):
        return tls_shutdown(&self.session)

    def trim(self):
        tls_trim(&self.session)

    def rest(self):
        """Returns whether the session has let go of its BIOs."""
        tls_rest(&self.session)
        return self.session.outgoing == NULL

    def error(self):
        """The text of a failure, and whether it is about the certificate and about ALPN."""
        cdef char[160] text
        cdef bint certificate
        tls_error_text(&self.session, text, sizeof(text), &certificate)
        return text.decode(), bool(certificate), bool(self.session.alpn_refused)

    @property
    def alpn_is_h2(self):
        return bool(tls_alpn_is_h2(&self.session))

    @property
    def resumed(self):
        return bool(tls_is_resumed(&self.session))

    @property
    def may_update_keys(self):
        return bool(tls_may_update_keys(&self.session))

    @property
    def waiting(self):
        return tls_waiting(&self.session)

    @property
    def named(self):
        return bool(self.session.named)

    @property
    def asked(self):
        """How often `select` was called."""
        return self.names.asked
