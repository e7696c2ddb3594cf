"""TLS by the OpenSSL inside `cryptography`, through C function pointers: no other OpenSSL, no Python.

Contexts are built in Python and armed here; a session runs on two memory BIOs, so it neither knows nor needs
a socket. OpenSSL keeps its errors in a queue per thread, and an error left there makes a later "wants more"
look like a failure: the queue is emptied before and after a handshake step and after every failure, never on
the way of good octets.

A server's session begins on a context without a certificate and moves to another one when the client has said
which name it wants. Tickets stay with the first: OpenSSL seals them with the keys of the context SSL_new was
called with.

Where OpenSSL and a client have agreed on the suite that the room of records knows, OpenSSL is let go when the
handshake is over: its secrets come as it would write them to a key log, and tls_settle hands the connection over.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uintptr_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset, strlen

from fastgw._core.buf cimport Memory
from fastgw._core.io.certificate cimport (
    CertificateNames, certificate_flaw, certificate_is_for, certificate_list, certificate_names)
from fastgw._core.io.hello cimport hello_server_name
from fastgw._core.io.openssl cimport X509_STORE_CTX, openssl
from fastgw._core.io.records cimport (
    TLS_DONE, TLS_ENDED, TLS_FAILED, TLS_RECORD_MAX, TLS_WANTS, records_begin, records_free, records_possible,
    records_prove, records_pull, records_push, records_read, records_seal, records_shutdown, records_told)
from fastgw._core.io.sys cimport AF_INET, AF_INET6, inet_pton

cdef extern from *:
    """
    /* OpenSSL hands its callbacks no more than an SSL: whose it is, is known while that takes a step. */
    static __thread void *fastgw_talking;
    /* What was wrong with a certificate, in words, until the step is over. */
    static __thread char fastgw_flaw[224];
    #define fastgw_talking_set(session) (fastgw_talking = (session))
    """
    void *fastgw_talking
    void fastgw_talking_set(TlsSession *session) nogil
    char fastgw_flaw[224]

cdef enum:
    # Octets up to this length are copied into a BIO; more are lent to it, see tls_push.
    _COPY_MAX = 4096
    _CERTIFICATE_MAX = 65536    # octets of a certificate whose names are looked at
    _OPENSSL_COST = 24576       # octets OpenSSL holds for a connection, about

# Numbers of OpenSSL's public interface.
cdef enum:
    _SSL_ERROR_WANT_READ = 2
    _SSL_ERROR_WANT_WRITE = 3
    _SSL_ERROR_ZERO_RETURN = 6
    _SSL_VERIFY_NONE = 0
    _SSL_VERIFY_PEER = 1
    _SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2
    _SSL_MODES = 1 | 2 | 4 | 16     # PARTIAL_WRITE, ACCEPT_MOVING_WRITE_BUFFER, AUTO_RETRY, RELEASE_BUFFERS
    _SSL_OP_NO_TICKET = 1 << 14
    _SSL_OP_NO_TLSV1_3 = 1 << 29
    _SSL_OP_NO_RENEGOTIATION = 1 << 30
    _SSL_TLSEXT_ERR_OK = 0
    _SSL_TLSEXT_ERR_ALERT_FATAL = 2
    _SSL_TLSEXT_ERR_NOACK = 3
    _SSL3_RT_HANDSHAKE = 22
    _SSL3_MT_CLIENT_HELLO = 1
    _SSL_SHUTDOWN_BOTH = 1 | 2      # SENT, RECEIVED
    _X509_V_OK = 0
    _X509_V_ERR_UNABLE_TO_GET_CRL = 3
    _X509_V_ERR_CERT_REVOKED = 23
    _X509_V_ERR_HOSTNAME_MISMATCH = 62

cdef enum _Alert:                   # RFC 8446 section 6.2
    _HANDSHAKE_FAILURE = 40
    _PROTOCOL_VERSION = 70
    _INTERNAL_ERROR = 80
    _CERTIFICATE_REQUIRED = 116
    _NO_APPLICATION_PROTOCOL = 120


def arm(context_address: int, watch: bool = False) -> None:
    """Let the server context at this address (an SSL_CTX) agree on h2 and nothing else, without Python.

    Replaces the callbacks set before. A session runs only on contexts that carry no Python callback. `watch`: the
    name asked for is looked up before a version is agreed on, for names that want less than TLS 1.3; it costs
    sessions opened from this context a call per record that OpenSSL opens.
    """
    cdef SSL_CTX *context = <SSL_CTX *><uintptr_t>context_address
    if context == NULL:
        raise ValueError("a TLS context has an address other than 0")
    openssl.SSL_CTX_set_alpn_select_cb(context, _select_h2, NULL)
    openssl.SSL_CTX_set_tlsext_servername_callback(context, _accept_name)
    openssl.SSL_CTX_set_tlsext_status_cb(context, _staple)
    if records_possible():
        openssl.SSL_CTX_set_keylog_callback(context, _note_secret)
    if watch:
        openssl.SSL_CTX_set_msg_callback(context, _watch)


# What OpenSSL calls while it takes a step.


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


cdef void _note_secret(const SSL *ssl, const char *line) noexcept nogil:
    """OpenSSL tells a secret as for a key log."""
    cdef TlsSession *self = <TlsSession *>fastgw_talking
    if self != NULL and self.ssl == ssl and self.own_records:
        records_told(&self.records, self.memory, line)


cdef void _watch(int sent, int version, int kind, const void *octets, size_t length, SSL *ssl,
                 void *unused) noexcept nogil:
    """A whole message has come in: of a ClientHello the name, before anything is made of it."""
    cdef TlsSession *self
    cdef TlsTerms terms
    cdef const uint8_t *name
    cdef uint32_t size
    if sent or kind != _SSL3_RT_HANDSHAKE or length < 4 or (<const uint8_t *>octets)[0] != _SSL3_MT_CLIENT_HELLO:
        return
    self = <TlsSession *>fastgw_talking
    if self == NULL or self.ssl != ssl or self.connects or self.select == NULL:
        return
    name = hello_server_name(<const uint8_t *>octets, <uint32_t>length, &size)
    memset(&terms, 0, sizeof(TlsTerms))
    self.select(self.select_arg, name, size, &terms)
    if terms.version_most != 0 and terms.version_most < TLS_1_3:
        openssl.SSL_set_options(ssl, _SSL_OP_NO_TLSV1_3)


cdef int _accept_name(SSL *ssl, int *alert, void *unused) noexcept nogil:
    """The ClientHello has been read and a version agreed on: what does the name ask of this handshake?

    Called with and without a name, for resumed sessions too, and twice if the client is asked to begin again.
    """
    cdef TlsSession *self = <TlsSession *>fastgw_talking
    cdef TlsTerms terms
    cdef const char *name
    cdef int version
    if self == NULL or self.ssl != ssl or self.connects:
        return _SSL_TLSEXT_ERR_OK
    memset(&terms, 0, sizeof(TlsTerms))
    name = openssl.SSL_get_servername(ssl, 0)
    self.named = name != NULL
    if self.select != NULL:
        self.select(self.select_arg, <const uint8_t *>name, 0 if name == NULL else <uint32_t>strlen(name), &terms)
    version = openssl.SSL_version(ssl)
    alert[0] = <int>_INTERNAL_ERROR
    if version < terms.version_least or (terms.version_most != 0 and version > terms.version_most):
        alert[0] = <int>_PROTOCOL_VERSION
        return _SSL_TLSEXT_ERR_ALERT_FATAL
    if terms.no_h2:
        alert[0] = <int>_NO_APPLICATION_PROTOCOL
        return _SSL_TLSEXT_ERR_ALERT_FATAL
    if terms.context != NULL and openssl.SSL_set_SSL_CTX(ssl, terms.context) == NULL:
        return _SSL_TLSEXT_ERR_ALERT_FATAL
    self.own_records = terms.own_records
    self.staple = terms.staple
    self.staple_length = terms.staple_length
    return _SSL_TLSEXT_ERR_OK if _demand(self, terms.demand, version, alert) else _SSL_TLSEXT_ERR_ALERT_FATAL


cdef bint _demand(TlsSession *self, uint8_t demand, int version, int *alert) noexcept nogil:
    """Ask for the client's certificate as the name demands it; False: the handshake ends with `alert`.

    A resumed session shows no certificate, so sessions that asked for one give no tickets; one that was opened
    for another name, or before there was a demand, counts as without.
    """
    self.demand = demand
    if demand == TLS_DEMANDS_NOTHING:
        return True
    openssl.SSL_set_options(self.ssl, _SSL_OP_NO_TICKET)
    if demand == TLS_REQUESTS:
        openssl.SSL_set_verify(self.ssl, _SSL_VERIFY_PEER, _note_client)
        return True
    openssl.SSL_set_verify(self.ssl, _SSL_VERIFY_PEER | _SSL_VERIFY_FAIL_IF_NO_PEER_CERT, _verify_as_found)
    alert[0] = <int>_CERTIFICATE_REQUIRED if version >= TLS_1_3 else <int>_HANDSHAKE_FAILURE
    return openssl.SSL_session_reused(self.ssl) != 1


cdef int _staple(SSL *ssl, void *unused) noexcept nogil:
    """The client asks how the certificate is (RFC 6066 section 8): give it the response at hand, if there is one."""
    cdef TlsSession *self = <TlsSession *>fastgw_talking
    cdef uint8_t *copy
    if self == NULL or self.ssl != ssl or self.connects or self.staple == NULL:
        return _SSL_TLSEXT_ERR_NOACK
    copy = <uint8_t *>openssl.OPENSSL_malloc(self.staple_length)
    if copy == NULL:
        return _SSL_TLSEXT_ERR_NOACK
    memcpy(copy, self.staple, self.staple_length)
    openssl.SSL_set_tlsext_status_ocsp_resp(ssl, copy, <int>self.staple_length)     # owns it from now on
    return _SSL_TLSEXT_ERR_OK


cdef int _verify_as_found(int found, X509_STORE_CTX *checks) noexcept nogil:
    """Takes the place of a Python callback that the context may carry and leaves the finding as it is."""
    return found


cdef int _note_client(int found, X509_STORE_CTX *checks) noexcept nogil:
    """A client's certificate that is only asked for: what is wrong with it is written down and let pass."""
    cdef TlsSession *self = <TlsSession *>fastgw_talking
    cdef int error
    if not found and self != NULL:
        error = openssl.X509_STORE_CTX_get_error(checks)
        if error == _X509_V_ERR_CERT_REVOKED:
            self.revoked = True
        elif self.flaw == 0:
            self.flaw = error
    return 1


