"""One TLS session without a socket, for tests and tools."""
from libc.stdint cimport uint32_t, uintptr_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memset, strlen

from fastgw._core.io.openssl cimport SSL_CTX, SSL_SESSION
from fastgw._core.buf cimport Memory, memory_close, memory_open
from fastgw._core.io.records cimport TLS_SEALED_MAX
from fastgw._core.io.tls cimport (
    TLS_OWN,
    TlsSession,
    TlsTerms,
    TlsWanted,
    tls_accept,
    tls_alpn_is_h2,
    tls_client_is_verified,
    tls_close,
    tls_connect,
    tls_handshake,
    tls_is_resumed,
    tls_may_update_keys,
    tls_pull,
    tls_push,
    tls_read,
    tls_rest,
    tls_seal,
    tls_settle,
    tls_shutdown,
    tls_ticket,
    tls_ticket_free,
    tls_trim,
    tls_waiting,
)
from fastgw._core.io.tls_text cimport tls_error_text

cdef enum:
    _DOOR_NAMES = 8

cdef struct _DoorNames:
    uint32_t count
    uint32_t asked
    bint own
    TlsTerms terms[_DOOR_NAMES]
    char names[_DOOR_NAMES][64]


cdef void _door_select(void *arg, const unsigned char *name, uint32_t length, TlsTerms *into) noexcept nogil:
    cdef _DoorNames *self = <_DoorNames *>arg
    cdef uint32_t number
    self.asked += 1
    into.own_records = self.own
    for number in range(self.count):
        if strlen(self.names[number]) == length and memcmp(self.names[number], name, length) == 0:
            into[0] = self.terms[number]


cdef class TlsDoor:
    """One session, as a client or as the server of some names.

    `names` maps names to the address of a context, or to it and what else TlsTerms has, by name. `own`: of other
    names the terms are that OpenSSL may be let go by `settle`, once the handshake is over and pulled.
    """
    cdef TlsSession session
    cdef _DoorNames names
    cdef Memory memory
    cdef bytearray sealed
    cdef bytes server_name
    cdef bytes wanted_names
    cdef bytes lent
    cdef list staples
    cdef SSL_SESSION *kept

    def __cinit__(self, uintptr_t context, *, names=None, server_name=None, bint verify=False,
                  TlsDoor earlier=None, wanted=None, bint common_name=False, bint own=False):
        cdef bint opened
        cdef TlsWanted wishes
        memset(&self.names, 0, sizeof(_DoorNames))
        memset(&wishes, 0, sizeof(TlsWanted))
        memory_open(&self.memory)
        self.names.own = own
        self.sealed = bytearray()
        self.server_name = server_name
        if names is None:
            wishes.server_name = <const char *>self.server_name if self.server_name is not None else NULL
            wishes.verify = verify
            wishes.common_name = common_name
            if wanted is not None:
                self.wanted_names = b"".join([name + b"\0" for name in wanted])
                wishes.names = <const char *>self.wanted_names
            opened = tls_connect(&self.session, &self.memory, <SSL_CTX *>context, &wishes,
                                 earlier.kept if earlier is not None else NULL)
        else:
            self.staples = []
            for name, terms in names.items():
                self._add(name, terms)
            opened = tls_accept(&self.session, &self.memory, <SSL_CTX *>context, _door_select, &self.names)
        if not opened:
            raise MemoryError

    cdef int _add(self, bytes name, terms) except -1:
        cdef TlsTerms *into = &self.names.terms[self.names.count]
        cdef bytes staple
        snprintf(self.names.names[self.names.count], 64, "%s", <const char *>name)
        if not isinstance(terms, dict):
            terms = {"context": terms}
        into.context = <SSL_CTX *><uintptr_t>terms.get("context", 0)
        into.version_least = terms.get("version_least", 0)
        into.version_most = terms.get("version_most", 0)
        into.demand = terms.get("demand", 0)
        into.no_h2 = terms.get("no_h2", False)
        into.own_records = terms.get("own_records", self.names.own)
        if "staple" in terms:
            staple = terms["staple"]
            self.staples.append(staple)
            into.staple = staple
            into.staple_length = <uint32_t>len(staple)
        self.names.count += 1
        return 0

    def __dealloc__(self):
        tls_close(&self.session)
        tls_ticket_free(self.kept)
        memory_close(&self.memory)

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

    def settle(self):
        """Returns whether the records are our own now."""
        tls_settle(&self.session, self.lent, len(self.lent))
        return self.session.layer == TLS_OWN

    def pull(self, uint32_t room=65536):
        """What `write` has sealed, then what waits to be sent unasked."""
        cdef bytearray into = self.sealed[:room]
        rest = bytearray(room - len(into))
        del self.sealed[:room]
        return bytes(into + rest[:tls_pull(&self.session, rest, len(rest))])

    def read(self, uint32_t room=262144):
        cdef uint32_t got
        into = bytearray(room)
        result = tls_read(&self.session, into, room, &got)
        return result, bytes(into[:got])

    def write(self, bytes data):
        cdef uint32_t taken, sealed
        into = bytearray(TLS_SEALED_MAX)
        result = tls_seal(&self.session, data, len(data), into, TLS_SEALED_MAX, &taken, &sealed)
        self.sealed += into[:sealed]
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
        return len(self.sealed) + tls_waiting(&self.session)

    @property
    def named(self):
        return bool(self.session.named)

    @property
    def client(self):
        """Of the client's certificate: what was demanded, presented, verified, revoked, and the first flaw."""
        cdef TlsSession *session = &self.session
        return (session.demand, bool(session.presented), bool(tls_client_is_verified(session)),
                bool(session.revoked), session.flaw)

    @property
    def version(self):
        return self.session.version

    @property
    def asked(self):
        """How often `select` was called."""
        return self.names.asked
