"""Open connections per origin endpoint, and leases of stream slots on them."""
from libc.stdint cimport uint64_t

from fastgw._core.h2.conn cimport Conn
from fastgw._core.io.openssl cimport SSL_CTX, SSL_SESSION
from fastgw._core.proxy.desk cimport Desk, Exchange, Link, Pool
from fastgw._core.proxy.route cimport EndpointRow, OriginRow, SnapshotData

cdef enum:
    STREAMS_PER_LINK = 10000        # streams on one origin connection, whatever the origin would allow
    SESSION_MS = 3600000            # after its certificate was shown an endpoint has to show it again
    AGAIN_MS = 1000                 # after a connection that served nobody, until the next for those that wait
    RETRY_TOKENS_FIRST = 100        # tenths of a retry by policy a pool may cause at first,
    RETRY_TOKENS_MOST = 1000        # at most,
    RETRY_TOKENS_PER_CALL = 2       # and gains with each call: a fifth of the calls may be tried again
    KEEPALIVE_ANSWER_MS = 20000     # for any octets after a keepalive PING
    FAILURE_SETTINGS_TIMEOUT = 100  # beyond TransportFailure: the origin never sent SETTINGS
    FAILURE_NO_ADDRESS = 101        # its name did not resolve
    FAILURE_NO_MEMORY = 102
    FAILURE_BAD_SETTINGS = 103      # what it sent first was not HTTP/2
    FAILURE_QUEUE_FULL = 104        # too many calls wait for it

cdef Pool *pool_of(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                   const EndpointRow *endpoint) noexcept nogil
cdef Link *pool_free_link(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                          const EndpointRow *endpoint) noexcept nogil
cdef Link *pool_lease(Desk *desk, Exchange *exchange) noexcept nogil
cdef void pool_leave(Exchange *exchange) noexcept nogil
cdef void pool_settled(Conn *conn) noexcept nogil
cdef void pool_link_shut(Link *link) noexcept nogil
cdef void pool_link_lost(Link *link) noexcept nogil
cdef SSL_SESSION **pool_earlier(Pool *self, const SSL_CTX *context) noexcept nogil
cdef bint pool_keeps_idle(const Pool *self) noexcept nogil
cdef bint pool_tend(Link *link, uint64_t *wait_ms) noexcept nogil
cdef void pool_warm(Desk *desk) noexcept nogil
cdef void pool_sweep(Desk *desk) noexcept nogil
cdef void pool_close(Desk *desk) noexcept nogil