cdef int _verify_origin(int found, X509_STORE_CTX *checks) noexcept nogil:
    """Called for each certificate of the chain, the leaf last: that must bear one of the names wanted."""
    cdef TlsSession *self = <TlsSession *>fastgw_talking
    cdef int depth = openssl.X509_STORE_CTX_get_error_depth(checks)
    cdef int error
    if self == NULL:
        return 0
    if not found:
        error = openssl.X509_STORE_CTX_get_error(checks)
        if error == _X509_V_ERR_UNABLE_TO_GET_CRL and depth > 0:
            # Of authorities only those are looked up whose issuer's list is at hand; the leaf always is.
            openssl.X509_STORE_CTX_set_error(checks, _X509_V_OK)
            return 1
        _note_flaw(error, depth)
        return 0
    if depth > 0:
        return 1
    self.name_checked = True
    if self.wanted.server_name == NULL and self.wanted.names == NULL:
        return 1
    if _bears_name(self, openssl.X509_STORE_CTX_get_current_cert(checks)):
        return 1
    openssl.X509_STORE_CTX_set_error(checks, _X509_V_ERR_HOSTNAME_MISMATCH)
    return 0


cdef void _note_flaw(int error, int depth) noexcept nogil:
    cdef const char *text = certificate_flaw(error)
    cdef const char *whose = b"the authority's certificate: " if depth > 0 else b""
    if text == NULL:
        text = openssl.X509_verify_cert_error_string(error)
    snprintf(fastgw_flaw, sizeof(fastgw_flaw), "%s%s", whose, text)


