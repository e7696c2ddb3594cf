"""One socket, with or without TLS: fill (octets in), flush (octets out), close. No protocol above TLS."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.buf cimport Memory, Octets
from fastgw._core.io.fingerprint cimport Fingerprint
from fastgw._core.io.loop cimport Loop, Source, Timer
from fastgw._core.io.openssl cimport SSL_CTX, SSL_SESSION
from fastgw._core.io.tls cimport SelectTerms, TlsSession, TlsWanted

cdef enum:
    NET_SIZE = 131072           # octets asked of the kernel at once
    FILL_SIZE = 163840          # room transport_fill wants: one NET_SIZE and one TLS record incomplete before
    FLUSH_SIZE = 262144         # octets one transport_flush moves at most

cdef enum TransportPhase:
    TRANSPORT_CLOSED = 0
    TRANSPORT_CONNECTING = 1    # TCP
    TRANSPORT_HANDSHAKE = 2     # TLS
    TRANSPORT_OPEN = 3
    TRANSPORT_TOLD = 4          # before TLS: a header of the PROXY protocol is to come

cdef enum TransportFailure:
    TRANSPORT_FINE = 0
    PEER_ENDED                  # orderly end of stream
    PEER_RESET                  # ECONNRESET, EPIPE and the like after the connection was open
    CONNECT_REFUSED
    CONNECT_TIMED_OUT
    CONNECT_UNREACHABLE
    HANDSHAKE_FAILED
    HANDSHAKE_TIMED_OUT
    CERTIFICATE_INVALID
    ALPN_NOT_H2
    PROXY_HEADER_WRONG          # malformed, or missing

ctypedef struct Endpoint:
    # Where to connect and how; owned by whoever connects, must outlive the transport.
    uint8_t address[128]        # struct sockaddr
    uint32_t address_length
    SSL_CTX *context            # NULL: cleartext
    TlsWanted wanted
    SSL_SESSION **earlier       # where the session to take up is found once TLS begins; NULL: nowhere
    uint32_t connect_timeout_ms
    uint32_t handshake_timeout_ms

ctypedef struct Transport:
    Source source               # first: the loop hands us back by this address
    Loop *loop
    Memory *memory
    uint8_t *net                # scratch of NET_SIZE octets, shared by all transports of a worker
    TlsSession tls              # its layer is TLS_NONE: cleartext
    Octets sealed               # sealed octets the socket has not taken yet
    Octets early                # the beginning of a PROXY header
    uint8_t *told               # where the client's address goes when that has come, PROXY_PEER_SIZE octets
    Timer timer                 # connect, then handshake
    uint8_t phase               # TransportPhase
    uint8_t failure             # TransportFailure; nothing leaves a failure
    bint blocked                # the socket takes no more, or FLUSH_SIZE was too little: EPOLLOUT is watched
    Fingerprint *print_         # looks at the ClientHello while it comes; NULL: nobody wants to know
    bint sni_seen               # the ClientHello carried a name (accepting side)
    bint ending                 # transport_end was called; close_notify goes out behind what is queued
    bint shut                   # our direction is shut down
    int lost                    # errno of a send that failed; fill still hands out what came in before it
    char detail[192]            # the failure in words, zero-terminated
    uint64_t octets_in          # plaintext
    uint64_t octets_out
    void (*changed)(Transport *self) noexcept nogil  # phase or failure changed outside fill and flush
    const Endpoint *endpoint    # NULL on the accepting side

# On any readiness the owner calls transport_fill, and while `blocked` transport_flush as well.
cdef bint transport_accept(Transport *self, Loop *loop, Memory *memory, uint8_t *net, int fd,
                           SSL_CTX *context,
                           SelectTerms select, void *arg, uint8_t *told,
                           uint32_t handshake_timeout_ms) noexcept nogil
cdef bint transport_connect(Transport *self, Loop *loop, Memory *memory, uint8_t *net,
                            const Endpoint *endpoint) noexcept nogil
cdef uint32_t transport_fill(Transport *self, uint8_t *into, uint32_t room, bint *more) noexcept nogil
cdef void transport_flush(Transport *self, Octets *plain) noexcept nogil
cdef void transport_rest(Transport *self) noexcept nogil
cdef uint64_t transport_delivered(const Transport *self) noexcept nogil
cdef void transport_end(Transport *self) noexcept nogil
cdef void transport_close(Transport *self) noexcept nogil