cdef bint _bears_name(TlsSession *self, void *certificate) noexcept nogil:
    """Is it made out to one of the names wanted? If not, `fastgw_flaw` lists those it has."""
    cdef BIO *bio = openssl.BIO_new(openssl.BIO_s_mem())
    cdef char *der = NULL
    cdef long length = 0
    cdef CertificateNames names
    cdef bint found = False
    cdef char listed[96]
    cdef const char *wanted
    if bio == NULL:
        return False
    if certificate != NULL and openssl.i2d_X509_bio(bio, certificate) == 1:
        length = openssl.BIO_get_mem_data(bio, &der)
    snprintf(fastgw_flaw, sizeof(fastgw_flaw), "wrong name")
    if 0 < length <= _CERTIFICATE_MAX and certificate_names(<const uint8_t *>der, <uint32_t>length, &names):
        found = _is_wanted(&self.wanted, &names)
        if not found:
            if certificate_list(&names, listed, sizeof(listed)) == 0:
                snprintf(listed, sizeof(listed), "no name at all")
            wanted = self.wanted.names if self.wanted.names != NULL else self.wanted.server_name
            snprintf(fastgw_flaw, sizeof(fastgw_flaw), "wrong name: it is for %s, not for %s", listed, wanted)
    openssl.BIO_free(bio)
    return found


cdef bint _is_wanted(const TlsWanted *self, const CertificateNames *names) noexcept nogil:
    cdef const char *name = self.names
    if name == NULL:
        return certificate_is_for(names, self.server_name, self.common_name)
    while name[0] != 0:
        if certificate_is_for(names, name, self.common_name):
            return True
        name += strlen(name) + 1
    return False


cdef int _certificate_asked(SSL *ssl, void *arg) noexcept nogil:
    """The origin asks for our certificate."""
    (<TlsSession *>arg).solicited = True
    return 1


# Life of a session.


cdef bint _open(TlsSession *self, Memory *memory, SSL_CTX *context) noexcept nogil:
    memset(self, 0, sizeof(TlsSession))
    self.memory = memory
    self.ssl = openssl.SSL_new(context)
    if self.ssl != NULL:
        memory.beside += _OPENSSL_COST
    if self.ssl == NULL or not _wake(self):
        tls_close(self)
        openssl.ERR_clear_error()
        return False
    self.layer = TLS_OPENSSL
    openssl.SSL_set_mode(self.ssl, _SSL_MODES)
    openssl.SSL_set_options(self.ssl, _SSL_OP_NO_RENEGOTIATION)
    return True


cdef bint tls_accept(TlsSession *self, Memory *memory, SSL_CTX *context, SelectTerms select,
                     void *arg) noexcept nogil:
    """Open the server's side of a session; False if memory is out. The contexts it may use must be armed."""
    if not _open(self, memory, context):
        return False
    self.select = select
    self.select_arg = arg
    openssl.SSL_set_accept_state(self.ssl)
    return True


cdef bint tls_connect(TlsSession *self, Memory *memory, SSL_CTX *context, const TlsWanted *wanted,
                      SSL_SESSION *earlier) noexcept nogil:
    """Open the client's side of a session that offers h2; False if memory is out.

    `earlier` is what tls_ticket returned, or NULL. A server that takes it up shows no certificate, so nothing is
    verified again: it must be of a session that was opened with this context and the same wishes.
    """
    cdef uint8_t[16] address
    if not _open(self, memory, context):
        return False
    self.connects = True
    self.wanted = wanted[0]
    openssl.SSL_set_connect_state(self.ssl)
    openssl.SSL_set_cert_cb(self.ssl, _certificate_asked, self)
    if wanted.verify:
        openssl.SSL_set_verify(self.ssl, _SSL_VERIFY_PEER, _verify_origin)
    else:
        openssl.SSL_set_verify(self.ssl, _SSL_VERIFY_NONE, _verify_as_found)
    if (wanted.server_name != NULL and inet_pton(AF_INET, wanted.server_name, address) != 1
            and inet_pton(AF_INET6, wanted.server_name, address) != 1):
        openssl.SSL_set_tlsext_host_name(self.ssl, wanted.server_name)
    if openssl.SSL_set_alpn_protos(self.ssl, <const uint8_t *>b"\x02h2", 3) != 0:
        tls_close(self)
        return False
    if earlier != NULL:
        _take_up(self, earlier, wanted.verify)
    return True


cdef void _take_up(TlsSession *self, SSL_SESSION *earlier, bint verify) noexcept nogil:
    """Offer an earlier session to the server. OpenSSL itself leaves out one that is too old or came to a bad end."""
    if openssl.SSL_set_session(self.ssl, earlier) != 1:
        openssl.ERR_clear_error()
    elif verify and openssl.SSL_get_verify_result(self.ssl) != _X509_V_OK:
        openssl.SSL_set_session(self.ssl, NULL)


cdef SSL_SESSION *tls_ticket(TlsSession *self) noexcept nogil:
    """What another connection to this server may take up, the caller's to free; NULL: there is nothing yet.

    For the connecting side of an open session. With TLS 1.3 it comes some time after the handshake
    (RFC 8446 section 4.6.1), and each one replaces the one before.
    """
    if self.ssl == NULL or self.begun == NULL:
        return NULL
    if openssl.SSL_version(self.ssl) >= TLS_1_3 and openssl.SSL_get_session(self.ssl) == self.begun:
        return NULL
    return openssl.SSL_get1_session(self.ssl)


cdef void tls_ticket_free(SSL_SESSION *ticket) noexcept nogil:
    """Let go of what tls_ticket returned; NULL may be."""
    openssl.SSL_SESSION_free(ticket)


cdef void tls_close(TlsSession *self) noexcept nogil:
    """Free the session, its BIOs too; nothing is sent. May be called again."""
    if self.begun != NULL:
        # A connection that was lost without close_notify may be resumed all the same (RFC 5246 section 7.2.1).
        openssl.SSL_set_shutdown(self.ssl, _SSL_SHUTDOWN_BOTH)
        openssl.SSL_SESSION_free(self.begun)
        self.begun = NULL
    _let_go(self)
    records_free(self.records)
    self.layer = TLS_NONE
    self.records = NULL


cdef void _let_go(TlsSession *self) noexcept nogil:
    """Free what OpenSSL has, its BIOs too."""
    if self.ssl != NULL:
        openssl.SSL_free(self.ssl)
        self.memory.beside -= _OPENSSL_COST
    self.ssl = NULL
    self.incoming = self.outgoing = NULL


cdef TlsResult _result_of(TlsSession *self, int returned) noexcept nogil:
    cdef int error = openssl.SSL_get_error(self.ssl, returned)
    if error == _SSL_ERROR_WANT_READ or error == _SSL_ERROR_WANT_WRITE:
        return TLS_WANTS
    if error == _SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED
    return TLS_FAILED


cdef TlsResult tls_handshake(TlsSession *self) noexcept nogil:
    """Take the handshake as far as the octets so far allow; what there is to send waits in tls_pull."""
    cdef int returned
    cdef TlsResult result
    openssl.ERR_clear_error()
    self.grown = True
    fastgw_flaw[0] = 0
    fastgw_talking_set(self)
    returned = openssl.SSL_do_handshake(self.ssl)
    fastgw_talking_set(NULL)
    self.staple = NULL      # the snapshot it is part of may go now
    if returned != 1:
        result = _result_of(self, returned)
        return TLS_FAILED if result == TLS_ENDED else result
    openssl.ERR_clear_error()
    _note_outcome(self)
    if self.connects:
        if self.wanted.verify and not self.name_checked and not self.resumed:
            return TLS_FAILED   # a check that was left out must not turn into no check at all
        self.begun = openssl.SSL_get1_session(self.ssl)
    elif self.demand != TLS_DEMANDS_NOTHING:
        _note_presented(self)
    _prove(self)
    return TLS_DONE


cdef void _note_outcome(TlsSession *self) noexcept nogil:
    """Write down what has been agreed on; it outlives the SSL object."""
    cdef const uint8_t *name = NULL
    cdef unsigned int length = 0
    self.version = <uint16_t>openssl.SSL_version(self.ssl)
    self.resumed = openssl.SSL_session_reused(self.ssl) == 1
    openssl.SSL_get0_alpn_selected(self.ssl, &name, &length)
    self.speaks_h2 = length == 2 and memcmp(name, b"h2", 2) == 0


cdef void _note_presented(TlsSession *self) noexcept nogil:
    cdef void *certificate = NULL
    if not self.resumed:
        certificate = openssl.SSL_get_peer_certificate(self.ssl)
    self.presented = certificate != NULL
    if certificate != NULL:
        openssl.X509_free(certificate)


cdef void _prove(TlsSession *self) noexcept nogil:
    """The handshake is over: could our own records go on where those of OpenSSL end? If not, it keeps them.

    All that waits to be sent then are session tickets, the first records under the keys of application data:
    the client answered everything before them.
    """
    cdef char *tickets = NULL
    cdef const char *suite = openssl.SSL_CIPHER_get_name(openssl.SSL_get_current_cipher(self.ssl))
    cdef long length = openssl.BIO_get_mem_data(self.outgoing, &tickets)
    # Who asks what a client's certificate says asks OpenSSL.
    if (self.records != NULL and self.version == TLS_1_3 and not self.presented and records_begin(self.records, suite)
            and records_prove(self.records, <const uint8_t *>tickets, <uint32_t>length)):
        return
    records_free(self.records)
    self.records = NULL


cdef void tls_settle(TlsSession *self, const uint8_t *sealed, uint32_t length) noexcept nogil:
    """The handshake is over and tls_pull has moved all it had to say: our own records take over, where they can.

    `sealed` is what was pushed last; what the handshake has left of it is lent to the records until tls_read
    returns TLS_WANTS.
    """
    cdef char *unused
    cdef long rest
    if self.records != NULL:
        rest = openssl.BIO_get_mem_data(self.incoming, &unused)
        if rest <= <long>length and tls_waiting(self) == 0:
            # OpenSSL reads no octet ahead of the record it takes in: the rest is the end of what was pushed.
            records_push(self.records, sealed + length - rest, <uint32_t>rest)
            # A session that has not said goodbye is looked for in the cache, under its lock; there is none in it.
            openssl.SSL_set_shutdown(self.ssl, _SSL_SHUTDOWN_BOTH)
            _let_go(self)
            self.borrowed = self.grown = False
            self.layer = TLS_OWN
            return
        records_free(self.records)
        self.records = NULL
    tls_trim(self)


# Octets in and out: each function asks first whose the records are.


cdef TlsResult tls_read(TlsSession *self, uint8_t *into, uint32_t room, uint32_t *got) noexcept nogil:
    """Open all records that are there and write their octets to `into`; `got` counts them in any case.

    TLS_DONE: `room` is full, or has too little left for a record. TLS_WANTS: everything pushed has been taken in.
    """
    cdef int returned
    if self.layer == TLS_OWN:
        return records_read(self.records, into, room, got)
    got[0] = 0
    while got[0] < room:
        returned = openssl.SSL_read(self.ssl, into + got[0], <int>(room - got[0]))
        if returned <= 0:
            return _result_of(self, returned)
        got[0] += <uint32_t>returned
    return TLS_DONE


cdef TlsResult tls_seal(TlsSession *self, const uint8_t *data, uint32_t length, uint8_t *into, uint32_t room,
                        uint32_t *taken, uint32_t *sealed) noexcept nogil:
    """Seal the first octets of `data` in one record; `taken` counts them: all, or TLS_RECORD_MAX.

    `sealed` counts what was written to `into`, where `room` is at least TLS_SEALED_MAX.
    """
    cdef int returned
    if self.layer == TLS_OWN:
        sealed[0] = records_seal(self.records, data, length, into, taken)
        return TLS_DONE
    taken[0] = sealed[0] = 0
    if self.outgoing == NULL and not _wake(self):
        return TLS_FAILED
    if length > TLS_RECORD_MAX:
        length = TLS_RECORD_MAX
    if length > _COPY_MAX:
        self.grown = True
    returned = openssl.SSL_write(self.ssl, data, <int>length)
    if returned <= 0:
        return _result_of(self, returned)
    taken[0] = <uint32_t>returned
    sealed[0] = tls_pull(self, into, room)
    return TLS_DONE


cdef TlsResult tls_shutdown(TlsSession *self) noexcept nogil:
    """Write close_notify (RFC 8446 section 6.1) behind what was written; it waits in tls_pull."""
    if self.layer == TLS_OWN:
        records_shutdown(self.records)
        return TLS_DONE
    if self.outgoing == NULL and not _wake(self):
        return TLS_FAILED
    if openssl.SSL_shutdown(self.ssl) < 0:
        openssl.ERR_clear_error()
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
    if self.layer == TLS_OWN:
        records_push(self.records, sealed, length)
        return True
    if self.outgoing == NULL and not _wake(self):
        return False
    if lend or self.borrowed:
        fresh = openssl.BIO_new_mem_buf(sealed, <int>length) if lend else openssl.BIO_new(openssl.BIO_s_mem())
        if fresh == NULL:
            openssl.ERR_clear_error()
            return False
        if lend:
            openssl.BIO_set_mem_eof_return(fresh, -1)
        openssl.SSL_set_bio(self.ssl, fresh, self.outgoing)
        self.incoming = fresh
        self.borrowed = lend
    return lend or openssl.BIO_write(self.incoming, sealed, <int>length) == <int>length


cdef uint32_t tls_pull(TlsSession *self, uint8_t *into, uint32_t room) noexcept nogil:
    """Move up to `room` octets that are to be sent; returns how many, 0 if there is nothing."""
    cdef int moved
    if self.layer == TLS_OWN:
        return records_pull(self.records, into, room)
    if self.outgoing == NULL:
        return 0
    moved = openssl.BIO_read(self.outgoing, into, <int>room)
    return <uint32_t>moved if moved > 0 else 0


cdef uint32_t tls_waiting(TlsSession *self) noexcept nogil:
    """How many octets wait in tls_pull."""
    cdef char *unused
    if self.layer == TLS_OWN:
        return self.records.said_length
    if self.outgoing == NULL:
        return 0
    return <uint32_t>openssl.BIO_get_mem_data(self.outgoing, &unused)


cdef void tls_trim(TlsSession *self) noexcept nogil:
    """Give back what BIOs without octets hold on to since the handshake or a long write."""
    cdef char *unused
    cdef BIO *incoming
    cdef BIO *outgoing
    if not self.grown or tls_waiting(self) > 0:
        return
    incoming = self.incoming
    outgoing = openssl.BIO_new(openssl.BIO_s_mem())
    if outgoing == NULL:
        return
    openssl.SSL_set_bio(self.ssl, incoming, outgoing)
    self.outgoing = outgoing
    self.grown = False
    if not self.borrowed and openssl.BIO_get_mem_data(incoming, &unused) == 0:
        incoming = openssl.BIO_new(openssl.BIO_s_mem())
        if incoming != NULL:
            openssl.SSL_set_bio(self.ssl, incoming, outgoing)
            self.incoming = incoming


cdef void tls_rest(TlsSession *self) noexcept nogil:
    """Give both BIOs back, unless octets wait in one: for a session that has had nothing to do for a while."""
    cdef char *unused
    if self.outgoing == NULL or tls_waiting(self) > 0 or openssl.BIO_get_mem_data(self.incoming, &unused) > 0:
        return
    openssl.SSL_set_bio(self.ssl, NULL, NULL)
    self.incoming = self.outgoing = NULL
    self.borrowed = self.grown = False


cdef bint _wake(TlsSession *self) noexcept nogil:
    """The session has something to do again; False if memory is out."""
    cdef BIO *incoming = openssl.BIO_new(openssl.BIO_s_mem())
    cdef BIO *outgoing = openssl.BIO_new(openssl.BIO_s_mem())
    if incoming == NULL or outgoing == NULL:
        if incoming != NULL:
            openssl.BIO_free(incoming)
        if outgoing != NULL:
            openssl.BIO_free(outgoing)
        openssl.ERR_clear_error()
        return False
    openssl.SSL_set_bio(self.ssl, incoming, outgoing)
    self.incoming = incoming
    self.outgoing = outgoing
    return True


cdef bint tls_alpn_is_h2(const TlsSession *self) noexcept nogil:
    """Both sides agreed on h2 (RFC 9113 section 3.2)."""
    return self.speaks_h2


cdef bint tls_client_is_verified(const TlsSession *self) noexcept nogil:
    """The client has shown a certificate that leads to the authority its name demands; `revoked` is another matter."""
    return self.presented and self.flaw == 0


cdef bint tls_is_resumed(const TlsSession *self) noexcept nogil:
    """The handshake took up an earlier session."""
    return self.resumed


cdef bint tls_may_update_keys(const TlsSession *self) noexcept nogil:
    """TLS 1.3: reading may have something to send (RFC 8446 section 4.6.3). Before: renegotiation."""
    return self.version >= TLS_1_3


cdef const char *tls_flaw() noexcept nogil:
    """What was wrong with a certificate in the step of a handshake that this thread took last; empty: nothing."""
    return fastgw_flaw
